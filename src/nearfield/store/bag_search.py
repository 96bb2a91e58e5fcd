"""``search(bags=)``: the items' own vectors name candidates, and their bags are compared with the query's in full.

Candidates are the nearest that pass the condition and have a bag, so every filter holds for all of it; MaxSim over the
codes of their bags is exact. What that misses of the best over all is what the candidates miss.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_vectors
from .bags import NO_BAGS, BagSpace
from .coded_bags import CodedBags
from .conditions import Compound, compound
from .filters import Filter
from .grouping import Groups, explain_groups, grouped
from .hits import Hits, split
from .hybrid import Candidates, Fused, order
from .search import Nearest, explain, nearest
from .snapshot import View
from .spaces import space
from .text_search import fusion_of, hits_of

if TYPE_CHECKING:
    from ..decide import Fusion
    from ..encode.bags import Bags
    from .reading import Reader

# Compared in full where the caller does not say, as published figures have it.
CANDIDATES = 100
LEGS = ("bags",)
# Of the view's sample one in so many: MaxSim costs some hundred products, and means need no more.
_SAMPLED = 4


def kept_bags(view: View) -> BagSpace:
    """How the store keeps bags; ValueError where it keeps none."""
    if view.bags is None:
        raise ValueError(NO_BAGS)
    return view.bags


def check_query_bags(bags: Any, kept: BagSpace, count: int | None = None) -> tuple[Bags, bool]:
    """The bags to search by, one a query, and whether a single one came, as an array; ``count`` must agree."""
    from ..encode.bags import Bags

    single = isinstance(bags, np.ndarray)
    if single and bags.ndim != 2:
        raise ValueError(f"bags: expected one bag of shape (t, d), or Bags, got shape {bags.shape}")
    if not isinstance(bags, Bags | np.ndarray | list | tuple):
        raise TypeError(f"bags: expected one bag as an array (t, d), or Bags, got {type(bags).__name__}")
    try:
        found = bags if isinstance(bags, Bags) else Bags.from_list([bags] if single else bags, dim=kept.dim)
    except (TypeError, ValueError) as error:
        raise type(error)(f"bags: {error}") from None
    if found.dim != kept.dim:
        raise ValueError(f"bags: expected vectors of {kept.dim} dimensions, got {found.dim}")
    found.require_filled()
    if count is not None and len(found) != count:
        raise ValueError(f"bags: expected {count} bags, one per query, got {len(found)}")
    return found, single


def check_asked(committed: View, queries: Any, bags: Any, embedding: Any) -> tuple[View, np.ndarray, Bags, bool]:
    """The view whose vectors name candidates, the vectors to ask it with, the bags, and whether a single query came."""
    kept = kept_bags(committed)
    if queries is None:
        found, single = check_query_bags(bags, kept)
        if kept.encoding is None:
            raise ValueError(
                "queries: expected the vectors that name candidates, as this store has no encoding to compute them by"
            )
        return committed, _checked(committed, kept.encoding.queries(found))[0], found, single
    view = space(committed, queries, embedding)
    array, alone = _checked(view, queries)
    found, single = check_query_bags(bags, kept, len(array))
    return view, array, found, single or alone


def _checked(view: View, queries: Any) -> tuple[np.ndarray, bool]:
    return check_vectors(queries, "queries", dim=view.shape.dim, nonzero=view.shape.metric == "cosine")


def with_bags(committed: View, view: View) -> View:
    """``view`` without the items that have no bag."""
    if view is committed:
        return view.bagged
    pairs = zip(committed.parts, committed.unbagged, strict=True)
    missing = [live.part.keys[rows] for live, rows in pairs]
    keys = np.sort(np.concatenate([np.empty(0, np.int64), *missing]))
    return view.without(keys) if len(keys) else view


def coded_at(view: View, parts: np.ndarray, rows: np.ndarray) -> CodedBags:
    """The bags at ``(part, row)``, empty where the part is -1 or there is none."""
    kept = kept_bags(view)
    found: list[bytes | None] = [None] * len(parts)
    for number in np.unique(parts[parts >= 0]).tolist():
        coded = kept.of(view.parts[number].part)
        if coded is not None:
            for place in np.flatnonzero(parts == number).tolist():
                found[place] = coded.one(int(rows[place]))
    return CodedBags.from_rows(found, *kept.widths)


def maxsims(view: View, bags: Bags, parts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The MaxSim of every query with the items at ``(part, row)``, both (q, c): float64, NaN where there is no bag."""
    kept = kept_bags(view)
    found = np.full(parts.shape, np.nan)
    for number in np.unique(parts[parts >= 0]).tolist():
        coded = kept.of(view.parts[number].part)
        if coded is None:
            continue
        here = parts == number
        columns = np.flatnonzero(here.any(axis=0))
        slots = np.where(here[:, columns], coded.slots(np.where(here, rows, -1)[:, columns]), -1)
        values = kept.scores(coded, bags, slots).astype(np.float64)
        found[:, columns] = np.where(np.isfinite(values), -values, found[:, columns])
    return found


def standings(view: View, bags: Bags, scores: np.ndarray) -> np.ndarray:
    """How far scores (q, c) stand out among what each query scores with random items, in standard deviations.

    0 for items without a bag.
    """
    where, rows = (column[::_SAMPLED] for column in view.bagged.sample)
    shape = (len(bags), len(where))
    usual = maxsims(view, bags, np.broadcast_to(where, shape), np.broadcast_to(rows, shape))
    mean = usual.mean(axis=1, keepdims=True) if len(where) else np.zeros((len(bags), 1))
    spread = usual.std(axis=1, keepdims=True) if len(where) else np.ones((len(bags), 1))
    return np.nan_to_num((scores - mean) / np.where(spread > 0, spread, 1.0))


def candidates_by_bags(
    committed: View,
    view: View,
    vectors: np.ndarray,
    bags: Bags,
    k: int,
    width: int,
    *,
    condition: Filter | None = None,
    beam: int | None = None,
    group: tuple[Groups, str, int] | None = None,
    standing: bool = False,
) -> tuple[list[Candidates], int]:
    """The ``width`` nearest by vector, or more where groups need them, with their MaxSim; and how many could be.

    Without ``standing`` the scores themselves stand for it.
    """
    asked, metric = with_bags(committed, view), view.shape.metric
    count = min(max(k, width), max(1, asked.items))
    near = nearest(asked, metric, vectors, count, condition=condition, beam=beam)
    keys = near.keys
    if group is not None:
        groups, name, size = group
        several = grouped(
            asked, metric, vectors, k, groups=groups, name=name, size=size, condition=condition, beam=beam
        )
        keys = np.concatenate([keys, several.keys], axis=1)
    keys = np.sort(keys, axis=1)
    keys[:, 1:][keys[:, 1:] == keys[:, :-1]] = -1  # named twice
    parts, rows = (column.reshape(keys.shape) for column in committed.locate(keys.ravel()))
    scores = maxsims(committed, bags, parts, rows)
    stands = standings(committed, bags, scores) if standing else scores
    made = []
    for number in range(len(keys)):
        here = np.flatnonzero(np.isfinite(scores[number]))
        made.append(
            Candidates(
                keys[number, here],
                parts[number, here],
                rows[number, here],
                scores[number, here, None],
                stands[number, here, None],
            )
        )
    return made, near.allowed


def search_bags(
    reader: Reader,
    queries: Any,
    bags: Any,
    k: int,
    width: int,
    asked: Filter | Compound | None,
    payload: bool,
    attributes: bool,
    max_false: float | None,
    beam: int | None,
    name: str | None,
    group_size: int,
    embedding: Any,
) -> Hits:
    """See :meth:`Store.search`, whose parameters are checked but for the bags; ``name`` is the column of the groups."""
    group = None if name is None else (reader.groups, name, group_size)
    columns = k * group_size

    def answer(committed: View, connection: Any) -> Hits:
        view, array, found, single = check_asked(committed, queries, bags, embedding)
        condition = reader.bound(asked, committed, connection)
        fusion = _cut_by(reader, committed, view, max_false)
        every, allowed = candidates_by_bags(
            committed,
            view,
            array,
            found,
            columns,
            width,
            condition=condition,
            beam=beam,
            group=group,
            standing=fusion is not None,
        )
        fused = order(committed, every, columns, allowed, fusion, max_false, group, legs=LEGS)
        groups = None
        if name is None:
            status = explain_bags(committed, view, fused.hits, columns, condition, max_false)
        else:
            values = reader.groups.values(committed, name, fused.hits.parts.ravel(), fused.hits.rows.ravel())
            groups = split(values, columns)
            status = explain_groups(with_bags(committed, view), fused.hits, groups, k, condition, max_false)
        return hits_of(reader, committed, connection, fused, status, groups, payload, attributes, single)

    return reader.view(answer, transaction=payload or isinstance(asked, Compound))


def search_bags_many(
    reader: Reader,
    queries: Any,
    bags: Any,
    k: int,
    width: int,
    where: Any,
    payload: bool,
    attributes: bool,
    max_false: float | None,
    beam: int | None,
    embedding: Any,
) -> Hits:
    """See :meth:`Store.search_many`."""

    def answer(committed: View, connection: Any) -> Hits:
        view, array, found, _ = check_asked(committed, queries, bags, embedding)
        fusion = _cut_by(reader, committed, view, max_false)
        asked = reader.asked(where, len(array), committed, connection)
        hits, status = Nearest.none(len(array), k), [""] * len(array)
        relevance = None if fusion is None else np.zeros((len(array), k), np.float32)
        legs = {LEGS[0]: np.full((len(array), k), np.nan, np.float32)}
        for condition, own in zip(asked.conditions, asked.groups(), strict=True):
            if not len(own):
                continue
            every, allowed = candidates_by_bags(
                committed,
                view,
                array[own],
                found.take(own),
                k,
                width,
                condition=condition,
                beam=beam,
                standing=fusion is not None,
            )
            fused = order(committed, every, k, allowed, fusion, max_false, legs=LEGS)
            for whole, some in (
                (hits.distances, fused.hits.distances),
                (hits.keys, fused.hits.keys),
                (hits.parts, fused.hits.parts),
                (hits.rows, fused.hits.rows),
                (relevance, fused.relevance),
                (legs[LEGS[0]], fused.legs[LEGS[0]]),
            ):
                if whole is not None:
                    whole[own] = some
            texts = explain_bags(committed, view, fused.hits, k, condition, max_false)
            for place, text in zip(own.tolist(), texts, strict=True):
                status[place] = text
        return hits_of(
            reader, committed, connection, Fused(hits, relevance, legs), status, None, payload, attributes, False
        )

    return reader.view(answer, transaction=payload or compound(where))


def _cut_by(reader: Reader, committed: View, view: View, max_false: float | None) -> Fusion | None:
    fusion = fusion_of(reader, view, view is committed, LEGS)
    if max_false is not None and fusion is None:
        raise ValueError(
            "max_false: a search by bags is cut by what judged queries showed; show some with fit_fusion(bags=)"
        )
    return fusion


def explain_bags(
    committed: View, view: View, hits: Nearest, k: int, condition: Filter | None, max_false: float | None
) -> Sequence[str]:
    """Per query ``"ok"``, or why there are fewer than ``k`` hits."""
    asked = with_bags(committed, view)
    texts = explain(asked, hits, k, condition, max_false)
    if asked is view:
        return texts
    if view.items and not asked.items:
        return ["no item has a bag"] * len(texts)
    without = sum(live.allowed(condition)[1] for live in view.parts) - hits.allowed
    more = f"; {without} more {'has' if without == 1 else 'have'} no bag" if without else ""
    return [text + more if text.startswith(("only", "no item")) else text for text in texts]
