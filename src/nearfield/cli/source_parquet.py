"""A Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import CorruptFileError
from .columns import Choice, assign_columns
from .source import Chunk, count_rows


class Parquet:
    """Columns by name and type from the file's schema; rows are read in batches, never the whole file at once."""

    def __init__(self, path: Path, choice: Choice):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = path
        try:
            self._file = pq.ParquetFile(path)
        except pa.ArrowInvalid as error:
            raise CorruptFileError(path, f"not a Parquet file ({str(error).splitlines()[0]})") from error
        names = self._file.schema_arrow.names
        if len(set(names)) < len(names):
            raise ValueError(f"{path}: column names come twice: {', '.join(names)}")
        kinds = {field.name: _kind(field.type) for field in self._file.schema_arrow}
        self._columns = assign_columns(str(path), kinds, choice)
        self._id_is_int = self._columns.id is not None and kinds[self._columns.id] == "int"
        self.attributes = self._columns.attributes
        self.dim: int | None = None
        self.rows, self.dim = count_rows(path, self.chunks(8192))
        self.left_out = self._skipped

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Rows in the order of the file."""
        import pyarrow as pa

        try:
            yield from self._chunks(size)
        except (pa.ArrowException, ArithmeticError, LookupError) as error:
            raise CorruptFileError(self._path, f"cannot be read ({str(error).splitlines()[0]})") from error

    def _chunks(self, size: int) -> Iterator[Chunk]:
        roles = self._columns
        named = [roles.id, roles.text, roles.vector, *roles.attributes, *roles.rest]
        self._skipped = 0
        row = 0
        for batch in self._file.iter_batches(size, columns=[name for name in named if name]):
            first, row = row, row + batch.num_rows
            numbers = np.arange(first, row)
            vectors = None
            if roles.vector is not None:
                vectors = self._vectors(batch.column(roles.vector), first)
            else:
                texts = batch.column(roles.text).to_pylist()
                present = [index for index, text in enumerate(texts) if text and text.strip()]
                self._skipped += len(texts) - len(present)
                if not present:
                    continue
                batch, numbers = batch.take(present), numbers[present]
            if roles.id is None:
                ids = numbers.tolist()
            else:
                ids = batch.column(roles.id).to_pylist()
                if None in ids:
                    raise ValueError(f"{self._path}: row {int(numbers[ids.index(None)])}: no id in column {roles.id!r}")
                ids = ids if self._id_is_int else [str(identifier) for identifier in ids]
            shown = [*roles.rest, *([roles.text] if roles.text else [])]
            payload = [_payload(values) for values in batch.select(shown).to_pylist()] if shown else None
            yield Chunk(
                ids,
                None if roles.text is None else batch.column(roles.text).to_pylist(),
                vectors,
                {name: batch.column(name).to_pylist() for name in roles.attributes},
                payload,
            )

    def _vectors(self, column: Any, first: int) -> np.ndarray:
        """A column of lists as an array; every list must be as long as the first of the file."""
        lengths = np.array([-1 if value is None else value for value in column.value_lengths().to_pylist()])
        if self.dim is None and len(lengths):
            self.dim = int(lengths[0])
        wrong = np.flatnonzero((lengths != self.dim) | (lengths <= 0))
        if wrong.size:
            found = int(lengths[wrong[0]])
            raise ValueError(
                f"{self._path}: row {first + int(wrong[0])}: expected a vector of {self.dim} numbers as in the first "
                f"row, got {found if found >= 0 else 'none'}"
            )
        flat = column.flatten()
        if flat.null_count:
            raise ValueError(f"{self._path}: a vector of the rows from {first} on has a missing number")
        with np.errstate(over="ignore"):  # what float32 cannot hold, the store refuses by its row
            return np.asarray(flat.to_numpy(zero_copy_only=False), np.float32).reshape(len(lengths), -1)


def _payload(values: dict[str, Any]) -> dict[str, Any] | None:
    return {name: _jsonable(value) for name, value in values.items() if value is not None} or None


def _jsonable(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [_jsonable(one) for one in value]
    if isinstance(value, dict):
        return {str(key): _jsonable(one) for key, one in value.items()}
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def _kind(type_: Any) -> str:
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
    if is_list and (types.is_floating(type_.value_type) or types.is_integer(type_.value_type)):
        return "vector"
    return "other"
