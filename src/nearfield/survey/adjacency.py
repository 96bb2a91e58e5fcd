"""A graph over the rows of a space: checked, and walked outwards hop by hop from some rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def adjacency(graph: Any, rows: int) -> csr_array:
    """The graph as a sparse (rows, rows) matrix of ones: edges lead from the row to the column, none to itself.

    ``graph`` is a sparse matrix of scipy whose nonzero entries are edges, or an integer array (m, 2) of edges.
    """
    from scipy import sparse

    if sparse.issparse(graph):
        if graph.shape != (rows, rows):
            raise ValueError(f"graph: expected shape ({rows}, {rows}), a row and a column a vector, got {graph.shape}")
        coo = sparse.coo_array(graph)
        stays = coo.data != 0
        edges = np.column_stack([coo.coords[0][stays], coo.coords[1][stays]]).astype(np.int64)
    else:
        edges = check_rows(graph, "graph", 2, rows)
    edges = edges[edges[:, 0] != edges[:, 1]]
    made = sparse.coo_array((np.ones(len(edges), np.int32), (edges[:, 0], edges[:, 1])), shape=(rows, rows)).tocsr()
    made.sum_duplicates()
    made.data[:] = 1
    return made


def check_rows(values: Any, name: str, columns: int, rows: int | None) -> np.ndarray:
    """``values`` as int64 (m, ``columns``), each at least 0 and below ``rows`` where that is given."""
    array = np.asarray(values)
    if array.ndim != 2 or array.shape[1] != columns or array.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected integers of shape (m, {columns}), got {array.dtype} of shape {array.shape}")
    array = array.astype(np.int64)
    if array.size and (array.min() < 0 or (rows is not None and array.max() >= rows)):
        raise ValueError(
            f"{name}: expected row numbers from 0 to {(rows or 0) - 1}, got {array.min()} to {array.max()}"
        )
    return array


def hops_from(graph: csr_array, starts: np.ndarray, hops: int) -> np.ndarray:
    """(len(starts), n) int8: the least number of edges to each row, 0 for the start and for what is further."""
    from scipy import sparse

    found = np.zeros((len(starts), graph.shape[0]), np.int8)
    front = sparse.csr_array(
        (np.ones(len(starts), np.int32), (np.arange(len(starts)), starts)), shape=(len(starts), graph.shape[0])
    )
    own = np.arange(len(starts)), starts
    for hop in range(1, hops + 1):
        reached = (front @ graph).tocoo()
        left, right = reached.coords
        fresh = (found[left, right] == 0) & (right != starts[left])
        left, right = left[fresh], right[fresh]
        found[left, right] = hop
        front = sparse.csr_array((np.ones(len(left), np.int32), (left, right)), shape=front.shape)
    found[own] = 0
    return found
