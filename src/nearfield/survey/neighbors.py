"""Neighbours of sampled rows, found exactly, and what happens to them when some rows are taken away.

The measures that rest on neighbours share one list: the ``k`` nearest other rows of each sampled row. Lists a little
longer than needed give, without another search, the lists of the collection with a part of its rows removed
(:meth:`Neighborhood.without`); the delete-a-group jackknife makes the intervals from that. Removing rows rather than
resampling queries matters: neighbours share neighbours, and a bootstrap over queries alone would be too sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from .collection import METRICS, Collection

GROUPS = 20
BASE_LIMIT = 1_000_000
_PAIRS = 1 << 22
# Two rows that point the same way differ by this little once both are float32 at length one.
_ROUNDING = 3e-7


@dataclass(frozen=True)
class Neighborhood:
    """The nearest other rows of some rows; obtained by :func:`sample_neighbors`.

    Attributes
    ----------
    rows : (q,) row numbers whose neighbours were looked up.
    ids : (q, k) row numbers of the neighbours, nearest first; -1 where there are fewer.
    distances : (q, k) float64: Euclidean between the rows as search sees them (at length one under cosine), or minus
        the inner product under "ip"; +inf where there are fewer.
    searched : the row numbers among which neighbours were sought.
    total : rows of the whole collection.
    metric : the metric.
    distinct : True when rows that repeat another one were left out.

    Examples
    --------
    >>> import numpy as np
    >>> found = sample_neighbors(np.float32([[0, 0], [0, 1], [5, 0]]), 2, metric="l2")
    >>> found.scope
    'neighbours of every row among 3 distinct rows'
    >>> found.without(np.array([False, True, False]), 1).ids.tolist()  # the second row is gone
    [[2], [0]]
    """

    rows: np.ndarray
    ids: np.ndarray
    distances: np.ndarray
    searched: np.ndarray
    total: int
    metric: str
    distinct: bool

    @property
    def k(self) -> int:
        """How many neighbours each list can hold."""
        return int(self.ids.shape[1])

    @property
    def scope(self) -> str:
        """A phrase that says what was sampled."""
        what = "distinct rows" if self.distinct else "rows"
        among = f"{len(self.searched):,} {what}"
        if len(self.searched) < self.total:
            among += f" (of {self.total:,} rows)"
        if len(self.rows) == len(self.searched):
            return f"neighbours of every row among {among}"
        return f"neighbours of {len(self.rows):,} sampled rows among {among}"

    def nearest(self, k: int) -> Neighborhood:
        """Lists of exactly ``k``; rows that have fewer are left out."""
        return self._cut(self.ids >= 0, np.ones(len(self.rows), bool), k, self.searched)

    def without(self, gone: np.ndarray, k: int) -> Neighborhood:
        """The lists of ``k`` after the rows marked in ``gone`` (total,) are removed, as queries and as neighbours."""
        stays = (self.ids >= 0) & ~gone[self.ids]
        return self._cut(stays, ~gone[self.rows], k, self.searched[~gone[self.searched]])

    def _cut(self, stays: np.ndarray, asked: np.ndarray, k: int, searched: np.ndarray) -> Neighborhood:
        stays = stays[asked]
        rank = stays.cumsum(axis=1)
        full = rank[:, -1] >= k if stays.shape[1] else np.zeros(len(stays), bool)
        chosen = stays[full] & (rank[full] <= k)
        shape = (int(full.sum()), k)
        return Neighborhood(
            self.rows[asked][full],
            self.ids[asked][full][chosen].reshape(shape),
            self.distances[asked][full][chosen].reshape(shape),
            searched,
            self.total,
            self.metric,
            self.distinct,
        )

    def jackknife(
        self, k: int, statistic: Callable[[Neighborhood], float], random_state: int = 0, groups: int = GROUPS
    ) -> float:
        """The standard error of ``statistic`` (delete-a-group jackknife over rows); NaN when it cannot be had."""
        groups = min(groups, len(self.searched))
        if groups < 2:
            return math.nan
        rng = np.random.default_rng([random_state, 20])
        group = np.full(self.total, -1, np.int8)
        group[self.searched] = rng.permutation(len(self.searched)) % groups
        values = np.array([statistic(self.without(group == g, k)) for g in range(groups)])
        values = values[np.isfinite(values)]
        if len(values) < 2:
            return math.nan
        return float(np.sqrt((len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()))


def list_length(k: int) -> int:
    """How long the lists must be so that ``k`` remain when any twentieth of the rows is removed."""
    return k + max(8, k // 2)


def sample_neighbors(
    vectors: Any,
    k: int = 20,
    *,
    metric: str = "cosine",
    sample: int | None = 2000,
    base: int = BASE_LIMIT,
    distinct: bool = True,
    random_state: int = 0,
) -> Neighborhood:
    """The exact ``k`` nearest other rows of a sample of rows.

    Choose this when several measures should share one search: give the result to their ``neighbors=``.

    Parameters
    ----------
    vectors : (n, d) float32 or float16, mapped files included.
    k : neighbours of each sampled row. ``survey.sample_neighbors(x, 30)`` serves every measure at its default.
    metric : "cosine", "l2", or "ip".
    sample : rows whose neighbours are looked up; 2,000 gives intrinsic dimension to about 3%. None: every row.
    base : at most so many rows are searched, a random choice of them when there are more. Searching fewer rows makes
        neighbours lie farther apart: intrinsic dimension is then measured at a coarser scale, near-duplicates are
        missed, and hubs are weaker.
    distinct : leave out rows that repeat another one exactly, which have no place in a measure of dimension.
    random_state : chooses the sample.

    Returns
    -------
    Neighborhood
        Lists are shorter than ``k`` (ids -1, distances inf) when fewer than ``k`` other rows exist.

    Examples
    --------
    >>> import numpy as np
    >>> found = sample_neighbors(np.float32([[0, 0], [0, 1], [5, 0]]), 2, metric="l2")
    >>> found.ids.tolist(), found.distances.round(2).tolist()
    ([[1, 2], [0, 2], [0, 1]], [[1.0, 5.0], [1.0, 5.1], [5.0, 5.1]])
    """
    space = Collection.of(vectors, check_choice(metric, "metric", METRICS))
    check_int(k, "k", 1)
    check_int(base, "base", 2)
    if sample is not None:
        check_int(sample, "sample", 1)
    rng = np.random.default_rng([check_random_state(random_state), 10])
    candidates = np.flatnonzero(~space.repeats) if distinct else np.arange(len(space))
    searched = candidates if len(candidates) <= base else np.sort(rng.choice(candidates, base, replace=False))
    rows = searched
    if sample is not None and sample < len(searched):
        rows = np.sort(rng.choice(searched, sample, replace=False))
    ids, distances = _search(space, rows, searched, min(k, len(searched) - 1))
    missing = k - ids.shape[1]
    if missing > 0:
        ids = np.pad(ids, ((0, 0), (0, missing)), constant_values=-1)
        distances = np.pad(distances, ((0, 0), (0, missing)), constant_values=np.inf)
    return Neighborhood(rows, ids, distances, searched, len(space), space.metric, distinct)


def _search(space: Collection, rows: np.ndarray, searched: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    if k < 1:
        return np.empty((len(rows), 0), np.int64), np.empty((len(rows), 0))
    base, scale, shrink = _prepared(space, searched)
    # A few more than asked: float32 scores of near-duplicates are rounded, so the order is settled in float64 below.
    want = min(k + 5, len(searched))
    ids = np.empty((len(rows), k), np.int64)
    distances = np.empty((len(rows), k))
    step = max(1, _PAIRS // (want * space.dim))
    for start in range(0, len(rows), 4096):
        asked = rows[start : start + 4096]
        queries = space.take(asked)
        found = searched[_nearest(space, base, scale, queries * shrink, want)]
        for low in range(0, len(asked), step):
            part = slice(low, low + step)
            here = slice(start + low, start + low + len(asked[part]))
            ids[here], distances[here] = _settle(space, asked[part], queries[part], found[part], k)
    return ids, distances


def _prepared(space: Collection, searched: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.float32]:
    """The rows to search as the core wants them, a factor for each row, and one for the queries."""
    whole = len(searched) == len(space)
    plain = space.norms.max() < 1e18 and space.norms.min() > 1e-18
    if space.metric == "cosine" and plain:
        base = space.vectors if whole else space.vectors[searched]
        return base, (1 / space.norms[searched]).astype(np.float32), np.float32(1.0)
    base = space.take(slice(None) if whole else searched)
    # Squares of very long or very short vectors do not fit in float32; a common factor changes no order.
    shrink = np.float32(1.0)
    if space.metric != "cosine" and not 1e-15 < space.norms.max() < 1e15 and space.norms.max() > 0:
        shrink = np.float32(min(1 / space.norms.max(), 1e37))
        base = base * shrink
    return base, None, shrink


def _nearest(space: Collection, base: np.ndarray, scale: np.ndarray | None, queries: np.ndarray, k: int) -> np.ndarray:
    from ..native import exact_search

    metric = "l2" if space.metric == "l2" else "ip"
    return np.asarray(exact_search(base, queries, k, metric=metric, scale=scale)[1])


def rows_nearest(space: Collection, queries: np.ndarray, k: int) -> np.ndarray:
    """The ``k`` nearest rows of ``space`` to vectors from elsewhere, int64 (q, k), in float32 order."""
    base, scale, shrink = _prepared(space, np.arange(len(space)))
    return _nearest(space, base, scale, np.ascontiguousarray(queries, np.float32) * shrink, min(k, len(space)))


def without_own(found: np.ndarray, own: np.ndarray, k: int) -> np.ndarray:
    """The first ``k`` of each list of rows once the row that asked is left out."""
    order = np.argsort(found == own[:, None], axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1)


def _settle(
    space: Collection, asked: np.ndarray, queries: np.ndarray, found: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Exact distances to the rows found, the row itself last and cut off."""
    other = space.take(found.ravel()).reshape(*found.shape, space.dim)
    if space.metric == "ip":
        exact = -np.einsum("qd,qkd->qk", queries, other, dtype=np.float64)
    else:
        gap = other - queries[:, None, :]
        exact = np.sqrt(np.einsum("qkd,qkd->qk", gap, gap, dtype=np.float64))
        if space.metric == "cosine":
            exact[exact < _ROUNDING] = 0.0
    exact[found == asked[:, None]] = np.inf
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(exact, order, axis=1)
