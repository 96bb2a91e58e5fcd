"""Attribute columns as codes, from which filters are answered without looking at the values.

A column has one code a row, of 1, 2 or 4 bytes. There are four forms:

``values``  every distinct value has a code, in order, so a comparison is a range of codes and any other condition a set
``cells``   numbers with more distinct values than 2 bytes tell apart: a code is a range of values (SQUASH's attribute
            quantisation, with bounds at quantiles); only rows in a cell that a condition cuts are looked at themselves
``places``  points on the earth: a code is a small rectangle, found by cutting the rows into strips of latitude and
            each strip by longitude
``lists``   lists of strings: for each distinct string the rows that hold it

The code after the last is that of a missing value, the one after it that of NaN. Text is not kept twice: ``first`` says
in which row (of a list: in which element) a distinct string stands. This is derived data: what the columns of Arrow say
goes, and a file that is damaged, or absent because an older version wrote the segment, is passed over.

Source: SQUASH (Oakley and Ferhatosmanoglu, arXiv:2502.01528): attributes are quantised as dimensions are, and a filter
looks each cell up. Departures: a column of few values has no cells but a code for each value; cells that a condition
cuts are checked against the values, so the answer is exact; places and lists have forms of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.container import container_bytes, read_container, write_container
from ..common.decoding import decoding
from ..common.errors import CorruptFileError
from ..native.predicates import ordered
from .predicates import coordinates, list_rows, raw_numbers

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS_VERSION = 1
MAX_VALUES = 65_534  # numbers: with the two codes after the last, what 2 bytes hold
MAX_PLACES = 16_384
ROWS_A_PLACE = 16
_KIND = "store.columns"


@dataclass(frozen=True)
class Column:
    """One coded column.

    Attributes
    ----------
    form : "values", "cells", "places" or "lists".
    kind : the attribute's type.
    codes : uint8, uint16 or uint32 (n,).
    count : how many codes stand for values; ``count`` is a missing value, ``count + 1`` NaN.
    arrays : by form, ``values`` (int64 or float64: the value, or the lowest of a cell), ``first`` (of text), ``bounds``
        (count, 4: south, west, north, east), or ``first``, ``starts`` and ``rows`` (of lists).
    """

    form: str
    kind: str
    codes: np.ndarray
    count: int
    arrays: dict[str, np.ndarray]


def kind_of(found: pa.DataType) -> str:
    """The attribute type behind an Arrow type."""
    import pyarrow as pa

    kinds = pa.types
    tests = {
        "bool": kinds.is_boolean,
        "int": kinds.is_integer,
        "float": kinds.is_floating,
        "timestamp": kinds.is_timestamp,
        "strings": kinds.is_large_list,
        "geo": kinds.is_struct,
    }
    return next((kind for kind, test in tests.items() if test(found)), "string")


def one_array(column: Any) -> Any:
    """A column of a table as one Arrow array, copied only when it comes in several pieces."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks == 1:
            return column.chunk(0)
        return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    return column


def code_column(column: Any) -> Column:
    """The codes of one column of attributes."""
    array = one_array(column)
    kind = kind_of(array.type)
    coder = {"string": _code_text, "strings": _code_lists, "geo": _code_places}.get(kind, _code_numbers)
    return coder(array, kind)


def _known(array: Any) -> np.ndarray:
    return np.asarray(array.is_valid().to_numpy(zero_copy_only=False), bool)


def _narrow(codes: np.ndarray, count: int) -> np.ndarray:
    """The codes in as few bytes as hold ``count`` and the two codes after."""
    return codes.astype(np.uint8 if count + 2 <= 256 else np.uint16 if count + 2 <= 65_536 else np.uint32)


def numbers_of(array: Any) -> np.ndarray:
    """The raw int64 or float64 values of a bool, int, float or timestamp array; anything where one is missing."""
    import pyarrow as pa

    return raw_numbers(array.cast(pa.int64()) if pa.types.is_boolean(array.type) else array)


def _short(positions: np.ndarray) -> np.ndarray:
    """Positions in four bytes where they fit."""
    return positions.astype(np.uint32) if not len(positions) or positions.max() < 2**32 else positions


def _code_numbers(array: Any, kind: str) -> Column:
    raw, known = numbers_of(array), _known(array)
    nan = np.isnan(raw) if kind == "float" else np.zeros(0, bool)
    usable = known & ~nan if len(nan) else known
    some = np.sort(raw[usable] + raw.dtype.type(0))  # -0.0 and 0.0 are one value
    values = some[np.concatenate([[True], some[1:] != some[:-1]])] if len(some) else some
    form = "values"
    if len(values) > MAX_VALUES:
        form = "cells"
        values = np.unique(some[np.arange(MAX_VALUES) * len(some) // MAX_VALUES])
    codes = np.full(len(raw), len(values), np.int64)
    codes[usable] = np.searchsorted(values, raw[usable], side="right") - 1
    if len(nan):
        codes[known & nan] = len(values) + 1
    return Column(form, kind, _narrow(codes, len(values)), len(values), {"values": values})


def _code_strings(array: Any) -> tuple[np.ndarray, np.ndarray]:
    """For every string its rank among the distinct ones, -1 where it is missing; and where each rank first stands."""
    import pyarrow.compute as pc

    encoded = array.dictionary_encode()
    known = _known(array)
    indices = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    order = pc.sort_indices(encoded.dictionary).to_numpy(zero_copy_only=False).astype(np.int64)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    codes = np.full(len(array), -1)
    codes[known] = rank[indices[known]]
    first = np.zeros(len(order), np.int64)
    rows = np.flatnonzero(known)[::-1]
    first[codes[rows]] = rows  # the last assignment, of the lowest row, stays
    return codes, first


def _code_text(array: Any, kind: str) -> Column:
    codes, first = _code_strings(array)
    count = len(first)
    return Column("values", kind, _narrow(np.where(codes < 0, count, codes), count), count, {"first": _short(first)})


def _code_lists(array: Any, kind: str) -> Column:
    codes, first = _code_strings(array.flatten())
    order = np.argsort(_narrow(codes, len(first)), kind="stable")  # by digits where they have two bytes
    starts = np.searchsorted(codes[order], np.arange(len(first) + 1))
    arrays = {"first": _short(first), "starts": _short(starts), "rows": list_rows(array)[order].astype(np.uint32)}
    return Column("lists", kind, (~_known(array)).astype(np.uint8), 1, arrays)


def _code_places(array: Any, kind: str) -> Column:
    known = np.flatnonzero(_known(array))
    lat, lon = (values[known] for values in coordinates(array))
    n = len(known)
    strips = math.isqrt(max(1, min(MAX_PLACES, n // ROWS_A_PLACE)))
    strip = np.empty(n, np.int64)
    strip[np.argsort(lat, kind="stable")] = np.arange(n) * strips // max(n, 1)
    # One key to sort by: the strip, then the longitude as far as it fits.
    order = np.argsort(strip << 48 | (ordered(lon) >> np.uint64(16)).view(np.int64), kind="stable")
    begins = np.unique(np.arange(strips * strips) * n // (strips * strips)) if n else np.zeros(0, np.int64)
    # A cell must not reach into the next strip, or its rectangle would be as wide as the earth.
    begins = np.union1d(begins, np.flatnonzero(np.diff(strip[order], prepend=-1))) if n else begins
    codes = np.full(len(array), len(begins))
    codes[known[order]] = np.searchsorted(begins, np.arange(n), side="right") - 1
    bounds = np.empty((len(begins), 4))
    if n:
        for column, (bound, values) in enumerate(
            [(np.minimum, lat), (np.minimum, lon), (np.maximum, lat), (np.maximum, lon)]
        ):
            bounds[:, column] = bound.reduceat(values[order], begins)
    return Column("places", kind, _narrow(codes, len(begins)), len(begins), {"bounds": bounds})


def differences(columns: Mapping[str, Column], table: pa.Table) -> list[str]:
    """What coded columns say that the Arrow columns do not: a sentence each."""
    wrong = []
    for name, column in columns.items():
        again = code_column(table.column(name)) if name in table.column_names else None
        same = again is not None and (again.form, again.kind, again.count) == (column.form, column.kind, column.count)
        if again is None or not same or not np.array_equal(again.codes, column.codes) or not _same(again, column):
            wrong.append(f"the codes of column {name!r} are not those of its values")
    return wrong


def _same(one: Column, other: Column) -> bool:
    return one.arrays.keys() == other.arrays.keys() and all(
        np.array_equal(array, other.arrays[name]) for name, array in one.arrays.items()
    )


# -- the file ---------------------------------------------------------------------------------------------------------


def write_columns(path: Path, table: pa.Table) -> int:
    """Code every column of a segment's attributes and write them; returns the bytes written."""
    meta, arrays = _coded(table)
    return write_container(path, _KIND, COLUMNS_VERSION, meta, arrays)


def columns_bytes(table: pa.Table) -> int:
    """The size that the file of these attributes will have."""
    meta, arrays = _coded(table)
    shapes = {name: (array.dtype.str, array.shape) for name, array in arrays.items()}
    return container_bytes(_KIND, COLUMNS_VERSION, meta, shapes)


def _coded(table: pa.Table) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    entries: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}
    for number, name in enumerate(table.column_names):
        column = code_column(table.column(name))
        entries.append({"name": name, "kind": column.kind, "form": column.form, "count": column.count})
        arrays[f"{number}.codes"] = column.codes
        arrays.update({f"{number}.{part}": array for part, array in column.arrays.items()})
    return {"columns": entries}, arrays


def read_columns(path: Path, rows: int) -> dict[str, Column]:
    """The coded columns by name, mapped, their checksums verified.

    Raises FileNotFoundError, :class:`CorruptFileError` or :class:`FormatVersionError`.
    """
    container = read_container(path, _KIND, COLUMNS_VERSION)
    columns = {}
    with decoding(path, "columns"):
        for number, entry in enumerate(container.meta["columns"]):
            arrays = {
                name.split(".", 1)[1]: array
                for name, array in container.arrays.items()
                if name.startswith(f"{number}.")
            }
            codes = arrays.pop("codes")
            if codes.shape != (rows,) or codes.dtype not in (np.uint8, np.uint16, np.uint32):
                raise CorruptFileError(path, f"expected {rows} codes of column {entry['name']!r}")
            columns[entry["name"]] = Column(entry["form"], entry["kind"], codes, entry["count"], arrays)
    return columns
