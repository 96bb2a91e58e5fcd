"""What is read but not searched for, and which parts of a point an answer carries."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...store import Store
from .collection import Collection
from .conditions import parse_filter
from .ordering import Order
from .paths import Selector, find, flat, path_of
from .point_ids import PointId, order_of, parse_id, parse_ids
from .query import Asker
from .refusal import absent, bad, fields, texts, unsupported, whole
from .scores import Hit

_IGNORED = ("shard_key", "consistency", "timeout")
# Hits looked at for groups at a time, for each that an answer may hold.
_WIDER = 4


class Shown:
    """Which parts of a point an answer carries: ``with_payload`` and ``with_vector``."""

    def __init__(self, body: Any, *, payload: bool = False):
        self.payload = Selector(body.get("with_payload"), payload)
        asked = body.get("with_vector") if body.get("with_vector") is not None else body.get("with_vectors")
        self.vectors: bool | list[str] = asked if isinstance(asked, bool) else False
        if asked is not None and not isinstance(asked, bool):
            self.vectors = texts(asked, "with_vector")

    def points(self, collection: Collection, store: Store, ids: Sequence[PointId]) -> dict[PointId, dict[str, Any]]:
        """The points with these ids that are there, as an answer shows them."""
        if self.vectors is False:
            with collection.lock:
                points = [point for point in map(collection.points.get, ids) if point is not None]
        else:
            points = collection.whole(store, ids)
        return {point.id: self._one(collection, point.id, point.payload, point.vectors) for point in points}

    def _one(
        self, collection: Collection, identifier: PointId, payload: dict[str, Any], vectors: dict[str, Any]
    ) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": identifier}
        part = self.payload.of(payload)
        if part is not None:
            shown["payload"] = part
        if self.vectors is not False:
            spaces = collection.schema.spaces
            chosen = {
                name: spaces[name].to_json(vector)
                for name, vector in vectors.items()
                if vector is not None and name in spaces and (self.vectors is True or name in self.vectors)
            }
            shown["vector"] = chosen[""] if chosen.keys() == {""} else chosen
        return shown

    def hits(
        self, collection: Collection, store: Store, hits: Sequence[Hit], *, scored: bool = True
    ) -> list[dict[str, Any]]:
        """Points as they were when they were found, but for those deleted since where vectors are asked for."""
        vectors: dict[PointId, dict[str, Any]] = {}
        if self.vectors is not False:
            vectors = {point.id: point.vectors for point in collection.whole(store, [hit.id for hit in hits])}
            hits = [hit for hit in hits if hit.id in vectors]
        answer = []
        for hit in hits:
            point = self._one(collection, hit.id, hit.payload, vectors.get(hit.id, {}))
            if scored:
                point |= {"version": 0, "score": hit.score}
            answer.append(point if hit.value is None else {**point, "order_value": hit.value})
        return answer


def retrieve(collection: Collection, store: Store, body: Any) -> list[dict[str, Any]]:
    """Points by their ids, in the order of these; those that are not there are left out."""
    body = fields(body, "retrieve", ("ids", "with_payload", "with_vector"), needed=("ids",), ignored=_IGNORED)
    ids = parse_ids(body["ids"], "ids")
    known = Shown(body, payload=True).points(collection, store, ids)
    return [known[identifier] for identifier in ids if identifier in known]


def one_point(collection: Collection, store: Store, identifier: str) -> dict[str, Any]:
    """A point by the id in a path; 404 where there is none."""
    parsed = parse_id(int(identifier) if identifier.isascii() and identifier.isdigit() else identifier)
    known = Shown({"with_payload": True, "with_vector": True}).points(collection, store, [parsed])
    if parsed not in known:
        raise absent(f"Point with id {identifier} does not exists!")
    return known[parsed]


def vector_of(collection: Collection, store: Store, name: str, identifier: PointId) -> Any:
    """A point's vector as JSON; 404 where there is none."""
    space = collection.schema.space(name)
    points = collection.whole(store, [identifier])
    if not points:
        raise absent(f"No point with id {identifier} found")
    vector = points[0].vectors.get(name)
    if vector is None:
        raise absent(f"Vector with name {name} for point {identifier} not found")
    return space.to_json(vector)


def scroll(collection: Collection, store: Store, body: Any) -> dict[str, Any]:
    """A page of points in the order of their ids, or of a payload; and the id that the next page begins with."""
    known = ("offset", "limit", "filter", "with_payload", "with_vector", "order_by")
    body = fields(body, "scroll", known, ignored=_IGNORED)
    limit = whole(body.get("limit"), "limit", 10)
    condition, shown = parse_filter(body.get("filter")), Shown(body, payload=True)
    start = None if body.get("offset") is None else parse_id(body["offset"], "offset")
    following: PointId | None = None
    with collection.lock:
        points = collection.points
        mask = points.alive() if condition is None else points.alive() & condition.mask(points)
        if body.get("order_by") is not None:
            if start is not None:
                raise bad("Offset is not supported in conjunction with `order_by` scroll parameter")
            ordered = Order(body["order_by"]).rows(points, mask, limit)
            hits = [Hit(points.ids[row], 0.0, points.payloads[row], value) for row, value in ordered]
        else:
            rows = points.ordered()[0 if start is None else points.first_from(start) :]
            page = rows[mask[rows]][: limit + 1].tolist()
            following = points.ids[page[limit]] if len(page) > limit else None
            hits = [Hit(points.ids[row], 0.0, points.payloads[row]) for row in page[:limit]]
    answer = shown.hits(collection, store, hits, scored=False)
    return {"points": answer, "next_page_offset": following}


def count(collection: Collection, store: Store, body: Any) -> dict[str, Any]:
    """How many points there are, or pass a filter; always exact."""
    condition = parse_filter(fields(body, "count", ("filter", "exact"), ignored=_IGNORED).get("filter"))
    with collection.lock:
        points = collection.points
        if condition is None:
            return {"count": points.count}
        return {"count": int((points.alive() & condition.mask(points)).sum())}


def facet(collection: Collection, store: Store, body: Any) -> dict[str, Any]:
    """The values of a payload's key, and how many points have each; always exact."""
    body = fields(body, "facet", ("key", "limit", "filter", "exact"), needed=("key",), ignored=_IGNORED)
    limit = whole(body.get("limit"), "limit", 10)
    path, condition = path_of(body["key"], "key"), parse_filter(body.get("filter"))
    with collection.lock:
        points = collection.points
        mask = points.alive() if condition is None else points.alive() & condition.mask(points)
        column = points.column(path)
        rows, codes = column.entries()
        pairs = np.unique(np.stack([rows[mask[rows]], codes[mask[rows]]]), axis=1)
        values, counts = np.unique(pairs[1], return_counts=True)
        words = [column.vocabulary.values[code] for code in values.tolist()]
    totals: dict[tuple[int, Any], int] = {}
    for word, number in zip(words, counts.tolist(), strict=True):
        if type(word) in _FACETS:
            tagged = (_FACETS.index(type(word)), _hyphened(word))
            totals[tagged] = totals.get(tagged, 0) + number
    best = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return {"hits": [{"value": value, "count": number} for (_, value), number in best]}


_FACETS = (bool, int, str)


def _hyphened(value: Any) -> Any:
    """A text that is a UUID in its usual form; other values as they are."""
    if isinstance(value, str) and 32 <= len(value) <= 45:
        try:
            return str(uuid.UUID(value))
        except ValueError:
            return value
    return value


def query(asker: Asker, body: Any) -> dict[str, Any]:
    """``points/query``: hits with what is asked for of them."""
    hits = asker.ask(body, more=("with_payload", "with_vector"))
    return {"points": Shown(body).hits(asker.collection, asker.store, hits)}


def groups(asker: Asker, body: Any, look_up: Any) -> dict[str, Any]:
    """``points/query/groups``: the best few hits for each value of a payload's key, the groups by their best hit."""
    more = ("with_payload", "with_vector", "group_by", "group_size", "with_lookup")
    limit = whole(body.get("limit"), "limit", 10)
    size = whole(body.get("group_size"), "group_size", 3)
    path, shown = path_of(body.get("group_by"), "group_by"), Shown(body)
    if body.get("offset") is not None:
        raise unsupported("query groups: 'offset'")
    collection = asker.collection
    few = _WIDER * limit * size
    while True:
        hits = asker.ask(body, limit=few, more=more, boundless=True)
        found: dict[tuple[type, Any], list[Hit]] = {}
        for hit in hits:
            values = flat(find(hit.payload, path))
            if all(type(value) in (int, str) for value in values):
                for value in dict.fromkeys(values):
                    found.setdefault((type(value), value), []).append(hit)
        chosen = list(found.items())[:limit]
        full = len(chosen) == limit and all(len(group) >= size for _, group in chosen)
        if full or len(hits) < few:
            break
        few *= _WIDER
    known = shown.hits(collection, asker.store, [hit for _, group in chosen for hit in group[:size]])
    by_id = {point["id"]: point for point in known}
    answer: list[dict[str, Any]] = []
    for (_, value), group in chosen:
        members = [by_id[hit.id] for hit in group[:size] if hit.id in by_id]
        if members:
            answer.append({"id": value, "hits": members})
    if body.get("with_lookup") is not None:
        look_up(body["with_lookup"], answer)
    return {"groups": answer}


def matrix(asker: Asker, body: Any) -> tuple[list[PointId], list[list[Hit]]]:
    """``points/search/matrix``: some points at random, and the nearest of them to each."""
    known = ("filter", "sample", "limit", "using")
    body = fields(body, "search matrix", known, ignored=_IGNORED)
    sample, limit = whole(body.get("sample"), "sample", 10, 2), whole(body.get("limit"), "limit", 3)
    name = asker.collection.schema.space(body.get("using")).name
    given = {"filter": body["filter"]} if body.get("filter") is not None else {}
    having = {"must": [{"has_vector": name}, *([given["filter"]] if given else [])]}
    ids = [hit.id for hit in asker.ask({"query": {"sample": "random"}, "filter": having}, limit=sample)]
    if len(ids) < 2:
        return [], []
    ids.sort(key=order_of)
    rows = []
    for identifier in ids:
        others = {"must": [{"has_id": [one for one in ids if one != identifier]}]}
        vector = vector_of(asker.collection, asker.store, name, identifier)
        rows.append(asker.ask({"query": vector, "using": body.get("using"), "filter": others}, limit=limit))
    return ids, rows
