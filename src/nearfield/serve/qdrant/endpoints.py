"""The paths of Qdrant's REST interface that are answered, what each does, and those that are refused with 501."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import changes, older, reads
from .dialect import Dialect
from .refusal import bad, fields, several, unsupported
from .schema import check_name

# The version of Qdrant whose interface this is: clients compare it with their own.
VERSION = "1.20.0"

_BATCH = 1024


class Request(NamedTuple):
    """A request to one path: the names in it, its parameters, its body read as JSON."""

    dialect: Dialect
    path: dict[str, str]
    query: dict[str, str]
    body: Any

    @property
    def name(self) -> str:
        """The collection's name, or an alias of it."""
        return self.path["name"]


class Endpoint(NamedTuple):
    """One path: who may use it, what answers it, and whether that writes."""

    method: str
    path: str
    right: str
    answer: Callable[[Request], Any]
    does: str

    @property
    def writes(self) -> bool:
        """Whether it changes anything."""
        return self.right != "read"


# -- collections -------------------------------------------------------------------------------------------------------


def _collections(request: Request) -> Any:
    return {"collections": [{"name": name} for name in request.dialect.names()]}


def _exists(request: Request) -> Any:
    return {"exists": request.dialect.resolve(request.name) in request.dialect.names()}


def _update(request: Request) -> Any:
    with request.dialect.open(request.name) as (collection, store), collection.writing(store):
        collection.reschema(store, collection.schema.updated(request.body))
    return True


def _aliases(request: Request) -> Any:
    only = request.dialect.resolve(request.path["name"]) if "name" in request.path else None
    return {
        "aliases": [
            {"alias_name": alias, "collection_name": name}
            for alias, name in request.dialect.aliases().items()
            if only in (None, name)
        ]
    }


def _index(request: Request) -> Any:
    body = fields(request.body, "index", ("field_name", "field_schema"), needed=("field_name", "field_schema"))
    with request.dialect.open(request.name) as (collection, store), collection.writing(store):
        path = reads.path_of(body["field_name"], "field_name")
        collection.reschema(store, collection.schema.indexing(body["field_name"], body["field_schema"]))
        with collection.lock:
            collection.points.column(path)
    return _done(request, collection.operations)


def _unindex(request: Request) -> Any:
    with request.dialect.open(request.name) as (collection, store), collection.writing(store):
        collection.reschema(store, collection.schema.not_indexing(request.path["field"]))
    return _done(request, collection.operations)


def _add_vector(request: Request) -> Any:
    name = check_name(request.path["vector"], "vector name")
    with request.dialect.open(request.name) as (collection, store), collection.writing(store):
        schema = collection.schema.with_vector(name, request.body)
        if schema is not None:
            collection.reschema(store, schema)
    return _done(request, collection.operations)


def _drop_vector(request: Request) -> Any:
    with request.dialect.open(request.name) as (collection, store):
        changes.drop_vector(collection, store, request.path["vector"])
    return _done(request, collection.operations)


# -- points ------------------------------------------------------------------------------------------------------------


def _done(request: Request, operation: int) -> dict[str, Any]:
    """What a write answers; it is durable in any case."""
    waited = request.query.get("wait") == "true"
    return {"operation_id": operation, "status": "completed" if waited else "acknowledged"}


def _changing(change: Callable[..., Any]) -> Callable[[Request], Any]:
    def answer(request: Request) -> Any:
        with request.dialect.open(request.name) as (collection, store):
            count = change(collection, store, request.body)
            result = _done(request, collection.operations)
            if collection.schema.engine is not None:
                request.dialect.indexer.wrote(collection.name, store, collection.written())
        return result if count is None else [result] * count

    return answer


def _reading(read: Callable[..., Any]) -> Callable[[Request], Any]:
    def answer(request: Request) -> Any:
        with request.dialect.open(request.name) as (collection, store):
            return read(collection, store, request.body)

    return answer


def _one(request: Request) -> Any:
    with request.dialect.open(request.name) as (collection, store):
        return reads.one_point(collection, store, request.path["id"])


def _asking(bodies: Callable[[Any], Any], *, many: bool = False, bare: bool = False) -> Callable[[Request], Any]:
    """Answer queries: ``many`` of them in one request, ``bare`` as older clients have it."""

    def answer(request: Request) -> Any:
        with request.dialect.open(request.name) as (collection, store):
            asker = request.dialect.asker(collection, store)
            given = [request.body]
            if many:
                given = several(fields(request.body, "batch", ("searches",), needed=("searches",))["searches"])
                if len(given) > _BATCH:
                    raise bad(f"searches: expected at most {_BATCH}, got {len(given)}")
            answers = [reads.query(asker, bodies(one)) for one in given]
            shown = [one["points"] for one in answers] if bare else answers
            return shown if many else shown[0]

    return answer


def _groups(bodies: Callable[[Any], Any]) -> Callable[[Request], Any]:
    def answer(request: Request) -> Any:
        with request.dialect.open(request.name) as (collection, store):
            asker = request.dialect.asker(collection, store)
            return reads.groups(asker, bodies(request.body), request.dialect.look_up)

    return answer


def _as_it_is(body: Any) -> Any:
    return body


def _pairs(request: Request) -> Any:
    with request.dialect.open(request.name) as (collection, store):
        ids, rows = reads.matrix(request.dialect.asker(collection, store), request.body)
        return {
            "pairs": [
                {"a": one, "b": hit.id, "score": hit.score} for one, hits in zip(ids, rows, strict=True) for hit in hits
            ]
        }


def _offsets(request: Request) -> Any:
    with request.dialect.open(request.name) as (collection, store):
        ids, rows = reads.matrix(request.dialect.asker(collection, store), request.body)
        place = {identifier: number for number, identifier in enumerate(ids)}
        entries = [(row, place[hit.id], hit.score) for row, hits in enumerate(rows) for hit in hits]
        return {
            "offsets_row": [row for row, _, _ in entries],
            "offsets_col": [column for _, column, _ in entries],
            "scores": [score for _, _, score in entries],
            "ids": ids,
        }


_C = "/collections/{name}"
_P = _C + "/points"

ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("GET", "/collections", "read", _collections, "the collections"),
    Endpoint("GET", _C, "read", lambda it: it.dialect.info(it.name), "what a collection is and holds"),
    Endpoint("GET", _C + "/exists", "read", _exists, "whether there is one of this name or alias"),
    Endpoint("PUT", _C, "admin", lambda it: it.dialect.create(it.name, it.body), "make a collection"),
    Endpoint("PATCH", _C, "admin", _update, "change settings, which are kept and shown"),
    Endpoint("DELETE", _C, "admin", lambda it: it.dialect.drop(it.name), "remove a collection"),
    Endpoint("PUT", _C + "/vectors/{vector}", "admin", _add_vector, "one more vector for a collection"),
    Endpoint("DELETE", _C + "/vectors/{vector}", "admin", _drop_vector, "one vector less"),
    Endpoint("PUT", _C + "/index", "write", _index, "a payload index: kept, shown, its column built"),
    Endpoint("DELETE", _C + "/index/{field}", "write", _unindex, "remove a payload index"),
    Endpoint("GET", "/aliases", "read", _aliases, "all aliases"),
    Endpoint("GET", _C + "/aliases", "read", _aliases, "the aliases of a collection"),
    Endpoint(
        "POST",
        "/collections/aliases",
        "admin",
        lambda it: it.dialect.change_aliases(it.body),
        "change aliases together",
    ),
    Endpoint("PUT", _P, "write", _changing(changes.upsert), "write points"),
    Endpoint("POST", _P, "read", _reading(reads.retrieve), "points by their ids"),
    Endpoint("GET", _P + "/{id}", "read", _one, "one point"),
    Endpoint("POST", _P + "/delete", "write", _changing(changes.delete), "delete points by id or filter"),
    Endpoint("POST", _P + "/payload", "write", _changing(changes.set_payload), "set keys of payloads"),
    Endpoint("PUT", _P + "/payload", "write", _changing(changes.overwrite_payload), "replace payloads"),
    Endpoint("POST", _P + "/payload/delete", "write", _changing(changes.delete_payload), "delete keys of payloads"),
    Endpoint("POST", _P + "/payload/clear", "write", _changing(changes.clear_payload), "empty payloads"),
    Endpoint("PUT", _P + "/vectors", "write", _changing(changes.update_vectors), "replace vectors of points"),
    Endpoint("POST", _P + "/vectors/delete", "write", _changing(changes.delete_vectors), "delete vectors of points"),
    Endpoint("POST", _P + "/batch", "write", _changing(changes.batch), "several writes in their order"),
    Endpoint("POST", _P + "/scroll", "read", _reading(reads.scroll), "pages by id, or by a payload"),
    Endpoint("POST", _P + "/count", "read", _reading(reads.count), "count, exactly"),
    Endpoint("POST", _C + "/facet", "read", _reading(reads.facet), "values of a key and how many points have each"),
    Endpoint("POST", _P + "/query", "read", _asking(_as_it_is), "a query"),
    Endpoint("POST", _P + "/query/batch", "read", _asking(_as_it_is, many=True), "several queries"),
    Endpoint("POST", _P + "/query/groups", "read", _groups(_as_it_is), "a query, grouped by a payload"),
    Endpoint("POST", _P + "/search", "read", _asking(older.search, bare=True), "older clients: by a vector"),
    Endpoint("POST", _P + "/search/batch", "read", _asking(older.search, many=True, bare=True), "several of them"),
    Endpoint("POST", _P + "/search/groups", "read", _groups(older.search), "grouped"),
    Endpoint("POST", _P + "/search/matrix/pairs", "read", _pairs, "how near some points are to each other"),
    Endpoint("POST", _P + "/search/matrix/offsets", "read", _offsets, "the same as columns"),
    Endpoint("POST", _P + "/recommend", "read", _asking(older.recommend, bare=True), "older clients: by examples"),
    Endpoint("POST", _P + "/recommend/batch", "read", _asking(older.recommend, many=True, bare=True), "several"),
    Endpoint("POST", _P + "/recommend/groups", "read", _groups(older.recommend), "grouped"),
    Endpoint("POST", _P + "/discover", "read", _asking(older.discover, bare=True), "older clients: target and pairs"),
    Endpoint("POST", _P + "/discover/batch", "read", _asking(older.discover, many=True, bare=True), "several of them"),
)

# What Qdrant has and this server has not: the beginnings of paths, and what they are about.
REFUSED: tuple[tuple[str, str], ...] = (
    ("/snapshots", "snapshots in Qdrant's format"),
    (_C + "/snapshots", "snapshots in Qdrant's format"),
    (_C + "/shards", "shards"),
    ("/cluster", "a cluster"),
    (_C + "/cluster", "a cluster"),
    (_C + "/optimizations", "the list of optimizations"),
    ("/telemetry", "telemetry"),
    ("/issues", "the list of issues"),
    ("/quotas", "quotas"),
    ("/locks", "locks"),
)


def refuse(what: str) -> Callable[[Request], Any]:
    """An answer that says that something is not supported."""

    def answer(request: Request) -> Any:
        raise unsupported(what)

    return answer


__all__ = ["ENDPOINTS", "REFUSED", "VERSION", "Endpoint", "Request", "refuse"]
