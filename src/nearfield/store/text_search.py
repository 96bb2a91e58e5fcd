"""``search(text=)``: one committed moment asked by words, or by words and vectors, from arguments to hits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_vectors
from ..common.decoding import decoding
from .conditions import Compound
from .filters import Filter
from .grouping import explain_groups
from .hits import Hits, split
from .hybrid import WIDTH, by_words, candidates, check_query_texts, order
from .ids import Id, check_ids
from .matching import explain_words, match, rank, score
from .search import explain
from .snapshot import View
from .spaces import space
from .tables import find_keys, set_meta
from .texts import DamagedWordsError, Wording

if TYPE_CHECKING:
    from ..decide import Fusion, FusionReport
    from .reading import Reader

_MODELS = ("text", "both")


def search_text(
    reader: Reader,
    queries: Any,
    text: Any,
    k: int,
    asked: Filter | Compound | None,
    payload: bool,
    attributes: bool,
    max_false: float | None,
    beam: int | None,
    name: str | None,
    group_size: int,
    embedding: Any,
) -> Hits:
    """See :meth:`Store.search`, whose parameters are checked but for the text; ``name`` is the column of the groups."""
    group = None if name is None else (reader.groups, name, group_size)
    columns = k * group_size

    def answer(committed: View, connection: Any) -> Hits:
        wording = Wording.of(committed.meta)
        if wording is None:
            raise ValueError("text: this store has no texts; add them with text=, or name their key with index_text()")
        view, array, single = committed, None, None
        condition = reader.bound(asked, committed, connection)
        if queries is not None:
            view = space(committed, queries, embedding)
            array, single = check_vectors(queries, "queries", dim=view.shape.dim, nonzero=view.shape.metric == "cosine")
        texts, single = check_query_texts(text, array, single)
        fusion = _fusion_of(reader, view, view is committed, array is not None)
        if max_false is not None and fusion is None:
            raise ValueError(
                "max_false: a search by words is cut by what judged queries showed; show some with fit_fusion()"
            )
        path = reader.catalogue.path
        # What a filter, a group or the clock may take out is not known beforehand: then all that match are scored.
        some = condition is None and group is None and not committed.moment
        need = (columns if array is None else max(WIDTH, columns)) if some else None
        found = [match(connection, path, one, wording, need) for one in texts]
        if array is None:
            ranked = [rank(view, one, condition) for one in found]
            every, allowed = [by_words(one) for one in ranked], max((len(one.keys) for one in ranked), default=0)
        else:
            scores = partial(score, connection, path, wording)
            every, allowed = candidates(view, array, found, condition, columns, score=scores, beam=beam, group=group)
        fused = order(view, every, columns, allowed, fusion, max_false, group)
        hits = fused.hits
        parts, rows = hits.parts.ravel(), hits.rows.ravel()
        groups = None
        if array is None:
            counts = (hits.keys >= 0).sum(axis=1).tolist()
            status = [
                explain_words(view, mine, one, count, columns, condition, max_false)
                for mine, one, count in zip(found, ranked, counts, strict=True)
            ]
        else:
            status = explain(view, hits, columns, condition, max_false)
        if name is not None:
            groups = split(reader.groups.values(view, name, parts, rows), columns)
            if array is not None or allowed:
                status = explain_groups(view, hits, groups, k, condition, max_false)
        values, payloads = reader.details(view, connection, hits.keys, parts, rows, payload, attributes)
        return Hits(
            split(view.gather_ids(parts, rows), columns),
            hits.distances,
            status,
            relevance=fused.relevance,
            attributes=values,
            payload=payloads,
            groups=groups,
            legs=fused.legs,
            text=reader.texts_of(view, connection, hits.keys) if payload else None,
            single=bool(single),
        )

    return _mending(reader, answer)


def _mending(reader: Reader, answer: Any) -> Any:
    """The answer; a writer that meets a damaged index of words builds it again and asks once more."""
    try:
        return reader.view(answer, transaction=True)
    except DamagedWordsError:
        if reader.maintenance is None:
            raise
        reader.maintenance.rebuild_words()
        return reader.view(answer, transaction=True)


def _fusion_of(reader: Reader, view: View, own: bool, both: bool) -> Fusion | None:
    """What was fitted for words alone or for both legs; of another model's vectors it knows nothing."""
    stored = view.meta.get("fusion")
    if stored is None or (both and not own):
        return None
    from ..decide import Fusion

    with decoding(reader.catalogue.path, "the fusion"):
        return Fusion.from_dict(stored[_MODELS[both]])


def fit_fusion(reader: Reader, queries: Any, text: Any, relevant: Any, random_state: int) -> FusionReport:
    """See :meth:`Store.fit_fusion`."""
    from ..decide import Fusion, compare_fusion

    def answer(view: View, connection: Any) -> tuple[Any, FusionReport]:
        wording = Wording.of(view.meta)
        if wording is None:
            raise ValueError("text: this store has no texts; add them with text=, or name their key with index_text()")
        shape = view.shape
        array, _ = check_vectors(queries, "queries", dim=shape.dim, nonzero=shape.metric == "cosine", min_rows=1)
        texts, _ = check_query_texts(text, array, False)
        grades = [_grades(one, view, connection) for one in _listed(relevant, len(texts))]
        path = reader.catalogue.path
        found = [match(connection, path, one, wording, None if view.moment else WIDTH) for one in texts]
        every, _ = candidates(view, array, found, None, 1, score=partial(score, connection, path, wording))
        numbers = np.repeat(np.arange(len(every)), [len(one.keys) for one in every])
        scores, standing = (np.concatenate([getattr(one, part) for one in every]) for part in ("scores", "standing"))
        gain = np.array(
            [known.get(key, 0.0) for one, known in zip(every, grades, strict=True) for key in one.keys.tolist()]
        )
        held = standing[:, 1] > 0
        models = {
            "text": Fusion().fit(standing[held, 1:], gain[held] > 0, numbers[held]),
            "both": Fusion().fit(standing, gain > 0, numbers),
        }
        ideal = dict(enumerate([list(known.values()) for known in grades]))
        report = compare_fusion(
            scores, standing, gain, numbers, names=("vector", "text"), ideal=ideal, random_state=random_state
        )
        return {name: model.to_dict() for name, model in models.items()}, report

    stored, report = _mending(reader, answer)
    with reader.catalogue.writing() as connection:
        set_meta(connection, "fusion", stored)
    return report


def _listed(relevant: Any, count: int) -> Sequence[Any]:
    if isinstance(relevant, str) or not isinstance(relevant, Sequence):
        raise TypeError(f"relevant: expected a list with the relevant ids of each query, got {type(relevant).__name__}")
    if len(relevant) != count:
        raise ValueError(f"relevant: expected {count} lists of ids, one per query, got {len(relevant)}")
    return relevant


def _grades(one: Any, view: View, connection: Any) -> dict[int, float]:
    """Key -> grade of what is relevant and in the store."""
    graded: dict[Id, float] = {name: float(grade) for name, grade in one.items()} if isinstance(one, dict) else {}
    ids, _ = check_ids(list(one), view.meta.get("id_type"), unique=False) if len(one) else ([], None)
    keys = find_keys(connection, dict.fromkeys(ids))
    return {key: grade for name, key in keys.items() if (grade := graded.get(name, 1.0)) > 0}
