"""Extreme-value tails: what a sample says about events rarer than it can show.

Beyond a high threshold ``u`` the excess ``y = x - u`` of almost any distribution follows a generalised Pareto law,
``P(excess > y) = (1 + shape * y / scale) ** (-1 / shape)`` (Balkema and de Haan 1974, Pickands 1975). The fit is by
probability-weighted moments (Hosking and Wallis 1987), which needs no iteration and does not fail on small samples.

Departure from the source: the shape is kept in [0, 0.5]. A negative shape would end the tail at a finite point, and
beyond that point a rate could no longer be turned into a threshold and back; zero (an exponential tail) errs on the
careful side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_LEVELS = 257
_RESAMPLED = 4096


def fit_excess(excess: np.ndarray) -> tuple[float, float]:
    """Shape and scale of the generalised Pareto law of positive ``excess`` values (at least one)."""
    y = np.sort(np.asarray(excess, np.float64))
    mean = float(y.mean())
    if mean <= 0:
        return 0.0, 1e-9
    weights = 1.0 - (np.arange(1, y.size + 1) - 0.35) / y.size
    moment = float((weights * y).mean())
    if mean - 2 * moment <= 0:
        return 0.0, mean
    shape = 2.0 - mean / (mean - 2 * moment)
    if shape <= 0:
        return 0.0, mean
    return min(shape, 0.5), mean * (1.0 - min(shape, 0.5))


class ScoreDistribution:
    """Distribution of scores: the sample itself in the middle, an extreme-value law beyond either end.

    Both directions, score to share and share to score, are strictly monotone, so that a rate becomes a threshold and
    the threshold the same rate again, also where the sample holds nothing. Choose a plain quantile instead when only
    the middle of the distribution matters.

    Parameters
    ----------
    levels, values : ascending shares in (0, 1) and the scores at them.
    lower, upper : (shape, scale) of the tail below the first and above the last level.

    Examples
    --------
    >>> import numpy as np
    >>> d = ScoreDistribution.fit(np.random.default_rng(0).normal(size=5000))
    >>> bool(abs(d.below(0.0) - 0.5) < 0.02), bool(0 < d.below(-6.0) < 1e-4)
    (True, True)
    >>> round(float(d.below(d.at(0.0001))), 7)
    0.0001
    """

    def __init__(self, levels: np.ndarray, values: np.ndarray, lower: tuple[float, float], upper: tuple[float, float]):
        self.levels = np.asarray(levels, np.float64)
        self.values = np.asarray(values, np.float64)
        self.lower = (float(lower[0]), float(lower[1]))
        self.upper = (float(upper[0]), float(upper[1]))

    @classmethod
    def fit(cls, sample: np.ndarray, weights: np.ndarray | None = None) -> ScoreDistribution:
        """From finite scores, optionally with positive weights."""
        values = np.asarray(sample, np.float64)
        order = np.argsort(values, kind="stable")
        values = values[order]
        mass = np.ones_like(values) if weights is None else np.asarray(weights, np.float64)[order]
        middle = (np.cumsum(mass) - mass / 2) / mass.sum()
        # The tail laws take plain samples: replace a weighted one by its own quantiles.
        plain = np.interp((np.arange(_RESAMPLED) + 0.5) / _RESAMPLED, middle, values)
        edge = min(0.25, max(0.02, 20.0 / values.size))
        levels = np.linspace(edge, 1.0 - edge, _LEVELS)
        knots = np.interp(levels, middle, values)
        # Ties would make score -> share jump: part them by less than any score difference that matters.
        knots = np.maximum.accumulate(knots) + np.arange(_LEVELS) * 1e-9
        count = max(1, int(edge * _RESAMPLED))
        lower = fit_excess(np.maximum(knots[0] - plain[:count], 0.0))
        upper = fit_excess(np.maximum(plain[-count:] - knots[-1], 0.0))
        return cls(levels, knots, lower, upper)

    def below(self, score: Any) -> Any:
        """Share of scores at or below ``score``."""
        x = np.asarray(score, np.float64)
        share = np.interp(x, self.values, self.levels)
        share = np.where(x < self.values[0], self.levels[0] * _survival(self.values[0] - x, *self.lower), share)
        far = 1.0 - (1.0 - self.levels[-1]) * _survival(x - self.values[-1], *self.upper)
        share = np.where(x > self.values[-1], far, share)
        return share if share.ndim else float(share)

    def above(self, score: Any) -> Any:
        """Share of scores above ``score``."""
        return 1.0 - self.below(score)

    def at(self, share: float) -> float:
        """The score with ``share`` of all scores at or below it; minus and plus infinity at shares 0 and 1."""
        if share <= 0.0 or share >= 1.0:
            return -np.inf if share <= 0.0 else np.inf
        if share < self.levels[0]:
            return float(self.values[0]) - _excess(share / self.levels[0], *self.lower)
        if share > self.levels[-1]:
            return float(self.values[-1]) + _excess((1.0 - share) / (1.0 - self.levels[-1]), *self.upper)
        return float(np.interp(share, self.levels, self.values))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able state; :meth:`from_dict` restores it exactly."""
        return {
            "levels": self.levels.tolist(),
            "values": self.values.tolist(),
            "lower": list(self.lower),
            "upper": list(self.upper),
        }

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> ScoreDistribution:
        """Inverse of :meth:`to_dict`."""
        low, high = state["lower"], state["upper"]
        return cls(np.array(state["levels"]), np.array(state["values"]), (low[0], low[1]), (high[0], high[1]))


def _survival(excess: np.ndarray, shape: float, scale: float) -> np.ndarray:
    y = np.maximum(excess, 0.0) / scale
    if shape < 1e-6:
        return np.exp(-y)
    return (1.0 + shape * y) ** (-1.0 / shape)


def _excess(survival: float, shape: float, scale: float) -> float:
    if shape < 1e-6:
        return float(-scale * np.log(survival))
    return float(scale * (survival**-shape - 1.0) / shape)
