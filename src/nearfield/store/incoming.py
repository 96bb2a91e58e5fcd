"""Vectors of the next model that are not yet in a segment: blocks of the table ``incoming``, each with its keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..common.decoding import decoding, expect
from ..common.errors import CorruptFileError
from .pending import BLOCK_BYTES
from .tables import digest, whole


def _check(rows: int, keys: bytes, vectors: bytes | memoryview) -> int:
    return digest(b"%d %d" % (rows, len(keys)), keys, vectors)


def write_incoming(connection: sqlite3.Connection, keys: np.ndarray, vectors: np.ndarray) -> None:
    """Insert vectors of items with these keys, cut into blocks; within a block keys ascend."""
    order = np.argsort(keys, kind="stable")
    keys, vectors = np.asarray(keys, np.int64)[order], np.ascontiguousarray(vectors[order])
    step = max(1, BLOCK_BYTES // (vectors.shape[1] * vectors.itemsize))
    for start in range(0, len(keys), step):
        some = keys[start : start + step].astype("<i8").tobytes()
        blob = vectors[start : start + step].reshape(-1).view(np.uint8).data
        rows = len(keys[start : start + step])
        connection.execute(
            "INSERT INTO incoming(rows, keys, vectors, xxh3) VALUES (?, ?, ?, ?)",
            (rows, some, blob, _check(rows, some, blob)),
        )


def read_incoming(
    connection: sqlite3.Connection, path: Path, dim: int, dtype: np.dtype, *, first: int | None = 0
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Batch, keys and vectors of the blocks from number ``first`` on, their checksums verified; None reads none."""
    if first is None:
        return
    query = "SELECT batch, rows, keys, vectors, xxh3 FROM incoming WHERE batch >= ? ORDER BY batch"
    for batch, rows, some, blob, check in connection.execute(query, (first,)):
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
