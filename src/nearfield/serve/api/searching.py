"""Searching: one query, many, a radius, and why an item was not found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...store import Store
from ..calls import Call, Reply, to_json
from ..errors import Problem
from ..fields import (
    Body,
    Field,
    Flag,
    Id,
    Integer,
    ListOf,
    Map,
    Number,
    OneOf,
    Text,
    Vector,
    Vectors,
    Where,
    from_bytes,
)
from ..routing import Operation
from .answers import answers_of, texts_of, together
from .gathering import BINARY, Asked, gathered, key_of
from .items import bags_of, shaped


async def _search(call: Call) -> Reply:
    fields = await _fields(call)
    asked = _asked(fields)
    key = key_of(call, fields)
    if key is None:
        return await _search_alone(call, asked, fields)
    if asked is None:
        raise Problem(422, "query: expected a vector, or text, text_query or like, got none of them")
    return Reply(await call.service.batcher.ask(key, asked))


async def _search_alone(call: Call, asked: Asked | None, fields: dict[str, Any]) -> Reply:
    service, name = call.service, call.collection

    def work() -> bytes:
        cursor = fields.pop("cursor", "after" in fields)
        with service.hosted.open(name) as store:
            queries, single = _queries(call, store, asked, fields)
            old = fields.pop("old_queries", None)
            if old is not None:
                old = shaped(old, store.dim, "old_queries")
                fields["old_queries"] = old[0] if single else old
            _bags(store, fields)
            answers = answers_of(store.search(queries, **fields), cursor)
        return to_json(answers[0] if single else together(answers))

    return Reply(await service.hosted.run(work))


def _queries(call: Call, store: Store, asked: Asked | None, fields: dict[str, Any]) -> tuple[Any, bool]:
    """Query vectors for ``store``, made from texts where there are texts, and whether it is one query."""
    texts = fields.pop("text_query", None)
    if texts is not None:
        if asked is not None:
            raise Problem(422, "text_query: expected without query or queries, got both")
        single = isinstance(texts, str)
        vectors, fields["embedding"] = call.service.encode(store, [texts] if single else texts)
        call.service.limits.check_queries(len(vectors), fields.get("k", 10))
        return (vectors[0] if single else vectors), single
    if asked is None:
        several = isinstance(fields.get("text"), list) or len(fields.get("bags", ())) > 1
        return None, not several
    rows = asked.rows(store)
    call.service.limits.check_queries(len(rows), fields.get("k", 10))
    return (rows[0] if asked.single else rows), asked.single


def _bags(store: Store, fields: dict[str, Any]) -> None:
    """Several vectors a query, for collections that hold them."""
    if "bags" in fields:
        from ...encode import Bags

        fields["bags"] = Bags.from_list(bags_of(store, fields["bags"]))


async def _search_many(call: Call) -> Reply:
    fields = await _fields(call)
    asked = _asked(fields)
    service, name = call.service, call.collection
    if fields.pop("cursor", False):
        raise Problem(422, "cursor: search_many has no pages; search has")

    def work() -> bytes:
        with service.hosted.open(name) as store:
            queries, _ = _queries(call, store, asked, fields)
            if queries is None and "bags" not in fields:
                raise Problem(422, "queries: expected vectors, text_query or bags, got none of them")
            _bags(store, fields)
            asked_by = None if queries is None else np.atleast_2d(queries)
            hits = store.search_many(asked_by, **fields)
            return texts_of(hits, False, [len(hits)])[0]

    return Reply(await service.hosted.run(work))


async def _search_range(call: Call) -> Reply:
    fields = await _fields(call)
    asked = _asked(fields)
    service, name = call.service, call.collection

    def work() -> bytes:
        with service.hosted.open(name) as store:
            queries, single = _queries(call, store, asked, {**fields, "k": 1})
            if queries is None:
                raise Problem(422, "query: expected a vector, or text_query, got none of them")
            options = {key: value for key, value in fields.items() if key != "text_query"}
            most = service.limits.hits // (1 if single else max(1, len(queries)))
            options["limit"] = min(options.get("limit", most), max(1, most))
            found = store.search_range(queries, **options)
            answers = [answers_of(hits, False)[0] for hits in (found if isinstance(found, list) else [found])]
        return to_json(answers[0] if single else together(answers))

    return Reply(await service.hosted.run(work))


async def _explain(call: Call) -> Reply:
    fields = await _fields(call)
    asked = _asked(fields)
    service, name = call.service, call.collection

    def work() -> bytes:
        with service.hosted.open(name) as store:
            query, _ = _queries(call, store, asked, fields)
            if query is None:
                raise Problem(422, "query: expected a vector, or text_query, got none of them")
            return to_json(store.explain(query, fields.pop("id"), **fields).to_dict())

    return Reply(await service.hosted.run(work))


async def _fields(call: Call) -> dict[str, Any]:
    """What the request asks for; read in a thread where it is so long that other requests would notice."""
    return await call.service.hosted.run(_fields_now, call) if call.long else _fields_now(call)


def _fields_now(call: Call) -> dict[str, Any]:
    """A JSON body, or raw float32 with the rest in the query string."""
    if call.media != BINARY:
        if call.query:
            raise Problem(422, f"{next(iter(call.query))}: expected in the JSON body, got it in the query string")
        return call.json()
    fields = dict(call.query)
    values = from_bytes(call.raw, "the body")
    count = fields.pop("queries", None)
    if count is None:
        fields["query"] = values
        return fields
    if len(values) % count:
        raise Problem(422, f"queries: expected {count} rows of one length, got {len(values)} values")
    fields["queries"] = values.reshape(count, -1)
    return fields


def _asked(fields: dict[str, Any]) -> Asked | None:
    query, queries = fields.pop("query", None), fields.pop("queries", None)
    if query is not None and queries is not None:
        raise Problem(422, "queries: expected without query, got both")
    if query is not None:
        return Asked(query, True)
    return None if queries is None else Asked(queries, False, queries.ndim == 1)


_K = Integer("hits a query", 10, low=1, high=1 << 20)
_CONDITION = "a condition on the attributes, in SQL"
_WHERE = Where(f"{_CONDITION}, or such a one and the ids of the only items to look at", "year >= 2024")
_QUERY = {"query": Vector("one query", [1.0, 0.0, 0.0])}
_QUERIES = {"queries": Vectors("many queries")}
_TEXTS = {
    "text_query": ListOf("a question, or several, encoded by the server's encoder", item=Text(), single=True, least=1)
}
_DETAILS: dict[str, Field] = {
    "payload": Flag("whether hits carry their payload and text"),
    "attributes": Flag("whether hits carry their attributes"),
}
_EMBEDDING = {
    "embedding": OneOf(
        "fingerprint of the encoder of the queries, or old or new while the collection is moved",
        kinds=(Map(), Text(choices=("old", "new"))),
        allowed="an object, 'old' or 'new'",
    )
}
_TUNING: dict[str, Field] = {
    "max_false": Number("cut where the judge finds nothing relevant any more", low=0.0, high=1.0),
    "beam": Integer("how far a graph is searched", low=1, high=1 << 20),
}
_BAGS = {
    "bags": ListOf("several vectors for each query, in a collection that holds them", item=Vectors(), least=1),
    "candidates": Integer("with `bags`: how many of the nearest are compared in full", low=1, high=1 << 20),
}
_LIKE = ListOf("ids", item=Id(), single=True, least=1)
_SEARCH = Body(
    {
        **_QUERY,
        **_QUERIES,
        **_TEXTS,
        "k": _K,
        "text": ListOf("a question, or several, to be searched by their words", item=Text(), single=True, least=1),
        "where": _WHERE,
        **_DETAILS,
        **_TUNING,
        "group_by": Text("an attribute: the answer has `k` groups"),
        "group_size": Integer("most hits of a group", low=1, high=1 << 20),
        "after": ListOf("the `cursor` of the page before", item=Text(least=1), single=True, least=1),
        "cursor": Flag("whether the answer says where the next page begins"),
        "like": _LIKE,
        "unlike": _LIKE,
        "aspect": OneOf(
            "an aspect, or aspect -> weight", kinds=(Text(least=1), Map(value=Number())), allowed="a text or an object"
        ),
        "to": Map("aspect -> the label asked for", value=Field()),
        "old_queries": Vectors("while the collection is moved: the same queries by the old model"),
        **_BAGS,
        **_EMBEDDING,
    },
    any_of=("query", "queries", "text_query", "text", "like", "bags"),
    apart=("query", "queries", "text_query"),
)
_HIT = {
    "type": "object",
    "properties": {
        "id": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
        "distance": {"type": ["number", "null"]},
        "relevance": {"type": ["number", "null"]},
        "attributes": {"type": ["object", "null"]},
        "payload": {},
        "group": {},
        "text": {"type": ["string", "null"]},
        "legs": {"type": "object"},
    },
    "required": ["id", "distance"],
}
_HITS = {"type": "array", "items": _HIT}
_ONE = {
    "type": "object",
    "properties": {"hits": _HITS, "status": {"type": "string"}, "cursor": {"type": ["string", "null"]}},
    "required": ["hits", "status"],
}
_MANY = {
    "type": "object",
    "properties": {
        "hits": {"type": "array", "items": _HITS},
        "status": {"type": "array", "items": {"type": "string"}},
        "cursor": {"type": "array", "items": {"type": ["string", "null"]}},
    },
    "required": ["hits", "status"],
}
_EITHER = {"anyOf": [_ONE, _MANY]}
_EXAMPLE = {"hits": [{"id": "a", "distance": 0.0}, {"id": "b", "distance": 1.0}], "status": "ok"}
_URL: dict[str, Field] = {
    "k": _K,
    "where": Text(_CONDITION, "year >= 2024", least=1),
    **_DETAILS,
    **_TUNING,
    "queries": Integer("of a raw body: how many queries it holds; left out, it is one", low=1, high=1 << 20),
}


def _operation(name: str, handler: Callable[..., Any], summary: str, body: Body, **more: Any) -> Operation:
    return Operation(
        "POST",
        f"/v1/collections/{{name}}/{name}",
        "read",
        handler,
        summary,
        body=body,
        answers=(409, 501),
        tag="search",
        **more,
    )


OPERATIONS = [
    _operation(
        "search",
        _search,
        "The nearest items of a query",
        _SEARCH,
        description="By a vector (`query`), by a question that the server encodes (`text_query`), by its words "
        "(`text`), by items (`like`), or by several of these. `queries` asks many at once; then every field of the "
        "answer is a list. A body of type application/octet-stream is float32, little-endian; what else is asked for "
        "then stands in the query string. `status` says why there are fewer hits than `k`.",
        parameters=_URL,
        reply=_EITHER,
        example=_EXAMPLE,
        accepts=(BINARY,),
        gathered=gathered,
    ),
    _operation(
        "search_many",
        _search_many,
        "The nearest items of many queries, each with a condition of its own",
        Body(
            {
                "queries": Vectors("the queries", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
                **_TEXTS,
                "k": _K,
                "where": ListOf("one condition, or one for each query", item=Where(), single=True, gaps=True),
                **_DETAILS,
                **_TUNING,
                **_BAGS,
                **_EMBEDDING,
            },
            any_of=("queries", "text_query", "bags"),
            apart=("queries", "text_query"),
        ),
        reply=_MANY,
        example={"hits": [_EXAMPLE["hits"], _EXAMPLE["hits"]], "status": ["ok", "ok"]},
    ),
    _operation(
        "search_range",
        _search_range,
        "All items within a distance of a query",
        Body(
            {
                **_QUERY,
                **_QUERIES,
                **_TEXTS,
                "radius": Number("the largest distance, included", 0.5),
                "where": _WHERE,
                "limit": Integer("keep the nearest so many", low=1, high=1 << 20),
                **_DETAILS,
                **_EMBEDDING,
            },
            required=("radius",),
            any_of=("query", "queries", "text_query"),
            apart=("query", "queries", "text_query"),
        ),
        reply=_EITHER,
        example=_EXAMPLE,
    ),
    _operation(
        "explain",
        _explain,
        "Why an item is, or is not, in the answer to a query",
        Body(
            {
                **_QUERY,
                "text_query": Text("a question, encoded by the server's encoder"),
                "id": Id("the item", "b"),
                "k": _K,
                "where": _WHERE,
                **_TUNING,
                **_EMBEDDING,
            },
            required=("id",),
            any_of=("query", "text_query"),
            apart=("query", "text_query"),
        ),
        reply={
            "type": "object",
            "properties": {"id": {}, "verdict": {"type": "string"}, "reason": {"type": "string"}},
            "required": ["id", "verdict", "reason"],
        },
    ),
]
