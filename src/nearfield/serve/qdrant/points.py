"""All points of a collection in memory: ids, payloads, and every vector but those that the store searches.

A row is one version of one point and never changes; a point that changes gets a new row, and its old one is dead. So
what was computed of a row stays true, columns only grow, and rows are given up together when most are dead.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .columns import Growing, Table
from .point_ids import PointId, hash_ids, order_of
from .vectors import Held, Space

# From so many dead rows on, if more are dead than alive, all are written anew.
_SPARED = 1000


@dataclass
class Point:
    """One point: what a client gave it. ``key`` is the id of its item in the store."""

    id: PointId
    key: int
    payload: dict[str, Any]
    vectors: dict[str, Any] = field(default_factory=dict)


class Points(Table):
    """The rows of a collection; not safe by itself: the collection's lock is held around every call.

    Parameters
    ----------
    spaces : the vectors of the collection, by name.
    engine : the name of the one that the store searches, of which only is known who has it; None for none.
    """

    def __init__(self, spaces: Mapping[str, Space], engine: str | None):
        super().__init__()
        self.spaces = spaces
        self.engine = engine
        self.ids: list[PointId] = []
        self.epoch = 0
        self._row: dict[PointId, int] = {}
        self._by_key: dict[int, int] = {}
        self._start()

    def _start(self) -> None:
        self.payloads = []
        self._columns.clear()
        self._elements.clear()
        self.ids = []
        self._row.clear()
        self._by_key.clear()
        self._keys = Growing(np.int64)
        self._alive = Growing(bool)
        self._hashes = Growing(np.uint64)
        self._order: list[int] = []
        self._ordered = np.empty(0, np.int64)
        self._present = {name: Growing(bool) for name in self.spaces}
        self.held: dict[str, Held] = {name: space.held() for name, space in self.spaces.items() if name != self.engine}

    # -- changing ------------------------------------------------------------------------------------------------------

    def put(self, points: Iterable[Point]) -> None:
        """Add points, or new versions of them."""
        for point in points:
            old = self._row.get(point.id)
            if old is not None:
                self._alive.view()[old] = False
                self._by_key.pop(int(self._keys.view()[old]), None)
            row = len(self.ids)
            self.ids.append(point.id)
            self.payloads.append(point.payload)
            self._row[point.id] = self._by_key[point.key] = row
            self._keys.extend([point.key])
            self._alive.extend([True])
            for name, present in self._present.items():
                present.extend([name in point.vectors])
                if name in point.vectors and name in self.held:
                    self.held[name].add(row, point.vectors[name])
        self._renew()

    def remove(self, ids: Iterable[PointId]) -> None:
        """Take points out; ids that are not there are passed over."""
        for identifier in ids:
            row = self._row.pop(identifier, None)
            if row is not None:
                self._alive.view()[row] = False
                self._by_key.pop(int(self._keys.view()[row]), None)
        self._renew()

    def _renew(self) -> None:
        dead = len(self.ids) - len(self._row)
        if dead > max(_SPARED, len(self._row)):
            rows = np.flatnonzero(self._alive.view()).tolist()
            living = [self._at(row, engine=True) for row in rows]
            self.epoch += 1
            self._start()
            self.put(living)

    # -- looking -------------------------------------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many points there are."""
        return len(self._row)

    def row(self, identifier: PointId) -> int | None:
        """The row of a point, None where there is none."""
        return self._row.get(identifier)

    def row_of_key(self, key: int) -> int | None:
        """The row of the point that is the store's item ``key``."""
        return self._by_key.get(key)

    def keys(self, rows: Any) -> np.ndarray:
        """The ids of rows in the store, int64."""
        return self._keys.view()[rows]

    def get(self, identifier: PointId) -> Point | None:
        """A point as it is now, without the vector that the store holds."""
        row = self._row.get(identifier)
        return None if row is None else self._at(row)

    def _at(self, row: int, engine: bool = False) -> Point:
        vectors = {name: held.get(row) for name, held in self.held.items() if self._present[name].view()[row]}
        if engine and self.engine is not None and self._present[self.engine].view()[row]:
            vectors[self.engine] = None
        return Point(self.ids[row], int(self._keys.view()[row]), self.payloads[row], vectors)

    def alive(self) -> np.ndarray:
        """Bool per row, an array of the caller's own."""
        return self._alive.view().copy()

    def has(self, row: int, name: str) -> bool:
        """Whether a row has a vector of this name."""
        return bool(self._present[name].view()[row])

    def complete(self, name: str) -> bool:
        """Whether every row has a vector of this name, dead ones too."""
        return bool(self._present[name].view().all())

    def ordered(self) -> np.ndarray:
        """All rows by their ids."""
        if len(self._order) < len(self.ids):
            self._order.extend(range(len(self._order), len(self.ids)))
            self._order.sort(key=lambda row: order_of(self.ids[row]))
            self._ordered = np.array(self._order, np.int64)
        return self._ordered

    def first_from(self, identifier: PointId) -> int:
        """Where in :meth:`ordered` the ids from ``identifier`` on begin."""
        self.ordered()
        return bisect.bisect_left(self._order, order_of(identifier), key=lambda row: order_of(self.ids[row]))

    def with_ids(self, ids: Sequence[PointId]) -> np.ndarray:
        """Bool per row."""
        mask = np.zeros(len(self), bool)
        rows = [row for row in (self._row.get(identifier) for identifier in ids) if row is not None]
        mask[rows] = True
        return mask

    def with_vector(self, name: str) -> np.ndarray:
        """Bool per row."""
        present = self._present.get(name)
        return np.zeros(len(self), bool) if present is None else present.view().copy()

    def in_slice(self, total: int, index: int) -> np.ndarray:
        """Bool per row."""
        self._hashes.extend(hash_ids(self.ids[len(self._hashes) :]))
        return self._hashes.view() % np.uint64(total) == index
