"""Payloads column by column: what a path leads to in each of many payloads, each distinct value looked at once.

Payloads are only ever appended, so a column is extended by what is new when it is next asked. A condition is answered
on the distinct values, by NumPy where there may be many, and spread to the rows by their codes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .moments import parse_moment
from .paths import Path, find, flat
from .places import is_place, places_of

_WORD = re.compile(r"[^\W_]+")
# Beyond this a double no longer tells integers apart.
_EXACT = 1 << 53


def words_of(text: str) -> list[str]:
    """The words of a text, in small letters, as a text condition compares them."""
    return [word.lower() for word in _WORD.findall(text)]


class Growing:
    """An array that grows at its end; what :meth:`view` gave before stays as it was."""

    def __init__(self, dtype: Any, width: int | None = None):
        self._array = np.empty((0,) if width is None else (0, width), dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def extend(self, values: Any) -> None:
        """Append values."""
        end = self._count + len(values)
        if end > len(self._array):
            larger = np.empty((max(end, 2 * len(self._array), 16), *self._array.shape[1:]), self._array.dtype)
            larger[: self._count] = self._array[: self._count]
            self._array = larger
        self._array[self._count : end] = values
        self._count = end

    def view(self) -> np.ndarray:
        """What it holds now."""
        return self._array[: self._count]


class Vocabulary:
    """The distinct values of a column, by code; lists, objects and nulls are kept apart from the scalars."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._codes: dict[tuple[type, Any], int] = {}
        self._numbers = Growing(np.float64)
        self._moments = Growing(np.float64)
        self._words: dict[str, list[int]] = {}
        self._worded = 0
        self._placed = 0
        self._places: list[int] = []
        self._large = False

    def code(self, value: Any) -> int:
        """The code of a value, a new one where it was not there."""
        kind = type(value)
        if kind in (dict, list):
            self.values.append(value)
            return len(self.values) - 1
        known = self._codes.setdefault((kind, value), len(self.values))
        if known == len(self.values):
            self.values.append(value)
            if kind is int and abs(value) > _EXACT:
                self._large = True
        return known

    def known(self, value: Any) -> int | None:
        """The code of a scalar, None where it is not there."""
        return self._codes.get((type(value), value))

    def among(self, codes: Iterable[int]) -> np.ndarray:
        """Bool by code."""
        mask = np.zeros(len(self.values), bool)
        mask[list(codes)] = True
        return mask

    def where(self, test: Callable[[Any], bool]) -> np.ndarray:
        """Bool by code: which values pass a test."""
        return np.fromiter((test(value) for value in self.values), bool, len(self.values))

    def between(self, bounds: dict[str, float]) -> np.ndarray:
        """Which values are numbers within bounds ``lt``, ``lte``, ``gt``, ``gte``."""
        if self._large or any(isinstance(bound, int) and abs(bound) > _EXACT for bound in bounds.values()):
            return self.where(
                lambda value: type(value) in (int, float) and all(_TESTS[key](value, to) for key, to in bounds.items())
            )
        return _within(self.numbers(), bounds)

    def numbers(self) -> np.ndarray:
        """The values that are numbers by code, NaN for the others."""
        new = self.values[len(self._numbers) :]
        self._numbers.extend([value if type(value) in (int, float) else np.nan for value in new])
        return self._numbers.view()

    def moments(self) -> np.ndarray:
        """Microseconds since 1970 by code, NaN for what is no date; exact, since doubles hold them to the year 2255."""
        new = self.values[len(self._moments) :]
        parsed = (parse_moment(value) if isinstance(value, str) else None for value in new)
        self._moments.extend([np.nan if moment is None else moment for moment in parsed])
        return self._moments.view()

    def during(self, bounds: dict[str, float]) -> np.ndarray:
        """Which values are dates within bounds, in microseconds since 1970."""
        return _within(self.moments(), bounds)

    def placed(self, test: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Which values are places that pass a test of latitudes and longitudes."""
        for code in range(self._placed, len(self.values)):
            if is_place(self.values[code]):
                self._places.append(code)
        self._placed = len(self.values)
        passing = test(*places_of([self.values[code] for code in self._places]))
        return self.among(np.array(self._places, np.int64)[passing].tolist())

    def holding(self, word: str) -> set[int]:
        """The codes of the texts that hold a word."""
        for code in range(self._worded, len(self.values)):
            if isinstance(self.values[code], str):
                for one in dict.fromkeys(words_of(self.values[code])):
                    self._words.setdefault(one, []).append(code)
        self._worded = len(self.values)
        return set(self._words.get(word, ()))


_TESTS: dict[str, Callable[[Any, Any], Any]] = {
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
}


def _within(numbers: np.ndarray, bounds: dict[str, float]) -> np.ndarray:
    mask = ~np.isnan(numbers)
    for key, bound in bounds.items():
        mask &= _TESTS[key](numbers, bound)
    return mask


class Column:
    """What one path leads to in each payload: its values, whether there are none or nulls, and how many."""

    def __init__(self, path: Path):
        self.path = path
        self.vocabulary = Vocabulary()
        self._rows = Growing(np.int64)
        self._codes = Growing(np.int64)
        self._empty = Growing(bool)
        self._null = Growing(bool)
        self._counted = Growing(np.int64)
        self._counts = Growing(np.int64)

    def extend(self, payloads: Sequence[Any]) -> None:
        """Take in what was appended to ``payloads``."""
        first = len(self._empty)
        if first == len(payloads):
            return
        rows: list[int] = []
        codes: list[int] = []
        empty: list[bool] = []
        null: list[bool] = []
        counted: list[int] = []
        counts: list[int] = []
        code = self.vocabulary.code
        for row in range(first, len(payloads)):
            found = find(payloads[row], self.path)
            for value in flat(found):
                rows.append(row)
                codes.append(code(value))
            empty.append(all(value is None or value == [] for value in found))
            null.append(any(value is None or (isinstance(value, list) and None in value) for value in found))
            for value in found or (None,):
                counted.append(row)
                counts.append(0 if value is None else len(value) if isinstance(value, list) else 1)
        self._rows.extend(rows)
        self._codes.extend(codes)
        self._counted.extend(counted)
        self._counts.extend(counts)
        self._null.extend(null)
        self._empty.extend(empty)

    def matching(self, values: np.ndarray) -> np.ndarray:
        """Bool per row: whether any of its values is among these, bool by code."""
        mask = np.zeros(len(self._empty), bool)
        mask[self._rows.view()[values[self._codes.view()]]] = True
        return mask

    def empty(self) -> np.ndarray:
        """Bool per row: no value, or only nulls and empty lists."""
        return self._empty.view().copy()

    def null(self) -> np.ndarray:
        """Bool per row: a null, by itself or in a list."""
        return self._null.view().copy()

    def counting(self, bounds: dict[str, float]) -> np.ndarray:
        """Bool per row: whether one of its values has so many elements."""
        mask = np.zeros(len(self._empty), bool)
        mask[self._counted.view()[_within(self._counts.view().astype(np.float64), bounds)]] = True
        return mask

    def entries(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and codes of all values, row by row."""
        return self._rows.view(), self._codes.view()


class Table:
    """Payloads, and the columns that conditions have asked for so far.

    Rows know no ids and no vectors here; :class:`.points.Points` adds them.
    """

    def __init__(self) -> None:
        self.payloads: list[Any] = []
        self._columns: dict[Path, Column] = {}
        self._elements: dict[Path, Elements] = {}

    def __len__(self) -> int:
        return len(self.payloads)

    def column(self, path: Path) -> Column:
        """What ``path`` leads to, of all rows."""
        column = self._columns.get(path)
        if column is None:
            column = self._columns[path] = Column(path)
        column.extend(self.payloads)
        return column

    def elements(self, path: Path) -> Elements:
        """The objects in the lists that ``path`` leads to, as a table of their own."""
        known = self._elements.get(path)
        if known is None:
            known = self._elements[path] = Elements(path)
        known.take(self.payloads)
        return known

    def with_ids(self, ids: Sequence[Any]) -> np.ndarray:
        """Bool per row: whether its id is one of these."""
        return np.zeros(len(self), bool)

    def with_vector(self, name: str) -> np.ndarray:
        """Bool per row: whether it has this vector."""
        return np.zeros(len(self), bool)

    def in_slice(self, total: int, index: int) -> np.ndarray:
        """Bool per row: whether Qdrant's hash of its id falls into this slice."""
        return np.zeros(len(self), bool)


class Elements(Table):
    """The objects in lists of other payloads, each with the row it came from."""

    def __init__(self, path: Path):
        super().__init__()
        self._path = path[:-1] if len(path) > 1 and path[-1] is None else path
        self._parents = Growing(np.int64)
        self._taken = 0

    def take(self, payloads: Sequence[Any]) -> None:
        """Take in what was appended to ``payloads``."""
        parents = []
        for row in range(self._taken, len(payloads)):
            for value in find(payloads[row], self._path):
                if isinstance(value, list):
                    objects = [one for one in value if isinstance(one, dict)]
                    self.payloads.extend(objects)
                    parents.extend([row] * len(objects))
        self._parents.extend(parents)
        self._taken = len(payloads)

    def rows(self, mask: np.ndarray) -> np.ndarray:
        """Bool per row of the other payloads: whether one of its elements is in ``mask``."""
        found = np.zeros(self._taken, bool)
        found[self._parents.view()[mask]] = True
        return found
