"""Filters of other frameworks: what a store's columns can answer becomes SQL, the rest a test of the payload.

Metadata has no schema, and columns have one. A filter is therefore split: *filter* = *SQL over columns* and *test*. A
leaf goes into SQL only where both say the same of every item, missing values and types included; that is for every leaf
without a doubt, so the split changes no answer, only what it costs.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..store import Condition

# A text of more characters is left to the test.
_MOST_SQL = 500_000
_ORDER = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
Holds = Callable[[Any, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Leaf:
    """One comparison: of the metadata field ``name`` by ``operator`` with ``value``.

    ``holds(id, payload)`` says whether it is true of an item. ``operator`` is one of ``== != < <= > >= in "not in"
    contains "is null"`` where it means what a column means by it, missing values being unequal to everything, and None
    where only ``holds`` knows.
    """

    name: str
    operator: str | None
    value: Any
    holds: Holds = field(repr=False, compare=False)
    label: str = ""


@dataclass(frozen=True)
class And:
    """All parts hold; true without parts."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Or:
    """One part holds; false without parts."""

    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Any


Node = Leaf | And | Or | Not


def lookup(metadata: Any, name: str) -> Any:
    """The field of this name, or the one its dots lead to; None where there is none."""
    if not isinstance(metadata, Mapping):
        return None
    if name in metadata:
        return metadata[name]
    value: Any = metadata
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def moment(value: Any) -> dt.datetime | None:
    """The point in time that a datetime, a date or ISO text says, in UTC unless it says a zone; else None."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, dt.date):
        return None
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    try:
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    except OverflowError:
        return None


def holds(node: Node, identifier: Any, payload: Any) -> bool:
    """Whether a filter holds of an item."""
    if isinstance(node, Leaf):
        return node.holds(identifier, payload if isinstance(payload, Mapping) else {})
    if isinstance(node, And):
        return all(holds(part, identifier, payload) for part in node.parts)
    if isinstance(node, Or):
        return any(holds(part, identifier, payload) for part in node.parts)
    return not holds(node.part, identifier, payload)


def split(node: Node, schema: Mapping[str, str]) -> tuple[str | None, Node | None]:
    """``(sql, rest)``: an item passes where both hold; either may be None, which always holds."""
    sql = to_sql(node, schema)
    if sql is not None and len(sql) <= _MOST_SQL:
        return sql, None
    if not isinstance(node, And):
        return None, node
    texts: list[str] = []
    rest: list[Node] = []
    for part in node.parts:
        text, left = split(part, schema)
        if text is not None and sum(len(one) for one in texts) + len(text) > _MOST_SQL:
            text, left = None, part
        texts += [] if text is None else [text]
        rest += [] if left is None else [left]
    return " and ".join(texts) or None, And(tuple(rest)) if rest else None


def to_sql(node: Node, schema: Mapping[str, str]) -> str | None:
    """The same as a condition on columns that is never unknown; None where columns cannot say it."""
    if isinstance(node, Leaf):
        return _leaf(node, schema.get(node.name))
    parts = [to_sql(part, schema) for part in ((node.part,) if isinstance(node, Not) else node.parts)]
    texts = [text for text in parts if text is not None]
    if len(texts) < len(parts):
        return None
    if isinstance(node, Not):
        return f"(not {texts[0]})"
    if not texts:
        return "(true)" if isinstance(node, And) else "(false)"
    return "(" + (" and " if isinstance(node, And) else " or ").join(texts) + ")"


def _leaf(leaf: Leaf, kind: str | None) -> str | None:
    if kind is None or leaf.operator is None:
        return None
    column = '"' + leaf.name.replace('"', '""') + '"'
    if leaf.operator == "is null":
        return f"({column} is null)"
    if leaf.operator in ("in", "not in"):
        literals = [_literal(value, kind) for value in leaf.value]
        if None in literals or kind in ("strings", "geo"):
            return None
        if not literals:
            return "(false)" if leaf.operator == "in" else "(true)"
        inside = f"{column} in ({', '.join(map(str, literals))})"
    elif leaf.operator == "contains":
        if kind != "strings" or not isinstance(leaf.value, str):
            return None
        return f"({column} is not null and contains({column}, {_literal(leaf.value, 'string')}))"
    else:
        literal = _literal(leaf.value, kind)
        if literal is None or (kind == "bool" and leaf.operator in _ORDER):
            return None
        inside = f"{column} {_ORDER.get(leaf.operator, '=')} {literal}"
    if leaf.operator in ("!=", "not in"):
        return f"({column} is null or not ({inside}))"
    return f"({column} is not null and {inside})"


def _literal(value: Any, kind: str) -> str | None:
    """A value as SQL says it, None where its type is not the column's."""
    if kind == "bool":
        return str(value).lower() if isinstance(value, bool) else None
    if kind in ("int", "float"):
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return repr(value) if number else None
    if kind == "timestamp":
        time = moment(value)
        return None if time is None else f"'{time.isoformat()}'"
    if kind != "string" or not isinstance(value, str) or not _speakable(value):
        return None
    return "'" + value.replace("'", "''") + "'"


def _speakable(text: str) -> bool:
    """Whether SQL text can hold it without escapes, which differ between dialects."""
    if "\\" in text or "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def condition(
    node: Node | None, schema: Mapping[str, str], *, ids: Sequence[str] | None = None, where: str | None = None
) -> Any:
    """What :meth:`nearfield.store.Store.search` takes as ``where`` for a filter, a set of ids, and SQL beside them."""
    rest = None
    if node is not None:
        text, rest = split(node, schema)
        where = text if where is None else where if text is None else f"({where}) and {text}"
    key = None if rest is None else repr(rest)
    if rest is None and ids is None:
        return where
    if rest is None:
        return Condition(where, ids=ids)
    left = rest
    return Condition(where, ids=ids, test=lambda identifier, payload: holds(left, identifier, payload), key=key)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON values: true is not 1."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return bool(one == other)


def ordered(one: Any, operator: str, other: Any) -> bool:
    """A comparison of two numbers or two texts, false for anything else."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
    if not numbers and not (isinstance(one, str) and isinstance(other, str)):
        return False
    return bool({"<": one < other, "<=": one <= other, ">": one > other, ">=": one >= other}[operator])


def plain(value: Any) -> Any:
    """A value as JSON can say it: numpy scalars as numbers, times as ISO text, tuples and sets as lists, else text."""
    try:
        json.dumps(value, allow_nan=True)
        return value
    except (TypeError, ValueError, RecursionError):
        pass
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)
