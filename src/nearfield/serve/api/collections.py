"""Collections: make them, look at them, remove them."""

from __future__ import annotations

from typing import Any

from ...store import Store
from ..calls import Call, Reply
from ..fields import Body, Field, Flag, Integer, Map, Number, Text
from ..routing import Operation

_TYPES = ("bool", "int", "float", "string", "timestamp", "strings", "geo")


def described(name: str, store: Store) -> dict[str, Any]:
    """What a collection is, in one look."""
    ttl = store.ttl
    return {
        "name": name,
        "items": len(store),
        "dim": store.dim,
        "metric": store.metric,
        "dtype": store.dtype.name,
        "attributes": store.attributes,
        "embedding": store.embedding,
        "ttl": None if ttl is None else ttl.total_seconds(),
        "judge": store.judge is not None,
        "plan": store.plan is not None,
        "bags": store.bags,
        "read_only": store.read_only,
    }


async def _list(call: Call) -> Reply:
    hosted = call.service.hosted
    return Reply.of({"collections": await hosted.run(lambda: list(hosted))})


async def _create(call: Call) -> Reply:
    hosted, name, settings = call.service.hosted, call.collection, call.json()

    def create() -> tuple[bool, dict[str, Any]]:
        before = name in hosted
        hosted.create(name, **settings)
        with hosted.open(name) as store:
            return before, described(name, store)

    before, found = await hosted.write(name, create)
    return Reply.of(found, 200 if before else 201)


async def _show(call: Call) -> Reply:
    hosted, name = call.service.hosted, call.collection

    def show() -> dict[str, Any]:
        with hosted.open(name) as store:
            return described(name, store)

    return Reply.of(await hosted.run(show))


async def _drop(call: Call) -> Reply:
    await call.service.hosted.write(call.collection, call.service.hosted.drop, call.collection)
    return Reply(status=204)


CREATE = Body(
    {
        "dim": Integer("dimensions of the vectors", 3, low=1, high=16384),
        "metric": Text("what near means", "cosine", choices=("cosine", "ip", "l2")),
        "dtype": Text("how vectors are kept", "float32", choices=("float32", "float16")),
        "attributes": Map("column name -> type, for `where`", {"year": "int"}, value=Text(choices=_TYPES)),
        "embedding": Map("fingerprint of the encoder that makes the vectors", value=Field()),
        "ttl": Number("seconds that items live", low=0.000001, high=1e10),
        "text": Text("the key of the payload under which the items' text is"),
        "tokenizer": Text("how texts become words", choices=("porter", "unicode61", "trigram")),
        "bags": Integer("dimensions of the several vectors of an item, to be kept beside its own", low=1, high=16384),
        "exist_ok": Flag("whether one that exists may stay as it is"),
    },
    required=("dim",),
)

_COLLECTION = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "items": {"type": "integer"},
        "dim": {"type": "integer"},
        "metric": {"type": "string"},
        "dtype": {"type": "string"},
        "attributes": {"type": "object"},
        "embedding": {"type": ["object", "null"]},
        "ttl": {"type": ["number", "null"]},
        "judge": {"type": "boolean"},
        "plan": {"type": "boolean"},
        "bags": {"type": ["object", "null"]},
        "read_only": {"type": "boolean"},
    },
    "required": ["name", "items", "dim", "metric", "dtype", "attributes"],
}
_ONE = "/v1/collections/{name}"

OPERATIONS = [
    Operation(
        "GET",
        "/v1/collections",
        "read",
        _list,
        "The names of all collections, sorted",
        reply={
            "type": "object",
            "properties": {"collections": {"type": "array", "items": {"type": "string"}}},
            "required": ["collections"],
        },
        tag="collections",
    ),
    Operation(
        "PUT",
        _ONE,
        "admin",
        _create,
        "Make a collection",
        "201 when it was made; 200 when `exist_ok` let one stay that was there, as it was; else 409.",
        body=CREATE,
        reply=_COLLECTION,
        status=201,
        answers=(200, 409),
        writes=True,
        tag="collections",
    ),
    Operation("GET", _ONE, "read", _show, "What a collection is", reply=_COLLECTION, tag="collections"),
    Operation(
        "DELETE",
        _ONE,
        "admin",
        _drop,
        "Remove a collection with all it holds",
        status=204,
        writes=True,
        tag="collections",
    ),
]
