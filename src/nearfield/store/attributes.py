"""Typed attributes: a schema given at creation, columns kept as Arrow, every one nullable.

==============  ===========================  ========================================================================
type            Arrow                        accepts
==============  ===========================  ========================================================================
``bool``        bool                         True, False, None
``int``         int64                        integers, whole floats, None
``float``       float64                      numbers, None; NaN stays a number that compares false
``string``      large_string                 text, None
``timestamp``   timestamp[us, UTC]           datetime, date, numpy datetime64, ISO text, None; without a zone it is UTC
``strings``     large_list(large_string)     a list, tuple or set of text, None; no None inside
``geo``         struct(lat, lon: float64)    (latitude, longitude) in degrees, {"lat": ..., "lon": ...}, (n, 2) array
==============  ===========================  ========================================================================
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.errors import CorruptFileError
from .places import places

if TYPE_CHECKING:
    import pyarrow as pa

_FIRST, _LAST = -62_135_596_800_000_000, 253_402_300_799_999_999  # years 1 to 9999, in microseconds from 1970

TYPES = ("bool", "int", "float", "string", "timestamp", "strings", "geo")


def check_schema(schema: Any) -> dict[str, str]:
    """Return the schema as a plain dict ``name -> type``; order is kept."""
    if schema is None:
        return {}
    if not isinstance(schema, Mapping):
        raise TypeError(f"attributes: expected a dict of name -> type, got {type(schema).__name__}")
    for name, kind in schema.items():
        if not isinstance(name, str) or not name:
            raise TypeError(f"attributes: expected a non-empty column name, got {name!r}")
        if kind not in TYPES:
            raise ValueError(
                f"attributes: column {name!r}: expected one of {', '.join(map(repr, TYPES))}, got {kind!r}"
            )
    return dict(schema)


def arrow_type(kind: str) -> pa.DataType:
    """The Arrow type of a column type."""
    import pyarrow as pa

    return {
        "bool": pa.bool_(),
        "int": pa.int64(),
        "float": pa.float64(),
        "string": pa.large_string(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "strings": pa.large_list(pa.large_string()),
        "geo": pa.struct([("lat", pa.float64()), ("lon", pa.float64())]),
    }[kind]


def arrow_schema(schema: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of a store's attributes."""
    import pyarrow as pa

    return pa.schema([(name, arrow_type(kind)) for name, kind in schema.items()])


def to_table(value: Any, schema: Mapping[str, str], rows: int) -> pa.Table | None:
    """Attributes as a caller gives them, checked, as a table of the store's schema; None for a store without one.

    ``value`` is None (all null), a table of pyarrow, pandas, polars or DuckDB, a mapping of columns, or a sequence of
    one dict per item. Columns and keys that are not given are null.
    """
    if not schema:
        if value is not None and not (isinstance(value, Sequence | Mapping) and len(value) == 0):
            raise ValueError("attributes: this store has no attributes; name them in Store.create(attributes={...})")
        return None
    import pyarrow as pa

    columns = _columns(value, schema, rows)
    unknown = [name for name in columns if name not in schema]
    if unknown:
        raise ValueError(f"attributes: unknown column {unknown[0]!r}; columns: {', '.join(schema)}")
    arrays = []
    for name, kind in schema.items():
        column = columns.get(name)
        if column is None:
            arrays.append(pa.nulls(rows, arrow_type(kind)))
            continue
        array = _to_array(column, name, kind)
        if len(array) != rows:
            raise ValueError(f"attributes: column {name!r}: expected {rows} values, got {len(array)}")
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=arrow_schema(schema))


def _columns(value: Any, schema: Mapping[str, str], rows: int) -> dict[str, Any]:
    import pyarrow as pa

    if value is None:
        return {}
    if isinstance(value, pa.Table | pa.RecordBatch):
        return dict(zip(value.schema.names, value.columns, strict=True))
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "__arrow_c_stream__") and not hasattr(value, "iloc"):  # polars, DuckDB
        from .frames import arrow_table

        table = arrow_table(value, "attributes")
        return dict(zip(table.schema.names, table.columns, strict=True))
    if hasattr(value, "columns") and hasattr(value, "__getitem__"):  # a DataFrame of pandas
        return {name: value[name] for name in value.columns}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for position, row in enumerate(value):
            if not isinstance(row, Mapping):
                raise TypeError(f"attributes: expected a dict per item, got {row!r} at position {position}")
        if len(value) != rows:
            raise ValueError(f"attributes: expected {rows} dicts, one per item, got {len(value)}")
        names = dict.fromkeys(name for row in value for name in row)
        return {name: [row.get(name) for row in value] for name in names}
    raise TypeError(f"attributes: expected a table, a dict of columns or a list of dicts, got {type(value).__name__}")


def _to_array(column: Any, name: str, kind: str) -> pa.Array:
    import pyarrow as pa

    what = f"attributes: column {name!r} is of type {kind}"
    target = arrow_type(kind)
    try:
        if kind == "geo":
            return places(column, what)
        if isinstance(column, pa.Array | pa.ChunkedArray):
            array = column
            if kind == "timestamp" and _is_text(array.type):
                array = pa.array([_plain(value, kind, what) for value in array.to_pylist()], target)
        elif isinstance(column, np.ndarray) and column.dtype != object:
            array = pa.array(column)
        elif hasattr(column, "to_numpy") and not isinstance(column, list):  # a pandas Series: NaN and NaT are missing
            array = pa.array(column, from_pandas=True)
        elif isinstance(column, Iterable) and not isinstance(column, str | bytes):
            array = pa.array([_plain(value, kind, what) for value in column], target)
        else:
            raise TypeError(f"{what}: expected a sequence of values, got {column!r}")
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks)
        if not _allowed(array.type, kind):
            raise TypeError(f"{what}: got values of type {array.type}")
        if kind == "timestamp" and (pa.types.is_date(array.type) or getattr(array.type, "tz", 0) is None):
            array = array.cast(pa.timestamp("us")).cast(target)
        array = array.cast(target)
        if kind == "strings" and array.flatten().null_count:
            raise ValueError(f"{what}: got a list with None in it")
        if kind == "timestamp" and not _in_range(array):
            raise ValueError(f"{what}, expected times from year 1 to 9999 in UTC")
        return array
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise ValueError(f"{what}: {error}") from None


def _in_range(times: Any) -> bool:
    """Whether Python can say all of these times, which are in microseconds."""
    import pyarrow.compute as pc

    ends = pc.min_max(times.cast("int64")).as_py()
    return ends["min"] is None or (ends["min"] >= _FIRST and ends["max"] <= _LAST)


def _allowed(found: pa.DataType, kind: str) -> bool:
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_null(found):
        return True
    if kinds.is_dictionary(found):
        found = found.value_type
    number = kinds.is_integer(found) or kinds.is_floating(found) or kinds.is_decimal(found)
    text = _is_text(found)
    return {
        "bool": kinds.is_boolean(found),
        "int": number,
        "float": number,
        "string": text,
        "timestamp": kinds.is_timestamp(found) or kinds.is_date(found) or text,
        "strings": _is_list(found) and (_is_text(found.value_type) or kinds.is_null(found.value_type)),
    }[kind]


def _is_text(found: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(found) or pa.types.is_large_string(found)


def _is_list(found: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)


def _all_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _plain(value: Any, kind: str, what: str) -> Any:
    """One Python value, checked, as Arrow takes it."""
    if value is None:
        return None
    if isinstance(value, np.generic):
        if isinstance(value, np.datetime64):
            value = value.astype("datetime64[us]")
        value = value.item()
        if value is None:  # NaT
            return None
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int | float) and not isinstance(value, bool),
        "float": isinstance(value, int | float) and not isinstance(value, bool),
        "string": isinstance(value, str),
        "timestamp": isinstance(value, dt.date | str),
        "strings": isinstance(value, list | tuple | set | frozenset | np.ndarray),
    }[kind]
    if not fits:
        raise TypeError(f"{what}, got {value!r}")
    if kind == "int" and isinstance(value, float):
        if not value.is_integer():
            raise ValueError(f"{what}, got {value!r}")
        return int(value)
    if kind == "timestamp":
        return parse_timestamp(value, what)
    if kind == "strings":
        items = sorted(value) if isinstance(value, set | frozenset) and _all_text(value) else list(value)
        if not _all_text(items):
            raise TypeError(f"{what}, got {value!r}")
        return [_plain(item, "string", what) for item in items]
    if kind == "string":
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{what}, got text that UTF-8 cannot hold: {value!r}") from None
    return value


def parse_timestamp(value: str | dt.date, what: str) -> dt.datetime:
    """A point in time from ISO text, a date or a datetime; without a zone it is UTC."""
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"{what}, expected ISO text such as '2024-05-01T12:00:00Z', got {value!r}") from None
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)
    try:
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError(f"{what}, expected a time from year 1 to 9999 in UTC, got {value.isoformat()!r}") from None


def to_ipc(table: pa.Table) -> pa.Buffer:
    """The bytes of an Arrow IPC file."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def from_ipc(
    buffer: Any, path: str | os.PathLike[str] | None = None, schema: Mapping[str, str] | None = None
) -> pa.Table:
    """The table of an Arrow IPC file, without copying; CorruptFileError when the bytes are not one.

    Arrow itself believes what offsets and lengths say: all of them are checked here, before anything follows them.
    """
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.py_buffer(buffer)).read_all()
        table.validate(full=True)
        if schema and not table.schema.equals(arrow_schema(schema)):
            raise ValueError(f"columns of other types or names: {table.schema}")
        for name, column in zip(table.schema.names, table.columns, strict=True):
            if pa.types.is_timestamp(column.type) and not _in_range(column):
                raise ValueError(f"column {name!r}: a time beyond year 9999")
        return table
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise CorruptFileError(path or "attributes", f"not the attributes of a store: {error}") from None
