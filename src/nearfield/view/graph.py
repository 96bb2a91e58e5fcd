"""The neighbour graph that a layout draws: lists of nearest rows, made symmetric, each row's links in a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


def check_neighbors(neighbors: Any, rows: int) -> np.ndarray:
    """Lists of row numbers, int64 (n, k), -1 for none; a row is no neighbour of itself."""
    array = np.asarray(neighbors)
    if array.ndim != 2 or len(array) != rows:
        raise ValueError(f"neighbors: expected shape ({rows}, k), got {array.shape}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise TypeError(f"neighbors: expected row numbers, got {array.dtype}")
    array = array.astype(np.int64)
    if array.size and not -1 <= array.min() <= array.max() < rows:
        raise ValueError(f"neighbors: expected row numbers from -1 to {rows - 1}, got {array.min()} to {array.max()}")
    array[array == np.arange(rows)[:, None]] = -1
    return array


def nearest_rows(vectors: np.ndarray, k: int, metric: str) -> np.ndarray:
    """The exact ``k`` nearest other rows of every row, int64 (n, k), -1 where there are fewer."""
    from ..native import exact_search

    scale = None
    if metric == "cosine":
        scale = (1.0 / np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))).astype(np.float32)
    found = exact_search(vectors, vectors, k + 1, metric="l2" if metric == "l2" else "ip", scale=scale).rows
    own = found == np.arange(len(vectors))[:, None]
    order = np.argsort(own, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(np.asarray(found, np.int64), order, axis=1)


@dataclass(frozen=True)
class Links:
    """Every pair of linked rows, both ways, sorted by the first.

    Attributes
    ----------
    starts : (r,) where the run of each linked row begins.
    owners : (r,) the rows that have links, ascending.
    first, second : (m,) the rows of each link.
    weights : (m,) float32; all of them sum to one.
    """

    starts: np.ndarray
    owners: np.ndarray
    first: np.ndarray
    second: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, neighbors: np.ndarray) -> Links:
        """The mean of the graph and its reverse, each row's links alike: a pair near both ways weighs twice."""
        from scipy.sparse import csr_array

        rows = len(neighbors)
        known = neighbors >= 0
        degree = known.sum(axis=1)
        first = np.repeat(np.arange(rows), degree)
        shares = np.repeat(1.0 / np.maximum(degree, 1), degree)
        one_way = csr_array((shares, (first, neighbors[known])), shape=(rows, rows))
        both = (one_way + one_way.T).tocsr()
        both.sum_duplicates()
        runs = np.diff(both.indptr)
        owners = np.flatnonzero(runs)
        weights = both.data / max(both.data.sum(), 1e-30)
        return cls(
            both.indptr[:-1][owners].astype(np.int64),
            owners,
            np.repeat(np.arange(rows), runs),
            both.indices.astype(np.int64),
            weights.astype(np.float32),
        )

    def pull(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How strongly its links draw each row, by the kernel of t-SNE: float32 (n,) for either coordinate."""
        dx, dy = x[self.first], y[self.first]
        dx -= x[self.second]
        dy -= y[self.second]
        strength = dx * dx
        strength += dy * dy
        strength += 1
        np.divide(self.weights, strength, out=strength)
        drawn = np.zeros((2, len(x)), np.float32)
        if len(self.owners):
            for axis, gap in enumerate((dx, dy)):
                gap *= strength
                drawn[axis, self.owners] = np.add.reduceat(gap, self.starts)
        return drawn[0], drawn[1]
