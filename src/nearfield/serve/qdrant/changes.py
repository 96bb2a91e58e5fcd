"""Writes: points, payloads and vectors, each request checked as a whole before anything of it is written."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...store import Store
from .collection import Collection
from .conditions import Filter, parse_filter
from .paths import delete_at, merge, path_of, set_at
from .point_ids import PointId, parse_id, parse_ids
from .points import Point
from .refusal import absent, bad, fields, several, texts, unsupported
from .schema import Schema

_SELECTOR = ("points", "filter")
_IGNORED = ("shard_key",)


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad(f"{name}: expected an object, got {value!r}")
    return value


def parse_vectors(value: Any, schema: Schema) -> dict[str, Any]:
    """The vectors of a point, by name: one, or an object of several."""
    if value is None:
        return {}
    named = isinstance(value, dict)
    if not named and not schema.unnamed:
        raise bad(
            f"Wrong input: Unnamed vectors are not allowed when a collection has named vectors: "
            f"{', '.join(schema.spaces)}"
        )
    given = value if named else {"": value}
    if named and not schema.unnamed and {"indices", "values"} == given.keys():
        raise bad("Wrong input: a sparse vector needs a name")
    if named and ("text" in given or "image" in given or "object" in given) and "model" in given:
        raise unsupported("inference: a vector as a text or an image")
    return {name: schema.space(name).parse(vector) for name, vector in given.items() if vector is not None}


def _points(body: Mapping[str, Any], schema: Schema) -> list[Point]:
    """The points of an upsert, as a list or as columns."""
    if body.get("batch") is not None:
        batch = fields(body["batch"], "batch", ("ids", "vectors", "payloads"), needed=("ids", "vectors"))
        ids = parse_ids(batch["ids"], "batch.ids")
        payloads = batch.get("payloads")
        columns = batch["vectors"] if isinstance(batch["vectors"], dict) else {"": batch["vectors"]}
        for name, column in (*columns.items(), ("payloads", [None] * len(ids) if payloads is None else payloads)):
            if not isinstance(column, list) or len(column) != len(ids):
                raise bad(f"batch: expected as many of '{name}' as of ids, {len(ids)}")
        return [
            Point(
                identifier,
                0,
                _object(payloads[place] if payloads is not None else None, "payload"),
                parse_vectors({name: column[place] for name, column in columns.items()}, schema),
            )
            for place, identifier in enumerate(ids)
        ]
    if not isinstance(body.get("points"), list):
        raise bad("upsert: expected 'points' or 'batch'")
    points = []
    for one in body["points"]:
        one = fields(one, "point", ("id", "vector", "payload"), needed=("id",))
        vectors = parse_vectors(one.get("vector"), schema)
        points.append(Point(parse_id(one["id"]), 0, _object(one.get("payload"), "payload"), vectors))
    return points


def upsert(collection: Collection, store: Store, body: Any) -> None:
    """Write points; one that is there is replaced, where ``update_mode`` and ``update_filter`` let it be."""
    body = fields(body, "upsert", ("points", "batch", "update_filter", "update_mode"), ignored=_IGNORED)
    condition = parse_filter(body.get("update_filter"))
    mode = body.get("update_mode") or "upsert"
    if mode not in ("upsert", "insert_only", "update_only"):
        raise bad(f"update_mode: expected upsert, insert_only or update_only, got {mode!r}")
    with collection.writing(store):
        points = _points(body, collection.schema)
        if not points:
            raise bad("Empty update request")
        for group in _once_each(points):
            allowed = _allowed(collection, condition)
            chosen = []
            for point in group:
                row = collection.points.row(point.id)
                if row is None:
                    wanted = mode != "update_only"
                else:
                    wanted = mode != "insert_only" and (allowed is None or bool(allowed[row]))
                if wanted:
                    chosen.append(point)
            collection.put(store, chosen)


def _once_each(points: Sequence[Point]) -> list[list[Point]]:
    """Points in groups in which no id comes twice: what comes later is written later."""
    groups: list[list[Point]] = [[]]
    seen: set[PointId] = set()
    for point in points:
        if point.id in seen:
            groups.append([])
            seen = set()
        groups[-1].append(point)
        seen.add(point.id)
    return groups


def _allowed(collection: Collection, condition: Filter | None) -> Any:
    if condition is None:
        return None
    with collection.lock:
        return condition.mask(collection.points)


def _selected(collection: Collection, body: Any) -> list[PointId]:
    """The ids that ``points`` names, there or not, or those that ``filter`` finds; or a bare list of ids."""
    if isinstance(body, list):
        body = {"points": body}
    if body.get("points") is not None:
        ids = parse_ids(body["points"], "points")
        if not ids:
            raise bad("Empty update request")
        return list(dict.fromkeys(ids))
    if body.get("filter") is None:
        raise bad("No filter or points provided")
    condition = Filter(body["filter"])
    with collection.lock:
        points = collection.points
        rows = (points.alive() & condition.mask(points)).nonzero()[0]
        return [points.ids[row] for row in rows.tolist()]


def delete(collection: Collection, store: Store, body: Any) -> None:
    """Delete points by id or filter."""
    if not isinstance(body, list):
        body = fields(body, "delete", _SELECTOR, ignored=_IGNORED)
    with collection.writing(store):
        collection.remove(store, _selected(collection, body))


def _rewrite(collection: Collection, store: Store, ids: Iterable[PointId], change: Callable[[Point], None]) -> None:
    """Change points that are there, then 404 for the first that is not, as Qdrant does."""
    known: list[PointId] = []
    missing: list[PointId] = []
    for identifier in ids:
        (missing if collection.points.row(identifier) is None else known).append(identifier)
    points = collection.whole(store, known)
    for point in points:
        change(point)
    collection.put(store, points)
    if missing:
        raise absent(f"No point with id {missing[0]} found")


def set_payload(collection: Collection, store: Store, body: Any) -> None:
    """Merge keys into the payloads of points, at their top or at ``key``."""
    body = fields(body, "set payload", ("payload", "key", *_SELECTOR), needed=("payload",), ignored=_IGNORED)
    news = _object(body["payload"], "payload")
    path = None if body.get("key") is None else path_of(body["key"], "key")

    def change(point: Point) -> None:
        if path is None:
            point.payload = merge(dict(point.payload), copy.deepcopy(news))
        else:
            point.payload = copy.deepcopy(point.payload)
            set_at(point.payload, path, news)

    with collection.writing(store):
        _rewrite(collection, store, _selected(collection, body), change)


def overwrite_payload(collection: Collection, store: Store, body: Any) -> None:
    """Replace the payloads of points."""
    body = fields(body, "overwrite payload", ("payload", "key", *_SELECTOR), needed=("payload",), ignored=_IGNORED)
    if body.get("key") is not None:
        raise unsupported("overwriting a payload at a 'key'")
    news = _object(body["payload"], "payload")

    def change(point: Point) -> None:
        point.payload = copy.deepcopy(news)

    with collection.writing(store):
        _rewrite(collection, store, _selected(collection, body), change)


def delete_payload(collection: Collection, store: Store, body: Any) -> None:
    """Take keys out of the payloads of points."""
    body = fields(body, "delete payload", ("keys", *_SELECTOR), needed=("keys",), ignored=_IGNORED)
    paths = [path_of(key, "keys") for key in texts(body["keys"], "keys")]

    def change(point: Point) -> None:
        point.payload = copy.deepcopy(point.payload)
        for path in paths:
            delete_at(point.payload, path)

    with collection.writing(store):
        _rewrite(collection, store, _selected(collection, body), change)


def clear_payload(collection: Collection, store: Store, body: Any) -> None:
    """Take everything out of the payloads of points."""
    if not isinstance(body, list):
        body = fields(body, "clear payload", _SELECTOR, ignored=_IGNORED)

    def change(point: Point) -> None:
        point.payload = {}

    with collection.writing(store):
        _rewrite(collection, store, _selected(collection, body), change)


def update_vectors(collection: Collection, store: Store, body: Any) -> None:
    """Replace some vectors of points; their others and their payloads stay."""
    body = fields(body, "update vectors", ("points", "update_filter"), needed=("points",), ignored=_IGNORED)
    condition = parse_filter(body.get("update_filter"))
    items = several(body["points"])
    if not items:
        raise bad("must specify points to update")
    with collection.writing(store):
        news: dict[PointId, dict[str, Any]] = {}
        for one in items:
            one = fields(one, "point", ("id", "vector"), needed=("id", "vector"))
            news.setdefault(parse_id(one["id"]), {}).update(parse_vectors(one["vector"], collection.schema))
        allowed = _allowed(collection, condition)
        rows = {identifier: collection.points.row(identifier) for identifier in news}
        ids = [identifier for identifier, row in rows.items() if row is None or allowed is None or allowed[row]]
        _rewrite(collection, store, ids, lambda point: point.vectors.update(news[point.id]))


def delete_vectors(collection: Collection, store: Store, body: Any) -> None:
    """Take some vectors of points away."""
    names = ("vector", "vectors")
    body = fields(body, "delete vectors", (*names, *_SELECTOR), ignored=_IGNORED)
    gone = texts(body.get("vector") or body.get("vectors"), "vector")
    if not gone:
        raise bad("must specify vector names to delete")

    def change(point: Point) -> None:
        for name in gone:
            point.vectors.pop(name, None)

    with collection.writing(store):
        ids = _selected(collection, body)
        for name in gone:
            collection.schema.space(name)
        _rewrite(collection, store, ids, change)


def drop_vector(collection: Collection, store: Store, name: str) -> None:
    """Take a vector of the collection away, from its points first."""
    with collection.writing(store):
        if name not in collection.schema.spaces:
            return
        schema = collection.schema.without_vector(name)
        with collection.lock:
            mask = collection.points.alive() & collection.points.with_vector(name)
            ids = [collection.points.ids[row] for row in mask.nonzero()[0].tolist()]
        _rewrite(collection, store, ids, lambda point: point.vectors.pop(name, None))
        collection.reschema(store, schema)


_OPERATIONS: dict[str, Callable[[Collection, Store, Any], None]] = {
    "upsert": upsert,
    "delete": delete,
    "set_payload": set_payload,
    "overwrite_payload": overwrite_payload,
    "delete_payload": delete_payload,
    "clear_payload": clear_payload,
    "update_vectors": update_vectors,
    "delete_vectors": delete_vectors,
}


def batch(collection: Collection, store: Store, body: Any) -> int:
    """Several writes in their order, each by itself; returns how many there were."""
    body = fields(body, "batch update", ("operations",), needed=("operations",))
    operations = several(body["operations"])
    for one in operations:
        if not isinstance(one, dict) or len(one) != 1 or next(iter(one)) not in _OPERATIONS:
            raise bad(f"operations: expected one of {', '.join(_OPERATIONS)} each, got {one!r:.100}")
    for one in operations:
        name, inner = next(iter(one.items()))
        _OPERATIONS[name](collection, store, inner)
    return len(operations)
