"""Queries: from a request's body to the points it asks for, best first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...store import Store
from . import scores
from .collection import Collection
from .conditions import Condition, Filter, parse_filter
from .formula import Formula, Scored
from .ordering import Order
from .point_ids import PointId, parse_id
from .points import Points
from .refusal import bad, fields, number, several, unsupported, whole
from .scores import Hit
from .vectors import HeldSparse, Space, Sparse

# (collection, vector, id) -> the vector; 404 where there is none.
Lookup = Callable[[str | None, str, PointId], Any]

_KEYS = ("query", "prefetch", "using", "filter", "params", "score_threshold", "lookup_from", "limit")
_FUSING = ("fusion", "rrf", "formula")
# Of ``params``: those that change no answer here, where codes only find candidates.
_INERT = ("quantization", "indexed_only", "acorn")
# A graph is searched so much more widely than asked for at most.
_WIDEST = 1 << 16


class _Having(Condition):
    """The points with these ids."""

    def __init__(self, ids: Sequence[PointId]):
        self.ids = ids

    def mask(self, points: Any) -> np.ndarray:
        return points.with_ids(self.ids)


class Asker:
    """Answers queries of one collection.

    Parameters
    ----------
    collection, store : what is asked.
    lookup : finds the vectors of points that a query names.
    """

    def __init__(self, collection: Collection, store: Store, lookup: Lookup):
        self.collection = collection
        self.store = store
        self.lookup = lookup

    def ask(
        self, body: Any, *, limit: int | None = None, more: Iterable[str] = (), boundless: bool = False
    ) -> list[Hit]:
        """The hits of a request; ``limit`` takes the place of its own, ``boundless`` that of its prefetches too."""
        body = fields(body, "query", (*_KEYS, "offset", *more), ignored=("shard_key", "timeout", "consistency"))
        offset = whole(body.get("offset"), "offset", 0, 0)
        count = whole(body.get("limit"), "limit", 10) if limit is None else limit
        return self._ask(body, None, count + offset, boundless)[offset:]

    def _ask(self, body: Any, outer: Filter | None, count: int, boundless: bool) -> list[Hit]:
        kind, content = _kind(body.get("query"))
        threshold = None if body.get("score_threshold") is None else number(body["score_threshold"], "score_threshold")
        resolved = _Resolved(self, kind, content, body)
        own = parse_filter(body.get("filter"))
        condition = own if outer is None else outer.merged(own)
        if resolved.mentioned:
            condition = copy.copy(condition) if condition is not None else Filter({})
            condition.must_not = [*condition.must_not, _Having(sorted(resolved.mentioned, key=str))]
        prefetches = several(body.get("prefetch"))
        if not prefetches:
            if kind in _FUSING:
                raise bad(f"Cannot perform {kind} without prefetches")
            return self._plain(resolved, condition, count, threshold)
        sources = []
        for prefetch in prefetches:
            prefetch = fields(prefetch, "prefetch", _KEYS)
            few = self.collection.points.count if boundless else whole(prefetch.get("limit"), "prefetch.limit", 10)
            sources.append(self._ask(prefetch, condition, few, boundless))
        if kind in _FUSING:
            hits = self._fused(kind, content, sources)[:count]
            return [hit for hit in hits if threshold is None or hit.score >= threshold]
        ids = list(dict.fromkeys(hit.id for source in sources for hit in source))
        condition = copy.copy(condition) if condition is not None else Filter({})
        condition.must = [*condition.must, _Having(ids)]
        return self._plain(resolved, condition, count, threshold) if ids else []

    def _plain(self, resolved: _Resolved, condition: Filter | None, count: int, threshold: float | None) -> list[Hit]:
        """A query that is not about other queries' answers."""
        if resolved.kind in ("none", "order_by", "sample"):
            with self.collection.lock:
                points = self.collection.points
                mask = points.alive() if condition is None else points.alive() & condition.mask(points)
                if resolved.kind == "order_by":
                    found = Order(resolved.content).rows(points, mask, count)
                    return [Hit(points.ids[row], 1.0, points.payloads[row], value) for row, value in found]
                if resolved.kind == "none":
                    ordered = points.ordered()
                    rows = ordered[mask[ordered]][:count]
                else:
                    rows = np.random.default_rng().permutation(np.flatnonzero(mask))[:count]
                return [Hit(points.ids[row], 1.0, points.payloads[row]) for row in rows.tolist()]
        if resolved.mmr is None:
            return self._best(resolved, condition, count, threshold)
        return self._diverse(resolved, condition, count, threshold)

    # -- by vectors ----------------------------------------------------------------------------------------------------

    def _best(self, resolved: _Resolved, condition: Filter | None, count: int, threshold: float | None) -> list[Hit]:
        space = resolved.space
        if space.name == self.collection.schema.engine:
            return self.collection.consistent(self.store, lambda: self._searched(resolved, condition, count, threshold))
        with self.collection.lock:
            points = self.collection.points
            mask = points.alive() & points.with_vector(space.name)
            if condition is not None:
                mask &= condition.mask(points)
            held, rows = points.held[space.name], np.flatnonzero(mask)
            examples = resolved.examples
            if isinstance(space, Sparse) and isinstance(held, HeldSparse):
                if space.idf:
                    corpus = points.alive() & points.with_vector(space.name)
                    if resolved.corpus is not None:
                        corpus &= resolved.corpus.mask(points)
                    examples = [held.weighted(example, corpus) for example in examples]
                if resolved.kind == "nearest":
                    rows = rows[held.overlapping(examples[0], rows)] if len(rows) else rows
            if not len(rows):
                return []
            values = resolved.combine([held.score(one, rows) for one in examples], len(rows))
            return self._cut(points, resolved, rows, values, count, threshold)

    def _searched(
        self, resolved: _Resolved, condition: Filter | None, count: int, threshold: float | None
    ) -> tuple[list[Hit], Points, np.ndarray, Any]:
        """The same where the store has the vectors; what :meth:`Collection.consistent` wants to know of it."""
        collection, name = self.collection, resolved.space.name
        with collection.lock:
            points, allowed, keys = collection.points, None, None
            if condition is not None or not points.complete(name):
                allowed = points.alive() & points.with_vector(name)
                if condition is not None:
                    allowed &= condition.mask(points)
                keys = points.keys(allowed)
            left = points.count if keys is None else len(keys)
        if not left:
            return [], points, np.empty(0, np.int64), allowed

        def similar(example: np.ndarray, most: int | None) -> tuple[np.ndarray, np.ndarray]:
            if self.store.metric == "cosine" and not example.any():  # no direction: equally unlike everything
                with collection.lock:
                    rows = np.flatnonzero(points.alive() if allowed is None else allowed)
                return rows, np.zeros(len(rows), np.float32)
            if most is None:
                return collection.everything(self.store, example, keys)
            exact, beam = resolved.exact, resolved.beam
            return collection.nearest(self.store, example, most, keys, exact=exact, beam=beam)

        if resolved.kind == "nearest":
            rows, similarity = similar(resolved.examples[0], min(count, left))
            found = [similarity]
        else:
            answers = [similar(example, None) for example in resolved.examples]
            rows = np.unique(np.concatenate([one for one, _ in answers]))
            found = []
            for theirs, similarity in answers:
                spread = np.full(len(rows), -np.inf, np.float32)
                spread[np.searchsorted(rows, theirs)] = similarity
                found.append(spread)
        with collection.lock:
            here = (rows >= 0) & (rows < len(points)) & (collection.points is points)
            values = resolved.combine(found, len(rows))[here]
            hits = self._cut(points, resolved, rows[here], values, count, threshold)
        return hits, points, np.where(here, rows, -1), allowed

    def _cut(
        self,
        points: Points,
        resolved: _Resolved,
        rows: np.ndarray,
        values: np.ndarray,
        count: int,
        threshold: float | None,
    ) -> list[Hit]:
        """The best of the rows, larger values first, as far as the threshold lets them through."""
        order = scores.largest(values, count)
        values, rows = values[order], rows[order]
        nearest = resolved.kind == "nearest"
        shown = resolved.space.shown(values) if nearest else values
        if threshold is not None:
            beyond = shown < threshold if nearest and resolved.space.smaller_is_better else shown > threshold
            shown, rows = shown[beyond], rows[beyond]
        return [
            Hit(points.ids[row], score, points.payloads[row])
            for row, score in zip(rows.tolist(), shown.tolist(), strict=True)
        ]

    def _diverse(self, resolved: _Resolved, condition: Filter | None, count: int, threshold: float | None) -> list[Hit]:
        """Candidates by nearness, then chosen one by one by how unlike they are to those before."""
        body = fields(resolved.mmr, "mmr", ("diversity", "candidates_limit"))
        diversity = 0.5 if body.get("diversity") is None else number(body["diversity"], "mmr.diversity")
        if not 0 <= diversity <= 1:
            raise bad(f"mmr.diversity: expected a number from 0 to 1, got {diversity}")
        among = whole(body.get("candidates_limit"), "mmr.candidates_limit", count)
        hits = self._best(resolved, condition, among, threshold)
        name = resolved.space.name
        known = {point.id: point for point in self.collection.whole(self.store, [hit.id for hit in hits])}
        hits = [hit for hit in hits if hit.id in known and name in known[hit.id].vectors]
        if not hits:
            return []
        held = resolved.space.held()
        vectors = [known[hit.id].vectors[name] for hit in hits]
        for row, vector in enumerate(vectors):
            held.add(row, vector)
        every = np.arange(len(hits))
        likeness = np.array([held.score(vector, every) for vector in vectors])
        chosen = scores.marginal_relevance(held.score(resolved.examples[0], every), likeness, diversity, count)
        return [hits[place] for place in chosen]

    # -- about other queries' answers ----------------------------------------------------------------------------------

    def _fused(self, kind: str, content: Any, sources: Sequence[Sequence[Hit]]) -> list[Hit]:
        if kind == "rrf":
            body = fields(content, "rrf", ("k", "weights"))
            weights = body.get("weights")
            if weights is not None and (not isinstance(weights, list) or len(weights) != len(sources)):
                raise bad(f"rrf.weights: expected {len(sources)} weights, one for each prefetch, got {weights!r}")
            numbers = None if weights is None else [number(one, "rrf.weights") for one in weights]
            return scores.reciprocal_ranks(sources, whole(body.get("k"), "rrf.k", 2), numbers)
        if kind == "fusion":
            if content not in ("rrf", "dbsf"):
                raise bad(f"fusion: expected 'rrf' or 'dbsf', got {content!r}")
            return scores.reciprocal_ranks(sources) if content == "rrf" else scores.distributions(sources)
        given = [{hit.id: hit.score for hit in source} for source in sources]
        with self.collection.lock:
            points = self.collection.points
            formula = Formula(content["formula"], content.get("defaults"), points)
            hits = []
            for identifier in dict.fromkeys(hit.id for source in sources for hit in source):
                row = points.row(identifier)
                if row is not None:
                    point = Scored(row, points.payloads[row], [each.get(identifier) for each in given])
                    hits.append(Hit(identifier, formula.score(point), points.payloads[row]))
        return sorted(hits, key=lambda hit: -hit.score)


class _Resolved:
    """A query with its examples as vectors, and what becomes of their similarities."""

    def __init__(self, asker: Asker, kind: str, content: Any, body: Any):
        self.kind = kind
        self.content = content
        self.mentioned: set[PointId] = set()
        self.examples: list[Any] = []
        self.mmr: Any = None
        self.space: Space
        self.combine: Callable[[list[np.ndarray], int], np.ndarray]
        params = fields(body.get("params") or {}, "params", ("exact", "hnsw_ef", "idf"), ignored=_INERT)
        self.exact = bool(params.get("exact"))
        beam = params.get("hnsw_ef")
        self.beam = None if beam is None else min(whole(beam, "params.hnsw_ef", None), _WIDEST)
        self.corpus: Filter | None = None
        if isinstance(params.get("idf"), dict):
            self.corpus = parse_filter(fields(params["idf"], "params.idf", ("corpus",)).get("corpus"))
        if kind in ("none", "order_by", "sample", *_FUSING):
            if kind == "sample" and content != "random":
                raise bad(f"sample: expected 'random', got {content!r}")
            return
        using = body.get("using")
        self.space = asker.collection.schema.space(using)
        where = body.get("lookup_from")
        self._asker = asker
        self._collection: str | None = None
        self._vector = self.space.name
        if where is not None:
            where = fields(where, "lookup_from", ("collection", "vector"), needed=("collection",))
            self._collection = where["collection"]
            self._vector = where["vector"] if where.get("vector") is not None else self._vector
        getattr(self, f"_{kind}")(content)
        self.examples = [self.space.ready(example) for example in self.examples]

    def _example(self, value: Any) -> Any:
        """A vector, or that of a point, which is then left out of the answer."""
        if not isinstance(value, int | str):
            return self.space.parse(value, query=True)
        identifier = parse_id(value, "query")
        found = self._asker.lookup(self._collection, self._vector, identifier)
        if self._collection in (None, self._asker.collection.name):
            self.mentioned.add(identifier)
        return self.space.parse(found, query=True)

    def _nearest(self, content: Any) -> None:
        self.mmr = content.get("mmr")
        self.examples = [self._example(content["nearest"])]
        self.combine = lambda found, rows: found[0]

    def _recommend(self, content: Any) -> None:
        body = fields(content, "recommend", ("positive", "negative", "strategy"))
        positive = [self._example(one) for one in several(body.get("positive"))]
        negative = [self._example(one) for one in several(body.get("negative"))]
        strategy = body.get("strategy") or "average_vector"
        if strategy == "average_vector":
            if not positive:
                raise bad("recommend: expected a positive example for the strategy 'average_vector'")
            self.kind = "nearest"
            self.examples = [self.space.mean(positive, negative)]
            self.combine = lambda found, rows: found[0]
            return
        combining = {"best_score": scores.best_score, "sum_scores": scores.sum_scores}.get(strategy)
        if combining is None:
            raise bad(f"recommend.strategy: expected average_vector, best_score or sum_scores, got {strategy!r}")
        if not positive and not negative:
            raise bad("recommend: expected a positive or a negative example")
        self.examples = positive + negative
        self.combine = lambda found, rows: combining(found[: len(positive)], found[len(positive) :], rows)

    def _pairs(self, value: Any) -> int:
        pairs = several(value)
        for pair in pairs:
            pair = fields(pair, "context", ("positive", "negative"), needed=("positive", "negative"))
            self.examples += [self._example(pair["positive"]), self._example(pair["negative"])]
        return len(pairs)

    def _discover(self, content: Any) -> None:
        body = fields(content, "discover", ("target", "context"), needed=("target",))
        self.examples = [self._example(body["target"])]
        self._pairs(body.get("context"))
        self.combine = lambda found, rows: scores.discover(found[0], list(zip(found[1::2], found[2::2], strict=True)))

    def _context(self, content: Any) -> None:
        if not self._pairs(content):
            raise bad("context: expected a pair of examples")
        self.combine = lambda found, rows: scores.context(list(zip(found[::2], found[1::2], strict=True)), rows)

    def _relevance_feedback(self, content: Any) -> None:
        parts = ("target", "feedback", "strategy")
        body = fields(content, "relevance_feedback", parts, needed=parts)
        naive = fields(body["strategy"], "strategy", ("naive",), needed=("naive",))["naive"]
        naive = fields(naive, "naive", ("a", "b", "c"), needed=("a", "b", "c"))
        a, b, c = (number(naive[name], f"naive.{name}") for name in "abc")
        self.examples = [self._example(body["target"])]
        grades = []
        for item in several(body["feedback"]):
            item = fields(item, "feedback", ("example", "score"), needed=("example", "score"))
            self.examples.append(self._example(item["example"]))
            grades.append(number(item["score"], "feedback.score"))
        self.combine = lambda found, rows: scores.feedback(found[0], found[1:], grades, a, b, c)


def _kind(query: Any) -> tuple[str, Any]:
    """Which query it is, and what it says."""
    if query is None:
        return "none", None
    if not isinstance(query, dict) or "indices" in query:
        return "nearest", {"nearest": query}
    if "nearest" in query:
        return "nearest", fields(query, "query", ("nearest", "mmr"), needed=("nearest",))
    if "formula" in query:
        return "formula", fields(query, "query", ("formula", "defaults"), needed=("formula",))
    for kind in ("recommend", "discover", "context", "order_by", "fusion", "rrf", "sample", "relevance_feedback"):
        if kind in query:
            return kind, fields(query, "query", (kind,), needed=(kind,))[kind]
    if "text" in query or "image" in query or "object" in query or "model" in query:
        raise unsupported("inference: a query as a text or an image, and BM25 over payloads")
    raise bad(f"query: expected a vector, a point's ID or a query, got an object of {', '.join(query) or 'nothing'}")
