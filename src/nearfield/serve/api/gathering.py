"""Searches that are gathered: how each is read without delay, and how a batch of them is answered by one search.

What a request asks for beside its query is the same in most, so it is read once and remembered with the request's
target. The numbers of a JSON query are not looked at by the event loop: the thread that searches reads those of a whole
batch in one call that leaves the loop running.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from ... import native
from ...store import Store
from ..calls import LONG, Call, read_json
from ..errors import Problem
from ..fields import from_bytes
from ..hosted import Hosted
from ..limits import Limits
from ..routing import Operation
from .answers import texts_of
from .items import shaped

BINARY = "application/octet-stream"
# What decides more than one query's answer, or needs work of its own: searches with these are not gathered.
_ALONE = frozenset(
    {"text", "text_query", "like", "unlike", "aspect", "to", "after", "old_queries", "bags", "candidates", "embedding"}
)
# How a query begins as numbers, and as the Python client sends it.
_BEGUN = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"query"[ \t\r\n]*:[ \t\r\n]*(?:\[|\{"f32": ?(?="))')
_BRACKET = ord("[")
# So many ways to ask are remembered for each target, of so many bytes.
_KNOWN, _SHORT = 64, 256


class Asked(NamedTuple):
    """Vectors as they came: (d,) of one query, (q, d) of many, or with ``flat`` many in one row."""

    values: np.ndarray
    single: bool
    flat: bool = False

    @property
    def size(self) -> int:
        """How many numbers they are."""
        return self.values.size

    def rows(self, store: Store) -> np.ndarray:
        """(q, d), now that the store is open."""
        return shaped(self.values, store.dim, "queries") if self.flat else np.atleast_2d(self.values)


class Written(NamedTuple):
    """One query that nobody has read yet: its numbers or its base64, within the request that it is part of."""

    text: memoryview
    operation: Operation
    data: bytes
    body: int
    single: bool = True

    @property
    def size(self) -> int:
        """How many numbers it may be: most have ten digits or more, in base64 they are shorter."""
        return len(self.text) // 8

    def read(self) -> np.ndarray:
        """The query, read the long way; Problem where it is none."""
        assert self.operation.body is not None
        query: np.ndarray = read_json(self.operation.body, self.data[self.body :])["query"]
        return query


def gathered(call: Call, data: bytes, body: int) -> tuple[Any, Asked | Written] | None:
    """One query that comes with nothing but the likes of ``k``, and their :func:`key_of`; None where it is else.

    ``call`` may be one of several with the same head; the body of this one begins at ``body`` of ``data``, of which
    nothing long is copied.
    """
    media = call.media
    if media == BINARY:
        if "queries" in call.query:
            return None
        key = call.memo.get(BINARY)
        if key is None:
            key = call.memo[BINARY] = key_of(call, call.query)
        return None if key is None else (key, Asked(from_bytes(data[body:], "the body"), True))
    if media != "application/json" or call.query or len(data) - body > LONG:
        return None
    begun = _BEGUN.match(data, body)
    if begun is None:
        return None
    start = begun.end()
    numbers = data[start - 1] == _BRACKET
    end = data.find(b"]", start) if numbers else data.find(b'"', start + 1) + 1
    rest = data[end + 1 : end + 2 + _SHORT]
    if end < 1 or len(rest) > _SHORT or not (numbers or data[end : end + 1] == b"}"):
        return None
    key = _known_rest(call, rest)
    return None if key is None else (key, Written(memoryview(data)[start:end], call.operation, data, body))


def _known_rest(call: Call, rest: bytes) -> Any:
    """The key of a JSON body by what follows its query; None where the body is to be read as a whole."""
    key = call.memo.get(rest)
    if key is None and b'"query"' not in rest and b"\\" not in rest:
        try:
            assert call.operation.body is not None
            fields = read_json(call.operation.body, b'{"query":[1]' + rest)
            del fields["query"]
            key = key_of(call, fields)
        except Problem:
            return None
        if key is not None:
            if len(call.memo) >= _KNOWN:
                call.memo.clear()
            call.memo[rest] = key
    return key


def key_of(call: Call, fields: dict[str, Any]) -> Any:
    """What searches that are gathered have in common; None where this one is made alone."""
    call.service.limits.check_queries(1, fields.get("k", 10))
    if not _ALONE.isdisjoint(fields) or "queries" in fields:
        return None
    return call.collection, tuple(sorted(fields.items()))


class _Line(NamedTuple):
    """One that asks: its place in the batch, its rows one after another, how many queries they are."""

    place: int
    values: np.ndarray
    queries: int
    single: bool


def answer_batch(limits: Limits, hosted: Hosted, key: Any, asked: list[Asked | Written]) -> list[Any]:
    """The JSON answer to each of ``asked``, searched together, or the error that it alone met."""
    name, parameters = key
    options = dict(parameters)
    cursor = options.pop("cursor", False)
    answers: list[Any] = [None] * len(asked)
    with hosted.open(name) as store:
        queries = _one_each(asked)
        if queries is not None:
            # Where one does not fit, as seldom as that is, each is looked at by itself.
            with suppress(ValueError, TypeError):
                return texts_of(store.search(queries, **options), cursor, [None] * len(asked))
        written = [one for one in asked if isinstance(one, Written)]
        numbers = iter(native.parse_numbers([one.text for one in written])) if written else iter(())
        lines: dict[int, list[_Line]] = {}  # by dimensions: what is of other ones than the store fails by itself
        for place, one in enumerate(asked):
            try:
                if isinstance(one, Written):
                    values = next(numbers)
                    line = _Line(place, one.read() if values is None else values, 1, True)
                    width = len(line.values)
                elif one.single:
                    line = _Line(place, one.values, 1, True)
                    width = len(one.values)
                else:
                    rows = one.rows(store)
                    limits.check_queries(len(rows), options.get("k", 10))
                    line = _Line(place, rows.ravel(), len(rows), False)
                    width = rows.shape[1]
                lines.setdefault(width, []).append(line)
            except Problem as problem:
                answers[place] = problem
        for width, those in lines.items():
            _answer(store, width, those, options, cursor, answers)
    return answers


def _one_each(asked: list[Asked | Written]) -> np.ndarray | None:
    """The queries as one array (q, d), where each is one, came in the same way and has as many dimensions."""
    kind = type(asked[0])
    if not all(one.single and type(one) is kind for one in asked):
        return None
    if kind is Written:
        return native.parse_rows([one.text for one in asked if isinstance(one, Written)])
    values = [one.values for one in asked if isinstance(one, Asked)]
    return np.array(values) if len({len(one) for one in values}) == 1 else None


def _answer(
    store: Store, width: int, lines: list[_Line], options: dict[str, Any], cursor: bool, answers: list[Any]
) -> None:
    """Put the answers to ``lines`` in their places."""
    try:
        hits = store.search(np.concatenate([line.values for line in lines]).reshape(-1, width), **options)
    except (ValueError, TypeError) as error:
        if len(lines) == 1:
            answers[lines[0].place] = error
        else:  # one of them does not fit: each is asked by itself
            for line in lines:
                _answer(store, width, [line], options, cursor, answers)
        return
    counts = [None if line.single else line.queries for line in lines]
    for line, text in zip(lines, texts_of(hits, cursor, counts), strict=True):
        answers[line.place] = text
