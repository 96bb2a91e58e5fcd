"""How much of the neighbourhoods a map keeps, row by row: no map is to be believed without."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_vectors
from .graph import check_neighbors

# Rows compared at once: bounds the table of pairs.
_BLOCK = 8192


def neighbors_kept(positions: Any, neighbors: Any) -> np.ndarray:
    """For each row, the share of its nearest rows in the space that are among as many nearest on the map.

    Choose it over one number for the whole map, of which it is the mean: it also says where the map is to be trusted.

    Parameters
    ----------
    positions : (n, 2) the map, as :func:`layout` returns it; any number of columns will do.
    neighbors : (n, k) the nearest other rows of each row in the space, -1 where there are fewer.

    Returns
    -------
    float32 (n,)
        In [0, 1]; 0 for a row without neighbours. On a map drawn at random the mean is about ``k / n``.

    Raises
    ------
    ValueError : shapes that do not fit, row numbers that are none.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.float32([[0, 0], [1, 0], [3, 0]])
    >>> neighbors_kept(line, [[1], [0], [1]]).tolist()
    [1.0, 1.0, 1.0]
    >>> neighbors_kept(line[[0, 2, 1]], [[1], [0], [1]]).tolist()
    [0.0, 0.0, 0.0]

    Notes
    -----
    Source: the neighbourhood agreement of Lee and Verleysen (Neurocomputing 2009), without their rescaling.
    """
    array, _ = check_vectors(positions, "positions")
    lists = check_neighbors(neighbors, len(array))
    kept = np.zeros(len(array), np.float32)
    if not lists.size:
        return kept
    from scipy.spatial import cKDTree

    tree = cKDTree(array)
    width = min(lists.shape[1], len(array) - 1)
    for start in range(0, len(array), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(array)))
        near = tree.query(array[rows], k=width + 1)[1].reshape(len(rows), width + 1)
        # A row is its own nearest, except among rows at the same place, where it may be missing altogether.
        order = np.argsort(near == rows[:, None], axis=1, kind="stable")[:, :width]
        near = np.take_along_axis(near, order, axis=1)
        wanted = lists[rows]
        hit = (wanted[:, :, None] == near[:, None, :]).any(axis=2) & (wanted >= 0)
        kept[rows] = hit.sum(axis=1) / np.maximum((wanted >= 0).sum(axis=1), 1)
    return kept
