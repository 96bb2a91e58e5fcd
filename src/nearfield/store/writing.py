"""Writing items: add, upsert, delete. Everything is checked before anything is written; one call is one transaction."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..common import files
from ..common.checks import check_vectors
from ..common.container import Pieces
from . import attributes as attribute_columns
from .catalogue import Catalogue, digest, find_keys, insert_segment, read_deleted, read_id_type, read_meta, set_meta
from .ids import Id, IdColumn, check_ids, concatenate
from .pending import Block, read_blocks, write_blocks
from .segment import Rows, file_names, write_segment
from .snapshot import Shape

# An add that would leave more pending than this writes a segment instead: a scan of so many rows still takes
# milliseconds, and more would make the catalogue the bulk of the store.
PENDING_ROWS = 65_536
PENDING_BYTES = 256 << 20


class Batch:
    """What one add or upsert brings, checked."""

    def __init__(self, shape: Shape, kind: str | None, ids: Any, vectors: Any, attributes: Any, payload: Any):
        nonzero = shape.metric == "cosine"
        array, _ = check_vectors(vectors, dim=shape.dim, nonzero=nonzero) if not _empty(vectors) else (None, False)
        self.vectors = np.empty((0, shape.dim), shape.dtype) if array is None else _as_stored(array, shape)
        self.ids, self.kind = check_ids(ids, kind)
        rows = len(self.ids)
        if rows != len(self.vectors):
            raise ValueError(f"ids: expected one id per vector, got {rows} ids for {len(self.vectors)} vectors")
        self.table = attribute_columns.to_table(attributes, shape.schema, rows)
        self.payloads = _encode_payloads(payload, rows)

    def __len__(self) -> int:
        return len(self.ids)


def _empty(vectors: Any) -> bool:
    return isinstance(vectors, Sequence | np.ndarray) and len(vectors) == 0


def _as_stored(array: np.ndarray, shape: Shape) -> np.ndarray:
    """The vectors in the store's dtype; refuses what float16 cannot hold."""
    if shape.dtype == np.float32:
        return array
    with np.errstate(over="ignore"):
        half = array.astype(shape.dtype)
    if not np.isfinite(half).all():
        row = int(np.flatnonzero(~np.isfinite(half).all(axis=1))[0])
        raise ValueError(f"vectors: expected values that float16 holds (up to 65504), got larger ones in row {row}")
    if shape.metric == "cosine" and not half.any(axis=1).all():
        row = int(np.flatnonzero(~half.any(axis=1))[0])
        raise ValueError(f"vectors: expected values that float16 holds, but row {row} becomes zero in it")
    return half


def _encode_payloads(payload: Any, rows: int) -> list[str | None] | None:
    if payload is None:
        return None
    if isinstance(payload, str | bytes | Mapping) or not isinstance(payload, Sequence):
        raise TypeError(f"payload: expected a list of one JSON value per item, got {type(payload).__name__}")
    if len(payload) != rows:
        raise ValueError(f"payload: expected {rows} values, one per item, got {len(payload)}")
    texts: list[str | None] = []
    for position, value in enumerate(payload):
        if value is None:
            texts.append(None)
            continue
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
                text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"payload: expected a JSON value, got one at position {position}: {error}") from None
        texts.append(text)
    return texts


def check_embedding(embedding: Any, dim: int) -> dict[str, Any] | None:
    """An encoder's fingerprint as JSON gives it back."""
    if embedding is None:
        return None
    if not isinstance(embedding, Mapping):
        raise TypeError(f"embedding: expected a dict, an encoder's fingerprint(), got {type(embedding).__name__}")
    try:
        fingerprint: dict[str, Any] = json.loads(json.dumps(dict(embedding), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"embedding: expected JSON values: {error}") from None
    if fingerprint.get("dim", dim) != dim:
        raise ValueError(f"embedding: expected an encoder of {dim} dimensions, got one of {fingerprint['dim']}")
    return fingerprint


class Writer:
    """Applies batches to the catalogue; one transaction each."""

    def __init__(self, catalogue: Catalogue, shape: Shape):
        self.catalogue = catalogue
        self.shape = shape
        self.claimed_batch = 0  # pending blocks up to this number belong to a seal or compaction that is under way
        self._number = 0
        self.kind: str | None = None
        with catalogue.reading() as connection:
            self.kind = read_id_type(connection, catalogue.path)
            row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'segments'").fetchone()
            self._number = row[0] if row else 0

    def next_number(self) -> int:
        """A segment number that was never in the catalogue."""
        with self.catalogue.write_lock:
            self._number += 1
            return self._number

    def put(self, batch: Batch, *, replace: bool, embedding: dict[str, Any] | None = None) -> int:
        """Make the batch durable; returns how many items it holds."""
        if not len(batch):
            return 0
        with self.catalogue.writing() as connection:
            if embedding is not None:
                self._same_embedding(connection, embedding)
            kind = read_id_type(connection, self.catalogue.path)
            if kind is None:
                set_meta(connection, "id_type", batch.kind)
            elif kind != batch.kind:  # another thread's first add came first
                raise TypeError(f"ids: this store has {kind} ids, got {batch.ids[0]!r} at position 0")
            gone = self._remove(connection, find_keys(connection, batch.ids)) if replace else 0
            first_key = self._insert(connection, batch)
            rows = len(batch)
            connection.execute("UPDATE state SET items = items + ?, changes = changes + ?", (rows - gone, rows + gone))
            column = IdColumn.from_list(batch.ids, batch.kind)
            if self._overflows(connection, batch):
                self._seal_with(connection, first_key, column, batch)
            else:
                write_blocks(connection, first_key, column, batch.vectors, batch.table)
        self.kind = batch.kind
        return len(batch)

    def _same_embedding(self, connection: sqlite3.Connection, embedding: dict[str, Any]) -> None:
        stored = read_meta(connection, self.catalogue.path, "embedding").get("embedding")
        if stored == embedding:
            return
        empty = connection.execute("SELECT items FROM state").fetchone()[0] == 0
        if stored is not None or not empty:
            held = "vectors of an unnamed encoder" if stored is None else f"vectors of {json.dumps(stored)}"
            raise ValueError(f"embedding: this store holds {held}, got vectors of {json.dumps(embedding)}")
        set_meta(connection, "embedding", embedding)

    def delete(self, ids: list[Id]) -> int:
        """Delete those ids that exist; returns how many did."""
        with self.catalogue.writing() as connection:
            gone = self._remove(connection, find_keys(connection, ids))
            connection.execute("UPDATE state SET items = items - ?, changes = changes + ?", (gone, gone))
        return gone

    def _remove(self, connection: sqlite3.Connection, keys: Mapping[Id, int]) -> int:
        rows = [(key,) for key in sorted(keys.values())]
        connection.executemany("DELETE FROM items WHERE key = ?", rows)
        connection.executemany("INSERT INTO deleted(key) VALUES (?)", rows)
        return len(rows)

    def _insert(self, connection: sqlite3.Connection, batch: Batch) -> int:
        """Give the batch its keys; returns the first."""
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'items'").fetchone()
        first_key = (row[0] if row else 0) + 1
        texts: Sequence[str | None] = batch.payloads or [None] * len(batch)
        rows = (
            (key, identifier, text, None if text is None else digest(b"%d" % key, text.encode()))
            for key, (identifier, text) in enumerate(zip(batch.ids, texts, strict=True), first_key)
        )
        try:
            connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?)", rows)
        except sqlite3.IntegrityError:
            existing = find_keys(connection, batch.ids)
            named = next(
                (identifier for identifier in batch.ids if existing.get(identifier, first_key) < first_key), None
            )
            raise ValueError(f"ids: {named!r} is in the store already; use upsert to replace it") from None
        return first_key

    # -- pending that grew too large becomes a segment ----------------------------------------------------------------

    def _overflows(self, connection: sqlite3.Connection, batch: Batch) -> bool:
        pending = connection.execute(
            "SELECT COALESCE(SUM(rows), 0) FROM pending WHERE batch > ?", (self.claimed_batch,)
        ).fetchone()[0]
        rows = pending + len(batch)
        return rows > PENDING_ROWS or rows * self.shape.dim * self.shape.dtype.itemsize > PENDING_BYTES

    def _seal_with(self, connection: sqlite3.Connection, first_key: int, ids: IdColumn, batch: Batch) -> None:
        """Write the pending rows and this batch as one segment without an index."""
        shape, claimed = self.shape, self.claimed_batch
        kind = batch.kind
        blocks = list(read_blocks(connection, self.catalogue.path, shape.dim, shape.dtype, kind, after=claimed))
        columns = None if batch.table is None else bytes(attribute_columns.to_ipc(batch.table))
        keys = np.arange(first_key, first_key + len(batch))
        blocks.append(Block(0, keys, ids, batch.vectors, columns))
        lowest = int(blocks[0].keys[0])
        rows = _join(blocks, read_deleted(connection, self.catalogue.path)[1], kind, shape)
        number = self.next_number()
        description = write_segment(self.catalogue.segments, number, rows, metric=shape.metric)
        with removing_on_error(self.catalogue, description):
            insert_segment(connection, number, description)
            connection.execute("DELETE FROM pending WHERE batch > ?", (claimed,))
            connection.execute("DELETE FROM deleted WHERE key >= ?", (lowest,))


def _join(blocks: list[Block], dead: np.ndarray, kind: str, shape: Shape) -> Rows:
    keep = [np.flatnonzero(~np.isin(block.keys, dead)) for block in blocks]
    keys = np.concatenate([block.keys[rows] for block, rows in zip(blocks, keep, strict=True)])
    ids = concatenate([block.ids.select(rows) for block, rows in zip(blocks, keep, strict=True)], kind)

    def vectors() -> Iterator[np.ndarray]:
        for block, rows in zip(blocks, keep, strict=True):
            yield block.vectors if len(rows) == len(block.vectors) else block.vectors[rows]

    table = None
    if shape.schema:
        import pyarrow as pa

        tables = [
            attribute_columns.from_ipc(block.attributes).take(rows) for block, rows in zip(blocks, keep, strict=True)
        ]
        table = pa.concat_tables(tables).combine_chunks()
    return Rows(keys, ids, Pieces(shape.dtype, (len(keys), shape.dim), vectors), table)


@contextlib.contextmanager
def removing_on_error(catalogue: Catalogue, description: Mapping[str, Any]) -> Iterator[None]:
    """Remove a segment's files when the block raises, before the commit.

    A commit that fails may still be found durable after a crash, so files are never removed because of one; the next
    writer to open the store removes what the catalogue does not name.
    """
    try:
        yield
    except BaseException:
        remove_files(catalogue, file_names(description))
        raise


def remove_files(catalogue: Catalogue, names: list[str]) -> None:
    """Remove segment files that the catalogue no longer names; what cannot be removed now is at the next open."""
    for name in names:
        with contextlib.suppress(OSError):
            files.remove(catalogue.segments / name)
