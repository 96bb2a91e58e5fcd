"""Requests of older clients, which had a path for each kind of query: as the queries they are now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .refusal import bad, fields

_SHARED = ("filter", "params", "limit", "offset", "with_payload", "with_vector", "score_threshold")
_GROUPS = ("group_by", "group_size", "with_lookup")


def _rest(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in (*_SHARED, *_GROUPS) if body.get(name) is not None}


def _using(value: Any) -> Any:
    return value["name"] if isinstance(value, dict) and "name" in value else value


def search(body: Any) -> dict[str, Any]:
    """``points/search``: a vector, which may say its name."""
    body = fields(body, "search", ("vector", *_SHARED, *_GROUPS), needed=("vector",), ignored=("shard_key",))
    vector, using = body["vector"], None
    if isinstance(vector, dict):
        vector = fields(vector, "vector", ("name", "vector"), needed=("name", "vector"))
        vector, using = vector["vector"], vector["name"]
    if not isinstance(vector, list | dict):
        raise bad(f"vector: expected a vector, got {vector!r}")
    return {"query": {"nearest": vector}, "using": using, **_rest(body)}


def recommend(body: Any) -> dict[str, Any]:
    """``points/recommend``: examples."""
    named = ("positive", "negative", "strategy")
    body = fields(body, "recommend", (*named, "using", "lookup_from", *_SHARED, *_GROUPS), ignored=("shard_key",))
    query = {"recommend": {name: body[name] for name in named if body.get(name) is not None}}
    return {"query": query, "using": _using(body.get("using")), "lookup_from": body.get("lookup_from"), **_rest(body)}


def discover(body: Any) -> dict[str, Any]:
    """``points/discover``: a target and pairs, or pairs alone."""
    body = fields(body, "discover", ("target", "context", "using", "lookup_from", *_SHARED), ignored=("shard_key",))
    if body.get("target") is None:
        query: dict[str, Any] = {"context": body.get("context")}
    else:
        query = {"discover": {"target": body["target"], "context": body.get("context")}}
    return {"query": query, "using": _using(body.get("using")), "lookup_from": body.get("lookup_from"), **_rest(body)}
