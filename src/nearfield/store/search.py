"""Searching a view: every part is asked, the answers are merged, judged, cut, and explained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..metric import get_metric
from .filters import Filter
from .rows import Queries
from .snapshot import View

# Distances, keys, parts and rows, (q, k) each.
_Answer = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Nearest:
    """The nearest allowed items of a view, over all its parts, ascending; ties go to the older item.

    Missing entries have distance +inf, key, part and row -1. ``allowed`` counts the items a search could return.
    """

    distances: np.ndarray
    keys: np.ndarray
    parts: np.ndarray
    rows: np.ndarray
    allowed: int

    @classmethod
    def none(cls, queries: int, k: int, allowed: int = 0) -> Nearest:
        """All of it missing, to be filled in."""
        keys, parts, rows = (np.full((queries, k), -1) for _ in range(3))
        return cls(np.full((queries, k), np.inf, np.float32), keys, parts, rows, allowed)

    def first(self, k: int) -> Nearest:
        """The first ``k`` columns."""
        return Nearest(self.distances[:, :k], self.keys[:, :k], self.parts[:, :k], self.rows[:, :k], self.allowed)

    def of(self, queries: np.ndarray, allowed: int) -> Nearest:
        """The rows of some queries, whose condition ``allowed`` items pass."""
        return Nearest(self.distances[queries], self.keys[queries], self.parts[queries], self.rows[queries], allowed)

    def cut(self, keep: np.ndarray) -> Nearest:
        """The same with everything missing that is not in ``keep``, a bool array true in front and false behind."""
        return Nearest(
            np.where(keep, self.distances, np.float32(np.inf)),
            np.where(keep, self.keys, -1),
            np.where(keep, self.parts, -1),
            np.where(keep, self.rows, -1),
            self.allowed,
        )


def nearest(
    view: View,
    metric: str,
    queries: np.ndarray,
    k: int,
    *,
    condition: Filter | None = None,
    beam: int | None = None,
    exact: bool = False,
) -> Nearest:
    """The ``k`` nearest of the living items that pass ``condition``."""
    asked = Queries(queries, metric)
    answers, total = [], 0
    for number, live in enumerate(view.parts):
        words, allowed = live.allowed(condition)
        if not allowed:
            continue
        total += allowed
        wanted = min(k, allowed)
        found = live.part.search(asked, wanted, allow=words, allowed=allowed, beam=beam, exact=exact)
        keys, numbers = live.part.keys[found.rows], np.full(found.rows.shape, number)
        missing = found.rows < 0
        if missing.any():
            keys[missing] = numbers[missing] = -1
        answers.append((found.distances, keys, numbers, found.rows))
    return merge(view, asked, answers, k, total)


def merge(view: View, asked: Queries, answers: list[_Answer], k: int, allowed: int) -> Nearest:
    """The ``k`` best of what the parts answered: (distances, keys, parts, rows) of each."""
    if len(answers) == 1:
        distances, keys, parts, rows = answers[0]
    else:
        empty = np.empty((len(asked), 0))
        answers.append((empty.astype(np.float32), *(empty.astype(np.int64),) * 3))
        every = [np.concatenate(column, axis=1) for column in zip(*answers, strict=True)]
        order = np.lexsort((every[1], every[0]), axis=1)[:, : k + 1]
        distances, keys, parts, rows = (np.take_along_axis(column, order, axis=1) for column in every)
        if distances.shape[1] > k:
            tied = np.flatnonzero(distances[:, k - 1] == distances[:, k])
            if tied.size:
                _settle_ties(view, asked, tied, every, (distances, keys, parts, rows))
            distances, keys, parts, rows = (column[:, :k] for column in (distances, keys, parts, rows))
    gap = ((0, 0), (0, k - distances.shape[1]))
    if gap[1][1]:
        distances = np.pad(distances, gap, constant_values=np.inf)
        keys, parts, rows = (np.pad(array, gap, constant_values=-1) for array in (keys, parts, rows))
    return Nearest(distances, keys, parts, rows, allowed)


def _settle_ties(
    view: View, asked: Queries, tied: np.ndarray, every: Sequence[np.ndarray], chosen: Sequence[np.ndarray]
) -> None:
    """Where the k-th and the next are equally near, the scores decide, as they do within a part.

    Different scores may become one distance. Which of them are among the first k must not depend on where they are
    stored, or pages would leave some out. ``tied`` are those queries, ``every`` all candidates; ``chosen`` is changed.
    """
    _, keys, parts, rows = (column[tied] for column in every)
    order = np.lexsort((keys, scores_of(view, asked, tied, parts, rows)), axis=1)[:, : chosen[0].shape[1]]
    for column, source in zip(chosen, every, strict=True):
        column[tied] = np.take_along_axis(source[tied], order, axis=1)


def scores_of(view: View, asked: Queries, some: slice | np.ndarray, parts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The native scores of ``some`` queries with the items at ``(part, row)``, float32; +inf where the part is -1.

    Distances follow from them and keep their order, but not all of their digits.
    """
    scores = np.full(parts.shape, np.inf, np.float32)
    which = np.arange(len(asked))[some]
    for query, (theirs, lines) in enumerate(zip(parts, rows, strict=True)):
        for number in np.unique(theirs[theirs >= 0]).tolist():
            here = np.flatnonzero(theirs == number)
            scores[query, here] = view.parts[number].part.scores(asked, which[query : query + 1], lines[here])[0]
    return scores


def judged(
    view: View,
    metric: str,
    queries: np.ndarray,
    k: int,
    *,
    condition: Filter | None,
    beam: int | None,
    max_false: float | None,
    find: Callable[..., Nearest] = nearest,
) -> tuple[Nearest, np.ndarray]:
    """The ``k`` nearest allowed items and their relevance; with ``max_false``, cut where it ends.

    The judge looks at a query's neighbourhood in the whole store. With a filter the neighbours that do not pass are
    therefore searched as well: they set the scale, and only those that pass are returned.
    ``find`` is :func:`nearest`, or what answers otherwise by the same arguments, such as a page or groups.
    """
    judge = view.judge
    assert judge is not None
    if condition is None and find is nearest:
        around = nearest(view, metric, queries, max(k, judge.k), beam=beam)
        hits = around.first(k)
    else:
        around = nearest(view, metric, queries, judge.k, beam=beam)
        hits = find(view, metric, queries, k, condition=condition, beam=beam)
    return judge_hits(view, metric, queries, hits, around, max_false)


def judge_hits(
    view: View, metric: str, queries: np.ndarray, hits: Nearest, around: Nearest, max_false: float | None
) -> tuple[Nearest, np.ndarray]:
    """Hits, cut where relevance ends, and their relevance; ``around`` are the nearest in the whole store."""
    judge = view.judge
    assert judge is not None and view.scales is not None
    neighbors = around.first(judge.k)
    scales = view.scales.of(neighbors.keys)
    asked = get_metric(metric).prepare_queries(queries) if judge.uses_queries_ else None
    if max_false is not None:
        hits = hits.cut(judge.keep(hits.distances, max_false, scales, neighbors=neighbors.distances, queries=asked))
    relevance = judge.relevance(hits.distances, scales, neighbors=neighbors.distances, queries=asked)
    return hits, relevance


def explain(view: View, hits: Nearest, k: int, condition: Filter | None, max_false: float | None) -> list[str]:
    """Per query ``"ok"``, or why there are fewer than ``k`` hits."""
    # What is missing stands behind what is there.
    if hits.keys.shape[1] == k and (not len(hits.keys) or hits.keys[:, -1].min() >= 0):
        return ["ok"] * len(hits.keys)
    counts = (hits.keys >= 0).sum(axis=1)
    reachable = min(k, hits.allowed)
    if view.items == 0:
        short = "the store is empty"
    elif condition is not None:
        short = "no item passes the filter" if not hits.allowed else f"only {_items(hits.allowed)} the filter"
    else:
        short = f"only {hits.allowed} item{'s' * (hits.allowed != 1)}"
    texts = []
    for count in counts.tolist():
        if count == k:
            texts.append("ok")
        elif count == reachable:
            texts.append(short)
        elif max_false is None:  # rows without any distance: vectors that are no numbers
            texts.append(f"only {_items(count).replace('pass', 'can be compared')}: verify() says more")
        elif count == 0:
            texts.append(f"nothing is relevant at max_false={max_false:g}")
        else:
            texts.append(f"cut: nothing else is relevant at max_false={max_false:g}")
    return texts


def _items(count: int) -> str:
    return "1 item passes" if count == 1 else f"{count} items pass"
