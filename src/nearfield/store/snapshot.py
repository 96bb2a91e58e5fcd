"""What a search sees: an immutable view of one committed moment, and how the next one is made from it.

A view is never changed: a search keeps the one it began with, whatever is added, deleted or compacted meanwhile. The
next view takes over what did not change: open segments, buffers of pending rows, bitsets of the living.
"""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.decoding import decoding, expect
from ..common.errors import CorruptFileError
from .aspects import AspectReader, AspectSpace
from .bags import BagReader, BagSpace
from .catalogue import Catalogue
from .clock import Clock
from .coded_bags import Source
from .expiry import NEVER, Expiry, ExpiryBuffer, present
from .ids import Id
from .next_space import NextReader, NextSpace
from .pending import PendingBuffer, read_blocks
from .rows import Live
from .segment import Segment
from .tables import digest, own_segments, read_deleted, read_id_type, read_meta, read_state, still_ahead

if TYPE_CHECKING:
    from ..decide import Judge, QueryJudge


_SAMPLED = 512


@dataclass(frozen=True)
class Shape:
    """What a store is; dim and metric change when it has moved to another model, the others never."""

    dim: int
    dtype: np.dtype
    metric: str
    schema: Mapping[str, str]

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Shape:
        """As the settings say."""
        return cls(meta["dim"], np.dtype(meta["dtype"]), meta["metric"], dict(meta["attributes"]))


@dataclass(frozen=True)
class Scales:
    """A number an item, by key: its distance to its fifth nearest other, which a judge wants to know."""

    keys: np.ndarray
    values: np.ndarray

    def of(self, keys: np.ndarray) -> np.ndarray:
        """The scales of these keys, any shape; NaN where there is none."""
        if not len(self.keys):
            return np.full(keys.shape, np.nan, np.float32)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, self.values[places], np.float32(np.nan))


@dataclass(frozen=True)
class View:
    """One committed moment of the store.

    Attributes
    ----------
    generation : the number of the transaction it shows.
    parts : segments and the pending rows, by their first key. Segments are ascending and disjoint in their keys;
        a compaction that did not finish may have left some between pending rows.
    items : how many items are alive.
    changes : how many rows were ever added or deleted; grows with every write.
    meta : the settings: id type, embedding, plan, judge.
    judge, scales : the fitted judge and the local scales of the items it saw, or None.
    expiry : when items expire; None when none does.
    moment : what had expired by then, in microseconds since 1970, is taken out of ``parts`` and ``items``; 0: nothing.
    identity : the store's own number, 8 bytes; empty in a store of format 1.
    shape : of the vectors in ``parts``.
    next : the next model's space, while the store is moved to it.
    aspects : the named spaces in its vectors; None where none were fitted.
    bags : how bags of vectors are kept; None where none are.
    format : the version of the catalogue.
    """

    generation: int
    parts: tuple[Live, ...]
    items: int
    changes: int
    meta: Mapping[str, Any]
    judge: Judge | QueryJudge | None
    scales: Scales | None
    shape: Shape
    expiry: Expiry | None = None
    moment: int = 0
    identity: bytes = b""
    next: NextSpace | None = None
    aspects: AspectSpace | None = None
    bags: BagSpace | None = None
    format: int = 1

    @cached_property
    def newer(self) -> View:
        """The same moment in the next model's space."""
        assert self.next is not None
        return self.next.view(self)

    @cached_property
    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        """Parts and rows of some hundred living items, spread evenly: what a query's scores usually are."""
        step = max(1, self.items // _SAMPLED)
        rows = [live.rows()[::step] for live in self.parts]
        parts = [np.full(len(some), number) for number, some in enumerate(rows)]
        return np.concatenate([np.empty(0, np.int64), *parts]), np.concatenate([np.empty(0, np.int64), *rows])

    @cached_property
    def troubled(self) -> bool:
        """Whether a derived file is damaged or missing."""
        return any(segment.trouble is not None or segment.columns_trouble is not None for segment in self.segments)

    @property
    def segments(self) -> list[Segment]:
        """The open segments."""
        return [live.part for live in self.parts if isinstance(live.part, Segment)]

    @property
    def pending(self) -> int:
        """How many pending rows are alive."""
        return sum(live.count for live in self.parts if not isinstance(live.part, Segment))

    @cached_property
    def _unexpired(self) -> list[tuple[int, View]]:
        """The last view that :meth:`unexpired` made, and until when it holds: the one thing here that is replaced."""
        return [(0, self)]

    def unexpired(self, clock: Clock) -> View:
        """This view without the items that have expired by now; itself when none has."""
        if self.expiry is None:
            return self
        now = clock.now()
        until, known = self._unexpired[0]
        if now < until:
            return known
        keys = np.sort(self.expiry.between(known.moment, now))
        until = self.expiry.next_after(now)
        if len(keys):
            known = replace(known.without(keys), moment=now)
        self._unexpired[0] = (until, known)
        return known

    @cached_property
    def unbagged(self) -> list[np.ndarray]:
        """Of every part the rows without a bag."""
        bags = [live.part.bags for live in self.parts]
        return [
            np.arange(len(live.part)) if own is None else own.missing
            for live, own in zip(self.parts, bags, strict=True)
        ]

    @cached_property
    def bagged(self) -> View:
        """This view without the items that have no bag."""
        if not any(len(rows) for rows in self.unbagged):
            return self
        pairs = zip(self.parts, self.unbagged, strict=True)
        return self._of(tuple(live.without(rows) for live, rows in pairs))

    def without(self, keys: np.ndarray) -> View:
        """This view without the items of these keys."""
        return self._of(tuple(live.without(live.part.rows_of(keys)) for live in self.parts))

    def _of(self, parts: tuple[Live, ...]) -> View:
        return replace(self, parts=parts, items=sum(live.count for live in parts))

    def bags_of(self, keys: np.ndarray) -> list[Source]:
        """Where the bags of these items are, ascending keys, in runs of one part."""
        where, rows = self.locate(keys)
        starts = np.flatnonzero(np.diff(where, prepend=-2)).tolist()
        ends = [*starts[1:], len(keys)]
        return [(self.parts[where[start]].part.bags, rows[start:end]) for start, end in zip(starts, ends, strict=True)]

    def expires(self, keys: np.ndarray) -> np.ndarray:
        """When the items with these keys expire, :data:`NEVER` for those that do not; 0 for those that have."""
        if self.expiry is None:
            return np.full(np.shape(keys), NEVER)
        at = self.expiry.of(keys)
        return np.where(at <= self.moment, 0, at)

    def locate(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each key the number of its part and its row there; part -1 where no part has it."""
        where = np.full(len(keys), -1)
        rows = np.full(len(keys), -1)
        for number, live in enumerate(self.parts):
            found = live.part.find(keys)
            here = found >= 0
            where[here], rows[here] = number, found[here]
        return where, rows

    def gather_ids(self, where: np.ndarray, rows: np.ndarray) -> list[Id | None]:
        """The ids at ``(part, row)``; None where the part is -1."""
        if len(self.parts) == 1 and not where.any():
            return list(self.parts[0].part.take_ids(rows))
        ids: list[Id | None] = [None] * len(where)
        for number in range(len(self.parts)):
            places = np.flatnonzero(where == number)
            for place, identifier in zip(places.tolist(), self.parts[number].part.take_ids(rows[places]), strict=True):
                ids[place] = identifier
        return ids

    def gather_vectors(self, where: np.ndarray, rows: np.ndarray, shape: Shape) -> np.ndarray:
        """The stored vectors at ``(part, row)``."""
        vectors = np.zeros((len(where), shape.dim), shape.dtype)
        for number in np.unique(where[where >= 0]).tolist():
            here = where == number
            vectors[here] = self.parts[number].part.vectors[rows[here]]
        return vectors

    def gather_attributes(self, where: np.ndarray, rows: np.ndarray) -> list[dict[str, Any] | None]:
        """The attributes at ``(part, row)``, one dict each; None where the part is -1."""
        found: list[dict[str, Any] | None] = [None] * len(where)
        for number in np.unique(where[where >= 0]).tolist():
            places = np.flatnonzero(where == number)
            table = self.parts[number].part.table().take(rows[places])
            for place, attributes in zip(places.tolist(), table.to_pylist(), strict=True):
                found[place] = attributes
        return found


class Viewer:
    """Keeps the newest view of a catalogue; safe to ask from many threads."""

    def __init__(self, catalogue: Catalogue, shape: Shape):
        self.catalogue = catalogue
        self.shape = shape
        self._lock = threading.Lock()
        self._view: View | None = None
        self._buffer = self._new_buffer()
        self._pending_dead = np.empty(0, np.int64)
        self._seen_seq = 0
        self._checks: list[Any] = []
        self._meta: Mapping[str, Any] = {}
        self._judge: tuple[Any, Judge | QueryJudge | None, Scales | None] = (None, None, None)
        self._expiry = ExpiryBuffer()
        self._identity = b""
        self._next = NextReader()
        self._aspects = AspectReader()
        self.bag_reader = BagReader()
        self._shape_seen = 0

    def shape_now(self) -> Shape:
        """The shape of the last committed moment, without a look at any vector."""
        if self.catalogue.closed:
            return self.shape
        if self.catalogue.newest() != self._shape_seen:
            path = self.catalogue.path
            with self.catalogue.reading() as connection:
                generation = read_state(connection, path)[0]
                found = read_meta(connection, path, "dim") | read_meta(connection, path, "metric")
            with self._lock:  # not before the connection: who has one may be waiting for the lock
                if generation > self._shape_seen:
                    self._reshape(replace(self.shape, **found))
                    self._shape_seen = generation
        return self.shape

    def _reshape(self, shape: Shape) -> None:
        """The store has moved to another model: nothing that was known of the old one's vectors holds."""
        if shape != self.shape:
            self.shape = shape
            self._view = None
            self._buffer = self._new_buffer()
            self._pending_dead = np.empty(0, np.int64)
            self._seen_seq = 0
            self._expiry = ExpiryBuffer()

    def current(self) -> View:
        """The view of the last committed transaction."""
        view = self._view
        if view is not None and view.generation == self.catalogue.newest():
            return view
        while True:
            with self.catalogue.reading() as connection:
                found = self.at(connection)
            if found is not None:
                return found

    def at(self, connection: sqlite3.Connection) -> View | None:
        """The view of this read transaction; None when it has become too old: begin a new one and ask again."""
        with self._lock:
            generation, items, changes = read_state(connection, self.catalogue.path)
            if self._view is not None and generation <= self._view.generation:
                return self._view if generation == self._view.generation else None
            seen = self._seen_seq, self._pending_dead
            try:
                meta = self._settings(connection)
                self._reshape(Shape.of(meta))
                self._shape_seen = generation
                parts = self._parts(connection)
                judge = self._judge_of(connection, meta)
                expiry, identity = self._expiring(connection)
                version, following, aspects = self.catalogue.format(connection), None, None
                bags = self.bag_reader.read(connection, self.catalogue.path, meta)
                if version >= 3:
                    place = self.catalogue.path, self.catalogue.segments
                    following = self._next.read(connection, *place, meta, self.shape)
                    aspects = self._aspects.read(connection, self.catalogue.path, meta, self.shape)
            except BaseException as error:
                # What was taken over on the way belongs to no view: the next one takes it over again.
                self._seen_seq, self._pending_dead = seen
                self._buffer = self._new_buffer()
                self._expiry = ExpiryBuffer()
                self._next, self._aspects = NextReader(), AspectReader()
                if not isinstance(error, FileNotFoundError):
                    raise
                # A compaction may have replaced the files after this transaction began. If not, they are lost.
                if self.catalogue.committed_generation() > generation:
                    return None
                raise CorruptFileError(str(error.filename), "missing, although the catalogue names it") from error
            self._view = View(
                generation,
                parts,
                items,
                changes,
                meta,
                *judge,
                self.shape,
                expiry=expiry,
                identity=identity,
                next=following,
                aspects=aspects,
                bags=bags,
                format=version,
            )
            return self._view

    def _new_buffer(self) -> PendingBuffer:
        shape = self.shape
        return PendingBuffer(shape.dim, shape.dtype, shape.metric, shape.schema)

    def _parts(self, connection: sqlite3.Connection) -> tuple[Live, ...]:
        before: dict[int, Live] = {}
        if self._view is not None:
            before = {live.part.number: live for live in self._view.parts if isinstance(live.part, Segment)}
        described = own_segments(connection, self.catalogue.path)
        segments = []
        for number, description in described.items():
            old = before.get(number)
            if old is not None and isinstance(old.part, Segment) and old.part.description == description:
                segments.append(old.part)
            else:
                shape = self.shape
                segments.append(
                    Segment(
                        self.catalogue.segments,
                        number,
                        description,
                        dim=shape.dim,
                        dtype=shape.dtype,
                        schema=shape.schema,
                    )
                )
        # A segment that is gone without another in its place: the store went back to a tag without segments.
        renewed = not before.keys() <= described.keys() or any(
            number not in before or before[number].part is not part
            for number, part in zip(described, segments, strict=True)
        )
        renewed |= self._read_pending(connection)

        since = 0 if renewed else self._seen_seq
        seqs, dead = read_deleted(connection, self.catalogue.path, after=since)
        fresh = dead[seqs > self._seen_seq]
        if self._expiry.forget(fresh) or renewed:
            self._expiry = ExpiryBuffer()
        parts = []
        for part in segments:
            old = before.get(part.number)
            if old is not None and old.part is part:
                parts.append(old.without(part.rows_of(fresh)))
            else:
                parts.append(Live.of(part, part.rows_of(dead)))
        pending = self._buffer.part()
        self._pending_dead = dead if renewed else np.concatenate([self._pending_dead, fresh])
        if len(pending):
            parts.append(Live.of(pending, pending.rows_of(self._pending_dead)))
        if len(seqs):
            self._seen_seq = max(self._seen_seq, int(seqs[-1]))
        ordered = sorted(parts, key=lambda live: int(live.part.keys[0]))
        for one, other in itertools.pairwise(ordered):
            if one.part.keys[-1] >= other.part.keys[0]:  # segments may lie between pending rows, but share no key
                twice = other.part.rows_of(one.part.keys)
                if len(twice):
                    raise CorruptFileError(
                        self.catalogue.path, f"two rows have the key {int(other.part.keys[twice[0]])}"
                    )
        return tuple(ordered)

    def _read_pending(self, connection: sqlite3.Connection) -> bool:
        """Bring the buffer up to date; returns whether it had to begin anew."""
        shape = self.shape
        known = still_ahead(connection, "pending", self._buffer.first_batch, self._buffer.last_batch)
        if not known:
            self._buffer = self._new_buffer()
        kind = read_id_type(connection, self.catalogue.path)
        if kind is not None:
            path = self.catalogue.path
            bags, after = "bags" in self._meta, self._buffer.last_batch
            for block in read_blocks(connection, path, shape.dim, shape.dtype, kind, after=after, bags=bags):
                self._buffer.append(block)
        return not known

    def _expiring(self, connection: sqlite3.Connection) -> tuple[Expiry | None, bytes]:
        """When items expire, and the store's identity; nothing of it in a store of format 1."""
        if self.catalogue.expires(connection):
            present(self.catalogue, connection)
            self._expiry.read(connection, self.catalogue.path)
            if not self._identity:
                (identity,) = connection.execute("SELECT identity FROM state").fetchone()
                if not isinstance(identity, bytes) or len(identity) != 8:
                    raise CorruptFileError(self.catalogue.path, "table state: expected an identity of 8 bytes")
                self._identity = identity
        return self._expiry.view(), self._identity

    def _settings(self, connection: sqlite3.Connection) -> Mapping[str, Any]:
        """The settings; a plan and a judge are long, so they are decoded again only when something changed."""
        checks = connection.execute("SELECT name, xxh3 FROM meta ORDER BY name").fetchall()
        if checks != self._checks:
            self._meta = read_meta(connection, self.catalogue.path)
            self._checks = checks
        return self._meta

    def _judge_of(
        self, connection: sqlite3.Connection, meta: Mapping[str, Any]
    ) -> tuple[Judge | QueryJudge | None, Scales | None]:
        stored = meta.get("judge")
        if stored is None:
            return None, None
        known, judge, scales = self._judge
        if judge is None or known != stored:
            from ..decide import Judge, QueryJudge

            with decoding(self.catalogue.path, "the judge"):
                kind = QueryJudge if stored["judge"].get("kind") == "QueryJudge" else Judge
                judge = kind.from_dict(stored["judge"])
            scales = read_scales(connection, self.catalogue.path)
            self._judge = (stored, judge, scales)
        return judge, scales


def read_scales(connection: sqlite3.Connection, path: Path) -> Scales:
    """The local scales a judge left in the catalogue, their checksums verified."""
    keys, values = [np.empty(0, np.int64)], [np.empty(0, np.float32)]
    for block, some, theirs, check in connection.execute("SELECT * FROM scales ORDER BY block"):
        if not isinstance(some, bytes) or not isinstance(theirs, bytes) or digest(some, theirs) != check:
            raise CorruptFileError(path, f"checksum of the local scales from {block} on differs")
        with decoding(path, f"the local scales from {block} on"):
            keys.append(np.frombuffer(some, "<i8"))
            values.append(np.frombuffer(theirs, "<f4"))
            expect(len(keys[-1]) == len(values[-1]), f"{len(keys[-1])} keys for {len(values[-1])} scales")
    return Scales(np.concatenate(keys), np.concatenate(values))
