"""Haystack's filters. What is left to a test is decided by Haystack's own comparison, one field at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from ..common.checks import require
from .documents import METADATA, TEXT, metadata_of, text_of
from .filters import And, Leaf, Node, Not, Or, lookup, moment

require("haystack", "haystack")

from haystack.dataclasses import Document  # noqa: E402
from haystack.errors import FilterError  # noqa: E402
from haystack.utils.filters import document_matches_filter  # noqa: E402

# The column that says whether a document has a vector of its own.
EMBEDDED = "has_embedding"

_LOGIC = ("AND", "OR", "NOT")
_ORDER = (">", ">=", "<", "<=")
_OPERATORS = ("==", "!=", *_ORDER, "in", "not in")
_FIELDS = {one.name for one in fields(Document)} - {"meta"}


def parse(filters: Mapping[str, Any] | None, schema: Mapping[str, str]) -> Node | None:
    """The tree of a filter, None for none; FilterError says what is not understood."""
    if not filters:
        return None
    if not isinstance(filters, Mapping):
        raise FilterError(f"filters: expected a dict, got {type(filters).__name__}")
    if "field" in filters:
        return _comparison(filters, schema)
    for key in ("operator", "conditions"):
        if key not in filters:
            raise FilterError(f"filters: {key!r} key missing in {dict(filters)}")
    operator, conditions = filters["operator"], filters["conditions"]
    if operator not in _LOGIC:
        raise FilterError(f"filters: expected one of {', '.join(_LOGIC)} as logical operator, got {operator!r}")
    if not isinstance(conditions, list | tuple):
        raise FilterError(f"filters: expected a list of conditions, got {conditions!r}")
    parts = []
    for one in conditions:
        part = parse(one, schema)
        if part is None:
            raise FilterError(f"filters: expected a condition, got {one!r}")
        parts.append(part)
    return Or(tuple(parts)) if operator == "OR" else Not(And(tuple(parts))) if operator == "NOT" else And(tuple(parts))


def embedded() -> Leaf:
    """The documents that have an embedding."""
    return Leaf(EMBEDDED, "==", True, lambda _, payload: payload.get(EMBEDDED, True) is True)


def _comparison(filters: Mapping[str, Any], schema: Mapping[str, str]) -> Node:
    for key in ("operator", "value"):
        if key not in filters:
            raise FilterError(f"filters: {key!r} key missing in {dict(filters)}")
    field, operator, value = filters["field"], filters["operator"], filters["value"]
    if not isinstance(field, str):
        raise FilterError(f"filters: expected the name of a field, got {field!r}")
    if operator not in _OPERATORS:
        raise FilterError(f"filters: expected one of {', '.join(_OPERATORS)} as operator, got {operator!r}")
    _check(field, operator, value)
    if field == "embedding":
        return _about_embedding(operator, value)
    if operator in _ORDER and value is None:
        return Or(())  # nothing is known to be more or less than nothing
    own = field.split(".")[0] in _FIELDS
    name = field if own else field.removeprefix("meta.")
    time = not own and schema.get(name) == "timestamp"
    one = {"field": "meta.value", "operator": operator, "value": _shown(value, time)}

    def holds(identifier: Any, payload: Mapping[str, Any]) -> bool:
        found = _field(field, identifier, payload) if own else lookup(metadata_of(payload), name)
        return bool(document_matches_filter(one, Document(id="-", meta={"value": _shown(found, time)})))

    column: str | None = None
    if not own and name != EMBEDDED:
        if operator in ("==", "!=") and value is None:
            null = Leaf(name, "is null", None, lambda _, payload: lookup(metadata_of(payload), name) is None)
            return null if operator == "==" else Not(null)
        if time or not _says_a_time(value):
            column = operator
        if operator in _ORDER and schema.get(name) not in ("int", "float", "timestamp"):
            column = None  # Haystack refuses to order other texts than times
        if operator in ("in", "not in") and None in value:
            column = None
    return Leaf(name, column, value, holds, label=f"{field} {operator}")


def _check(field: str, operator: str, value: Any) -> None:
    if operator in ("in", "not in") and not isinstance(value, list):
        raise FilterError(f"filters: {field!r}: expected a list for {operator!r}, got {type(value).__name__}")
    if operator in _ORDER:
        if isinstance(value, list):
            raise FilterError(f"filters: {field!r}: expected a number or a time for {operator!r}, got a list")
        if isinstance(value, str):
            document_matches_filter({"field": "meta.value", "operator": operator, "value": value}, _SOME_TIME)


_SOME_TIME = Document(id="-", meta={"value": "2000-01-01T00:00:00"})


def _says_a_time(value: Any) -> bool:
    """Whether Haystack takes a value for a time, which may be written in several ways."""
    return any(moment(one) is not None for one in (value if isinstance(value, list) else [value]))


def _shown(value: Any, time: bool) -> Any:
    """A value as it is compared: in a column of times as a moment, as the column has it."""
    if not time:
        return value
    if isinstance(value, list):
        return [_shown(one, True) for one in value]
    at = moment(value)
    return value if at is None else at


def _about_embedding(operator: str, value: Any) -> Node:
    if operator not in ("==", "!=") or value is not None:
        raise FilterError(
            f"filters: 'embedding': expected a comparison with None by '==' or '!=', got {operator!r} {value!r}"
        )
    return Not(embedded()) if operator == "==" else embedded()


def _field(field: str, identifier: Any, payload: Mapping[str, Any]) -> Any:
    """A field of the document itself."""
    if field == "id":
        return identifier
    if field == "content":
        return payload.get(TEXT) if METADATA in payload else text_of(payload)
    return lookup({name: payload.get(name) for name in _FIELDS}, field)
