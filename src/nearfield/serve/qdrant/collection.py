"""One collection: a store that is the truth, and its points in memory that filters and most scores are read from.

An item of the store is a point. An unsigned integer below 2^63 is its own id there; other ids get a negative one, and
stand in the payload under a reserved key, with every vector that the store does not search. So a point is written by
one transaction, all of it or nothing, and a store of whole-numbered items is a collection as it is.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from ...store import Condition, Store
from .paths import merge
from .point_ids import PointId
from .points import Point, Points
from .refusal import bad, unsupported
from .schema import Schema

Answer = TypeVar("Answer")

# The key of a payload that holds what Qdrant has and a store has not.
RESERVED = "$qdrant"
# Points read at a time.
_BATCH = 4096
# How often a search whose hits were changed under it is done again before writers wait for it.
_AGAIN = 3
# Farther than any two vectors are.
_ANYWHERE = 3e38


class Collection:
    """The points of one store.

    Parameters
    ----------
    name : for messages.
    """

    def __init__(self, name: str):
        self.name = name
        self.schema: Schema
        self.points: Points
        self.lock = threading.RLock()
        self._writing = threading.RLock()
        self._revision: str | None = None
        self._lowest = 0
        self._operations = 0
        self._written = 0

    # -- being up to date ----------------------------------------------------------------------------------------------

    def refresh(self, store: Store) -> None:
        """Read the store again where anyone else has written to it."""
        if self._revision == store.revision:
            return
        with self._writing:
            revision = store.revision
            if self._revision != revision:
                self._load(store)
                self._revision = revision

    def _load(self, store: Store) -> None:
        schema = Schema.load(store.path, store.dim, store.metric)
        points = Points(schema.spaces, schema.engine)
        lowest = 0
        for batch in store.iterate(_BATCH):
            read = []
            for identifier, payload in zip(batch.ids, batch.payload, strict=True):
                if isinstance(identifier, str):
                    raise unsupported("a store with ids that are texts")
                read.append(_read(identifier, payload, schema))
                lowest = min(lowest, identifier)
            points.put(read)
        with self.lock:
            self.schema, self.points, self._lowest = schema, points, lowest

    def reschema(self, store: Store, schema: Schema) -> None:
        """Take another description of the collection."""
        with self._writing:
            schema.save(store.path)
            if schema.spaces.keys() != self.schema.spaces.keys():
                self._load(store)
            else:
                with self.lock:
                    self.schema = schema
                    self.points.spaces = schema.spaces

    # -- writing -------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self, store: Store) -> Iterator[Points]:
        """For the length of a ``with`` block nobody else writes through this dialect."""
        with self._writing:
            self.refresh(store)
            self._operations += 1
            yield self.points

    @property
    def operations(self) -> int:
        """How many writes there were since the server began."""
        return self._operations

    def written(self) -> int:
        """How many points were written since this was last asked."""
        with self._writing:
            written, self._written = self._written, 0
        return written

    def put(self, store: Store, points: Sequence[Point]) -> None:
        """Write points as they are given, in one transaction; ``key`` 0 stands for one that is to be found."""
        if not points:
            return
        dim = store.dim
        vectors = np.zeros((len(points), dim), np.float32)
        payloads = []
        for place, point in enumerate(points):
            known = self.points.row(point.id)
            if known is not None:
                point.key = int(self.points.keys(known))
            elif isinstance(point.id, int) and point.id < 1 << 63:
                point.key = point.id
            else:
                self._lowest -= 1
                point.key = self._lowest
            engine = self.schema.engine
            if engine is not None:
                vector = point.vectors.get(engine)
                if vector is None:
                    vectors[place, 0] = 1.0
                elif store.metric == "cosine" and not vector.any():
                    raise bad(f"Wrong input: point {point.id}: a vector of zeros has no direction to compare by cosine")
                else:
                    vectors[place] = vector
            payloads.append(_written(point, self.schema))
        store.upsert(np.array([point.key for point in points], np.int64), vectors, payload=payloads)
        self._written += len(points)
        with self.lock:
            self.points.put(points)
            self._revision = store.revision

    def remove(self, store: Store, ids: Iterable[PointId]) -> None:
        """Delete points; ids that are not there are passed over."""
        rows = [row for row in map(self.points.row, ids) if row is not None]
        if not rows:
            return
        gone = [self.points.ids[row] for row in rows]
        store.delete(self.points.keys(rows))
        with self.lock:
            self.points.remove(gone)
            self._revision = store.revision

    def whole(self, store: Store, ids: Sequence[PointId]) -> list[Point]:
        """Points with every vector they have; all of them are there."""
        with self.lock:
            points = [point for point in map(self.points.get, ids) if point is not None]
            engine = self.schema.engine
            rows = [self.points.row(point.id) for point in points]
            owners = [
                point
                for point, row in zip(points, rows, strict=True)
                if engine is not None and row is not None and self.points.has(row, engine)
            ]
        if owners:
            assert engine is not None
            items = store.get(np.array([point.key for point in owners], np.int64))
            for point, item in zip(owners, items, strict=True):
                if item is not None:  # deleted meanwhile by another
                    point.vectors[engine] = np.asarray(item.vector, np.float32)
        return points

    # -- searching the store -------------------------------------------------------------------------------------------

    def consistent(self, store: Store, read: Callable[[], tuple[Answer, Points, np.ndarray, Any]]) -> Answer:
        """The answer of ``read``, done again while a write came between what memory and what the store said.

        ``read`` gives the answer, the points it read, the rows it found (-1: no longer there), and which rows it
        allowed, bool by row or None for all.
        """
        for attempt in range(_AGAIN + 1):
            with self._writing if attempt == _AGAIN else contextlib.nullcontext():
                self.refresh(store)
                before = self._revision, self.points.epoch
                answer, points, rows, allowed = read()
                if store.revision == before[0]:
                    return answer
                self.refresh(store)
                with self.lock:
                    same = points is self.points and points.epoch == before[1] and bool((rows >= 0).all())
                    if same and points.alive()[rows].all() and (allowed is None or _still(allowed, rows)):
                        return answer
        return answer

    def nearest(
        self, store: Store, query: np.ndarray, k: int, keys: np.ndarray | None, *, exact: bool, beam: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows and similarities of the ``k`` nearest by the vector that the store searches, among items or all."""
        where = None if keys is None else Condition(ids=keys)
        if exact:
            return self._rows(store, store.search_range(query, _ANYWHERE, where=where, limit=k))
        return self._rows(store, store.search(query, k, where=where, beam=beam))

    def everything(self, store: Store, query: np.ndarray, keys: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Rows and similarities of all these items, or of all there are."""
        return self._rows(
            store, store.search_range(query, _ANYWHERE, where=None if keys is None else Condition(ids=keys))
        )

    def _rows(self, store: Store, found: Any) -> tuple[np.ndarray, np.ndarray]:
        ids = [identifier for identifier in found.ids if identifier is not None]
        distances = np.asarray(found.distances, np.float32)[: len(ids)]
        with self.lock:
            rows = np.array([-1 if row is None else row for row in map(self.points.row_of_key, ids)], np.int64)
        if store.metric == "cosine":
            return rows, np.float32(1.0) - distances
        return rows, -distances if store.metric == "ip" else -(distances * distances)


def _still(allowed: np.ndarray, rows: np.ndarray) -> bool:
    return bool((rows < len(allowed)).all() and allowed[rows].all())


def _read(key: int, stored: Any, schema: Schema) -> Point:
    """The point behind an item."""
    payload = dict(stored) if isinstance(stored, dict) else {} if stored is None else {"payload": stored}
    more = payload.pop(RESERVED, None)
    if not isinstance(more, dict):
        more = {}
    if "own" in more:
        payload[RESERVED] = more["own"]
    identifier = more.get("id", key)
    if isinstance(identifier, int) and identifier < 0:
        raise unsupported("a store with ids below zero")
    vectors = {
        name: schema.spaces[name].unpack(text)
        for name, text in more.get("vectors", {}).items()
        if name in schema.spaces
    }
    if schema.engine is not None and not more.get("lacks"):
        vectors[schema.engine] = None
    return Point(identifier, key, payload, vectors)


def _written(point: Point, schema: Schema) -> dict[str, Any] | None:
    """The payload of the item that holds a point."""
    more: dict[str, Any] = {}
    if point.key < 0:
        more["id"] = point.id
    held = {name: vector for name, vector in point.vectors.items() if name != schema.engine}
    if held:
        more["vectors"] = {name: schema.spaces[name].pack(vector) for name, vector in held.items()}
    if schema.engine is not None and schema.engine not in point.vectors:
        more["lacks"] = True
    if RESERVED in point.payload:
        more["own"] = point.payload[RESERVED]
    if not more:
        return point.payload or None
    return merge(dict(point.payload), {RESERVED: more})
