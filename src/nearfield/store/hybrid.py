"""Searching by words, and by words and vectors at once.

Each leg names its best candidates; every candidate is then scored by every leg, exactly, and stands somewhere among
what the query scores by chance: the vector's in standard deviations of its scores with random items, the words' as
minus the log of the share of items that would score as high (:meth:`.matching.Matches.standing`). Bags may be a third
leg, which names no candidates of its own, and stands as a vector does (:mod:`.bag_search`). Standings are added, or,
where the store was shown answers (:meth:`Store.fit_fusion`), turned into the probability of being relevant, which can
be cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..metric import get_metric
from .filters import Filter
from .fusing import standing
from .grouping import Groups, grouped
from .matching import Matches, Ranked, rank
from .rows import Queries
from .search import Nearest, nearest, scores_of
from .snapshot import View

if TYPE_CHECKING:
    from ..decide import Fusion

# So many candidates each leg names at least: what a fusion is fitted to must be what it is asked about.
WIDTH = 100
LEGS = ("vector", "text")
WORDS = ("text",)


@dataclass(frozen=True)
class Candidates:
    """The candidates of one query, in the order of their keys; ``scores`` and ``standing`` are (c, legs)."""

    keys: np.ndarray
    parts: np.ndarray
    rows: np.ndarray
    scores: np.ndarray
    standing: np.ndarray


@dataclass(frozen=True)
class Fused:
    """Hits, their relevance (None without a fusion) and each leg's scores, (q, k) each."""

    hits: Nearest
    relevance: np.ndarray | None
    legs: dict[str, np.ndarray]


def check_query_texts(text: Any, queries: np.ndarray | None, single: bool | None) -> tuple[list[str], bool]:
    """The texts to search by, one a query, and whether a single one came."""
    alone = isinstance(text, str)
    texts = [text] if alone else text
    if not isinstance(texts, Sequence) or not all(isinstance(one, str) for one in texts):
        raise TypeError(f"text: expected a text, or a list of one per query, got {type(text).__name__}")
    if queries is not None and len(texts) != len(queries):
        raise ValueError(f"text: expected {len(queries)} texts, one per query, got {len(texts)}")
    if single is False and alone:
        raise TypeError("text: expected a list of one text per query, as queries are many, got str")
    return list(texts), alone if single is None else single


def by_words(found: Ranked) -> Candidates:
    """All that hold any of the words."""
    return Candidates(found.keys, found.parts, found.rows, found.scores[:, None], found.standing[:, None])


def candidates(
    view: View,
    queries: np.ndarray,
    matches: Sequence[Matches],
    condition: Filter | None,
    k: int,
    *,
    score: Callable[[Matches, np.ndarray], np.ndarray],
    beam: int | None = None,
    group: tuple[Groups, str, int] | None = None,
    bags: Callable[[int, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
) -> tuple[list[Candidates], int]:
    """What either leg names, scored by all; and how many items a search by vector could return.

    ``score(matches, keys)`` gives the BM25 scores of any items; ``bags(query, parts, rows)`` the scores and standings
    by a third leg, which names none.
    """
    metric = view.shape.metric
    width = min(max(WIDTH, k), max(1, view.items))
    near = nearest(view, metric, queries, width, condition=condition, beam=beam)
    named = [near.keys]
    if group is not None:
        groups, name, size = group
        several = grouped(view, metric, queries, k, groups=groups, name=name, size=size, condition=condition, beam=beam)
        named.append(several.keys)
    made = []
    for number, found in enumerate(matches):
        best = rank(view, found, condition).keys[:width] if group is None else rank(view, found, condition).keys
        keys = np.unique(np.concatenate([best, *(some[number] for some in named)]))
        keys = keys[keys >= 0]
        parts, rows = view.locate(keys)
        asked = Queries(queries[number : number + 1], metric)
        places = [parts[None], rows[None]]
        native = scores_of(view, asked, slice(None), *places)
        distances = get_metric(metric).distances_from_scores(native)[0].astype(np.float64)
        stands = -standing(view, asked, places)[0][0]
        text = score(found, keys)
        scores, all_ = [-distances, text], [stands, found.standing(text)]
        if bags is not None:
            for column, values in zip((scores, all_), bags(number, parts, rows), strict=True):
                column.append(values)
        made.append(Candidates(keys, parts, rows, np.column_stack(scores), np.column_stack(all_)))
    return made, near.allowed


def order(
    view: View,
    every: Sequence[Candidates],
    k: int,
    allowed: int,
    fusion: Fusion | None,
    max_false: float | None,
    group: tuple[Groups, str, int] | None = None,
    *,
    legs: tuple[str, ...],
) -> Fused:
    """The best of the candidates; ``k`` columns, with groups at most ``size`` of each of ``k / size`` values.

    Distances of one leg alone are its scores below zero; of several 1 - relevance, or the sum of the standings below
    zero.
    """
    alone = len(legs) == 1
    hits = Nearest.none(len(every), k, allowed)
    relevance = None if fusion is None else np.zeros((len(every), k), np.float32)
    shown = {name: np.full((len(every), k), np.nan, np.float32) for name in legs}
    for number, one in enumerate(every):
        chance = None if fusion is None else fusion.relevance(one.standing)
        total = one.standing.sum(axis=1) if chance is None or alone else chance
        best = np.lexsort((one.keys, -total))
        if max_false is not None and fusion is not None and chance is not None:
            best = best[chance[best] >= fusion.threshold(max_false)]
        if group is not None:
            groups, name, size = group
            values = groups.values(view, name, one.parts[best], one.rows[best])
            best = best[first_of_groups(values, k // size, size)]
        best = best[:k]
        count = len(best)
        shift = 1.0 if chance is not None and not alone else 0.0
        distances = -one.scores[best, 0] if alone else shift - total[best]
        hits.distances[number, :count] = distances
        hits.keys[number, :count], hits.parts[number, :count] = one.keys[best], one.parts[best]
        hits.rows[number, :count] = one.rows[best]
        if relevance is not None and chance is not None:
            relevance[number, :count] = chance[best]
        for place, name in enumerate(legs):
            sign = -1.0 if name == "vector" else 1.0
            shown[name][number, :count] = sign * one.scores[best, place]
    return Fused(hits, relevance, shown)


def first_of_groups(values: list[Any], wanted: int, size: int) -> list[int]:
    """The places of the first ``size`` of each of the first ``wanted`` values."""
    counts: dict[Any, int] = {}
    chosen = []
    for place, value in enumerate(values):
        count = counts.get(value, 0)
        if count < size and (count or len(counts) < wanted):
            counts[value] = count + 1
            chosen.append(place)
            if len(chosen) == wanted * size:
                break
    return chosen
