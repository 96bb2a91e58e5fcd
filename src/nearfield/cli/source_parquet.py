"""A Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..common.errors import CorruptFileError
from ..store.parquet import kind_of, open_parquet, payload_of, read_batches, vectors_of
from .columns import Choice, assign_columns
from .source import Chunk, count_rows


class Parquet:
    """Columns by name and type from the file's schema; rows are read in batches, never the whole file at once."""

    def __init__(self, path: Path, choice: Choice):
        self._path = path
        self._file = open_parquet(path)
        names = self._file.schema_arrow.names
        if len(set(names)) < len(names):
            raise ValueError(f"{path}: column names come twice: {', '.join(names)}")
        kinds = {field.name: kind_of(field.type) for field in self._file.schema_arrow}
        self._columns = assign_columns(str(path), kinds, choice)
        self._id_is_int = self._columns.id is not None and kinds[self._columns.id] == "int"
        self.attributes = self._columns.attributes
        self.text = self._columns.text
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
        for batch in read_batches(self._path, self._file, size, [name for name in named if name]):
            first, row = row, row + batch.num_rows
            numbers = np.arange(first, row)
            vectors = None
            if roles.vector is not None:
                found = vectors_of(self._path, batch.column(roles.vector), self.dim, first)
                with np.errstate(over="ignore"):  # what float32 cannot hold, the store refuses by its row
                    vectors = np.asarray(found, np.float32)
                self.dim = vectors.shape[1]
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
            payload = [payload_of(values) for values in batch.select(shown).to_pylist()] if shown else None
            yield Chunk(
                ids,
                None if roles.text is None else batch.column(roles.text).to_pylist(),
                vectors,
                {name: batch.column(name).to_pylist() for name in roles.attributes},
                payload,
            )
