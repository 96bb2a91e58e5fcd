"""Item ids: int64 or str, one type a store, unique, the caller's own.

A column of ids is stored as arrays, so that a segment can map it: ints as one int64 array, strings as UTF-8 bytes with
``n + 1`` offsets. Strings are compared by code point, without normalisation: "é" in composed and decomposed form are
two ids. The empty string is refused, because it is nearly always a missing value that lost its way.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import xxhash

Id = int | str

# From so many text ids on, their bytes are gathered at once.
_AT_ONCE = 64
_LOW, _HIGH = -(2**63), 2**63 - 1


def is_single(ids: Any) -> bool:
    """Whether ``ids`` is one id rather than a sequence of them."""
    return isinstance(ids, str | Integral) and not isinstance(ids, bool)


def _check_int(value: Any, position: int) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral):
        raise TypeError(f"ids: this store has int ids, got {value!r} at position {position}")
    number = int(value)
    if not _LOW <= number <= _HIGH:
        raise ValueError(f"ids: expected an integer of 64 bits, got {number} at position {position}")
    return number


def _check_str(value: Any, position: int) -> str:
    if not isinstance(value, str):
        raise TypeError(f"ids: this store has str ids, got {value!r} at position {position}")
    if not value:
        raise ValueError(f"ids: expected a non-empty string, got '' at position {position}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"ids: expected text that UTF-8 can hold, got {value!r} at position {position}") from None
    return str(value)


def check_ids(ids: Any, kind: str | None, *, unique: bool = True) -> tuple[list[Id], str]:
    """Return the ids as plain ``int`` or ``str`` objects, and their kind ``"int"`` or ``"str"``.

    ``kind`` is what the store holds already, or None before the first add. ``unique`` refuses an id given twice.
    """
    if is_single(ids):
        ids = [ids]
    if isinstance(ids, bytes | bytearray) or not isinstance(ids, Iterable) or isinstance(ids, Mapping):
        raise TypeError(f"ids: expected a sequence of int or of str, got {type(ids).__name__}")
    values: Sequence[Any]
    if isinstance(ids, np.ndarray):
        values = ids.tolist()
    else:
        values = ids.to_pylist() if hasattr(ids, "to_pylist") else list(ids)
    if isinstance(ids, np.ndarray) and (ids.ndim != 1 or ids.dtype.kind not in "iuUO"):
        raise TypeError(f"ids: expected a 1-D array of int or str, got dtype {ids.dtype} of shape {ids.shape}")
    if kind is None:
        first = values[0] if values else 0
        if isinstance(first, bool | np.bool_) or not isinstance(first, str | Integral):
            raise TypeError(f"ids: expected int or str, got {first!r} at position 0")
        kind = "str" if isinstance(first, str) else "int"
    check = _check_str if kind == "str" else _check_int
    checked: list[Id] = [check(value, position) for position, value in enumerate(values)]
    if unique and len(set(checked)) < len(checked):
        seen: dict[Id, int] = {}
        for position, value in enumerate(checked):
            if value in seen:
                raise ValueError(f"ids: {value!r} is given twice, at positions {seen[value]} and {position}")
            seen[value] = position
    return checked, kind


@dataclass(frozen=True)
class IdColumn:
    """An immutable column of ids, possibly memory-mapped.

    ``values`` is int64 for int ids, or the UTF-8 bytes of all strings; ``offsets`` (n + 1) is None for int ids.
    """

    values: np.ndarray
    offsets: np.ndarray | None

    @classmethod
    def from_list(cls, ids: Sequence[Id], kind: str) -> IdColumn:
        """Pack checked ids."""
        if kind == "int":
            return cls(np.array(ids, np.int64), None)
        encoded = [value.encode() for value in ids if isinstance(value, str)]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    def __len__(self) -> int:
        return len(self.values) if self.offsets is None else len(self.offsets) - 1

    @property
    def kind(self) -> str:
        """``"int"`` or ``"str"``."""
        return "int" if self.offsets is None else "str"

    def at(self, row: int) -> Id:
        """The id in one row."""
        if self.offsets is None:
            return int(self.values[row])
        return self.values[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    def take(self, rows: np.ndarray) -> list[Id]:
        """The ids in ``rows``, as plain Python objects."""
        if self.offsets is None:
            return self.values[rows].tolist()
        if len(rows) < _AT_ONCE:
            return [self.at(row) for row in rows.tolist()]
        column = self.select(rows)
        assert column.offsets is not None
        lengths = np.diff(column.offsets)
        spaced = np.zeros(len(column.values) + len(lengths), np.uint8)
        spaced[np.arange(len(column.values)) + np.repeat(np.arange(len(lengths)), lengths)] = column.values
        if np.count_nonzero(spaced) == len(column.values):
            return list(spaced.tobytes().decode().split("\0")[:-1])
        return [self.at(row) for row in rows.tolist()]  # ids may hold the character they would be cut at

    def select(self, rows: np.ndarray) -> IdColumn:
        """A column of the given rows."""
        if self.offsets is None:
            return IdColumn(self.values[rows], None)
        starts = self.offsets[:-1][rows]
        lengths = self.offsets[1:][rows] - starts
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        # Byte j of row i sits at starts[i] + (j - offsets[i]).
        positions = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return IdColumn(self.values[positions], offsets)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays a segment file stores."""
        if self.offsets is None:
            return {"ids": self.values}
        return {"ids_utf8": self.values, "ids_offsets": self.offsets}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> IdColumn:
        """The inverse of :meth:`to_arrays`."""
        if "ids" in arrays:
            return cls(arrays["ids"], None)
        return cls(arrays["ids_utf8"], arrays["ids_offsets"])

    def checked(self, rows: int) -> IdColumn:
        """The column itself; ValueError when it is not of that many rows or its offsets lead astray."""
        values, offsets = self.values, self.offsets
        if values.ndim != 1 or values.dtype != (np.int64 if offsets is None else np.uint8):
            raise ValueError(f"ids of {values.dtype} {values.shape}")
        if offsets is not None and (
            offsets.dtype != np.int64
            or offsets.ndim != 1
            or not len(offsets)
            or (offsets[0], offsets[-1]) != (0, len(values))
            or (offsets[1:] < offsets[:-1]).any()
        ):
            raise ValueError(f"offsets that do not ascend from 0 to the {len(values)} bytes of ids")
        if len(self) != rows:
            raise ValueError(f"expected {rows} ids, found {len(self)}")
        if offsets is not None:
            values.tobytes().decode()  # UnicodeDecodeError is a ValueError
            starts = offsets[:-1][offsets[:-1] < len(values)]
            if ((values[starts] & 0xC0) == 0x80).any():
                raise ValueError("an id that begins within a character")
        return self

    def to_bytes(self) -> bytes:
        """One blob, for the catalogue."""
        if self.offsets is None:
            return self.values.astype("<i8").tobytes()
        return self.offsets.astype("<i8").tobytes() + self.values.tobytes()

    @classmethod
    def from_bytes(cls, blob: bytes, rows: int, kind: str) -> IdColumn:
        """The inverse of :meth:`to_bytes`; ValueError when the blob is not of that many rows."""
        if kind == "int":
            if len(blob) != 8 * rows:
                raise ValueError(f"expected {8 * rows} bytes of ids, found {len(blob)}")
            return cls(np.frombuffer(blob, "<i8"), None)
        offsets = np.frombuffer(blob, "<i8", rows + 1)
        return cls(np.frombuffer(blob, np.uint8, offset=8 * (rows + 1)), offsets).checked(rows)


def concatenate(columns: Sequence[IdColumn], kind: str) -> IdColumn:
    """One column of several."""
    if kind == "int":
        return IdColumn(np.concatenate([np.zeros(0, np.int64), *(column.values for column in columns)]), None)
    offsets, total = [np.zeros(1, np.int64)], 0
    for column in columns:
        assert column.offsets is not None
        offsets.append(column.offsets[1:] + total)
        total += int(column.offsets[-1])
    values = np.concatenate([np.zeros(0, np.uint8), *(column.values for column in columns)])
    return IdColumn(values, np.concatenate(offsets))


class IdSet:
    """A set of ids to look up in columns of them: int64 in order, or strings.

    ``key`` is equal for equal sets and different for different ones. An int64 array is the quickest to make one of.
    """

    def __init__(self, ids: Any):
        self.kind = "int"
        values = ids
        if not (isinstance(ids, np.ndarray) and ids.dtype.kind == "i" and ids.ndim == 1):
            values, self.kind = check_ids(ids, None, unique=False)
        self._numbers = np.unique(np.array(values, np.int64)) if self.kind == "int" else np.empty(0, np.int64)
        self._texts: frozenset[Id] = frozenset() if self.kind == "int" else frozenset(values)
        said = self._numbers.data if self.kind == "int" else json.dumps(sorted(self._texts)).encode()
        self.key = f"{self.kind}:{xxhash.xxh3_128_hexdigest(said)}"

    def __len__(self) -> int:
        return len(self._numbers) if self.kind == "int" else len(self._texts)

    def to_list(self) -> list[Id]:
        """The ids, ints ascending."""
        return self._numbers.tolist() if self.kind == "int" else list(self._texts)

    def require(self, kind: str | None) -> None:
        """TypeError unless these can be ids of a store of this kind."""
        if len(self) and kind not in (None, self.kind):
            raise TypeError(f"ids: this store has {kind} ids, got {self.to_list()[0]!r}")

    def among(self, ids: IdColumn | Sequence[Id], rows: int) -> np.ndarray:
        """Bool for each of the first ``rows`` of a column of ids of this kind: whether it is one of these."""
        if not rows or not len(self):
            return np.zeros(rows, bool)
        if self.kind == "int":
            column = ids.values if isinstance(ids, IdColumn) else ids
            return np.isin(np.asarray(column[:rows], np.int64), self._numbers)
        names = ids.take(np.arange(rows)) if isinstance(ids, IdColumn) else ids[:rows]
        return np.fromiter((name in self._texts for name in names), bool, rows)
