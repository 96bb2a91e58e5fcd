"""The beginning of a move to another model: what is given is checked, the map is learnt, and the next space opened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_vectors
from ..common.decoding import decoding
from ..decide import QueryJudge
from . import upgrading
from .crossing import encoded
from .hits import Item
from .ids import Id, check_ids
from .query_judging import Labelled, check_lists
from .snapshot import Shape, View
from .tables import find_keys
from .text_search import Judgements
from .upgrade import PAIRS_KEPT, Upgrade, texts_of
from .verdict import unasked
from .weighing import KEPT, LEAST, Judged, refuse_few, samples, told
from .writing import as_stored, check_embedding

if TYPE_CHECKING:
    from ..encode import Encoder
    from .handle import Handle

LEAST_PAIRS = 20
_QUERIES_KEPT = 2000


def begin(
    store: Handle,
    encoder: Encoder | None,
    pairs: Any,
    text: str | Callable[[Item], str],
    metric: str | None,
    embedding: Any,
    queries: Any,
    old_queries: Any,
    relevant: Any,
    random_state: int,
) -> Upgrade:
    """See :meth:`Store.upgrade`."""
    from .learning import learn

    writer = store._writing()[0]
    check_random_state(random_state)
    if store._meta().get("next"):
        raise ValueError("upgrade: the store is being moved already; go on with store.upgrading, or abandon() it")
    own = store._shape
    after = own.metric if metric is None else check_choice(metric, "metric", ("cosine", "ip", "l2"))
    ids, old, new = _pairs(store, encoder, pairs, text, own, after, random_state)
    new, _ = check_vectors(new, "pairs", dim=None if encoder is None else encoder.dim, nonzero=after == "cosine")
    if len(old) != len(new):
        raise ValueError(f"pairs: expected one new vector for each of {len(old)} items, got {len(new)}")
    if len(old) < LEAST_PAIRS:
        raise ValueError(f"pairs: expected at least {LEAST_PAIRS} items encoded by both models, got {len(old)}")
    dim = new.shape[1]
    fingerprint = check_embedding(encoder.fingerprint() if embedding is None and encoder else embedding, dim)
    if fingerprint is not None and fingerprint == store._meta().get("embedding"):
        raise ValueError(f"embedding: the store holds vectors of this model already: {fingerprint}")
    kept = asked(store, encoder, queries, old_queries, relevant, (dim, after), own)
    judged = _known(store, encoder, (dim, after)) if relevant is None else kept.judged
    learned = learn(old, new, own.metric, after, random_state, samples(kept.queries, judged), rows=max(2, len(store)))
    shape = Shape(dim, own.dtype, after, own.schema)
    said = upgrading.settings(learned, dim, after, fingerprint, "", 1)
    beside = {}
    if not ids:
        some = np.sort(np.random.default_rng(random_state).permutation(len(old))[:PAIRS_KEPT])
        beside = {"old": old[some], "new": new[some]}
        said["beside"] = len(some)
    arrays = dict(upgrading.arrays_of(learned, kept.queries, beside))
    if judged is not None:
        arrays["judged"] = judged.to_arrays()
        said["judged"] = unasked(len(judged.relevant))
    upgrading.begin(writer, said, arrays, ids, as_stored(new, shape) if ids else new)
    begun = Upgrade(store, store._meta()["next"])
    begun._encoder = encoder
    if judged is not None:
        begun.weigh()
    return begun


def _pairs(
    store: Handle, encoder: Encoder | None, pairs: Any, text: Any, own: Shape, metric: str, random_state: int
) -> tuple[list[Id], np.ndarray, Any]:
    """Ids (none where the pairs are no items), old vectors, new vectors."""
    if isinstance(pairs, int) and not isinstance(pairs, bool):
        check_int(pairs, "pairs", LEAST_PAIRS)
        if encoder is None:
            raise ValueError(f"encoder: expected the new model, to encode {pairs} items with, got None")
        ids = store._reader.view(lambda view, _: _sample_ids(view, pairs, random_state))
        ids, texts = texts_of(store, ids, text)
        return ids, _old_vectors(store, ids), encoded(encoder, texts, encoder.dim, metric)
    if not isinstance(pairs, Sequence) or len(pairs) != 2:
        raise TypeError(
            "pairs: expected a number of items, (ids, new vectors) or (old vectors, new vectors), got "
            f"{type(pairs).__name__}"
        )
    first, new = pairs
    if np.ndim(first) == 2:
        old, _ = check_vectors(first, "pairs", dim=own.dim, nonzero=own.metric == "cosine")
        return [], old, new
    named, _ = check_ids(first, store._meta().get("id_type"))
    return named, _old_vectors(store, named), new


def _sample_ids(view: View, count: int, random_state: int) -> list[Any]:
    keys = np.concatenate([np.empty(0, np.int64), *(live.part.keys[live.rows()] for live in view.parts)])
    some = np.sort(np.random.default_rng(random_state).permutation(keys)[:count])
    return view.gather_ids(*view.locate(some))


def _old_vectors(store: Handle, ids: list[Id]) -> np.ndarray:
    items = store._reader.get(ids) if ids else []
    missing = [identifier for identifier, item in zip(ids, items, strict=True) if item is None]
    if missing:
        raise ValueError(f"pairs: {len(missing)} of the ids are not in the store, such as {missing[:5]!r}")
    vectors = [item.vector for item in items]
    return np.asarray(vectors, np.float32).reshape(len(ids), store._shape.dim)


@dataclass(frozen=True)
class Asked:
    """Sample queries by model, and those of them, or others, that are judged."""

    queries: dict[str, np.ndarray]
    judged: Judged | None


def asked(
    store: Handle,
    encoder: Encoder | None,
    queries: Any,
    old_queries: Any,
    relevant: Any,
    of: tuple[int, str],
    own: Shape,
) -> Asked:
    """What is kept of the sample queries and the answers to them; ``of`` are dimensions and metric of the new model."""
    from .store import LEAST_OBSERVED

    found: dict[str, np.ndarray] = {}
    if queries is not None:
        if len(queries) and isinstance(queries[0], str):
            if encoder is None:
                raise ValueError("queries: expected vectors, as there is no encoder for texts")
            queries = encoded(encoder, queries, *of)
        found["new"], _ = check_vectors(queries, "queries", dim=of[0], nonzero=of[1] == "cosine")
    if isinstance(old_queries, str):
        check_choice(old_queries, "old_queries", ("observed",))
        if relevant is not None:
            raise ValueError('relevant: expected None with old_queries="observed", of which nobody knows the answers')
        seen = store._watch.record.queries(store._viewer.current())
        if len(seen) < LEAST_OBSERVED:
            raise ValueError(f"old_queries: expected at least {LEAST_OBSERVED} observed queries, found {len(seen)}")
        found["old"] = seen
    elif old_queries is not None:
        found["old"], _ = check_vectors(old_queries, "old_queries", dim=own.dim, nonzero=own.metric == "cosine")
    judged = None if relevant is None else _judged(store, found, relevant)
    if judged is not None:  # not among those that say what is encoded first: what they ask for would be judged too well
        known = {row.tobytes() for row in judged.new}
        others = np.array([row.tobytes() not in known for row in found["new"]], bool)
        found = {name: rows[others] for name, rows in found.items()} if others.any() else {}
    chosen = np.random.default_rng(0).permutation(max((len(rows) for rows in found.values()), default=0))
    kept = {
        name: np.ascontiguousarray(rows[np.sort(chosen[chosen < len(rows)][:_QUERIES_KEPT])], np.float32)
        for name, rows in found.items()
    }
    return Asked(kept, judged)


def _judged(store: Handle, found: Mapping[str, np.ndarray], relevant: Any) -> Judged:
    for name, parameter in (("new", "queries"), ("old", "old_queries")):
        if name not in found:
            raise ValueError(f"relevant: expected {parameter}= beside it, the questions by both models, got None")
    if len(found["new"]) != len(found["old"]):
        raise ValueError(
            f"old_queries: expected {len(found['new'])} rows, one for each of queries, got {len(found['old'])}"
        )
    ids = check_lists(relevant, "relevant", len(found["new"]), store._meta().get("id_type"))
    judged = Judged.drawn(found["new"], found["old"], ids)
    refuse_few(_held(store, judged))
    return judged


def _held(store: Handle, judged: Judged) -> int:
    """How many of the questions have an answer in the store."""

    def there(view: View, connection: Any) -> int:
        keys = find_keys(connection, {name for ids in judged.relevant for name in ids})
        return len(told(view, judged, keys)[1])

    count: int = store._reader.view(there, transaction=True)
    return count


def _known(store: Handle, encoder: Encoder | None, of: tuple[int, str]) -> Judged | None:
    """Labelled queries that a judge or a fusion keeps with their texts, encoded by the new model; None without."""
    if encoder is None:
        return None
    view = store._viewer.current()
    own, kept = view.shape, None
    stored, fusion = view.meta.get("judge"), view.meta.get("fusion")
    if isinstance(view.judge, QueryJudge) and stored is not None:
        labelled = Labelled.of(stored.get("fit") or {}, own, store.path)
        if labelled.text is not None and not labelled.mapped:
            kept = labelled.queries, labelled.text, labelled.relevant
    if kept is None and fusion is not None and "fit" in fusion:
        with decoding(store.path, "the judged queries of the fusion"):
            graded = Judgements.of(fusion["fit"], own)
        if not graded.mapped:
            kept = graded.queries, graded.text, [list(grades) for grades in graded.grades]
    if kept is None:
        return None
    queries, texts, relevant = kept
    rows = [row for row, ids in enumerate(relevant) if ids]
    rows = sorted(np.random.default_rng(0).permutation(np.array(rows, np.int64))[:KEPT].tolist())
    if len(rows) < LEAST:
        return None
    new = encoded(encoder, [texts[row] for row in rows], *of)
    judged = Judged.drawn(new, queries[rows], [relevant[row] for row in rows])
    return judged if _held(store, judged) >= LEAST else None
