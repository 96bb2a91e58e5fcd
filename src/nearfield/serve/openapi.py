"""The OpenAPI document of the operations, from the same descriptions that check what comes in."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from .limits import Limits
from .routing import Operation

_ABOUT = {
    400: "malformed: not JSON, or not the encoding it says",
    401: "no key, or none that is known",
    403: "the key has not the right, or the server only reads",
    404: "no such collection, job or snapshot",
    405: "another method is expected here",
    408: "the request did not arrive in time",
    409: "it exists already, or is in a state that does not allow this",
    413: "more at once than the server takes",
    415: "a body of another type is expected",
    422: "well-formed, and does not fit: the field, what is allowed and what came are named",
    429: "too many requests or jobs; Retry-After says when to come back",
    500: "the server failed, or the collection is damaged",
    501: "this server cannot do that",
    503: "too busy, stopping, or the store is locked; Retry-After says when to come back",
}
_ALWAYS = (400, 403, 404, 408, 413, 422, 500, 503)
_ERROR_REF = {"$ref": "#/components/schemas/Error"}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "status": {"type": "integer"},
                "type": {"type": "string"},
                "message": {"type": "string", "description": "one sentence"},
            },
            "required": ["status", "type", "message"],
        }
    },
    "required": ["error"],
}
_NAMES = {
    "name": {"type": "string", "minLength": 1, "description": "a collection"},
    "tag": {"type": "string", "minLength": 1, "description": "a snapshot"},
    "id": {"type": "string", "minLength": 1, "description": "a job"},
}
_TAGS = {
    "server": "The server itself",
    "collections": "Collections",
    "items": "Items of a collection",
    "search": "Searching",
    "keeping": "Plans, judges, surveys, verification",
    "jobs": "Long runs",
    "snapshots": "Moments kept under names",
}


def document(base: dict[str, Any], operations: Iterable[Operation], keys: bool, limits: Limits) -> dict[str, Any]:
    """``base``, FastAPI's document of what else there is, with the operations in it, as this server limits them."""
    if "Error" in base.setdefault("components", {}).setdefault("schemas", {}):
        return base
    base["components"]["schemas"]["Error"] = _ERROR
    base["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "an API key; `X-API-Key` is understood as well"}
    }
    base["tags"] = [*base.get("tags", []), *({"name": name, "description": text} for name, text in _TAGS.items())]
    paths = base.setdefault("paths", {})
    for path, about in (("/health", "Whether the server answers"), ("/ready", "Whether it takes requests")):
        paths[path] = {"get": _open(path, about)}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, keys, limits)
    return base


def _open(path: str, about: str) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "yes"}}
    if path == "/ready":
        responses["200"]["content"] = {"application/json": {"schema": {"type": "object"}}}
        responses["503"] = _problem(503)
    return {"summary": about, "tags": ["server"], "operationId": path[1:], "responses": responses, "security": []}


def _problem(status: int) -> dict[str, Any]:
    return {"description": _ABOUT[status], "content": {"application/json": {"schema": _ERROR_REF}}}


def _described(operation: Operation, keys: bool, limits: Limits) -> dict[str, Any]:
    in_path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _NAMES[name]} for name in in_path
    ]
    for name, field in operation.parameters.items():
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": False,
                "description": field.description,
                "schema": _limited(name, field.schema(), limits),
            }
        )
    found: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.name,
        "tags": [operation.tag],
        "responses": _responses(operation, keys),
    }
    if operation.description:
        found["description"] = operation.description
    if parameters:
        found["parameters"] = parameters
    if keys and operation.right:
        found["security"] = [{"key": []}]
        found["x-right"] = operation.right
    content: dict[str, Any] = {}
    if operation.body is not None:
        schema = operation.body.schema()
        schema["properties"] = {name: _limited(name, one, limits) for name, one in schema["properties"].items()}
        content["application/json"] = {"schema": schema}
        if example := operation.body.example():
            content["application/json"]["example"] = example
    for media in operation.accepts:
        content[media] = {"schema": {"type": "string", "format": "binary"}}
    if content:
        required = operation.body is None or bool(operation.body.required or operation.body.any_of)
        found["requestBody"] = {"required": required, "content": content}
    return found


def _limited(name: str, schema: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The schema of a field with the most that this server takes of it."""
    most = {"k": limits.k, "batch_size": limits.batch}.get(name)
    return schema if most is None else {**schema, "maximum": min(most, schema["maximum"])}


def _responses(operation: Operation, keys: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": operation.reply or {"type": "object"}}
    if operation.example is not None:
        content["example"] = operation.example
    own: dict[str, Any] = {"description": HTTPStatus(operation.status).phrase}
    if operation.status != 204:
        own["content"] = dict.fromkeys(operation.media.split(), content)
    found = {str(operation.status): own}
    statuses = {*_ALWAYS, *operation.answers}
    if operation.body is not None or operation.accepts:
        statuses.add(415)
    if keys:
        statuses |= {401, 429}
    for status in sorted(statuses):
        if status < 300:
            found[str(status)] = {**own, "description": HTTPStatus(status).phrase}
        else:
            found[str(status)] = _problem(status)
    return found
