"""Distances of given pairs of rows."""

from __future__ import annotations

import numpy as np

from .collection import Collection


def pair_distances(space: Collection, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Euclidean distances between rows ``left`` and rows ``right``, as search sees the rows: float64, a pair each."""
    found = np.empty(len(left))
    step = max(1, (1 << 22) // space.dim)
    for start in range(0, len(left), step):
        here = slice(start, start + step)
        gap = space.take(left[here]).astype(np.float64) - space.take(right[here])
        found[here] = np.sqrt(np.einsum("ij,ij->i", gap, gap))
    return found
