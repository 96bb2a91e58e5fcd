"""Many queries with filters of their own, at once: queries that share a filter are scored against its rows together."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from ..common.checks import check_choice, check_int
from . import _core
from ._core import Space
from .pool import thread_count


class Group(NamedTuple):
    """Queries that share a filter, and the rows that pass it, list by list.

    ``queries`` are numbers of queries; ``positions`` uint32 (m,) stored rows, of which ``sizes`` (c,) belong to the
    lists ``lists`` (c,), one after another; ``budget`` is how many of them each query is compared with at least.
    """

    queries: np.ndarray
    positions: np.ndarray
    lists: np.ndarray
    sizes: np.ndarray
    budget: int

    @classmethod
    def whole(cls, queries: np.ndarray, positions: np.ndarray) -> Self:
        """Every query is compared with every one of the rows."""
        return cls(queries, positions, np.zeros(1, np.uint32), np.array([len(positions)]), len(positions))


class Cells(NamedTuple):
    """``scores`` float32 (q, k) ascending, ``rows`` int64 (q, k), ``scored`` uint32 (q,): rows compared, each query."""

    scores: np.ndarray
    rows: np.ndarray
    scored: np.ndarray


def search_cells(
    space: Space,
    groups: list[Group],
    queries: np.ndarray,
    k: int,
    *,
    metric: str,
    centroids: Space | None = None,
    order: np.ndarray | None = None,
    asked: np.ndarray | None = None,
    rounded: bool = False,
    threads: int | None = None,
) -> Cells:
    """The ``k`` best rows of each query among those that pass its filter, in the lists nearest to it.

    A query reads cells (what passes, of one list) by the distance of their centroids until it was compared with the
    larger of ``k`` and its group's budget of rows. How many rows pass in each list is known before, so a query never
    comes back for more: there are ``k`` answers wherever ``k`` rows pass. Rows of a cell are read from memory once for
    up to 64 queries. The answer depends neither on the threads nor on how queries are batched.

    Parameters
    ----------
    space : stored rows.
    groups : every query is in one of them.
    queries, asked : float32 ``(q, d)`` as ``space`` is asked, and ``(q, d')`` as the centroids are (None: the same).
    centroids : a float32 Space, one row a list; None where every budget takes all rows.
    rounded : whether 8-bit codes may be scored with the queries in 8 bits as well, four at a time: faster, for
        candidates that are looked at again.
    order : uint32 ``(n,)``, the caller's number of each stored row; answers and ties go by it. None: as stored.

    Examples
    --------
    >>> from nearfield.native import make_space
    >>> rows = np.eye(4, dtype=np.float32)
    >>> groups = [Group.whole(np.array([0]), np.uint32([0, 1])), Group.whole(np.array([1]), np.uint32([2, 3]))]
    >>> search_cells(make_space("f32", rows, 4), groups, rows[[1, 2]], 1, metric="ip").rows
    array([[1],
           [2]])
    """
    check_choice(metric, "metric", ("ip", "l2"))
    kept = min(check_int(k, "k", 1), max(space.n, 1))
    sequence = np.concatenate([np.empty(0, np.int64), *(group.queries for group in groups)])
    if len(sequence) != len(queries) or not (np.bincount(sequence, minlength=len(queries)) == 1).all():
        raise ValueError(f"groups: expected each of {len(queries)} queries in one group, got {len(sequence)}")
    parts = [
        _offsets([len(group.queries) for group in groups]),
        _offsets([len(group.lists) for group in groups]),
        np.array([min(group.budget, len(group.positions)) for group in groups], np.uint32),
        _offsets(np.concatenate([np.empty(0, np.int64), *(group.sizes for group in groups)])),
        np.concatenate([np.empty(0, np.uint32), *(group.lists for group in groups)]).astype(np.uint32, copy=False),
        np.concatenate([np.empty(0, np.uint32), *(group.positions for group in groups)]).astype(np.uint32, copy=False),
    ]
    sorted_queries = np.ascontiguousarray(queries[sequence])
    sorted_asked = sorted_queries if asked is None else np.ascontiguousarray(asked[sequence])
    scores = np.empty((len(queries), kept), np.float32)
    rows = np.empty((len(queries), kept), np.int64)
    scored = np.zeros(len(queries), np.uint32)
    count = thread_count(threads)
    _core.cell_search(
        space, metric, centroids, order, parts, sorted_queries, sorted_asked, rounded, count, scores, rows, scored
    )
    found = Cells(np.full((len(queries), k), np.inf, np.float32), np.full((len(queries), k), -1), np.empty_like(scored))
    found.scores[sequence, :kept], found.rows[sequence, :kept], found.scored[sequence] = scores, rows, scored
    return found


def _offsets(sizes: object) -> np.ndarray:
    ends = np.cumsum(np.asarray(sizes, np.int64))
    if len(ends) and ends[-1] >= 1 << 32:
        raise ValueError(f"groups: expected fewer than 2**32 rows in all, got {ends[-1]}; ask in smaller batches")
    return np.concatenate([[0], ends]).astype(np.uint32)
