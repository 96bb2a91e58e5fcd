"""Grouped searches: at most so many hits for every value of an attribute, such as one passage a document.

The groups of an answer are those whose nearest items are nearest; their hits come in order of distance. As in SQL's
``group by``, missing values are one group. The search is widened until it has its groups: first by asking for more hits
than are wanted; then, for a query whose neighbourhood belongs to a few large groups, by taking out the rows of groups
that are complete, so that the next search sees only what can still count. It ends when the groups are full or nothing
is left, so an answer has fewer groups than asked for only where there are no more.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from .. import native
from .filters import Filter
from .rows import Live, Part
from .search import Nearest, nearest
from .snapshot import View

# Types whose values are equal or not beyond doubt; floats are not, and lists are no single value.
TYPES = ("bool", "int", "string", "timestamp")
# The first search asks for so many times what is wanted: most neighbourhoods hold several hits of a group.
_FIRST = 3


def check_column(group_by: Any, schema: Mapping[str, str]) -> str:
    """The name of a column that can be grouped by."""
    if not isinstance(group_by, str):
        raise TypeError(f"group_by: expected the name of an attribute, got {group_by!r}")
    if group_by not in schema:
        known = f"columns: {', '.join(schema)}" if schema else "this store has none"
        raise ValueError(f"group_by: unknown attribute {group_by!r}; {known}")
    if schema[group_by] not in TYPES:
        kinds = f"{', '.join(TYPES[:-1])} or {TYPES[-1]}"
        raise ValueError(
            f"group_by: expected an attribute of type {kinds}, got {group_by!r} of type {schema[group_by]}"
        )
    return group_by


class Coded:
    """One attribute of a part: a number for every row, and the value that each number stands for."""

    def __init__(self, part: Part, name: str):
        import pyarrow as pa

        column = part.table().column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
        coded = column.dictionary_encode(null_encoding="encode")
        self.codes = np.asarray(coded.indices.to_numpy(zero_copy_only=False), np.int32)
        self.values: list[Any] = coded.dictionary.to_pylist()
        self._places: dict[Any, int] | None = None

    def place(self, value: Any) -> int | None:
        """The number of a value; None where no row has it."""
        if self._places is None:
            self._places = {known: place for place, known in enumerate(self.values)}
        return self._places.get(value)

    def rows_with(self, values: Any, *, others: bool) -> np.ndarray:
        """Bool per row: has one of the values or, with ``others``, none of them."""
        table = np.full(len(self.values), others)
        places = [self.place(value) for value in values]
        table[[place for place in places if place is not None]] = not others
        return table[self.codes]


class Groups:
    """Which group each row belongs to, by attribute; 4 bytes a row, remembered as long as its part is in use."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[Part, dict[str, Coded]] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, part: Part, name: str) -> Coded:
        """The attribute of a part's rows."""
        with self._lock:
            coded = self._known.get(part, {}).get(name)
        if coded is None:
            coded = Coded(part, name)
            with self._lock:
                self._known.setdefault(part, {})[name] = coded
        return coded

    def memory(self) -> int:
        """Bytes of all numbers; the values themselves come on top, once each."""
        return sum(coded.codes.nbytes for known in list(self._known.values()) for coded in list(known.values()))

    def values(self, view: View, name: str, parts: np.ndarray, rows: np.ndarray) -> list[Any]:
        """The values at ``(part, row)``; None where the part is -1."""
        return [
            None if part < 0 else (coded := self.of(view.parts[part].part, name)).values[coded.codes[row]]
            for part, row in zip(parts.tolist(), rows.tolist(), strict=True)
        ]


class _Answer:
    """The groups of one query as they fill: hits are taken in ascending order of distance."""

    def __init__(self, k: int, size: int):
        self.k, self.size = k, size
        self.groups: dict[Any, int] = {}
        self.hits: dict[int, tuple[float, int, int]] = {}

    def take(self, found: Nearest, query: int, values: list[Any]) -> None:
        columns = (found.distances[query], found.keys[query], found.parts[query], found.rows[query])
        for distance, key, part, row, value in zip(*(column.tolist() for column in columns), values, strict=True):
            if key < 0:
                break
            count = self.groups.get(value, 0)
            if count == self.size or key in self.hits or (not count and len(self.groups) == self.k):
                continue
            self.groups[value] = count + 1
            self.hits[key] = (distance, part, row)

    @property
    def full(self) -> list[Any]:
        return [value for value, count in self.groups.items() if count == self.size]

    @property
    def open(self) -> list[Any]:
        return [value for value, count in self.groups.items() if count < self.size]

    @property
    def done(self) -> bool:
        return len(self.groups) == self.k and not self.open


def grouped(
    view: View,
    metric: str,
    queries: np.ndarray,
    k: int,
    *,
    groups: Groups,
    name: str,
    size: int,
    condition: Filter | None = None,
    beam: int | None = None,
) -> Nearest:
    """Like :func:`nearest`: the hits of ``k / size`` groups of at most ``size`` hits each, ascending, ``k`` columns."""
    wanted = k // size
    width = _FIRST * k
    first = nearest(view, metric, queries, width, condition=condition, beam=beam)
    restricted = None
    out = Nearest.none(len(queries), k, first.allowed)
    for number in range(len(queries)):
        answer = _Answer(wanted, size)
        answer.take(first, number, groups.values(view, name, first.parts[number], first.rows[number]))
        if not answer.done and width < first.allowed:
            if restricted is None:
                restricted = [(live.part, *live.allowed(condition)) for live in view.parts]
            _widen(view, metric, queries[number : number + 1], answer, width, restricted, groups, name, beam)
        hits = sorted((distance, key, part, row) for key, (distance, part, row) in answer.hits.items())
        for column, values in zip(
            (out.distances, out.keys, out.parts, out.rows), zip(*hits, strict=True), strict=False
        ):
            column[number, : len(hits)] = values
    return out


def _widen(
    view: View,
    metric: str,
    query: np.ndarray,
    answer: _Answer,
    width: int,
    allowed: list[tuple[Part, np.ndarray | None, int]],
    groups: Groups,
    name: str,
    beam: int | None,
) -> None:
    """Search on, among the rows that can still count, until the answer is done or they are used up."""
    while not answer.done:
        few = len(answer.groups) == answer.k  # all groups are known: only they count
        values = answer.open if few else answer.full
        parts = []
        for part, words, count in allowed:
            if count:
                bits = native.pack_bits(groups.of(part, name).rows_with(values, others=not few))
                words = bits if words is None else bits & words
                count = native.count_bits(words)
            else:
                words = native.pack_bits(np.zeros(len(part), bool))
            parts.append(Live(part, words, count))
        total = sum(live.count for live in parts)
        if not total:
            return
        asked = min(width, total, native.MAX_K)
        found = nearest(replace(view, parts=tuple(parts)), metric, query, asked, beam=beam)
        answer.take(found, 0, groups.values(view, name, found.parts[0], found.rows[0]))
        if asked == total:
            return
        width *= 2


def explain_groups(
    view: View, hits: Nearest, groups: list[list[Any]], k: int, condition: Filter | None, max_false: float | None
) -> list[str]:
    """Per query ``"ok"`` when it has ``k`` groups, or why there are fewer."""
    texts = []
    for keys, values in zip(hits.keys.tolist(), groups, strict=True):
        count = len({value for key, value in zip(keys, values, strict=True) if key >= 0})
        text = f"only {count} group{'s' * (count != 1)}"
        if count == k:
            text = "ok"
        elif view.items == 0:
            text = "the store is empty"
        elif not hits.allowed:
            text = "no item passes the filter"
        elif max_false is not None:
            text += f": there are no more, or nothing else is relevant at max_false={max_false:g}"
        elif condition is not None:
            text += " passes the filter" if count == 1 else " pass the filter"
        texts.append(text)
    return texts
