"""Rows in memory or mapped: what a segment and the pending rows have in common, and how they are searched.

A :class:`Part` is immutable. Its rows are in ascending order of key, so a key is found by binary search. Distances are
always computed from the stored vectors, by the same native kernel everywhere, so they are comparable across parts,
whatever codes an index uses to find its candidates.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import native
from ..common.growing import GrowingArray
from ..metric.queries import Queries
from .calibration import Calibration
from .conditions import Bound
from .filters import Filter
from .ids import Id, IdColumn
from .masks import Masks

if TYPE_CHECKING:
    import pyarrow as pa

    from .coded_bags import CodedBags

# Numbers that are looked at in double precision at a time.
_BLOCK = 1 << 17

# So few allowed rows are scanned, exactly, whatever the index: no walk is cheaper.
_SCAN_ROWS = 1000


class Found(NamedTuple):
    """The nearest rows of one part: ``distances`` float32 (q, k) ascending, ``rows`` int64 (q, k), -1 missing."""

    distances: np.ndarray
    rows: np.ndarray


def inverse_lengths(vectors: np.ndarray) -> np.ndarray:
    """1 / Euclidean length of every row, float32, computed in float64 so that no square overflows or vanishes."""
    inverse = np.empty(len(vectors), np.float32)
    step = max(1, _BLOCK // max(1, vectors.shape[1]))
    for start in range(0, len(vectors), step):
        exact = vectors[start : start + step].astype(np.float64)
        inverse[start : start + step] = 1.0 / np.sqrt(np.einsum("ij,ij->i", exact, exact))
    return inverse


class GrowingRows:
    """Keys, vectors and, for cosine, 1 / length of rows to which others are appended; what it gave stays as it was."""

    def __init__(self, dim: int, dtype: Any, metric: str):
        self.metric = metric
        empty = np.empty(0, np.int64), np.empty((0, dim), dtype), np.empty(0, np.float32)
        self._columns = [GrowingArray(column) for column in empty]

    def __len__(self) -> int:
        return len(self._columns[0])

    def append(self, keys: np.ndarray, vectors: np.ndarray, scale: np.ndarray | None) -> None:
        """Put more rows at the end; ``scale`` is None but for cosine."""
        fresh = (keys, vectors) if scale is None else (keys, vectors, scale)
        for column, more in zip(self._columns, fresh, strict=False):
            column.append(more)

    def first(self, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Keys, vectors and scale of the first ``n``."""
        keys, vectors, scale = (column.rows[:n] for column in self._columns)
        return keys, vectors, scale if self.metric == "cosine" else None


class Part(ABC):
    """Rows of the store that are searched together: keys, ids, vectors, attributes, perhaps an index.

    Parameters
    ----------
    keys : int64 (n,), ascending.
    ids : the ids, as a column or a list that is only ever appended to.
    vectors : (n, d) float32 or float16, as they were given.
    scale : float32 (n,), 1 / length, for cosine; None for the other metrics.
    metric : name of the metric.
    """

    def __init__(
        self,
        keys: np.ndarray,
        ids: IdColumn | Sequence[Id],
        vectors: np.ndarray,
        scale: np.ndarray | None,
        metric: str,
    ):
        self.keys = keys
        self.vectors = vectors
        self.metric = metric
        self._ids = ids
        self._scale = scale
        self._space: Any = None
        self._masks = Masks()

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def calibration(self) -> Calibration | None:
        """What makes distances to these rows comparable with others; None where they are so already."""
        return None

    @property
    def index(self) -> Any:
        """The index over these rows, or None when they are scanned."""
        return None

    @property
    def partition(self) -> Any:
        """The rows by what past conditions asked for (:class:`.partitioned.Partitioned`), or None."""
        return None

    @property
    def bags(self) -> CodedBags | None:
        """The bags of these rows, as they are kept; None where no row has one."""
        return None

    @property
    def settings(self) -> dict[str, Any]:
        """What the plan says about searching the index."""
        return {}

    @property
    def filtered(self) -> dict[str, Any]:
        """The same where not all rows may be returned."""
        return {}

    @property
    def space(self) -> Any:
        """The stored vectors as the native core sees them."""
        if self._space is None:
            kind = "f32" if self.vectors.dtype == np.float32 else "f16"
            self._space = native.make_space(kind, self.vectors, self.vectors.shape[1], scale=self._scale)
        return self._space

    def inverse_lengths(self, some: slice) -> np.ndarray:
        """1 / Euclidean length of some rows, for cosine."""
        assert self._scale is not None
        return self._scale[some]

    def take_ids(self, rows: np.ndarray) -> list[Id]:
        """The ids in ``rows``."""
        if isinstance(self._ids, IdColumn):
            return self._ids.take(rows)
        return [self._ids[row] for row in rows.tolist()]

    def select_ids(self, rows: np.ndarray) -> IdColumn:
        """The ids in ``rows``, as a column."""
        if isinstance(self._ids, IdColumn):
            return self._ids.select(rows)
        ids = self.take_ids(rows)
        return IdColumn.from_list(ids, "str" if ids and isinstance(ids[0], str) else "int")

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The row of each key, -1 where it is not here."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        rows = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[rows] == keys, rows, -1)

    def rows_of(self, keys: np.ndarray) -> np.ndarray:
        """The rows of those keys that are here."""
        rows = self.find(keys)
        return rows[rows >= 0]

    def scores(self, queries: Queries, some: slice | np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The native scores of ``some`` queries with these rows, comparable with those of other parts: float32."""
        found = native.score(self.space, queries.prepared[some], rows, metric=queries.metric.native)
        return found if self.calibration is None else self.calibration.scores(found, queries.metric)

    @abstractmethod
    def table(self) -> pa.Table:
        """The attributes of all rows."""

    def mask(self, condition: Filter | Bound) -> np.ndarray:
        """Which rows pass, packed; the last masks are remembered, since predicates repeat."""
        if isinstance(condition, Bound) and not condition.remembered:
            return condition.words(self)
        words = self._masks.get(condition.key)
        if words is None:
            words = condition.words(self) if isinstance(condition, Bound) else self.passing(condition)
            self._masks.put(condition.key, words)
        return words

    def passing(self, condition: Filter) -> np.ndarray:
        """The same, evaluated anew."""
        return native.pack_bits(condition.mask(self.table()))

    def search(
        self,
        queries: Queries,
        k: int,
        *,
        allow: np.ndarray | None,
        allowed: int,
        beam: int | None = None,
        exact: bool = False,
    ) -> Found:
        """The ``k`` nearest of the allowed rows."""
        found = self._search(queries, k, allow=allow, allowed=allowed, beam=beam, exact=exact)
        if self.calibration is None:
            return found
        return Found(self.calibration.distances(found.distances, queries.metric), found.rows)

    def _search(
        self,
        queries: Queries,
        k: int,
        *,
        allow: np.ndarray | None,
        allowed: int,
        beam: int | None,
        exact: bool,
    ) -> Found:
        """The same by distances as they are, not yet comparable with those of other parts."""
        metric = queries.metric
        index = self.index
        if exact or index is None or allowed <= _SCAN_ROWS:
            found = native.scan(self.space, queries.prepared, k, metric=metric.native, allow=allow)
            return Found(metric.distances_from_scores(found.scores), found.rows)
        settings = dict(self.settings if allow is None else self.filtered)
        if beam is not None and index.kind == "graph":
            settings["beam"] = beam
            # A walk that ends where the plan lets it would not become wider by a wider beam.
            for name in ("slack", "slack_from"):
                settings.pop(name, None)
        if beam is not None and index.kind == "ivf" and settings.get("probes") is not None:
            settings["probes"] = max(settings["probes"], beam)
        for name in ("beam", "candidates"):
            if settings.get(name) is not None:
                settings[name] = max(settings[name], k)
        distances, rows = index.search(queries, k, allow=allow, **settings)
        if index.rescore != "vectors":  # its distances are those of codes: look at the vectors themselves
            again = native.rescore(self.space, queries.prepared, rows, k, metric=metric.native)
            distances, rows = metric.distances_from_scores(again.scores), again.rows
        last = rows[:, min(k, allowed) - 1]
        if last.size and last.min() < 0:  # the walk met too few allowed rows: these queries are answered by a scan
            short = np.flatnonzero(last < 0)
            again = native.scan(self.space, queries.prepared[short], k, metric=metric.native, allow=allow)
            distances[short], rows[short] = metric.distances_from_scores(again.scores), again.rows
        return Found(distances, rows)


@dataclass(frozen=True)
class Live:
    """A part and which of its rows are alive: ``words`` is a packed bitset, None when all are."""

    part: Part
    words: np.ndarray | None
    count: int

    @classmethod
    def of(cls, part: Part, dead: np.ndarray) -> Live:
        """``part`` without the rows ``dead``."""
        if not len(dead):
            return cls(part, None, len(part))
        mask = np.ones(len(part), bool)
        mask[dead] = False
        return cls(part, native.pack_bits(mask), int(mask.sum()))

    def without(self, dead: np.ndarray) -> Live:
        """The same with more rows dead; this object stays as it is."""
        if not len(dead):
            return self
        if self.words is None:
            return Live.of(self.part, dead)
        words = self.words.copy()
        np.bitwise_and.at(words, dead // 64, ~(np.uint64(1) << (dead % 64).astype(np.uint64)))
        return Live(self.part, words, native.count_bits(words))

    def rows(self, condition: Filter | Bound | None = None) -> np.ndarray:
        """The numbers of the living rows, or of those that pass a condition, ascending."""
        words = self.words if condition is None else self.allowed(condition)[0]
        if words is None:
            return np.arange(len(self.part))
        return np.flatnonzero(native.unpack_bits(words, len(self.part)))

    def allowed(self, condition: Filter | Bound | None) -> tuple[np.ndarray | None, int]:
        """The bitset a search may return rows from, and how many rows that is."""
        if condition is None:
            return self.words, self.count
        words = self.part.mask(condition)
        if self.words is not None:
            words = words & self.words
        return words, native.count_bits(words)
