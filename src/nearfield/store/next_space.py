"""The next model's space while a store is moved to it: every item has a row there, encoded already or mapped.

An item's old vector stays where it is until the upgrade ends. Its row in the next space is one of two kinds:

=============  ======================================================================================================
encoded        the new model's own vector: in a block of the table ``incoming``, or in a segment of the next space
mapped         what the map makes of the old vector, as long as there is no encoded one; computed, nowhere stored
=============  ======================================================================================================

So a view of the next space follows from the view of the old one: as many items, the same ids, attributes and filters.
Whatever searches the one searches the other. Which rows live is decided in the old space alone.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import native
from ..common.decoding import decoding
from .calibration import Calibration
from .conditions import Bound
from .filters import Filter
from .ids import Id
from .incoming import IncomingBuffer
from .rows import Found, GrowingRows, Live, Part, Queries, inverse_lengths
from .segment import Segment
from .tables import next_segments, read_arrays, still_ahead

if TYPE_CHECKING:
    import pyarrow as pa

    from .snapshot import Shape, View

# Beside the old model's similarity, the weight of the new one's: the better model, or nobody would move to it, and
# the old one still adds what a second reader adds. Chosen by half of SciFact's training claims with all items encoded:
# nDCG@10 is 0.667 at 0.5, 0.685 at 0.7, 0.674 at 0.8, and 0.645 without the old model.
ENCODED_WEIGHT = 0.7

_MAPPED_ROWS = 8192

# How many candidates the old index is asked for, at least and for each of the k nearest mapped rows: that found 99 of
# 100 among 116,459 glosses of WordNet, for k of 10, 50 and 100. A walk costs as much as a scan of so many rows a
# candidate.
_LEAST, _WIDER = 240, 16
_WORTH = 100


class MappedPart(Part):
    """Rows of the old space as the map shows them; ids, attributes and filters are the old rows' own.

    What is near after the map was near before it: where the old rows have an index, it finds candidates for a query
    that ``asking`` takes back to the old space, and they are scored by their mapped vectors. Else all are scanned.
    """

    def __init__(
        self,
        of: Part,
        vectors: np.ndarray,
        scale: np.ndarray | None,
        metric: str,
        calibration: Calibration,
        asking: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        super().__init__(of.keys, (), vectors, scale, metric)
        self._of = of
        self._calibration = calibration
        self._asking = asking

    @property
    def calibration(self) -> Calibration:
        """What makes their distances comparable with those of encoded rows."""
        return self._calibration

    def _search(
        self, queries: Queries, k: int, *, allow: np.ndarray | None, allowed: int, beam: int | None, exact: bool
    ) -> Found:
        width = _LEAST + _WIDER * k
        asked = None
        if not exact and self._asking is not None and self._of.index is not None and allowed > _WORTH * width:
            asked = self._asking(queries.raw)
        if asked is None or not asked.any(axis=1).all():
            return super()._search(queries, k, allow=allow, allowed=allowed, beam=beam, exact=exact)
        there = Queries(asked, self._of.metric)
        rows = self._of.search(there, width, allow=allow, allowed=allowed, beam=beam).rows
        found = native.rescore(self.space, queries.prepared, rows, k, metric=queries.metric.native)
        return Found(queries.metric.distances_from_scores(found.scores), found.rows)

    def take_ids(self, rows: np.ndarray) -> list[Id]:
        """The ids in ``rows``."""
        return self._of.take_ids(rows)

    def table(self) -> pa.Table:
        """The attributes of all rows."""
        return self._of.table()

    def mask(self, condition: Filter | Bound) -> np.ndarray:
        """Which rows pass, packed."""
        return self._of.mask(condition)


class Vectors(Part):
    """Encoded rows by key, alone."""

    def __init__(self, keys: np.ndarray, vectors: np.ndarray, scale: np.ndarray | None, metric: str):
        super().__init__(keys, (), vectors, scale, metric)

    def table(self) -> pa.Table:
        """Not theirs to know: see :class:`EncodedPart`."""
        raise TypeError("attributes belong to the rows of the old space")


class EncodedPart(Part):
    """Encoded rows that live, with what the old space knows of them: ``where`` is the part of each, ``rows`` its row
    there; -1 where it does not live."""

    def __init__(self, source: Part, view: View, where: np.ndarray, rows: np.ndarray):
        super().__init__(source.keys, (), source.vectors, source._scale, source.metric)
        self.source = source
        self._old = view
        self._where, self._rows = where, rows
        self._table: pa.Table | None = None

    @property
    def space(self) -> Any:
        """The stored vectors as the native core sees them."""
        return self.source.space

    @property
    def index(self) -> Any:
        """The index over these rows, or None."""
        return self.source.index

    @property
    def settings(self) -> dict[str, Any]:
        """Of the index."""
        return self.source.settings

    @property
    def filtered(self) -> dict[str, Any]:
        """Of the index, under a filter."""
        return self.source.filtered

    def take_ids(self, rows: np.ndarray) -> list[Id]:
        """The ids in ``rows``."""
        found: list[Any] = self._old.gather_ids(self._where[rows], self._rows[rows])
        return found

    def _by_part(self) -> list[tuple[int, np.ndarray]]:
        return [(number, np.flatnonzero(self._where == number)) for number in np.unique(self._where[self._where >= 0])]

    def table(self) -> pa.Table:
        """The attributes of all rows, null where one does not live."""
        if self._table is not None:
            return self._table
        import pyarrow as pa

        order, pieces, taken = np.full(len(self), -1), [], 0
        for number, here in self._by_part():
            pieces.append(self._old.parts[number].part.table().take(self._rows[here]))
            order[here] = np.arange(taken, taken + len(here))
            taken += len(here)
        self._table = pa.concat_tables(pieces).combine_chunks().take(pa.array(order, mask=order < 0))
        return self._table

    def passing(self, condition: Filter) -> np.ndarray:
        """Which rows pass, packed: those whose old rows do."""
        bits = np.zeros(len(self), bool)
        for number, here in self._by_part():
            part = self._old.parts[number].part
            bits[here] = native.unpack_bits(part.mask(condition), len(part))[self._rows[here]]
        return native.pack_bits(bits)


class Mapped:
    """The mapped rows of the old parts, computed when first asked for and kept as long as their part is.

    Under cosine as float16: a map is far less precise than that.
    """

    def __init__(
        self,
        transform: Callable[[np.ndarray], np.ndarray],
        shape: Shape,
        asking: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self._transform = transform
        self._asking = asking
        self._shape = shape
        self._dtype = np.float16 if shape.metric == "cosine" else np.float32
        self._lock = threading.Lock()
        self._known: weakref.WeakKeyDictionary[Part, tuple[np.ndarray, np.ndarray | None]] = weakref.WeakKeyDictionary()
        self._pairs: weakref.WeakKeyDictionary[Part, Any] = weakref.WeakKeyDictionary()
        self._pending = self._new()

    def memory(self) -> int:
        """Bytes of all that was mapped."""
        held = sum(vectors.nbytes for part, (vectors, _) in list(self._known.items()) if isinstance(part, Segment))
        return held + self._pending.first(len(self._pending))[1].nbytes

    def of(self, part: Part, calibration: Calibration) -> MappedPart:
        """A part's rows as the map shows them."""
        with self._lock:
            found = self._known.get(part)
            if found is None:
                found = self._map(part.vectors) if isinstance(part, Segment) else self._map_pending(part)
                self._known[part] = found
        return MappedPart(part, *found, self._shape.metric, calibration, self._asking)

    def _new(self) -> GrowingRows:
        return GrowingRows(self._shape.dim, self._dtype, self._shape.metric)

    def _map_pending(self, part: Part) -> tuple[np.ndarray, np.ndarray | None]:
        """Pending rows are appended to, and only what is new among them is mapped."""
        known = self._pending.first(len(part))[0]
        if not (part.keys[: len(known)] == known).all():
            self._pending, known = self._new(), known[:0]
        pending = self._pending
        if len(known) < len(part):
            self._pending = self._new()  # until all of it is mapped
            pending.append(part.keys[len(known) :], *self._map(part.vectors[len(known) :]))
            self._pending = pending
        _, vectors, scale = pending.first(len(part))
        return vectors, scale

    def _map(self, old: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        vectors = np.empty((len(old), self._shape.dim), self._dtype)
        for start in range(0, len(old), _MAPPED_ROWS):
            some = np.ascontiguousarray(old[start : start + _MAPPED_ROWS], np.float32)
            vectors[start : start + _MAPPED_ROWS] = self._transform(some)
        if self._shape.metric != "cosine":
            return vectors, None
        with np.errstate(divide="ignore"):
            scale = inverse_lengths(vectors)
        scale[~np.isfinite(scale)] = 0.0  # mapped to nothing: as far from everything as can be
        return vectors, scale

    def pairs(self, part: Part, source: Part) -> tuple[np.ndarray, np.ndarray]:
        """The rows of ``part`` whose items have a row in ``source``, and those rows."""
        lasting = isinstance(part, Segment) and isinstance(source, Segment)
        with self._lock:
            known = self._pairs.setdefault(part, weakref.WeakKeyDictionary()).get(source) if lasting else None
        if known is None:
            first, last = np.searchsorted(source.keys, (part.keys[0], part.keys[-1] + 1))
            rows = part.find(source.keys[first:last])
            here = np.flatnonzero(rows >= 0)
            known = rows[here], here + first
            if lasting:
                with self._lock:
                    self._pairs[part][source] = known
        return known


@dataclass(frozen=True, eq=False)
class NextSpace:
    """What one committed moment knows of the next model's space.

    Attributes
    ----------
    meta : the setting ``next``.
    shape : of the next space.
    map, back : from the old space to the next, and from there back.
    sources : encoded rows, by key; ``batches`` are the first and last block of those that are in no segment, 0 without.
    mapped : the rows of the others.
    queries : sample queries of both models, by which the order of re-encoding is found; None where there are none.
    """

    meta: Mapping[str, Any]
    shape: Shape
    map: Any
    back: Any
    sources: tuple[Part, ...]
    batches: tuple[int, int]
    mapped: Mapped
    queries: Mapping[str, np.ndarray]

    @property
    def embedding(self) -> dict[str, Any] | None:
        """The fingerprint of the new model."""
        found: dict[str, Any] | None = self.meta["embedding"]
        return found

    @cached_property
    def calibration(self) -> Calibration:
        """For distances to mapped rows."""
        return Calibration(*self.meta["calibration"])

    def encoded(self, view: View) -> np.ndarray:
        """The keys of the living items that are encoded, ascending."""
        found = [live.part.keys[live.rows()] for live in view.newer.parts if isinstance(live.part, EncodedPart)]
        return np.sort(np.concatenate([np.empty(0, np.int64), *found]))

    def view(self, view: View) -> View:
        """The same moment in the next space."""
        done = [np.zeros(len(live.part), bool) for live in view.parts]
        encoded = []
        for source in self.sources:
            where, rows = np.full(len(source), -1), np.full(len(source), -1)
            for number, live in enumerate(view.parts):
                theirs, mine = self.mapped.pairs(live.part, source)
                done[number][theirs] = True
                if live.words is not None:
                    alive = native.unpack_bits(live.words, len(live.part))[theirs].astype(bool)
                    theirs, mine = theirs[alive], mine[alive]
                where[mine], rows[mine] = number, theirs
            living = Live.of(EncodedPart(source, view, where, rows), np.flatnonzero(where < 0))
            if living.count:
                encoded.append(living)
        parts = []
        for live, covered in zip(view.parts, done, strict=True):
            rest = live.without(np.flatnonzero(covered))
            if rest.count:
                parts.append(Live(self.mapped.of(live.part, self.calibration), rest.words, rest.count))
        every = (*parts, *encoded)
        meta = {**view.meta, "embedding": self.embedding, "plan": None, "judge": None}
        items = sum(live.count for live in every)
        plain: dict[str, Any] = {"judge": None, "scales": None, "next": None, "aspects": None}
        return replace(view, parts=every, items=items, meta=meta, shape=self.shape, **plain)


class NextReader:
    """Follows the next space from one transaction to the next. Whoever reads holds a lock."""

    def __init__(self) -> None:
        self._known: Any = None
        self._space: tuple[Any, ...] = ()
        self._segments: dict[int, Segment] = {}
        self._buffer: IncomingBuffer | None = None

    def read(
        self, connection: sqlite3.Connection, path: Path, folder: Path, meta: Mapping[str, Any], old: Shape
    ) -> NextSpace | None:
        """The next space as this transaction shows it; None where the store is not moved."""
        stored = meta.get("next")
        if stored is None:
            self.__init__()  # type: ignore[misc]
            return None
        shape = replace(old, dim=stored["dim"], metric=stored["metric"])
        known = stored["identity"], stored["learnt"]
        if known != self._known:
            from ..transform.vector_map import VectorMap

            groups = ("map", "back", "asking", "queries")
            there_, back_, asking_, queries = (read_arrays(connection, path, group) for group in groups)
            with decoding(path, "the map to the next model"):
                there, back = VectorMap.from_arrays(there_), VectorMap.from_arrays(back_)
                # Not there in a move begun before there were such maps.
                asking = VectorMap.from_arrays(asking_).transform if asking_ else None
            self._space = there, back, Mapped(there.transform, shape, asking), queries
            if self._known is None or known[0] != self._known[0]:
                self._segments, self._buffer = {}, None
            self._known = known
        described = next_segments(connection, path)
        before, self._segments = self._segments, {}
        for number, description in described.items():
            segment = before.get(number)
            if segment is None or segment.description != description:
                segment = Segment(folder, number, description, dim=shape.dim, dtype=shape.dtype, schema=None)
            self._segments[number] = segment
        buffer = self._read_blocks(connection, path, shape)
        waiting = [Vectors(*buffer.arrays(), shape.metric)] if buffer.last_batch else []
        there, back, mapped, queries = self._space
        batches = buffer.first_batch, buffer.last_batch
        return NextSpace(stored, shape, there, back, (*self._segments.values(), *waiting), batches, mapped, queries)

    def _read_blocks(self, connection: sqlite3.Connection, path: Path, shape: Shape) -> IncomingBuffer:
        buffer = self._buffer
        if buffer is None or not still_ahead(connection, "incoming", buffer.first_batch, buffer.last_batch):
            buffer = IncomingBuffer(shape.dim, shape.dtype, shape.metric)
        self._buffer = None  # until all of it is read
        buffer.read(connection, path)
        self._buffer = buffer
        return buffer
