"""What a judge promises, with the interval it is meant to be held to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """A share in [0, 1] with its 95% interval: what a judge promises. ``share in rate`` asks whether it was kept.

    Parameters
    ----------
    value, low, high : the estimate and the ends of its interval.

    Examples
    --------
    >>> print(Rate(0.05, 0.042, 0.061))
    5.0% (4.2% to 6.1%)
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.1%} ({self.low:.1%} to {self.high:.1%})"

    def __contains__(self, share: float) -> bool:
        return self.low <= share <= self.high


def refuse_mapped(max_false: float = 0.5) -> None:
    """ValueError for a rate that queries mapped from another model's space would have to promise; 0 and 1 need none."""
    if 0 < max_false < 1:
        raise ValueError(
            "max_false: expected None, 0 or 1, as the labelled queries were mapped from another model's space, and "
            "rates of such queries are not those of true ones; fit again with queries that this model encoded"
        )
