"""Many queries at once, each with a condition of its own: what they share is done once.

Each distinct condition is read and evaluated once; queries that share one are a group. A group is answered in the
cheapest of three ways, chosen for each part of the store by what they would cost:

=============  ======================================================================================================
scan           the rows that pass are compared with all queries of the group while they are in the cache; exact
partition      the same for the nearest lists of the segment's partition (:mod:`.partitioned`), where it has one
index          every query walks the index on its own, as :meth:`Store.search` does; all threads walk
=============  ======================================================================================================

So an answer is that of a search one by one, or that of an exact scan, or, from a partition, as good as one by one by
the recall that was measured when the partition was made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..native.cells import Group, search_cells
from .conditions import Bound
from .filters import Filter
from .rows import Found, Live, Part, Queries
from .search import Nearest, merge
from .snapshot import View

# What things cost, in rows that a scan compares with a query while they are in the cache: to read one from memory for
# the first time, to begin a walk, to widen it by one, and to compare a code of a partition.
_READ = 8.0
_WALK = 1500.0
_WALK_WIDTH = 90.0
_CODE = 0.3
# To look again at a partition's candidates, which lie anywhere.
_AGAIN = 15.0
# Up to so many rows that pass are scanned for a single query too, whatever the index.
_SCANNED = 1000
# A walk's width where the plan does not say.
_BEAM = 64
# Rows, in all conditions together, that are listed at a time: 64 MB of numbers.
_LISTED = 1 << 24


class Asked(NamedTuple):
    """The distinct conditions of a batch, and for each query the number of its own."""

    conditions: list[Any]
    which: np.ndarray

    def groups(self) -> list[np.ndarray]:
        """The queries of each condition, ascending."""
        order = np.argsort(self.which, kind="stable")
        return np.split(order, np.searchsorted(self.which[order], np.arange(1, len(self.conditions))))


def distinct(where: Any, count: int, read: Callable[[Any], Any]) -> Asked:
    """The conditions of ``count`` queries, each read once: one for all, or a sequence of one (or None) each."""
    if isinstance(where, str) or not isinstance(where, Sequence | np.ndarray):
        return Asked([read(where)], np.zeros(count, np.int64))
    if len(where) != count:
        raise ValueError(f"where: expected one condition (or None) for each of {count} queries, got {len(where)}")
    numbers: dict[Any, int] = {}
    conditions: list[Any] = []
    which = np.empty(count, np.int64)
    for place, one in enumerate(where):
        text = one is None or isinstance(one, str)
        condition = None if text else read(one)  # an expression is known by what it says, once it is read
        known = one if text else (condition and condition.key,)
        if known not in numbers:
            numbers[known] = len(conditions)
            conditions.append(read(one) if text else condition)
        which[place] = numbers[known]
    return Asked(conditions or [None], which)


def nearest_many(
    view: View, metric: str, queries: np.ndarray, k: int, asked: Asked, *, beam: int | None = None
) -> tuple[Nearest, np.ndarray]:
    """The ``k`` nearest of the living items that pass each query's condition; and how many pass, for each condition."""
    prepared = Queries(queries, metric)
    members = asked.groups()
    answers, passing = [], np.zeros(len(asked.conditions), np.int64)
    for number, live in enumerate(view.parts):
        best, counts = _search_part(live, prepared, members, asked.conditions, k, beam)
        passing += counts
        missing = best.rows < 0
        keys = np.where(missing, -1, live.part.keys[best.rows]) if len(live.part) else best.rows
        answers.append((best.distances, keys, np.where(missing, -1, number), best.rows))
    return merge(view, prepared, answers, k, int(passing.sum())), passing


def _search_part(
    live: Live,
    queries: Queries,
    members: list[np.ndarray],
    conditions: list[Filter | Bound | None],
    k: int,
    beam: int | None,
) -> tuple[Found, np.ndarray]:
    part = live.part
    found = Found(np.full((len(queries), k), np.inf, np.float32), np.full((len(queries), k), -1))
    counts = np.zeros(len(conditions), np.int64)
    scans, listed = [], 0
    leaves: list[tuple[np.ndarray, np.ndarray | None, int]] = []
    for number, (condition, own) in enumerate(zip(conditions, members, strict=True)):
        words, allowed = live.allowed(condition)
        counts[number] = allowed
        if not allowed or not len(own):
            continue
        way = choose_way(part, len(own), allowed, k, beam)
        if way == "partition":
            leaves.append((own, words, allowed))
        elif way == "scan":
            scans.append(Group.whole(own, _positions(words, len(part))))
            listed += allowed
            if listed > _LISTED:
                _scan(part, queries, scans, k, found)
                scans, listed = [], 0
        else:
            some = Queries(queries.raw[own], part.metric)
            one = part.search(some, min(k, allowed), allow=words, allowed=allowed, beam=beam)
            found.distances[own, : one.rows.shape[1]], found.rows[own, : one.rows.shape[1]] = one
    if scans:
        _scan(part, queries, scans, k, found)
    if leaves:
        part.partition.search(queries, leaves, k, found)
    return found, counts


def choose_way(part: Part, queries: int, allowed: int, k: int, beam: int | None) -> str:
    """How a group of queries is answered: ``"scan"``, ``"partition"`` or ``"index"``."""
    if scanned_alone(part, allowed):
        return "scan"
    costs = _costs(part, queries, allowed, k, beam)
    return min(costs, key=lambda way: costs[way])


def _costs(part: Part, queries: int, allowed: int, k: int, beam: int | None) -> dict[str, float]:
    """What a query costs in each way, in rows compared."""
    read = _READ / min(queries, 64)
    costs = {"scan": allowed * (1 + read)}
    if part.index.kind == "graph":
        wanted = max(k, beam or part.filtered.get("beam") or _BEAM)
        width = min(len(part), wanted * len(part) / allowed)
        # Where a walk would have to be very wide, the index scans by itself, at random.
        costs["index"] = min(_WALK + _WALK_WIDTH * width, 3 * _READ * allowed)
    else:
        costs["index"] = _READ * allowed
    partition = part.partition if beam is None else None
    if partition is not None:
        rows = partition.budget(allowed, k)
        costs["partition"] = _CODE * (1 + read) * rows + _AGAIN * partition.candidates(k)
        if rows < allowed:
            costs["partition"] += partition.centroids(allowed)
    return costs


def scanned_alone(part: Part, allowed: int) -> bool:
    """Whether a single query would be answered by an exact scan: then so is a batch, bit for bit."""
    return part.index is None or allowed <= _SCANNED


def _positions(words: np.ndarray | None, n: int) -> np.ndarray:
    if words is None:
        return np.arange(n, dtype=np.uint32)
    bits = np.unpackbits(words.view(np.uint8), count=n, bitorder="little")
    return np.flatnonzero(bits.view(bool)).astype(np.uint32)  # of bools ten times as fast as of bytes


def _scan(part: Part, queries: Queries, groups: list[Group], k: int, found: Found) -> None:
    """Compare the groups' queries with the stored vectors of their rows; the answers go to ``found``."""
    chosen = np.sort(np.concatenate([group.queries for group in groups]))
    moved = [group._replace(queries=np.searchsorted(chosen, group.queries)) for group in groups]
    metric = queries.metric
    best = search_cells(part.space, moved, queries.prepared[chosen], k, metric=metric.native)
    scores = best.scores if part.calibration is None else part.calibration.scores(best.scores, metric)
    found.distances[chosen], found.rows[chosen] = metric.distances_from_scores(scores), best.rows


def count_groups(view: View, asked: Asked, k: int, beam: int | None = None) -> dict[str, int]:
    """How many queries are answered in each way, those of several parts counted in each: for benchmarks."""
    ways = dict.fromkeys(("scan", "partition", "index"), 0)
    for live in view.parts:
        for condition, own in zip(asked.conditions, asked.groups(), strict=True):
            allowed = live.allowed(condition)[1]
            if allowed and len(own):
                ways[choose_way(live.part, len(own), allowed, k, beam)] += len(own)
    return ways
