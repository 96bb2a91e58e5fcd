"""``search(text=)``: one committed moment asked by words, or by words and vectors, from arguments to hits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_random_state, check_vectors
from ..common.decoding import decoding, expect
from .conditions import Compound
from .crossing import Crossing, Probe, Recoding, outstanding
from .filters import Filter
from .grouping import explain_groups
from .hits import Hits, split
from .hybrid import LEGS, WIDTH, WORDS, Fused, by_words, candidates, check_query_texts, order
from .ids import Id, check_ids
from .judging import check_texts, packed, unpacked
from .matching import explain_words, match, rank, score
from .search import explain
from .snapshot import Shape, View
from .spaces import space
from .tables import find_keys, set_meta
from .texts import DamagedWordsError, Wording

if TYPE_CHECKING:
    from ..decide import Fusion, FusionReport
    from .reading import Reader

# The names of what was fitted for these legs.
_MODELS = {("text",): "text", ("vector", "text"): "both", ("bags",): "bags", ("vector", "text", "bags"): "all"}


def search_text(
    reader: Reader,
    queries: Any,
    text: Any,
    bags: Any,
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
        view, array, single, third = committed, None, None, None
        condition = reader.bound(asked, committed, connection)
        legs: tuple[str, ...] = WORDS
        if bags is not None:
            from .bag_search import check_asked

            view, array, compared, single = check_asked(committed, queries, bags, embedding)
            third, legs = _third_leg(committed, view, compared), (*LEGS, "bags")
        elif queries is not None:
            legs = LEGS
            view = space(committed, queries, embedding)
            array, single = check_vectors(queries, "queries", dim=view.shape.dim, nonzero=view.shape.metric == "cosine")
        texts, single = check_query_texts(text, array, single)
        fusion = fusion_of(reader, view, view is committed, legs)
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
            every, allowed = candidates(
                view, array, found, condition, columns, score=scores, beam=beam, group=group, bags=third
            )
        fused = order(view, every, columns, allowed, fusion, max_false, group, legs=legs)
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
        return hits_of(reader, view, connection, fused, status, groups, payload, attributes, bool(single))

    return _mending(reader, answer)


def hits_of(
    reader: Reader,
    view: View,
    connection: Any,
    fused: Fused,
    status: Sequence[str],
    groups: Any,
    payload: bool,
    attributes: bool,
    single: bool,
) -> Hits:
    """Hits by legs, with what is asked for beside them."""
    hits = fused.hits
    parts, rows, columns = hits.parts.ravel(), hits.rows.ravel(), hits.keys.shape[1]
    values, payloads = reader.details(view, connection, hits.keys, parts, rows, payload, attributes)
    return Hits(
        split(view.gather_ids(parts, rows), columns),
        hits.distances,
        list(status),
        relevance=fused.relevance,
        attributes=values,
        payload=payloads,
        groups=groups,
        legs=fused.legs,
        text=reader.texts_of(view, connection, hits.keys) if payload else None,
        single=single,
    )


def _third_leg(committed: View, view: View, bags: Any) -> Any:
    """Scores and standings by MaxSim of the items at ``(part, row)`` of ``view``, of the query of some number."""
    from .bag_search import maxsims, standings

    def scored(number: int, parts: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if view is not committed:
            keys = np.array([view.parts[part].part.keys[row] for part, row in zip(parts, rows, strict=True)], np.int64)
            parts, rows = committed.locate(keys)
        own = bags[number : number + 1]
        found = maxsims(committed, own, parts[None], rows[None])
        return found[0], standings(committed, own, found)[0]

    return scored


def _mending(reader: Reader, answer: Any) -> Any:
    """The answer; a writer that meets a damaged index of words builds it again and asks once more."""
    try:
        return reader.view(answer, transaction=True)
    except DamagedWordsError:
        if reader.maintenance is None:
            raise
        reader.maintenance.rebuild_words()
        return reader.view(answer, transaction=True)


def fusion_of(reader: Reader, view: View, own: bool, legs: tuple[str, ...]) -> Fusion | None:
    """What was fitted for these legs; of another model's vectors it knows nothing."""
    stored = (view.meta.get("fusion") or {}).get(_MODELS[legs])
    if stored is None or (legs != WORDS and not own):
        return None
    from ..decide import Fusion

    with decoding(reader.catalogue.path, "the fusion"):
        return Fusion.from_dict(stored)


@dataclass(frozen=True)
class Judgements:
    """Judged queries, by vector and by text, and the grades by id of what answers each."""

    queries: np.ndarray
    text: list[str]
    grades: list[dict[Id, float]]
    random_state: int = 0
    mapped: bool = False
    probe: Probe | None = None
    bags: Any = None

    @classmethod
    def check(cls, queries: Any, text: Any, relevant: Any, random_state: int, view: View, bags: Any) -> Judgements:
        """What a caller gave; ValueError or TypeError names the parameter."""
        shape, found = view.shape, None
        if bags is None:
            array, _ = check_vectors(queries, "queries", dim=shape.dim, nonzero=shape.metric == "cosine", min_rows=1)
        else:
            from .bag_search import check_asked

            _, array, found, _ = check_asked(view, queries, bags, "old" if view.next is not None else None)
        texts, _ = check_query_texts(text, array, False)
        grades = [_graded(one) for one in _listed(relevant, len(texts))]
        return cls(array, texts, grades, check_random_state(random_state), bags=found)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; :meth:`of` reads it. Bags are megabytes, and stay out."""
        grades = [list(map(list, graded.items())) for graded in self.grades]
        told = {"text": self.text, "grades": grades, "random_state": self.random_state, "mapped": self.mapped}
        return {"queries": packed(self.queries), **told}

    @classmethod
    def of(cls, kept: Mapping[str, Any], shape: Shape) -> Judgements:
        """Those that the store keeps."""
        text = check_texts(kept["text"], len(kept["grades"]))
        expect(text is not None, "expected the texts of the queries")
        grades = [{name: float(grade) for name, grade in graded} for graded in kept["grades"]]
        queries = unpacked(kept["queries"], len(grades), shape.dim)
        mapped = bool(kept.get("mapped", False))
        return cls(queries, text or [], grades, check_random_state(kept["random_state"]), mapped)

    def crossed(self, crossing: Crossing | Recoding) -> Judgements:
        """The same with its queries in the space that the store is moved to."""
        found = crossing.queries(self.queries, self.text)
        if found is None:
            return self
        rows = found.rows.tolist()
        text, grades = [self.text[row] for row in rows], [self.grades[row] for row in rows]
        return Judgements(found.queries, text, grades, self.random_state, found.mapped, found.probe)


def fit_fusion(reader: Reader, judged: Judgements) -> FusionReport:
    """See :meth:`Store.fit_fusion`."""
    from ..decide import Fusion, compare_fusion

    def answer(view: View, connection: Any) -> tuple[Any, FusionReport]:
        wording = Wording.of(view.meta)
        if wording is None:
            raise ValueError("text: this store has no texts; add them with text=, or name their key with index_text()")
        keys = find_keys(connection, {name for graded in judged.grades for name in graded})
        grades = [{keys[name]: grade for name, grade in graded.items() if name in keys} for graded in judged.grades]
        path = reader.catalogue.path
        found = [match(connection, path, one, wording, None if view.moment else WIDTH) for one in judged.text]
        third = None if judged.bags is None else _third_leg(view, view, judged.bags)
        legs = LEGS if third is None else (*LEGS, "bags")
        scored = partial(score, connection, path, wording)
        every, _ = candidates(view, judged.queries, found, None, 1, score=scored, bags=third)
        numbers = np.repeat(np.arange(len(every)), [len(one.keys) for one in every])
        scores, standing = (np.concatenate([getattr(one, part) for one in every]) for part in ("scores", "standing"))
        standing[:, 0] *= outstanding(view, judged.probe)
        gain = np.array(
            [known.get(key, 0.0) for one, known in zip(every, grades, strict=True) for key in one.keys.tolist()]
        )
        held = standing[:, 1] > 0
        models = {
            "text": Fusion().fit(standing[held, 1:], gain[held] > 0, numbers[held]),
            "both": Fusion().fit(standing[:, :2], gain > 0, numbers, mapped=judged.mapped),
        }
        # Bags are not kept to fit them again: what was learnt of them stays until others are shown.
        before = view.meta.get("fusion") or {}
        learnt = {name: before[name] for name in ("all", "bags") if name in before}
        if third is not None:
            learnt = {}
            models["all"] = Fusion().fit(standing, gain > 0, numbers)
            models["bags"] = _of_bags(view, judged.queries, judged.bags, grades)
        ideal = dict(enumerate([list(known.values()) for known in grades]))
        report = compare_fusion(
            scores, standing, gain, numbers, names=legs, ideal=ideal, random_state=judged.random_state
        )
        said = {"items": view.items, "changes": view.changes, "fit": judged.to_dict()}
        return learnt | {name: model.to_dict() for name, model in models.items()} | said, report

    stored, report = _mending(reader, answer)
    with reader.catalogue.writing() as connection:
        set_meta(connection, "fusion", stored)
    return report


def _of_bags(view: View, array: np.ndarray, bags: Any, grades: list[dict[int, float]]) -> Fusion:
    """What is fitted for bags alone, on the candidates that a search by them alone has."""
    from ..decide import Fusion
    from .bag_search import CANDIDATES, candidates_by_bags

    every, _ = candidates_by_bags(view, view, array, bags, 1, CANDIDATES, standing=True)
    numbers = np.repeat(np.arange(len(every)), [len(one.keys) for one in every])
    relevant = [key in known for one, known in zip(every, grades, strict=True) for key in one.keys.tolist()]
    return Fusion().fit(np.concatenate([one.standing for one in every]), np.array(relevant, bool), numbers)


def _listed(relevant: Any, count: int) -> Sequence[Any]:
    if isinstance(relevant, str) or not isinstance(relevant, Sequence):
        raise TypeError(f"relevant: expected a list with the relevant ids of each query, got {type(relevant).__name__}")
    if len(relevant) != count:
        raise ValueError(f"relevant: expected {count} lists of ids, one per query, got {len(relevant)}")
    return relevant


def _graded(one: Any) -> dict[Id, float]:
    """Id -> grade of what is relevant."""
    ids, _ = check_ids(list(one), None, unique=False) if len(one) else ([], None)
    grades = [float(grade) for grade in one.values()] if isinstance(one, dict) else [1.0] * len(ids)
    return {name: grade for name, grade in zip(ids, grades, strict=True) if grade > 0}
