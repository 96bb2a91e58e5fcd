"""What Haystack asks about the metadata of its documents: which fields, which values, the least and the largest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_TYPES = {bool: "boolean", int: "int", float: "float"}


def field_name(name: str) -> str:
    """Without the prefix that filters have."""
    return name.removeprefix("meta.")


def count_unique(metas: Iterable[Mapping[str, Any]], names: Sequence[str]) -> dict[str, int]:
    """How many values each of some fields has."""
    seen: dict[str, set[tuple[str, str]]] = {field_name(name): set() for name in names}
    for meta in metas:
        for name, values in seen.items():
            if meta.get(name) is not None:
                values.add(_identity(meta[name]))
    return {name: len(values) for name, values in seen.items()}


def fields_info(metas: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Each field's type; of values of several types the last one's."""
    found = {}
    for meta in metas:
        for name, value in meta.items():
            if value is not None:
                found[name] = {"type": _TYPES.get(type(value), "keyword")}
    return found


def min_max(metas: Iterable[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """The least and the largest number or text of a field; None where there is none or they cannot be compared."""
    key = field_name(name)
    values = [meta[key] for meta in metas if isinstance(meta.get(key), int | float | str)]
    try:
        return {"min": min(values, default=None), "max": max(values, default=None)}
    except TypeError:
        return {"min": None, "max": None}


def unique_values(
    metas: Iterable[Mapping[str, Any]], name: str, search_term: str | None, from_: int, size: int
) -> tuple[list[Any], int]:
    """A page of the values of a field in the order of their texts, and how many there are."""
    key = field_name(name)
    values = {_identity(meta[key]): meta[key] for meta in metas if meta.get(key) is not None}
    if search_term:
        term = search_term.lower()
        values = {one: value for one, value in values.items() if term in str(value).lower()}
    ordered = sorted(values, key=lambda one: (str(values[one]), one[0]))
    return [values[one] for one in ordered[from_ : from_ + size]], len(ordered)


def _identity(value: Any) -> tuple[str, str]:
    """1, 1.0, true and "1" are four values."""
    return type(value).__name__, json.dumps(value, sort_keys=True)
