"""The directions along which linked rows differ most: where the fast layout spends the bits of its links."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from .. import native

# Differences looked at; from more of them the directions hardly change.
_DIFFERENCES = 20_000
# Share of the differences' squared length that the directions chosen hold.
_KEPT = 0.9
_STEP = 16
# Finding directions takes d^3 steps: beyond this, seconds.
MOST_DIM = 2048


def link_directions(space: native.Space, neighbors: np.ndarray, dims: int | None, seed: int) -> np.ndarray | None:
    """Orthonormal directions, float32 ``(dims, d)``, by falling mean square of the differences between linked rows.

    ``dims=None`` takes as many, in sixteens, as hold 0.9 of it. None where that is all dimensions, or where there is
    nothing to go by. The same rows and links give the same bytes, on any number of threads.
    """
    d = space.dim
    if d <= _STEP or d > MOST_DIM or (dims is not None and dims >= d):
        return None
    differences = _differences(space, neighbors, seed)
    if len(differences) < 2 * d:
        return None
    with threadpool_limits(1, user_api="blas"):
        moments = np.zeros((d, d))
        for start in range(0, len(differences), 4096):
            block = differences[start : start + 4096].astype(np.float64)
            moments += block.T @ block
        spread, directions = np.linalg.eigh(moments)
    spread, directions = np.maximum(spread[::-1], 0.0), directions.T[::-1]
    if not np.isfinite(spread).all() or spread[0] == 0:
        return None
    if dims is None:
        enough = int(np.searchsorted(np.cumsum(spread) / spread.sum(), _KEPT)) + 1
        dims = -(-enough // _STEP) * _STEP
        if dims >= d:
            return None
    return np.ascontiguousarray(directions[:dims], np.float32)


def _differences(space: native.Space, neighbors: np.ndarray, seed: int) -> np.ndarray:
    n, degree = neighbors.shape
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, n, _DIFFERENCES)
    ends = neighbors[rows, rng.integers(0, degree, _DIFFERENCES)]
    linked = ends != native.NO_LINK
    rows, ends = rows[linked].astype(np.uint32), ends[linked]
    return native.row_values(space, ends) - native.row_values(space, rows)
