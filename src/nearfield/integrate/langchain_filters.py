"""Filters as LangChain's users write them: dicts in the manner of Mongo, as Chroma, Pinecone and PGVector take them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .documents import METADATA
from .filters import And, Leaf, Node, Not, Or, lookup, moment, ordered, same

_COLUMN = {"$eq": "==", "$ne": "!=", "$in": "in", "$nin": "not in", "$contains": "contains"}
_ORDER = {"$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">="}
OPERATORS = (*_COLUMN, *_ORDER, "$between", "$exists", "$like", "$ilike")
_ALLOWED = ", ".join((*OPERATORS, "$not"))


def parse(filters: Mapping[str, Any], schema: Mapping[str, str]) -> Node:
    """The tree of a filter; ValueError says what is not understood."""
    if not isinstance(filters, Mapping):
        raise TypeError(f"filter: expected a dict, a function of a document or SQL text, got {type(filters).__name__}")
    parts: list[Node] = []
    for name, wanted in filters.items():
        if not isinstance(name, str):
            raise TypeError(f"filter: expected the name of a field, got {name!r}")
        if name in ("$and", "$or", "$nor"):
            if not isinstance(wanted, Sequence) or isinstance(wanted, str) or not wanted:
                raise ValueError(f"filter: expected a list of filters for {name}, got {wanted!r}")
            inner = tuple(parse(one, schema) for one in wanted)
            parts.append(And(inner) if name == "$and" else Or(inner) if name == "$or" else Not(Or(inner)))
        elif name == "$not":
            parts.append(Not(parse(wanted, schema)))
        elif name.startswith("$"):
            raise ValueError(f"filter: expected a field, $and, $or, $nor or $not, got {name!r}")
        else:
            parts.append(_field(name, wanted, schema))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _field(name: str, wanted: Any, schema: Mapping[str, str]) -> Node:
    if not isinstance(wanted, Mapping):
        return _leaf(name, "$eq", wanted, schema)
    unknown = [operator for operator in wanted if operator not in OPERATORS and operator != "$not"]
    if unknown or not wanted:
        raise ValueError(
            f"filter: field {name!r}: expected operators of {_ALLOWED}, got {unknown[0] if unknown else wanted!r}"
        )
    parts: list[Node] = []
    for operator, value in wanted.items():
        if operator == "$not":
            parts.append(Not(_field(name, value, schema)))
        elif operator == "$between":
            if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
                raise ValueError(f"filter: field {name!r}: expected two values for $between, got {value!r}")
            parts += [_leaf(name, "$gte", value[0], schema), _leaf(name, "$lte", value[1], schema)]
        elif operator == "$exists":
            if not isinstance(value, bool):
                raise ValueError(f"filter: field {name!r}: expected true or false for $exists, got {value!r}")
            parts.append(Not(_missing(name)) if value else _missing(name))
        else:
            parts.append(_leaf(name, operator, value, schema))
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _missing(name: str) -> Leaf:
    def holds(identifier: Any, payload: Mapping[str, Any]) -> bool:
        return lookup(payload.get(METADATA, payload), name) is None

    return Leaf(name, "is null", None, holds)


def _leaf(name: str, operator: str, value: Any, schema: Mapping[str, str]) -> Leaf:
    if operator in ("$in", "$nin"):
        if not isinstance(value, Sequence | set | frozenset) or isinstance(value, str):
            raise ValueError(f"filter: field {name!r}: expected a list for {operator}, got {value!r}")
        value = list(value)
    if operator in ("$like", "$ilike") and not isinstance(value, str):
        raise ValueError(f"filter: field {name!r}: expected text for {operator}, got {value!r}")
    time = schema.get(name) == "timestamp"
    compare = _comparison(operator, value, time)

    def holds(identifier: Any, payload: Mapping[str, Any]) -> bool:
        return compare(lookup(payload.get(METADATA, payload), name))

    column = {**_COLUMN, **_ORDER}.get(operator)
    if value is None:  # a column knows no value that is none
        column = None
    return Leaf(name, column, value, holds, label=operator)


def _comparison(operator: str, value: Any, time: bool) -> Any:
    """The function of a field's value, None where it is missing."""
    as_said = moment if time else lambda one: one
    if operator in ("$eq", "$ne"):
        wanted = as_said(value)
        return lambda found: (same(as_said(found), wanted)) == (operator == "$eq")
    if operator in ("$in", "$nin"):
        many = [as_said(one) for one in value]
        return lambda found: any(same(as_said(found), one) for one in many) == (operator == "$in")
    if operator in _ORDER:
        sign = _ORDER[operator]
        if time:
            limit = moment(value)
            if limit is None:
                raise ValueError(f"filter: expected ISO text or a datetime for {operator} with a time, got {value!r}")
            seconds = limit.timestamp()
            return lambda found: (at := moment(found)) is not None and ordered(at.timestamp(), sign, seconds)
        return lambda found: ordered(found, sign, value)
    if operator == "$contains":
        return lambda found: (
            value in found
            if isinstance(found, str) and isinstance(value, str)
            else isinstance(found, list) and any(same(one, value) for one in found)
        )
    pattern = re.compile(_like(value), re.DOTALL | (re.IGNORECASE if operator == "$ilike" else 0))
    return lambda found: isinstance(found, str) and pattern.fullmatch(found) is not None


def _like(pattern: str) -> str:
    """SQL's pattern as a regular expression: % is any text, _ one character, a backslash takes either as it is."""
    parts, escaped = [], False
    for character in pattern:
        if not escaped and character == "\\":
            escaped = True
            continue
        plain = escaped or character not in "%_"
        parts.append(re.escape(character) if plain else ".*" if character == "%" else ".")
        escaped = False
    return "".join(parts) + (re.escape("\\") if escaped else "")
