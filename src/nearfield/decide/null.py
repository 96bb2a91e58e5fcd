"""The null model, drawn from the store alone: how near things are by chance, and what an unanswerable query looks like.

Two parts, and neither sees a label:

:class:`ChanceScale` turns a distance into *how often two things of this store are as near by chance*: the log-odds of
the pooled distribution of distances between stored items. It is the same number for every metric that orders pairs
alike (cosine and l2 on unit vectors, or any monotone transform), which is why one rate means the same everywhere.

:func:`hidden_topic` makes unanswerable queries: a stored item asks, and the part of the store nearest to it (its topic)
is hidden. What remains nearest is the extreme of the non-neighbours, estimated from the item's distances to random
items by an extreme-value fit, because a random sample of a few hundred does not reach that far by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_KNOTS = 192


class ChanceScale:
    """Distance to log-odds of chance: the lower, the more remarkable the nearness.

    ``log(F / (1 - F))`` with ``F(d)`` the share of pairs of stored items at a distance of at most ``d``. Its lower tail
    is ``log F``; the upper keeps far apart what a plain ``log F`` would press together. Choose it over the raw distance
    whenever a number must be comparable between metrics or stores.

    Parameters
    ----------
    distances, log_odds : ascending knots; linear between them and beyond the ends.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> background = rng.uniform(0, 1, (200, 100)).astype(np.float32)
    >>> scale = ChanceScale.fit(np.sort(background[:, :5] / 50), background, n_items=5000)
    >>> bool(abs(scale(np.array([0.5]))[0]) < 0.1)
    True
    """

    def __init__(self, distances: np.ndarray, log_odds: np.ndarray):
        self.distances = np.asarray(distances, np.float64)
        self.log_odds = np.asarray(log_odds, np.float64)

    @classmethod
    def fit(cls, neighbors: np.ndarray, background: np.ndarray, n_items: int) -> ChanceScale:
        """Pool ``neighbors`` (m, K), which say exactly how the nearest pairs lie, with ``background`` (m, B).

        Each row is one item's distribution over the store: its K neighbours hold ``1 / (n - 1)`` each, the random items
        beyond the K-th share the rest. Rows count alike.
        """
        n_rows, n_near = neighbors.shape
        beyond = np.where(background > neighbors[:, -1:], background, np.nan)
        known = np.isfinite(beyond).sum(axis=1, keepdims=True)
        each = np.where(known > 0, (1.0 - n_near / max(n_items - 1, n_near + 1)) / np.maximum(known, 1), 0.0)
        value = np.concatenate([neighbors.ravel(), beyond.ravel()]).astype(np.float64)
        weight = np.concatenate(
            [np.full(n_rows * n_near, 1.0 / max(n_items - 1, n_near + 1)), np.broadcast_to(each, beyond.shape).ravel()]
        )
        finite = np.isfinite(value)
        order = np.argsort(value[finite], kind="stable")
        value, weight = value[finite][order], weight[finite][order]
        share = np.cumsum(weight)
        share = (share - weight / 2) / share[-1]
        low = share[min(9, value.size - 1)]
        half = np.geomspace(low, 0.5, _KNOTS // 2)
        levels = np.concatenate([half, 1.0 - np.geomspace(0.5, max(low, 1e-3), _KNOTS // 2)[1:]])
        x = np.interp(levels, share, value)
        y = np.log(levels) - np.log1p(-levels)
        # Ties (duplicates, integer distances): the last share at a distance is the share at or below it.
        last = np.append(x[1:] > x[:-1], True)
        x, y = x[last], y[last]
        if x.size < 3:
            raise ValueError(
                "background: expected distances that differ, got (almost) all equal to "
                f"{float(np.median(value)):g}; there is nothing to judge nearness by"
            )
        return cls(x, y)

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        """Log-odds of chance, same shape; +inf stays +inf."""
        d = np.asarray(distance, np.float64)
        x, y = self.distances, self.log_odds
        out = np.interp(d, x, y)
        # Below the nearest knot (near-duplicates) and above the farthest, go on with the slope of the last stretch.
        step = max(1, x.size // 32)
        down = (y[step] - y[0]) / (x[step] - x[0])
        up = (y[-1] - y[-1 - step]) / (x[-1] - x[-1 - step])
        out = np.where(d < x[0], np.maximum(y[0] - down * (x[0] - d), y[0] - 10.0), out)
        return np.where(d > x[-1], y[-1] + up * (d - x[-1]), out)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able state; :meth:`from_dict` restores it exactly."""
        return {"distances": self.distances.tolist(), "log_odds": self.log_odds.tolist()}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> ChanceScale:
        """Inverse of :meth:`to_dict`."""
        return cls(np.array(state["distances"]), np.array(state["log_odds"]))


def hidden_topic(
    background: np.ndarray, scales: np.ndarray | None, n_items: int, hidden: float, ranks: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """What each item would see if the part of the store nearest to it were hidden.

    Parameters
    ----------
    background : (m, B) log-odds of chance from m stored items to random others; NaN where missing.
    scales : (m, B) log-odds of those others' local scales, or None.
    n_items : how many items the store holds.
    hidden : share of the store that is hidden around each item, in (0, 0.5).
    ranks : how many of the remaining nearest to give.

    Returns
    -------
    neighbors : (m, ranks) ascending log-odds of the nearest that remain.
    scale : (m,) their mean local scale, or None.

    Notes
    -----
    With ``y`` the negated log-odds, the pooled tail of ``y`` is exponential by construction, and so each item's tail is
    nearly so: ``P(Y > y) = q exp(-(y - u) / sigma)`` above its threshold ``u`` (the nearest tenth, ``q = 0.1``).
    ``sigma`` is the maximum-likelihood value with the hidden part censored: the true neighbours in it must not teach
    the tail of the non-neighbours.
    """
    order = np.argsort(np.where(np.isfinite(background), background, np.inf), axis=1, kind="stable")
    near = np.take_along_axis(background, order, axis=1)
    known = np.isfinite(near).sum(axis=1)
    n_known = int(known.min())
    position = (hidden * n_items + np.arange(1, ranks + 1)) / n_items
    position = np.minimum(position, 0.9)

    edge = 0.1
    top = max(2, int(edge * n_known))
    cut = min(int(hidden * n_known), top - 2)
    threshold = -near[:, top - 1]
    excess = -near[:, cut : top - 1] - threshold[:, None]
    seen = top - 1 - cut
    sigma = (excess.sum(axis=1) + cut * excess[:, 0]) / seen
    # Each sigma rests on `seen` values, an error of sigma / sqrt(seen): what of their spread that does not explain is
    # real, the rest is shrunk away (empirical Bayes). Left in, it would pass for near misses and tighten every cut.
    middle, spread = float(sigma.mean()), float(sigma.var())
    sigma = middle + (sigma - middle) * max(0.0, 1.0 - middle**2 / seen / spread if spread > 0 else 0.0)
    tail = -(threshold[:, None] + np.maximum(sigma, 1e-6)[:, None] * np.log(edge / np.minimum(position, edge))[None, :])

    index = np.clip(position * n_known - 0.5, 0, n_known - 1)
    low = np.floor(index).astype(int)
    high = np.minimum(low + 1, n_known - 1)
    plain = near[:, low] + (near[:, high] - near[:, low]) * (index - low)[None, :]
    neighbors = np.sort(np.where(position[None, :] < edge, tail, plain), axis=1)

    if scales is None:
        return neighbors, None
    first = min(int(position[0] * n_known), n_known - 1)
    stop = min(max(first + 8, int(3 * position[0] * n_known)), n_known)
    scale = np.nanmean(np.take_along_axis(scales, order[:, first:stop], axis=1), axis=1)
    return neighbors, scale
