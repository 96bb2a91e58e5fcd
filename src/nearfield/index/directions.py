"""The directions along which linked rows differ most: where the fast layout spends the bits of its links."""

from __future__ import annotations

import numpy as np

from .. import native
from ..common.blas import one_blas_thread

# Differences looked at; from more of them the directions hardly change.
_DIFFERENCES = 20_000
# Summed and gathered at a time.
BLOCK, _PART = 4096, 256
# Directions that hold this share of the mean square serve well from recall 0.90 to 0.99: 176 of 384 for sentence
# vectors (at 0.95 160 have 0.98 of their rate, 192 0.96), 208 of 784 for images (160 have 1.05).
_SHARE = 0.78
# Fewer rows say too little of where queries will lie: of 120 rows in 784 dimensions one neighbour in 70 was lost.
_ROWS_PER_DIM = 2
# Finding directions takes d^3 steps: beyond this, seconds.
_MOST_DIM = 2048


def link_directions(space: native.Space, neighbors: np.ndarray, dims: int | None, seed: int) -> np.ndarray | None:
    """Orthonormal directions, float32 ``(dims, d)``, which span those of the largest differences between linked rows.

    ``dims`` None takes as many, in sixteens, as hold most of it. The result is None where that is all dimensions, where
    there are more than 2,048, or nothing to go by. The same rows and links give the same bytes, for any number of
    threads.
    """
    d = space.dim
    if d <= 16 or d > _MOST_DIM or space.n < _ROWS_PER_DIM * d or (dims is not None and dims >= d):
        return None
    rows, ends = _linked(neighbors, seed)
    if len(rows) < 2 * d:
        return None
    with one_blas_thread():
        moments = np.zeros((d, d))
        room = np.empty((min(BLOCK, len(rows)), d))
        for start in range(0, len(rows), BLOCK):
            block = room[: min(BLOCK, len(rows) - start)]
            for part in range(0, len(block), _PART):
                here = slice(start + part, start + min(part + _PART, len(block)))
                block[part : part + _PART] = native.row_values(space, ends[here]) - native.row_values(space, rows[here])
            moments += block.T @ block
        spread, directions = np.linalg.eigh(moments)
        spread, directions = np.maximum(spread[::-1], 0.0), directions.T[::-1]
        if not np.isfinite(spread).all() or spread[0] == 0:
            return None
        if dims is None:
            least = int(np.searchsorted(np.cumsum(spread), _SHARE * spread.sum())) + 1
            dims = -(-least // 16) * 16
            if dims >= d:
                return None
        return np.ascontiguousarray(_turned(directions[:dims], seed), np.float32)


def _turned(directions: np.ndarray, seed: int) -> np.ndarray:
    """Directions (m, d) that span the same, turned at random: they follow from the span and the seed alone.

    Where rows differ about as much along several directions, rounding decides which of them an eigenvector is, and the
    codes of links would be others for every order of the rows: recall 0.855 to 0.868 by the order alone, on 4,000
    answers. These are the nearest to random ones that lie in the span.
    """
    random = np.random.default_rng(seed).standard_normal(directions.shape)
    left, _, right = np.linalg.svd(random @ directions.T)
    return np.asarray(left @ right @ directions)


def _linked(neighbors: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of linked rows: of few rows all, with their first links, in whatever order they came; of many a sample."""
    n, degree = neighbors.shape
    if n <= _DIFFERENCES:
        each = min(degree, -(-_DIFFERENCES // n))
        rows, ends = np.repeat(np.arange(n), each), neighbors[:, :each].ravel()
    else:
        rng = np.random.default_rng(seed)
        rows = rng.integers(0, n, _DIFFERENCES)
        ends = neighbors[rows, rng.integers(0, degree, _DIFFERENCES)]
    linked = ends != native.NO_LINK
    return rows[linked].astype(np.uint32), ends[linked]
