"""Items: add, replace, delete, look up, iterate."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from ...store import Item, Store
from ..calls import Call, Reply
from ..errors import Problem
from ..fields import Body, Field, Flag, Id, Integer, ListOf, Map, Number, OneOf, Text, Vectors
from ..routing import Operation

_ITEMS = "/v1/collections/{name}/"


def count_rows(call: Call, count: int, what: str) -> None:
    """Refuse more at once than the server takes."""
    most = call.service.limits.batch
    if count > most:
        raise Problem(413, f"{what}: expected at most {most:,} at once, got {count:,}; send them in parts, or import")


def shaped(vectors: np.ndarray, dim: int, name: str) -> np.ndarray:
    """(n, d) of what was packed into one text, now that the dimensions are known."""
    if vectors.ndim == 2:
        return vectors
    if len(vectors) % dim:
        raise Problem(422, f"{name}: expected rows of {dim} values, got {len(vectors)} values")
    return vectors.reshape(-1, dim)


def bags_of(store: Store, given: list[np.ndarray | None]) -> list[np.ndarray | None]:
    """Bags as the store takes them, now that their dimensions are known."""
    kept = store.bags
    if kept is None:
        raise Problem(422, "bags: this collection holds one vector an item; make one with `bags`")
    return [None if bag is None else shaped(bag, kept["dim"], "bags") for bag in given]


def packed(vectors: np.ndarray) -> dict[str, str]:
    """Vectors as ``{"f32": base64}``."""
    return {"f32": base64.b64encode(np.ascontiguousarray(vectors, "<f4").tobytes()).decode()}


def _put(method: str) -> Any:
    async def put(call: Call) -> Reply:
        service, name, fields = call.service, call.collection, call.json()
        ids = fields.pop("ids")
        count_rows(call, len(ids), "ids")

        def work() -> int:
            with service.hosted.open(name) as store:
                return put_items(service, store, method, ids, fields)

        return Reply.of({"items": await service.hosted.write(name, work)})

    return put


def put_items(service: Any, store: Store, method: str, ids: list[Any], fields: dict[str, Any]) -> int:
    """Add or upsert into an open store; texts without vectors are encoded by the server."""
    vectors = fields.pop("vectors", None)
    embedding = fields.pop("embedding", None)
    if fields.get("bags") is not None:
        fields["bags"] = bags_of(store, fields["bags"])
    by_bags = fields.get("bags") is not None and not fields.get("text")  # by the collection's encoding
    if vectors is None and not by_bags:
        texts = fields.get("text")
        if not texts or None in texts:
            raise Problem(422, "vectors: expected, or a text for every item for the server's encoder")
        vectors, embedding = service.encode(store, texts)
    elif vectors is not None and vectors.ndim == 1:  # packed: as many rows as there are ids
        if vectors.size % len(ids):
            raise Problem(422, f"vectors: expected {len(ids)} rows of one length, got {vectors.size} values")
        vectors = vectors.reshape(len(ids), -1)
    return int(getattr(store, method)(ids, vectors, embedding=embedding, **fields))


async def _delete(call: Call) -> Reply:
    hosted, name, ids = call.service.hosted, call.collection, call.json()["ids"]
    count_rows(call, len(ids) if isinstance(ids, list) else 1, "ids")

    def work() -> int:
        with hosted.open(name) as store:
            return store.delete(ids)

    return Reply.of({"items": await hosted.write(name, work)})


async def _get(call: Call) -> Reply:
    hosted, name, fields = call.service.hosted, call.collection, call.json()
    ids = fields["ids"]
    count_rows(call, len(ids) if isinstance(ids, list) else 1, "ids")

    def work() -> Any:
        with hosted.open(name) as store:
            found = store.get(ids, bags=fields.get("bags", False))
        pack = fields.get("f32", False)
        if isinstance(ids, list):
            return {"items": [None if item is None else item_fields(item, pack) for item in found]}
        return {"item": None if found is None else item_fields(found, pack)}

    return Reply.of(await hosted.run(work))


def item_fields(item: Item, pack: bool, vectors: bool = True) -> dict[str, Any]:
    """An item as JSON."""
    found: dict[str, Any] = {"id": item.id}
    if vectors:
        found["vector"] = packed(item.vector) if pack else item.vector.astype(np.float32, copy=False)
    if item.bag is not None:
        found["bag"] = packed(item.bag) if pack else item.bag
    for name in ("attributes", "payload", "text", "expires"):
        value = getattr(item, name)
        if value is not None:
            found[name] = value
    return found


async def _iterate(call: Call) -> Reply:
    """One batch: the moment is not kept between requests, so the next begins behind the last id that was sent."""
    hosted, name, fields = call.service.hosted, call.collection, call.json()
    size = fields.get("batch_size", 1000)
    most = call.service.limits.batch
    if size > most:
        raise Problem(422, f"batch_size: expected at most {most:,} on this server, got {size:,}")
    position = fields.get("after", 0)

    def work() -> dict[str, Any]:
        with hosted.open(name) as store:
            ids, cursor = store.ids_after(position, size)
            items = store.get(ids, bags=fields.get("bags", False)) if ids else []
        return {
            "items": [
                item_fields(item, fields.get("f32", False), fields.get("vectors", True))
                for item in items
                if item is not None
            ],
            "cursor": cursor,
        }

    return Reply.of(await hosted.run(work))


TIME = OneOf(
    "when the item goes: seconds since 1970 or ISO text",
    kinds=(Number(low=-1e11, high=1e11), Text(least=1)),
    allowed="seconds since 1970 or ISO text",
)
_TIMES = OneOf(
    "when the items go: seconds since 1970 or ISO text, one for all or one for each",
    kinds=(*TIME.kinds, ListOf(item=TIME, gaps=True)),
    allowed="a time, or a list of one for each item",
)

PUT = {
    "ids": ListOf("integers or texts, one kind in a collection", ["a", "b"], item=Id(), least=1),
    "vectors": Vectors(
        "one for each id; left out, the server's encoder makes them from `text`", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    ),
    "attributes": OneOf(
        "column -> list of values, or a list of objects",
        [{"year": 2023}, {"year": 2024}],
        kinds=(Map(value=ListOf()), ListOf(item=Map(value=Field()))),
        allowed="an object of lists, or a list of objects",
    ),
    "payload": ListOf("any JSON, one for each id", [{"title": "On stores"}, None]),
    "text": ListOf("a text for each id, to be found by its words", item=Text(), gaps=True),
    "bags": ListOf("several vectors for each id, in a collection that holds them", item=Vectors(), least=1, gaps=True),
    "embedding": Map("fingerprint of the encoder that made the vectors", value=Field()),
    "ttl": Number("seconds that the items live", low=0.000001, high=1e10),
    "expires": _TIMES,
}
_COUNT = {"type": "object", "properties": {"items": {"type": "integer"}}, "required": ["items"]}
_ID = [{"type": "integer"}, {"type": "string"}]
ITEM = {
    "type": "object",
    "properties": {
        "id": {"anyOf": _ID},
        "vector": {"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "object"}]},
        "bag": {"anyOf": [{"type": "array", "items": {"type": "array"}}, {"type": "object"}]},
        "attributes": {"type": "object"},
        "payload": {},
        "text": {"type": "string"},
        "expires": {"type": "string"},
    },
    "required": ["id"],
}
_IDS = ListOf("one id, or a list of them", ["a"], item=Id(), single=True)
_F32 = Flag('whether vectors are told as `{"f32": base64}` instead of numbers')
_BAGS = Flag("whether items carry their bags")

OPERATIONS = [
    Operation(
        "POST",
        _ITEMS + "add",
        "write",
        _put("add"),
        "Add new items, all or none of them",
        "Durable when answered, and found by the next search. An id that exists already is refused with 422.",
        body=Body(PUT, ("ids",), any_of=("vectors", "text", "bags")),
        reply=_COUNT,
        answers=(409, 501),
        example={"items": 2},
        writes=True,
    ),
    Operation(
        "POST",
        _ITEMS + "upsert",
        "write",
        _put("upsert"),
        "Add items, or replace those whose id exists",
        body=Body(PUT, ("ids",), any_of=("vectors", "text", "bags")),
        reply=_COUNT,
        answers=(409, 501),
        example={"items": 2},
        writes=True,
    ),
    Operation(
        "POST",
        _ITEMS + "delete",
        "write",
        _delete,
        "Delete items; ids that are not there are passed over",
        body=Body({"ids": _IDS}, ("ids",)),
        reply=_COUNT,
        example={"items": 1},
        writes=True,
    ),
    Operation(
        "POST",
        _ITEMS + "get",
        "read",
        _get,
        "The items of these ids, null where there is none",
        "A list of ids is answered with `items`, a single id with `item`.",
        body=Body({"ids": _IDS, "f32": _F32, "bags": _BAGS}, ("ids",)),
        reply={"type": "object", "properties": {"items": {"type": "array"}, "item": {}}},
        example={"items": [{"id": "a", "vector": [1.0, 0.0, 0.0], "attributes": {"year": 2023}}]},
    ),
    Operation(
        "POST",
        _ITEMS + "iterate",
        "read",
        _iterate,
        "All items in the order of their arrival, a batch at a time",
        "Send the answer's `cursor` as `after` for the next batch, until it is null. No item comes twice; what is "
        "added meanwhile comes at the end, and what is deleted is left out. `export` gives one moment.",
        body=Body(
            {
                "batch_size": Integer("most items in the answer", 100, low=1, high=1 << 20),
                "after": Integer("the `cursor` of the batch before", low=0),
                "vectors": Flag("whether items carry their vectors"),
                "f32": _F32,
                "bags": _BAGS,
            }
        ),
        reply={
            "type": "object",
            "properties": {"items": {"type": "array", "items": ITEM}, "cursor": {"type": ["integer", "null"]}},
            "required": ["items", "cursor"],
        },
        example={"items": [{"id": "a", "vector": [1.0, 0.0, 0.0]}], "cursor": None},
    ),
]
