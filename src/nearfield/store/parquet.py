"""Reading Parquet files, whoever wrote them: columns by their kind, vectors as arrays, the rest as JSON values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import CorruptFileError
from .columns import one_array


def open_parquet(path: Path) -> Any:
    """The file, its page checksums verified where it has any; CorruptFileError when it is no Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, page_checksum_verification=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damage(path, "not a Parquet file", error) from None


def read_batches(path: Path, file: Any, size: int, columns: list[str]) -> Iterator[Any]:
    """The rows of some columns in order, in batches of at most ``size``; damage met on the way is named."""
    import pyarrow as pa

    try:
        yield from (batch for batch in file.iter_batches(size, columns=columns) if batch.num_rows)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damage(path, "cannot be read", error) from None


def _damage(path: Path, what: str, error: Exception) -> Exception:
    """What to raise instead: pyarrow calls some damage an OSError, but only the system's own have a number."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return CorruptFileError(path, f"{what} ({str(error).splitlines()[0]})")


def kind_of(type_: Any) -> str:
    """The kind of a column: a type of attributes, ``"vector"`` for lists of numbers, or ``"other"``."""
    import pyarrow.types as types

    if types.is_boolean(type_):
        return "bool"
    if types.is_integer(type_):
        return "int"
    if types.is_floating(type_) or types.is_decimal(type_):
        return "float"
    if types.is_string(type_) or types.is_large_string(type_) or types.is_dictionary(type_):
        return "string"
    if types.is_timestamp(type_) or types.is_date(type_):
        return "timestamp"
    is_list = types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_)
    if is_list and kind_of(type_.value_type) in ("int", "float"):
        return "vector"
    if is_list and (types.is_string(type_.value_type) or types.is_large_string(type_.value_type)):
        return "strings"
    if types.is_struct(type_) and {field.name for field in type_} == {"lat", "lon"}:
        return "geo"
    return "other"


def vectors_of(path: str | Path, column: Any, dim: int | None, first: int) -> np.ndarray:
    """A column of lists as an array, in the type of its numbers; every list must hold ``dim`` of them.

    Without ``dim`` the first row says how many. ``first`` is the number of that row in the file.
    """
    import pyarrow as pa

    column = one_array(column)
    lengths = np.array([-1 if value is None else value for value in column.value_lengths().to_pylist()])
    if dim is None and len(lengths):
        dim = int(lengths[0])
    wrong = np.flatnonzero((lengths != dim) | (lengths <= 0))
    if wrong.size:
        found = int(lengths[wrong[0]])
        raise ValueError(
            f"{path}: row {first + int(wrong[0])}: expected a vector of {dim} numbers as in the first "
            f"row, got {found if found >= 0 else 'none'}"
        )
    flat = column.flatten()
    if flat.null_count:
        raise ValueError(f"{path}: a vector of the rows from {first} on has a missing number")
    if pa.types.is_decimal(flat.type):
        flat = flat.cast(pa.float64())
    return flat.to_numpy(zero_copy_only=False).reshape(len(lengths), -1)


def payload_of(values: dict[str, Any]) -> dict[str, Any] | None:
    """A row's values as JSON can hold them, without those that are missing; None when nothing is left."""
    return {name: _jsonable(value) for name, value in values.items() if value is not None} or None


def _jsonable(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):  # JSON has neither NaN nor infinity
        return None
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):  # a number again, whole where it has no places
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, list):
        return [_jsonable(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _jsonable(one) for key, one in value.items()}
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
