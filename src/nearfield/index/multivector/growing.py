"""Indexes that grow at their end."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ... import native
from ...common.growing import GrowingArray
from ..base import Index
from ..files import part, restore_index

_BLOCK = 1 << 14


def fresh(index: Index) -> Index:
    """The same kind of index with the same settings, to be built: nothing that a build changes is shared."""
    made = copy.copy(index)
    made.codec, made.rescore = copy.copy(index.codec), copy.copy(index.rescore)
    made.transform = copy.deepcopy(index.transform)
    made._n = 0
    return made


def as_fitted(index: Index) -> Index:
    """Like :func:`fresh` of a built index, its transform being the map that was fitted."""
    made = fresh(index)
    if index._map is not None:
        made.transform, made._fits_transform = index._map, False
    return made


class GrowingIndex:
    """An index, built once, and rows that came later: those wait as float32 and are scanned beside it."""

    def __init__(self, index: Index):
        if index.metric.name != "ip":
            raise ValueError(f"index: expected metric 'ip', got {index.metric.name!r}")
        if index.rescore == "vectors":
            raise ValueError("index: expected rescore to be None, a codec or 'residual', got 'vectors'")
        self.index = index
        self.pending = GrowingArray(np.zeros((0, 1), np.float32))

    def build(self, rows: np.ndarray, queries: np.ndarray | None) -> None:
        """Index ``rows``; ``queries`` are given to a transform that can use them."""
        self.index = fresh(self.index)
        self.index.build(rows, queries=queries)
        self.pending = GrowingArray(np.zeros((0, rows.shape[1]), np.float32))

    def add(self, rows: np.ndarray) -> None:
        """Rows after those there are."""
        self.pending.append(rows.astype(np.float32, copy=False))

    def __len__(self) -> int:
        return len(self.index) + len(self.pending)

    def search(self, queries: np.ndarray, k: int, allow: np.ndarray | None, threads: int | None) -> native.Scores:
        """The ``k`` best rows by minus the product, among those that ``allow``, bool (n,), permits."""
        n = len(self.index)
        options: dict[str, Any] = {"threads": threads}
        here = None if allow is None else allow[:n]
        found = self.index.search(queries, k, allow=here, **options)  # type: ignore[attr-defined]
        if not len(self.pending):
            return native.Scores(found.distances, found.rows)
        later = None if allow is None else allow[n:]
        waiting = native.exact_search(self.pending.rows, queries, k, allow=later, threads=threads)
        scores = np.concatenate([found.distances, waiting.scores], axis=1)
        rows = np.concatenate([found.rows, np.where(waiting.rows >= 0, waiting.rows + n, -1)], axis=1)
        best = np.argsort(scores, axis=1, kind="stable")[:, :k]
        return native.Scores(np.take_along_axis(scores, best, 1), np.take_along_axis(rows, best, 1))

    def memory(self) -> int:
        """Bytes of the index and of what waits."""
        return self.index.memory()["total"] + self.pending.rows.nbytes

    def meta(self) -> dict[str, Any]:
        """What a file says of the index."""
        return self.index.meta()

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file holds of it."""
        return {f"index.{name}": array for name, array in self.index.arrays().items()} | {"pending": self.pending.rows}

    @classmethod
    def restore(cls, meta: dict[str, Any], arrays: dict[str, np.ndarray], check: bool) -> GrowingIndex:
        """From what :meth:`meta` and :meth:`arrays` gave; ValueError when they do not fit each other."""
        made = cls(restore_index(meta, part(arrays, "index."), check=check))
        pending = arrays["pending"]
        if pending.dtype != np.float32 or pending.ndim != 2 or pending.shape[1] != made.index.dim:
            raise ValueError(f"pending: expected float32 (n, {made.index.dim}), got {pending.dtype} {pending.shape}")
        for start in range(0, len(pending), _BLOCK):
            if not np.isfinite(pending[start : start + _BLOCK]).all():
                raise ValueError("pending: expected finite values")
        made.pending = GrowingArray(pending)
        return made
