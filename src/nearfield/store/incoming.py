"""Vectors of the next model that are not yet in a segment: blocks of the table ``incoming``, each with its keys.

The table ``encoded`` says whose they are: a key that is not in it belongs to a row that is dead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..common.container import Pieces
from ..common.decoding import decoding, expect
from ..common.errors import CorruptFileError
from .ids import IdColumn
from .pending import BLOCK_BYTES
from .rows import GrowingRows, inverse_lengths
from .segment import Rows, removing_on_error, write_segment
from .tables import among, digest, find_ids, insert_segment, whole

if TYPE_CHECKING:
    from .catalogue import Catalogue

# Blocks of fewer rows are weighed once in so many of them.
_WEIGHED_ROWS, _WEIGHED_BLOCKS = 256, 64


def _check(rows: int, keys: bytes, vectors: bytes | memoryview) -> int:
    return digest(b"%d %d" % (rows, len(keys)), keys, vectors)


def write_incoming(connection: sqlite3.Connection, keys: np.ndarray, vectors: np.ndarray) -> int:
    """Insert vectors of items with these keys, cut into blocks, within which keys ascend; returns the last's number."""
    order = np.argsort(keys, kind="stable")
    keys, vectors = np.asarray(keys, np.int64)[order], np.ascontiguousarray(vectors[order])
    step, last = max(1, BLOCK_BYTES // (vectors.shape[1] * vectors.itemsize)), None
    for start in range(0, len(keys), step):
        some = keys[start : start + step].astype("<i8").tobytes()
        blob = vectors[start : start + step].reshape(-1).view(np.uint8).data
        rows = len(keys[start : start + step])
        last = connection.execute(
            "INSERT INTO incoming(rows, keys, vectors, xxh3) VALUES (?, ?, ?, ?)",
            (rows, some, blob, _check(rows, some, blob)),
        ).lastrowid
    return last or 0


def read_incoming(
    connection: sqlite3.Connection, path: Path, dim: int, dtype: np.dtype, *, after: int = 0
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Batch, keys and vectors of the blocks with a number above ``after``, ascending, their checksums verified."""
    query = "SELECT batch, rows, keys, vectors, xxh3 FROM incoming WHERE batch > ? ORDER BY batch"
    for batch, rows, some, blob, check in connection.execute(query, (after,)):
        whole(path, "table incoming", batch, rows, check)
        if not isinstance(some, bytes) or not isinstance(blob, bytes):
            raise CorruptFileError(path, f"incoming block {batch}: expected bytes")
        if _check(rows, some, blob) != check:
            raise CorruptFileError(path, f"checksum of incoming block {batch} differs")
        with decoding(path, f"incoming block {batch}"):
            keys = np.frombuffer(some, "<i8")
            vectors = np.frombuffer(blob, dtype).reshape(rows, dim)
            expect(len(keys) == rows and bool((np.diff(keys) > 0).all()), "keys that do not ascend")
        yield batch, keys, vectors


class IncomingBuffer:
    """Follows the table as blocks arrive. Whoever reads holds a lock; the arrays it gives need none."""

    def __init__(self, dim: int, dtype: np.dtype, metric: str):
        self.first_batch = self.last_batch = 0
        self._of = dim, dtype, metric
        self._rows = GrowingRows(*self._of)

    def read(self, connection: sqlite3.Connection, path: Path) -> None:
        """Take over the blocks that came since the last time."""
        dim, dtype, metric = self._of
        blocks = list(read_incoming(connection, path, dim, dtype, after=self.last_batch))
        if not blocks:
            return
        keys, vectors = (np.concatenate([block[part] for block in blocks]) for part in (1, 2))
        scale = inverse_lengths(vectors) if metric == "cosine" else None
        known = self.arrays()
        if not (np.diff(np.concatenate([known[0][-1:], keys])) > 0).all():
            # Not items added since, but encoded in an order of their own: all are put in order again.
            keys = np.concatenate([known[0], keys])
            order = np.argsort(keys, kind="stable")
            keys, vectors = keys[order], np.concatenate([known[1], vectors])[order]
            scale = None if scale is None else np.concatenate([known[2], scale])[order]
            self._rows = GrowingRows(*self._of)
        self._rows.append(keys, vectors, scale)
        self.first_batch = self.first_batch or blocks[0][0]
        self.last_batch = blocks[-1][0]

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Keys, ascending, vectors and, for cosine, 1 / length."""
        return self._rows.first(len(self._rows))


def insert_encoded(connection: sqlite3.Connection, keys: np.ndarray, vectors: np.ndarray, *, born: bool) -> int:
    """Vectors of the next model for these items, which have none yet; returns the number of the last block."""
    connection.executemany("INSERT INTO encoded VALUES (?, ?)", [(key, int(born)) for key in keys.tolist()])
    return write_incoming(connection, keys, vectors)


def many(connection: sqlite3.Connection, last: int, vectors: np.ndarray, rows: int, size: int) -> bool:
    """Whether there are more than so many rows or bytes, after vectors that ended with the block ``last``.

    Small blocks are weighed once in a while: that takes a walk over the table.
    """
    if len(vectors) < _WEIGHED_ROWS and last % max(1, min(_WEIGHED_BLOCKS, rows // 1024)):
        return False
    found = connection.execute("SELECT COALESCE(SUM(rows), 0) FROM incoming").fetchone()[0]
    return bool(found > rows or found * vectors.shape[1] * vectors.itemsize > size)


def fold(
    connection: sqlite3.Connection, catalogue: Catalogue, number: int, dim: int, dtype: np.dtype, metric: str
) -> None:
    """All incoming vectors as a segment of the next space, without an index."""
    path = catalogue.path
    buffer = IncomingBuffer(dim, dtype, "")
    buffer.read(connection, path)
    keys, vectors, _ = buffer.arrays()
    alive = np.isin(keys, np.array(sorted(encoded_among(connection, keys.tolist())), np.int64))
    connection.execute("DELETE FROM incoming")
    if not alive.any():
        return
    keys, vectors = keys[alive], vectors[alive]
    pieces = Pieces(vectors.dtype, vectors.shape, lambda: iter([vectors]))
    rows = Rows(keys, _ids_of(connection, path, keys), pieces, None)
    description = write_segment(catalogue.segments, number, rows, metric=metric)
    with removing_on_error(catalogue.segments, description):
        insert_segment(connection, number, {**description, "space": "next"})


def encoded_among(connection: sqlite3.Connection, keys: Iterable[int]) -> set[int]:
    """Those of the keys whose items are encoded."""
    return {key for (key,) in among(connection, "SELECT key FROM encoded WHERE key IN", keys)}


def _ids_of(connection: sqlite3.Connection, path: Path, keys: np.ndarray) -> IdColumn:
    found = {key: identifier for identifier, key in find_ids(connection, keys.tolist()).items()}
    if len(found) != len(keys):
        raise CorruptFileError(path, f"{len(keys) - len(found)} encoded items are not there")
    ids = [found[key] for key in keys.tolist()]
    return IdColumn.from_list(ids, "str" if isinstance(ids[0], str) else "int")
