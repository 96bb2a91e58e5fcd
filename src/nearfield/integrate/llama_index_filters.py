"""LlamaIndex's ``MetadataFilters``, nested as one likes, with the meaning that its own in-memory store gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..common.checks import require
from .documents import METADATA
from .filters import And, Leaf, Node, Not, Or, lookup, moment, ordered

require("llama_index.core", "llama-index")

from llama_index.core.vector_stores.types import (  # noqa: E402
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
)

# The document that a node comes from, under each of the names that LlamaIndex's stores know it by.
SOURCE = "ref_doc_id"
_SOURCES = (SOURCE, "doc_id", "document_id")

_COLUMN = {"==": "==", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<=", "in": "in", "nin": "not in"}
_LISTS = ("in", "nin", "any", "all")
_TEXTS = ("text_match", "text_match_insensitive")


def parse(filters: MetadataFilters | None, schema: Mapping[str, str]) -> Node | None:
    """The tree of some filters; None for none, which lets everything through."""
    if filters is None:
        return None
    if not isinstance(filters, MetadataFilters):
        raise TypeError(f"filters: expected MetadataFilters, got {type(filters).__name__}")
    if not filters.filters:
        return None
    parts: list[Node] = []
    for one in filters.filters:
        inner = parse(one, schema) if isinstance(one, MetadataFilters) else _filter(one, schema)
        if inner is not None:
            parts.append(inner)
    if filters.condition == FilterCondition.OR:
        return Or(tuple(parts))
    if filters.condition == FilterCondition.NOT:
        return Not(Or(tuple(parts)))
    return And(tuple(parts))


def source(identifiers: Sequence[str]) -> Leaf:
    """The nodes of some documents."""
    wanted = list(identifiers)
    return Leaf(SOURCE, "in", wanted, lambda _, payload: payload.get(SOURCE) in wanted, label="in")


def _filter(one: MetadataFilter, schema: Mapping[str, str]) -> Node:
    operator, value = FilterOperator(one.operator).value, one.value
    name = SOURCE if one.key in _SOURCES else one.key
    if operator in _LISTS and not isinstance(value, list):
        raise ValueError(f"filters: {one.key!r}: expected a list for {operator!r}, got {value!r}")
    if operator in _TEXTS and not isinstance(value, str):
        raise ValueError(f"filters: {one.key!r}: expected text for {operator!r}, got {value!r}")
    if operator in ("any", "all") and isinstance(value, list):
        each = tuple(_leaf(name, "contains", one, schema) for one in value)
        # Nothing is said of a missing value, not even that it holds none of nothing.
        present = Not(Leaf(name, "is null", None, lambda _, payload: _value(name, payload) is None))
        return And((present, Or(each) if operator == "any" else And(each)))
    return _leaf(name, operator, value, schema)


def _leaf(name: str, operator: str, value: Any, schema: Mapping[str, str]) -> Leaf:
    compare = _comparison(operator, value, schema.get(name) == "timestamp")
    absent = operator in ("!=", "nin", "is_empty")

    def holds(_: Any, payload: Mapping[str, Any]) -> bool:
        found = _value(name, payload)
        return absent if found is None else bool(compare(found))

    column = {**_COLUMN, "contains": "contains"}.get(operator)
    if value is None or (isinstance(value, list) and operator not in ("in", "nin")):
        column = None
    return Leaf(name, column, value, holds, label=operator)


def _comparison(operator: str, value: Any, time: bool) -> Callable[[Any], bool]:
    """The function of a value that is there."""
    if time and operator in _COLUMN:
        as_said: Callable[[Any], Any] = moment
        value = [moment(one) for one in value] if isinstance(value, list) else moment(value)
    else:
        as_said = _itself
    if operator in ("==", "!="):
        return lambda found: (as_said(found) == value) == (operator == "==")
    if operator in ("in", "nin"):
        return lambda found: (as_said(found) in value) == (operator == "in")
    if operator in _COLUMN:
        if time:
            limit = None if value is None else value.timestamp()
            return lambda found: (at := moment(found)) is not None and ordered(at.timestamp(), operator, limit)
        return lambda found: ordered(found, operator, value)
    if operator == "contains":
        return lambda found: (
            isinstance(value, str) and value in found if isinstance(found, str) else _holds(found, value)
        )
    if operator == "text_match":
        return lambda found: isinstance(found, str) and value in found
    if operator == "text_match_insensitive":
        return lambda found: isinstance(found, str) and value.lower() in found.lower()
    return lambda found: found in ("", [])  # is_empty


def _value(name: str, payload: Mapping[str, Any]) -> Any:
    return payload.get(SOURCE) if name == SOURCE else lookup(payload.get(METADATA, payload), name)


def _itself(value: Any) -> Any:
    return value


def _holds(found: Any, value: Any) -> bool:
    return isinstance(found, list | dict) and value in found
