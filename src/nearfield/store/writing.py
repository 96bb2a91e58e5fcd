"""Writing items: add, upsert, delete. Everything is checked before anything is written; one call is one transaction."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..common.checks import check_vectors
from ..common.errors import CorruptFileError
from . import attributes as attribute_columns
from . import expiry, texts
from .catalogue import Catalogue
from .coded_bags import CodedBags
from .ids import Id, IdColumn, check_ids
from .incoming import fold, insert_encoded, many
from .pending import Block, merged, read_blocks, write_blocks
from .rows import Live, Part
from .segment import Segment, file_names, gather, remove_files, removing_on_error, write_segment
from .snapshot import Shape
from .tables import (
    digest,
    find_ids,
    find_keys,
    insert_segment,
    own_segments,
    read_deleted,
    read_id_type,
    read_meta,
    set_meta,
    whole,
)

# An add that would leave more pending than this writes a segment instead: a scan of so many rows still takes
# milliseconds, and more would make the catalogue the bulk of the store.
PENDING_ROWS = 65_536
PENDING_BYTES = 256 << 20
# And so does one after each so many pending rows, where half of them or more are deleted or replaced by now: items that
# are written again and again would otherwise be scanned in all their past versions.
REPLACED_ROWS = 8_192
# The bytes of pending bags, which take a walk over the table, are looked at after so many rows.
_WEIGHED_ROWS = 256
MAX_DEPTH = 200
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')


class Batch:
    """What one add or upsert brings, checked."""

    def __init__(
        self,
        shape: Shape,
        kind: str | None,
        ids: Any,
        vectors: Any,
        attributes: Any,
        payload: Any,
        expires: Callable[[int], np.ndarray | None] = lambda rows: None,
        text: Any = None,
        bags: CodedBags | None = None,
        coding: str | None = None,
    ):
        """``bags`` are those of all rows, as the store of the identity ``coding`` codes them."""
        self.shape = shape
        nonzero = shape.metric == "cosine"
        array, _ = check_vectors(vectors, dim=shape.dim, nonzero=nonzero) if not _empty(vectors) else (None, False)
        self.vectors = np.empty((0, shape.dim), shape.dtype) if array is None else as_stored(array, shape)
        self.ids, self.kind = check_ids(ids, kind)
        rows = len(self.ids)
        if rows != len(self.vectors):
            raise ValueError(f"ids: expected one id per vector, got {rows} ids for {len(self.vectors)} vectors")
        self.table = attribute_columns.to_table(attributes, shape.schema, rows)
        self.payloads = _encode_payloads(payload, rows)
        self.payload_values = None if payload is None else list(payload)
        self.texts = texts.check_texts(text, rows)
        self.bags, self.coding = bags, coding
        self.expires = expires(rows)

    def __len__(self) -> int:
        return len(self.ids)


def _empty(vectors: Any) -> bool:
    return isinstance(vectors, Sequence | np.ndarray) and len(vectors) == 0


def as_stored(array: np.ndarray, shape: Shape) -> np.ndarray:
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
        if _depth(text) > MAX_DEPTH:
            raise ValueError(
                f"payload: expected at most {MAX_DEPTH} levels of nesting, got more at position {position}"
            )
        texts.append(text)
    return texts


def _depth(text: str) -> int:
    """How deep JSON is nested. What one caller can still write, another with less room on its stack could not read."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for character in _BRACKETS.findall(text):
        depth += (character in "[{") - (character in "]}")
        deepest = max(deepest, depth)
    return deepest


def check_embedding(embedding: Any, dim: int) -> dict[str, Any] | None:
    """An encoder's fingerprint as JSON gives it back."""
    if embedding is None:
        return None
    if not isinstance(embedding, Mapping):
        raise TypeError(f"embedding: expected a dict, an encoder's fingerprint(), got {type(embedding).__name__}")
    try:
        fingerprint: dict[str, Any] = json.loads(json.dumps(dict(embedding), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"embedding: expected JSON values: {error}") from None
    if fingerprint.get("dim", dim) != dim:
        raise ValueError(f"embedding: expected an encoder of {dim} dimensions, got one of {fingerprint['dim']}")
    return fingerprint


class Writer:
    """Applies batches to the catalogue; one transaction each."""

    def __init__(self, catalogue: Catalogue, shape: Shape):
        self.catalogue = catalogue
        self.shape = shape
        self._claimed_batch = self._claimed_key = 0
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

    def claim(self, batch: int, key: int) -> None:
        """Pending blocks up to ``batch`` and rows up to ``key`` belong to a seal or compaction that is under way."""
        self._claimed_batch, self._claimed_key = batch, key

    @property
    def claimed_batch(self) -> int:
        """The last pending block that belongs to a seal or compaction under way."""
        return self._claimed_batch

    def put(
        self,
        batch: Batch,
        *,
        replace: bool,
        embedding: dict[str, Any] | None = None,
        encoded: np.ndarray | None = None,
    ) -> int:
        """Make the batch durable; returns how many items it holds.

        ``encoded`` are the items' vectors in the next model's space, from which those of the batch were mapped back.
        """
        if not len(batch):
            return 0
        return texts.retrying(
            self.catalogue, lambda: self._put(batch, replace=replace, embedding=embedding, encoded=encoded)
        )

    def _put(self, batch: Batch, *, replace: bool, embedding: dict[str, Any] | None, encoded: np.ndarray | None) -> int:
        replaced: list[str] = []
        with self.catalogue.writing() as connection:
            if batch.shape != self.shape:
                raise ValueError("vectors: the store moved to another model meanwhile; encode with that and add again")
            lapsed = self._purge(connection, max(expiry.PURGED_AT_ONCE, 2 * len(batch)))
            if embedding is not None:
                self._same_embedding(connection, embedding)
            if batch.bags is not None:
                kept = read_meta(connection, self.catalogue.path, "bags").get("bags")
                if kept is None or kept["identity"] != batch.coding:
                    raise ValueError("bags: the store changed how it keeps bags meanwhile; add again")
            kind = read_id_type(connection, self.catalogue.path)
            if kind is None:
                set_meta(connection, "id_type", batch.kind)
            elif kind != batch.kind:  # another thread's first add came first
                raise TypeError(f"ids: this store has {kind} ids, got {batch.ids[0]!r} at position 0")
            gone = self._remove(connection, find_keys(connection, batch.ids)) if replace else lapsed(batch.ids)
            first_key = self._insert(connection, batch)
            path, inside = self.catalogue.path, batch.payload_values
            texts.insert(connection, path, first_key, batch.texts, inside, len(batch))
            if batch.expires is not None:
                expiry.insert(connection, first_key, batch.expires)
            if encoded is not None:
                self.take_encoded(connection, np.arange(first_key, first_key + len(batch)), encoded, born=True)
            rows = len(batch)
            connection.execute("UPDATE state SET items = items + ?, changes = changes + ?", (rows - gone, rows + gone))
            column = IdColumn.from_list(batch.ids, batch.kind)
            if self._overflows(connection, batch, first_key + rows):
                replaced = self._seal_with(connection, first_key, column, batch)
            else:
                write_blocks(connection, first_key, column, batch.vectors, batch.table, batch.bags)
        self.kind = batch.kind
        remove_files(self.catalogue.segments, replaced)
        return len(batch)

    def take_encoded(
        self, connection: sqlite3.Connection, keys: np.ndarray, vectors: np.ndarray, *, born: bool
    ) -> None:
        """Vectors of the next model for these items, which have none yet; ``born``: they came with no other."""
        last = insert_encoded(connection, keys, vectors, born=born)
        if many(connection, last, vectors, PENDING_ROWS, PENDING_BYTES):
            metric = read_meta(connection, self.catalogue.path, "next")["next"]["metric"]
            fold(connection, self.catalogue, self.next_number(), vectors.shape[1], vectors.dtype, metric)

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
        return texts.retrying(self.catalogue, lambda: self._delete(ids))

    def delete_keys(self, keys: list[int]) -> int:
        """Delete the items with these keys, as far as they are there yet; returns how many were."""
        if not keys:
            return 0
        return texts.retrying(self.catalogue, lambda: self._delete([], keys))

    def _delete(self, ids: list[Id], keys: Sequence[int] = ()) -> int:
        with self.catalogue.writing() as connection:
            lapsed = self._purge(connection, max(expiry.PURGED_AT_ONCE, 2 * len(ids)))
            late = lapsed(ids)
            gone = self._remove(connection, find_keys(connection, ids) | find_ids(connection, keys))
            texts.ensure(connection, self.catalogue.path)
            both = gone + late
            connection.execute("UPDATE state SET items = items - ?, changes = changes + ?", (both, both))
        return gone

    def keep_time(self) -> None:
        """Where something has expired since the last write, write down that it has; a disk that refuses is left alone.

        A clock that is set back before the next writer comes then brings nothing back.
        """
        if self.catalogue.closed or self.catalogue.pid != os.getpid():
            return
        with contextlib.suppress(OSError, CorruptFileError):
            with self.catalogue.reading(lasting=True) as connection:  # whoever closes does not wait behind a crowd
                late = expiry.due(connection, self.catalogue.clock.now(), 1)
            if late:
                with self.catalogue.writing() as connection:
                    self._purge(connection, expiry.PURGED_AT_ONCE)
                    texts.ensure(connection, self.catalogue.path)

    def purge(self) -> int:
        """Delete everything that has expired; returns how many items that was."""
        return texts.retrying(self.catalogue, self._purge_all)

    def _purge_all(self) -> int:
        total = 0
        while True:
            with self.catalogue.reading() as connection:
                if not expiry.due(connection, self.catalogue.clock.now(), 1):
                    return total
            with self.catalogue.writing() as connection:
                before = connection.execute("SELECT items FROM state").fetchone()[0]
                self._purge(connection, PENDING_ROWS)
                texts.ensure(connection, self.catalogue.path)
                total += before - connection.execute("SELECT items FROM state").fetchone()[0]

    def _purge(self, connection: sqlite3.Connection, most: int) -> Callable[[list[Id]], int]:
        """Delete up to ``most`` items that have expired.

        Returns a function that deletes those of given ids that have expired as well, and returns how many they were.
        """
        now = self.catalogue.clock.now()
        keys = expiry.due(connection, now, most)
        if keys:
            gone = self._remove(connection, {key: key for key in keys})
            connection.execute("UPDATE state SET items = items - ?, changes = changes + ?", (gone, gone))
        rest = len(keys) == most

        def lapsed(ids: list[Id]) -> int:
            if not rest:
                return 0
            found = find_keys(connection, ids)
            late = set(expiry.expired_among(connection, found.values(), now))
            return self._remove(connection, {name: key for name, key in found.items() if key in late})

        return lapsed

    def _remove(self, connection: sqlite3.Connection, keys: Mapping[Id, int]) -> int:
        rows = [(key,) for key in sorted(keys.values())]
        texts.remove(connection, self.catalogue.path, [key for (key,) in rows])
        connection.executemany("DELETE FROM items WHERE key = ?", rows)
        connection.executemany("INSERT INTO deleted(key) VALUES (?)", rows)
        connection.executemany("DELETE FROM expiry WHERE key = ?", rows)
        connection.executemany("DELETE FROM encoded WHERE key = ?", rows)
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

    def _overflows(self, connection: sqlite3.Connection, batch: Batch, next_key: int) -> bool:
        """Whether the pending rows with this batch, whose keys end before ``next_key``, are to become a segment.

        A look at two places of the tables for most writes: what walks over them would make each write slower than the
        one before.
        """
        first_key = self._first_pending(connection, next_key - len(batch))
        # Keys count up, so these are all rows, and those of segments in between, which the next one takes over.
        rows = next_key - first_key
        size = rows * self.shape.dim * self.shape.dtype.itemsize
        if rows > PENDING_ROWS or size > PENDING_BYTES:
            return True

        def passes(step: int) -> bool:
            return rows // step > (rows - len(batch)) // step

        if batch.bags is not None:
            own = int(batch.bags.sizes().sum())
            if passes(_WEIGHED_ROWS) or own > PENDING_BYTES // _WEIGHED_ROWS:
                query = "SELECT COALESCE(SUM(LENGTH(bags)), 0) FROM pending WHERE batch > ?"
                size += own + connection.execute(query, (self._claimed_batch,)).fetchone()[0]
                if size > PENDING_BYTES:
                    return True
        if not passes(REPLACED_ROWS):
            return False
        living = connection.execute("SELECT COUNT(*) FROM items WHERE key >= ?", (first_key,)).fetchone()[0]
        return 2 * living <= rows

    def _first_pending(self, connection: sqlite3.Connection, otherwise: int) -> int:
        """The first key of the pending rows that no compaction has taken."""
        query = "SELECT first_key FROM pending WHERE batch > ? ORDER BY batch LIMIT 1"
        row = connection.execute(query, (self._claimed_batch,)).fetchone()
        return whole(self.catalogue.path, "table pending", *row)[0] if row else otherwise

    def _seal_with(self, connection: sqlite3.Connection, first_key: int, ids: IdColumn, batch: Batch) -> list[str]:
        """Write the pending rows and this batch as one segment without an index; returns files to remove after."""
        shape, claimed, path = self.shape, self._claimed_batch, self.catalogue.path
        columns = None if batch.table is None else bytes(attribute_columns.to_ipc(batch.table))
        dead = np.unique(read_deleted(connection, path)[1])
        first = self._first_pending(connection, first_key)

        def living() -> Iterator[Block]:
            for block in read_blocks(connection, path, shape.dim, shape.dtype, batch.kind, after=claimed, bags=True):
                gone = np.searchsorted(dead, (block.keys[0], block.keys[-1] + 1))
                if gone[1] - gone[0] < len(block.keys):
                    yield block
            keys = np.arange(first_key, first_key + len(batch))
            yield Block(0, keys, ids, batch.vectors, columns, bags=batch.bags)

        old = self._taken_over(connection, dead, first)
        parts: list[Part] = [
            Segment(self.catalogue.segments, *item, dim=shape.dim, dtype=shape.dtype, schema=shape.schema)
            for item in old
        ]
        parts += merged(living(), shape.dim, shape.dtype)
        first = min(first, *(int(part.keys[0]) for part in parts))
        rows = gather([Live.of(part, part.rows_of(dead)) for part in parts], batch.kind, bool(shape.schema))
        number = self.next_number()
        description = write_segment(self.catalogue.segments, number, rows, metric=shape.metric)
        with removing_on_error(self.catalogue.segments, description):
            connection.execute("DELETE FROM pending WHERE batch > ?", (claimed,))
            connection.execute("DELETE FROM deleted WHERE key >= ?", (first,))
            connection.executemany("DELETE FROM segments WHERE number = ?", [(number,) for number, _ in old])
            insert_segment(connection, number, description)
        return [name for _, description in old for name in file_names(description)]

    def _taken_over(
        self, connection: sqlite3.Connection, dead: np.ndarray, first_key: int
    ) -> list[tuple[int, dict[str, Any]]]:
        """The segments whose rows the next one takes over, which begins with pending rows from ``first_key`` on.

        Those between pending rows, as a compaction that did not finish may leave them: keys of segments must not
        overlap. And the newest without an index of which little is alive: otherwise replacing the same items again and
        again would leave a trail of nearly empty segments. What one overflow copies of these is bounded by the pending
        limit.
        """
        found: list[tuple[int, dict[str, Any]]] = []
        room = PENDING_ROWS
        described = own_segments(connection, self.catalogue.path)
        for number, description in sorted(described.items(), key=lambda item: -item[1]["first_key"]):
            if description["last_key"] > first_key:
                found.append((number, description))
                continue
            first, last = np.searchsorted(dead, (description["first_key"], description["last_key"] + 1))
            living = description["rows"] - int(last - first)
            room -= living
            if description["index"] or 2 * living > description["rows"] or room < 0:
                break
            if description["first_key"] <= self._claimed_key:
                break
            found.append((number, description))
        return found[::-1]
