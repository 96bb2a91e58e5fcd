"""Cuts with a guarantee: a threshold on any relevance from labelled queries, with a rate that holds for the next one.

Source: *Conformal Risk Control* (Angelopoulos, Bates, Fisch, Lei and Schuster, ICLR 2024). With ``n`` labelled queries
exchangeable with the next one, and a loss in [0, 1] that never grows as the cut gets stricter (or looser), the least
strict threshold of mean loss at most ``max - (1 - max) / n`` has an expected loss of at most ``max`` on the next query,
whatever the distribution and however bad the relevance. A bad relevance costs answers, never the guarantee.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from ..common.checks import check_real

RATES = ("false", "lost")


@dataclass(frozen=True)
class ConformalCut:
    """A threshold and what it guarantees; made by :func:`conformal_cut`.

    Attributes
    ----------
    rate : "false": a query without an answer gets any; "lost": share of a query's relevant hits that is cut off.
    level : the rate that is guaranteed.
    confidence : None: the rate holds on average over draws of the labelled queries; else it holds with this
        probability over them.
    threshold : hits of at least this relevance are kept; +inf keeps nothing, -inf everything.
    seen : the rate on the labelled queries themselves.
    n : how many there were.

    Examples
    --------
    >>> print(ConformalCut("false", 0.05, None, 0.4, 0.04, 200))
    A query without an answer gets one with probability at most 5% (4.0% on the 200 labelled queries); this holds for \
any query drawn like those, on average over such sets of labels.
    """

    rate: str
    level: float
    confidence: float | None
    threshold: float
    seen: float
    n: int

    def keep(self, relevance: Any) -> np.ndarray:
        """Which hits to return: bool, same shape."""
        return np.asarray(np.asarray(relevance, np.float64) >= self.threshold)

    def __str__(self) -> str:
        level = f"{100 * self.level:g}%"
        if self.rate == "false":
            what = f"A query without an answer gets one with probability at most {level}"
        else:
            what = f"Of a query's relevant hits at most {level} are cut off in the mean"
        sure = "on average over such sets of labels"
        if self.confidence is not None:
            sure = f"for {100 * self.confidence:g}% of such sets of labels"
        return (
            f"{what} ({self.seen:.1%} on the {self.n} labelled queries); this holds for any query drawn like "
            f"those, {sure}."
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able state; :meth:`from_dict` restores it exactly."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(**saved)


def conformal_cut(
    relevance: Any,
    relevant: Any = None,
    *,
    max_false: float | None = None,
    max_lost: float | None = None,
    confidence: float | None = None,
) -> ConformalCut:
    """The threshold on a relevance whose rate of false answers, or of lost hits, is guaranteed for the next query.

    Choose it over the thresholds of :class:`~nearfield.decide.Judge` and :class:`~nearfield.decide.QueryCalibrator`
    when a rate must hold and labelled queries can be set aside: those thresholds are estimates that rest on a model.
    The labelled queries must not have been used to fit the relevance.

    Parameters
    ----------
    relevance : (q, j) or (q,) relevance of the labelled queries' hits (or of their best hit), larger is better; from
        any source.
    relevant : for ``max_lost``: (q, j) bool, which hits are relevant; queries without any tell nothing and are left
        out. For ``max_false``: None, all queries are such as have no answer.
    max_false : largest probability that a query without an answer gets any.
    max_lost : largest expected share of a query's relevant hits (among the ``j``) that is cut off.
    confidence : None: the rate holds on average over draws of the labelled queries. A number in (0, 1), with
        ``max_false``: it holds with this probability over them, which costs a stricter threshold.

    Returns
    -------
    ConformalCut : with too few labelled queries for the level (``max_false`` needs ``1 / max_false - 1``, 19 for 5%) it
        keeps nothing, or for ``max_lost`` everything: all that can be guaranteed.

    Raises
    ------
    ValueError : neither or both of the rates, wrong shapes, NaN, no query left.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cut = conformal_cut(rng.beta(1, 4, 300), max_false=0.1)
    >>> bool((rng.beta(1, 4, 100_000) >= cut.threshold).mean() < 0.12), round(cut.seen, 3)
    (True, 0.097)
    """
    if (max_false is None) == (max_lost is None):
        raise ValueError("max_false, max_lost: expected one of them, got both or neither")
    found = np.asarray(relevance)
    if found.dtype.kind not in "fiu" or found.ndim not in (1, 2) or found.size == 0:
        raise ValueError(f"relevance: expected numbers of shape (q,) or (q, j), got {found.dtype} {found.shape}")
    found = found.astype(np.float64).reshape(len(found), -1)
    if np.isnan(found).any():
        raise ValueError("relevance: expected numbers, got NaN")
    if confidence is not None:
        check_real(confidence, "confidence", 0.0, 1.0, open_low=True, open_high=True)
    if max_false is not None:
        if relevant is not None:
            raise ValueError("relevant: expected None with max_false: its queries have no relevant hits")
        level = check_real(max_false, "max_false", 0.0, 1.0)
        return _false_cut(found.max(axis=1), level, confidence)
    if confidence is not None:
        raise ValueError("confidence: expected None with max_lost")
    labels = np.asarray(relevant)
    if labels.dtype != np.bool_ or labels.reshape(len(labels), -1).shape != found.shape:
        raise ValueError(f"relevant: expected bools of shape {found.shape}, got {labels.dtype} {labels.shape}")
    assert max_lost is not None
    return _lost_cut(found, labels.reshape(found.shape), check_real(max_lost, "max_lost", 0.0, 1.0))


def _false_cut(best: np.ndarray, level: float, confidence: float | None) -> ConformalCut:
    """At most ``allowed`` of the labelled queries may be answered: their best hits, descending, say where that is."""
    from scipy.stats import binom

    n = len(best)
    allowed = int(np.floor(level * (n + 1) + 1e-9)) - 1
    if confidence is not None:
        # The most answered queries that a rate above the level would show with less than 1 - confidence.
        allowed = int(binom.ppf(1 - confidence, n, level))
        while allowed >= 0 and binom.cdf(allowed, n, level) > 1 - confidence:
            allowed -= 1
    if allowed < 0:
        threshold = np.inf
    elif allowed >= n:
        threshold = -np.inf
    else:
        # Just above the first that must not be answered; ties with it stay out as well.
        threshold = float(np.nextafter(np.sort(best)[::-1][allowed], np.inf))
    return ConformalCut("false", level, confidence, threshold, float((best >= threshold).mean()), n)


def _lost_cut(found: np.ndarray, relevant: np.ndarray, level: float) -> ConformalCut:
    some = relevant.any(axis=1)
    if not some.any():
        raise ValueError("relevant: expected queries with relevant hits, got none")
    found, relevant = found[some], relevant[some]
    n = len(found)
    share = 1.0 / relevant.sum(axis=1, keepdims=True) / n
    values, weights = found[relevant], np.broadcast_to(share, found.shape)[relevant]
    order = np.argsort(values, kind="stable")
    values = values[order]
    # Loss at threshold t: the weight of relevant hits below t. It grows with t; the largest t within the room left.
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    room = level - (1.0 - level) / n
    if room < 0:
        return ConformalCut("lost", level, None, -np.inf, 0.0, n)
    starts = np.searchsorted(values, values, side="left")
    fits = below[starts] <= room + 1e-12
    threshold = float(values[fits].max()) if below[-1] > room else np.inf
    return ConformalCut("lost", level, None, threshold, float(below[np.searchsorted(values, threshold)]), n)
