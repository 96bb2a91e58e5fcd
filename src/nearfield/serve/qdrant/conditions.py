"""Filters of the dialect: checked once, then asked which rows of a :class:`.columns.Table` pass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from .columns import Column, Table, Vocabulary, words_of
from .moments import parse_moment
from .paths import Path, path_of
from .places import in_box, in_circle, in_polygon
from .point_ids import parse_ids
from .refusal import bad, fields, number, several, unsupported, whole

_BOUNDS = ("lt", "lte", "gt", "gte")
_DEEPEST = 64
_NO_ROWS = np.empty(0, np.float64)


class Condition(ABC):
    """What a row passes or does not."""

    @abstractmethod
    def mask(self, table: Table) -> np.ndarray:
        """Bool per row, an array of the caller's own."""


class Filter(Condition):
    """``must``, ``must_not``, ``should`` and ``min_should``, all of which have to hold."""

    def __init__(self, body: Any, depth: int = 0):
        if depth > _DEEPEST:
            raise bad(f"filter: expected at most {_DEEPEST} levels")
        body = fields(body, "filter", ("must", "must_not", "should", "min_should"))
        self.must = [condition(one, depth) for one in several(body.get("must"))]
        self.must_not = [condition(one, depth) for one in several(body.get("must_not"))]
        self.should = [condition(one, depth) for one in several(body.get("should"))]
        self.some: list[Condition] = []
        self.least = 0
        if body.get("min_should") is not None:
            some = fields(body["min_should"], "min_should", ("conditions", "min_count"), needed=("min_count",))
            self.some = [condition(one, depth) for one in several(some.get("conditions"))]
            self.least = whole(some["min_count"], "min_should.min_count", None)

    def mask(self, table: Table) -> np.ndarray:
        """Bool per row."""
        mask = np.ones(len(table), bool)
        for one in self.must:
            mask &= one.mask(table)
        for one in self.must_not:
            mask &= ~one.mask(table)
        if self.should:
            either = self.should[0].mask(table)
            for one in self.should[1:]:
                either |= one.mask(table)
            mask &= either
        if self.least:
            counts = np.zeros(len(table), np.int64)
            for one in self.some:
                counts += one.mask(table)
            mask &= counts >= self.least
        return mask

    def merged(self, inner: Filter | None) -> Filter:
        """This filter and another as one, clause by clause, as a query's filter joins that of its prefetch.

        Two ``should`` become alternatives of each other, which is what Qdrant does.
        """
        if inner is None:
            return self
        both = Filter({})
        both.must = self.must + inner.must
        both.must_not = self.must_not + inner.must_not
        both.should = self.should + inner.should
        both.some = self.some + inner.some
        both.least = max(self.least, inner.least)
        return both


def parse_filter(body: Any) -> Filter | None:
    """A request's ``filter``; None where there is none."""
    return None if body is None else Filter(body)


def condition(body: Any, depth: int = 0) -> Condition:
    """One condition of a filter."""
    if not isinstance(body, dict):
        raise bad(f"filter: expected a condition, got {body!r}")
    if "key" in body:
        return Field(body)
    for name, kind in _KINDS.items():
        if name in body:
            fields(body, "filter", (name,))
            return kind(body[name], depth + 1)
    if body.keys() <= {"must", "must_not", "should", "min_should"}:
        return Filter(body, depth + 1)
    raise unsupported(f"the condition {', '.join(body)}")


class _Asking(Condition):
    """A condition that is one look at the table."""

    def __init__(self, look: Callable[[Table], np.ndarray]):
        self._look = look

    def mask(self, table: Table) -> np.ndarray:
        """Bool per row."""
        return self._look(table)


def _of_key(name: str, look: Callable[[Column], np.ndarray]) -> Callable[[Any, int], Condition]:
    def read(body: Any, depth: int) -> Condition:
        path = path_of(fields(body, name, ("key",), needed=("key",))["key"], name)
        return _Asking(lambda table: look(table.column(path)))

    return read


def _has_id(body: Any, depth: int) -> Condition:
    ids = parse_ids(body, "has_id")
    return _Asking(lambda table: table.with_ids(ids))


def _has_vector(body: Any, depth: int) -> Condition:
    if not isinstance(body, str):
        raise bad(f"has_vector: expected the name of a vector, got {body!r}")
    return _Asking(lambda table: table.with_vector(body))


def _slice(body: Any, depth: int) -> Condition:
    body = fields(body, "slice", ("total", "index"), needed=("total", "index"))
    total = whole(body["total"], "slice.total", None)
    index = whole(body["index"], "slice.index", None, 0, total - 1)
    return _Asking(lambda table: table.in_slice(total, index))


def _nested(body: Any, depth: int) -> Condition:
    body = fields(body, "nested", ("key", "filter"), needed=("key", "filter"))
    path, inner = path_of(body["key"], "nested.key"), Filter(body["filter"], depth)

    def look(table: Table) -> np.ndarray:
        elements = table.elements(path)
        return elements.rows(inner.mask(elements))

    return _Asking(look)


_KINDS: dict[str, Callable[[Any, int], Condition]] = {
    "is_empty": _of_key("is_empty", Column.empty),
    "is_null": _of_key("is_null", Column.null),
    "has_id": _has_id,
    "has_vector": _has_vector,
    "slice": _slice,
    "nested": _nested,
}


class Field(Condition):
    """A condition on the values that a path leads to: one of them has to pass."""

    def __init__(self, body: dict[str, Any]):
        known = ("match", "range", "geo_bounding_box", "geo_radius", "geo_polygon", "values_count")
        body = dict(fields(body, "filter", ("key", "is_empty", "is_null", *known)))
        self.path: Path = path_of(body["key"], "key")
        self._look = self._read(body)

    def mask(self, table: Table) -> np.ndarray:
        """Bool per row."""
        return self._look(table.column(self.path))

    def _read(self, body: dict[str, Any]) -> Callable[[Column], np.ndarray]:
        """The first of what is asked counts, in this order, as it does in Qdrant's local mode."""
        if body.get("values_count") is not None:
            counts = _bounds(body["values_count"], "values_count")
            return lambda column: column.counting(counts)
        for name, look in (("is_empty", Column.empty), ("is_null", Column.null)):
            if body.get(name) is not None:
                wanted = body[name]
                if not isinstance(wanted, bool):
                    raise bad(f"{name}: expected true or false, got {wanted!r}")
                return lambda column, look=look: look(column) == wanted  # type: ignore[misc]
        if body.get("match") is not None:
            return _values(_match(body["match"]))
        if body.get("range") is not None:
            return _values(_range(body["range"]))
        for name, inside in (
            ("geo_bounding_box", in_box),
            ("geo_radius", in_circle),
            ("geo_polygon", in_polygon),
        ):
            if body.get(name) is not None:
                shape = body[name]
                inside(_NO_ROWS, _NO_ROWS, shape)  # what is wrong with it is said now
                return _values(
                    lambda words, inside=inside, shape=shape: words.placed(lambda a, b: inside(a, b, shape))  # type: ignore[misc]
                )
        return lambda column: np.zeros_like(column.empty())


def _values(test: Callable[[Vocabulary], np.ndarray]) -> Callable[[Column], np.ndarray]:
    return lambda column: column.matching(test(column.vocabulary))


def _bounds(body: Any, name: str) -> dict[str, float]:
    body = fields(body, name, _BOUNDS)
    for key in _BOUNDS:
        if body.get(key) is not None:
            number(body[key], f"{name}.{key}")
    return {key: body[key] for key in _BOUNDS if body.get(key) is not None}


def _range(body: Any) -> Callable[[Vocabulary], np.ndarray]:
    given = {key: body[key] for key in _BOUNDS if fields(body, "range", _BOUNDS).get(key) is not None}
    if given and all(isinstance(bound, str) for bound in given.values()):
        moments: dict[str, float] = {}
        for key, text in given.items():
            moment = parse_moment(text)
            if moment is None:
                raise bad(f"range.{key}: expected a number or a date such as '2024-01-31T12:00:00Z', got {text!r}")
            moments[key] = moment
        return lambda words: words.during(moments)
    bounds = _bounds(body, "range")
    return lambda words: words.between(bounds)


def _keyword(value: Any, name: str) -> Any:
    if not isinstance(value, bool | int | str):
        raise bad(f"match.{name}: expected a text, an integer or a boolean, got {value!r}")
    return value


def _match(body: Any) -> Callable[[Vocabulary], np.ndarray]:
    kinds = ("value", "any", "except", "text", "text_any", "phrase", "prefix", "substring")
    given = [name for name in kinds if fields(body, "match", kinds).get(name) is not None]
    if len(given) != 1:
        raise bad(f"match: expected one of {', '.join(kinds)}, got {', '.join(given) or 'none of them'}")
    name = given[0]
    value = body[name]
    if name == "value":
        return _one_of([_keyword(value, name)])
    if name in ("any", "except"):
        if not isinstance(value, list):
            raise bad(f"match.{name}: expected a list, got {value!r}")
        among = _one_of([_keyword(one, name) for one in value])
        if name == "any":
            return among
        return lambda words: ~among(words) & words.where(lambda one: one is not None)
    if not isinstance(value, str):
        raise bad(f"match.{name}: expected a text, got {value!r}")
    if name == "prefix":
        return lambda words: words.where(lambda one: isinstance(one, str) and one.startswith(value))
    if name == "substring":
        return lambda words: words.where(lambda one: isinstance(one, str) and value in one)
    return _words(name, words_of(value))


def _one_of(values: list[Any]) -> Callable[[Vocabulary], np.ndarray]:
    def test(words: Vocabulary) -> np.ndarray:
        codes = (words.known(value) for value in values)
        return words.among(code for code in codes if code is not None)

    return test


def _words(kind: str, wanted: list[str]) -> Callable[[Vocabulary], np.ndarray]:
    def follows(text: str) -> bool:
        found = words_of(text)
        return any(found[at : at + len(wanted)] == wanted for at in range(len(found) - len(wanted) + 1))

    def test(words: Vocabulary) -> np.ndarray:
        sets = [words.holding(word) for word in wanted]
        if not sets:
            return words.among(())
        codes = set.union(*sets) if kind == "text_any" else set.intersection(*sets)
        if kind == "phrase":
            codes = {code for code in codes if follows(words.values[code])}
        return words.among(codes)

    return test
