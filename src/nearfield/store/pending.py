"""Pending rows: acknowledged, durable in the catalogue, not yet in a segment. They are scanned exactly.

In the catalogue a batch is cut into blocks of some megabytes, each one row of the table ``pending`` with its own
checksum: a row a vector would cost more in bookkeeping than in writing. In memory the blocks are appended to arrays
that grow; a view of the first n rows never changes, so a search needs no lock.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.decoding import decoding, expect
from ..common.errors import CorruptFileError
from . import attributes as attribute_columns
from .ids import Id, IdColumn
from .rows import GrowingRows, Part, inverse_lengths
from .tables import digest, whole

if TYPE_CHECKING:
    import pyarrow as pa

    from .coded_bags import BagBuffer, CodedBags

BLOCK_BYTES = 6 << 20
_DECODED = 1024  # tables of attributes that are held at a time: one of a single row takes kilobytes
_COLUMNS = "first_key, rows, ids, vectors, attributes, xxh3"
_BAG_COLUMNS = "bags, bags_xxh3"


@dataclass(frozen=True)
class Block:
    """One row of the table ``pending``."""

    batch: int
    keys: np.ndarray
    ids: IdColumn
    vectors: np.ndarray
    attributes: bytes | None
    path: Path | None = None  # of the catalogue it comes from, for errors
    bags: CodedBags | None = None

    def table(self) -> pa.Table:
        """The attributes of these rows."""
        return attribute_columns.from_ipc(self.attributes, self.path)


def _check(first_key: int, rows: int, ids: bytes, vectors: bytes | memoryview, attributes: Any) -> int:
    return digest(b"%d %d %d" % (first_key, rows, len(ids)), ids, vectors, attributes or b"")


def write_blocks(
    connection: sqlite3.Connection,
    first_key: int,
    ids: IdColumn,
    vectors: np.ndarray,
    table: pa.Table | None,
    bags: CodedBags | None = None,
) -> None:
    """Insert one batch, cut into blocks; keys count up from ``first_key``."""
    step = max(1, BLOCK_BYTES // (vectors.shape[1] * vectors.itemsize))
    starts = range(0, len(vectors), step) if bags is None else _starts(step, bags)
    for start, stop in itertools.pairwise([*starts, len(vectors)]):
        some = np.arange(start, stop)
        id_blob = ids.select(some).to_bytes()
        blob = vectors[start:stop].reshape(-1).view(np.uint8).data
        columns = None if table is None else memoryview(attribute_columns.to_ipc(table.slice(start, len(some))))
        check = _check(first_key + start, len(some), id_blob, blob, columns)
        names = _COLUMNS
        values: tuple[Any, ...] = (first_key + start, len(some), id_blob, blob, columns, check)
        coded = None if bags is None else bags.take(some)
        if coded is not None and len(coded.codes):
            kept = coded.to_bytes()
            names, values = f"{names}, {_BAG_COLUMNS}", (*values, kept, _check_bags(first_key + start, kept))
        connection.execute(f"INSERT INTO pending({names}) VALUES ({', '.join('?' * len(values))})", values)


def _check_bags(first_key: int, bags: bytes) -> int:
    return digest(b"%d" % first_key, bags)


def _starts(step: int, bags: CodedBags) -> list[int]:
    """Where blocks of at most ``step`` rows begin, so that their bags take no more than a block does."""
    ends, starts, start = np.cumsum(bags.sizes()), [], 0
    while start < len(ends):
        starts.append(start)
        before = ends[start - 1] if start else 0
        most = int(np.searchsorted(ends, before + BLOCK_BYTES, side="right"))
        start = max(start + 1, min(start + step, most))
    return starts


def read_blocks(
    connection: sqlite3.Connection,
    path: Path,
    dim: int,
    dtype: np.dtype,
    kind: str,
    *,
    after: int = 0,
    bags: bool = False,
) -> Iterator[Block]:
    """The blocks with a number above ``after``, ascending, their checksums verified; with ``bags`` what is kept there.

    Catalogues of format 4 and before have no column for bags.
    """
    own = _BAG_COLUMNS if bags else "NULL, NULL"
    query = f"SELECT batch, {_COLUMNS}, {own} FROM pending WHERE batch > ? ORDER BY batch"
    last = 0
    for batch, first_key, rows, ids, blob, columns, check, kept, kept_check in connection.execute(query, (after,)):
        whole(path, "table pending", batch, first_key, rows, check)
        if not all(isinstance(value, bytes) for value in (ids, blob, columns or b"")):
            raise CorruptFileError(path, f"pending block {batch}: expected bytes")
        if _check(first_key, rows, ids, blob, columns) != check:
            raise CorruptFileError(path, f"checksum of pending block {batch} differs")
        with decoding(path, f"pending block {batch}"):
            expect(rows > 0 and last < first_key < 2**62, f"{rows} rows from key {first_key} on, after {last}")
            vectors = np.frombuffer(blob, dtype).reshape(rows, dim)
            column = IdColumn.from_bytes(ids, rows, kind)
        last = first_key + rows - 1
        coded = None if kept is None else _coded(path, batch, first_key, rows, kept, kept_check)
        yield Block(batch, np.arange(first_key, last + 1), column, vectors, columns, path, coded)


def _coded(path: Path, batch: int, first_key: int, rows: int, kept: Any, check: Any) -> CodedBags:
    from .coded_bags import CodedBags

    if not isinstance(kept, bytes) or _check_bags(first_key, kept) != check:
        raise CorruptFileError(path, f"checksum of the bags of pending block {batch} differs")
    with decoding(path, f"the bags of pending block {batch}"):
        return CodedBags.from_bytes(kept, rows)


class _Columns:
    """The attributes of the pending rows, decoded when a filter first asks for them.

    Of one row the bytes are hundreds, its columns a few numbers: what is decoded takes the place of the bytes.
    """

    def __init__(self, schema: Mapping[str, str] | None) -> None:
        self.schema = schema
        self.blocks = 0
        self._path: Path | None = None
        self._blobs: dict[int, bytes] = {}  # by block, until they are decoded; whoever appends waits for no decoder
        # The table of the first blocks, and its rows up to each of them: one tuple, so that both come or neither.
        self._decoded: tuple[pa.Table | None, list[int]] = (None, [])
        self._decoding = threading.Lock()

    def append(self, blob: bytes, path: Path | None) -> None:
        """The attributes of one more block."""
        self._path = path or self._path
        self._blobs[self.blocks] = blob
        self.blocks += 1

    def table(self, blocks: int) -> pa.Table | None:
        """The attributes of the first ``blocks``; None of none."""
        import pyarrow as pa

        with self._decoding:
            table, ends = self._decoded
            known = len(ends)
            if known < blocks:
                tables = [] if table is None else [table]
                sizes: list[int] = []
                for start in range(known, blocks, _DECODED):
                    numbers = range(start, min(start + _DECODED, blocks))
                    fresh = [attribute_columns.from_ipc(self._blobs[at], self._path, self.schema) for at in numbers]
                    sizes += map(len, fresh)
                    tables.append(pa.concat_tables(fresh).combine_chunks())
                last = ends[-1] if ends else 0
                ends = [*ends, *(last + rows for rows in itertools.accumulate(sizes))]
                table = pa.concat_tables(tables).combine_chunks()
                self._decoded = (table, ends)
                for number in range(known, blocks):
                    del self._blobs[number]
        return None if table is None or not blocks else table.slice(0, ends[blocks - 1])


class PendingPart(Part):
    """The first n pending rows; later ones do not show in it."""

    def __init__(
        self,
        keys: np.ndarray,
        ids: Sequence[Id],
        vectors: np.ndarray,
        scale: np.ndarray | None,
        metric: str,
        columns: _Columns,
        bags: CodedBags | None = None,
    ):
        super().__init__(keys, ids, vectors, scale, metric)
        self._columns = columns
        self._blocks = columns.blocks
        self._bags = bags

    @property
    def bags(self) -> CodedBags | None:
        """The bags of these rows."""
        return self._bags

    def table(self) -> pa.Table:
        """The attributes of these rows."""
        return self._columns.table(self._blocks)


class PendingBuffer:
    """Grows as blocks arrive. Whoever appends holds a lock; the parts it gives need none."""

    def __init__(self, dim: int, dtype: np.dtype, metric: str, schema: Mapping[str, str] | None = None):
        self.metric = metric
        self.first_batch = 0
        self.last_batch = 0
        self._ids: list[Id] = []
        self._columns = _Columns(schema)
        self._rows = GrowingRows(dim, dtype, metric)
        self._bags: BagBuffer | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self._rows)

    def append(self, block: Block) -> None:
        """Take one more block, in order."""
        before = self.rows
        scale = inverse_lengths(block.vectors) if self.metric == "cosine" else None
        self._rows.append(block.keys, block.vectors, scale)
        self._ids.extend(block.ids.take(np.arange(len(block.keys))))
        if block.bags is not None and self._bags is None:
            from .coded_bags import BagBuffer

            self._bags = BagBuffer(before, block.bags)
        if self._bags is not None:
            self._bags.append(len(block.keys), block.bags)
        if block.attributes is not None:
            self._columns.append(block.attributes, block.path)
        self.first_batch = self.first_batch or block.batch
        self.last_batch = block.batch

    def part(self) -> PendingPart:
        """What is here now, as an immutable part."""
        keys, vectors, scale = self._rows.first(self.rows)
        bags = None if self._bags is None else self._bags.bags()
        return PendingPart(keys, self._ids, vectors, scale, self.metric, self._columns, bags)


def merged(blocks: Iterable[Block], dim: int, dtype: np.dtype) -> Iterator[PendingPart]:
    """These rows as parts to be copied into a segment, small blocks together: a part takes as much as many rows do."""
    buffer, most = PendingBuffer(dim, dtype, ""), BLOCK_BYTES // (dim * dtype.itemsize)
    for block in blocks:
        if buffer.rows and buffer.rows + len(block.keys) > most:
            yield buffer.part()
            buffer = PendingBuffer(dim, dtype, "")
        buffer.append(block)
    if buffer.rows:
        yield buffer.part()
