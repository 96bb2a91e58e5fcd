"""Graphs and embeddings of their nodes by methods of three families, for the evidence that compares them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import svds


class Nodes(NamedTuple):
    """Vectors of nodes, as starts and as ends of edges, and the metric that compares the two."""

    starts: np.ndarray
    ends: np.ndarray
    metric: str


def connected(adjacency: sparse.csr_array) -> tuple[sparse.csr_array, np.ndarray]:
    """The largest component without loops, undirected, and the numbers its nodes had."""
    both = sparse.csr_array(adjacency + adjacency.T)
    both.setdiag(0)
    both.eliminate_zeros()
    both.data[:] = 1
    part = csgraph.connected_components(both)[1]
    rows = np.flatnonzero(part == np.bincount(part).argmax())
    return both[rows][:, rows], rows


def rewired(graph: sparse.csr_array, share: float, seed: int = 0) -> sparse.csr_array:
    """A ``share`` of the undirected edges led to a random node instead; nodes left alone keep theirs."""
    rng = np.random.default_rng(seed)
    edges = np.column_stack(sparse.triu(graph).nonzero())
    moved = rng.random(len(edges)) < share
    edges[moved, 1] = rng.integers(0, graph.shape[0], int(moved.sum()))
    edges = edges[edges[:, 0] != edges[:, 1]]
    made = sparse.csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=graph.shape)
    made = sparse.csr_array(made + made.T)
    lonely = sparse.diags_array(1.0 * (made.sum(axis=1) == 0))
    made = sparse.csr_array(made + lonely @ graph + graph @ lonely)
    made.data[:] = 1
    return made


def spectral(graph: sparse.csr_array, dim: int) -> Nodes:
    """Factors of the adjacency matrix by singular values."""
    return _factors(graph.astype(np.float64), dim)


def katz(graph: sparse.csr_array, dim: int) -> Nodes:
    """HOPE (Ou et al., 2016): factors of Katz proximity, whose decay is half of what would make it diverge."""
    radius = float(sparse.linalg.eigsh(graph.astype(np.float64), 1, v0=_start(graph.shape[0]))[0][0])
    step = 0.5 / radius * graph.toarray().astype(np.float64)
    return _factors(np.linalg.solve(np.eye(len(step)) - step, step), dim)


def walks(graph: sparse.csr_array, dim: int) -> Nodes:
    """DeepWalk in closed form (Qiu et al., 2018): factors of the shifted log co-occurrence, window 5, one negative."""
    degree = graph.sum(axis=1)
    step = graph.toarray() / degree[:, None]
    power, total = np.eye(len(step)), np.zeros_like(step)
    for _ in range(5):
        power = graph.astype(np.float64) @ power / degree[:, None]
        total += power
    return _factors(np.log(np.maximum(degree.sum() / 5 * total / degree, 1)), dim)


def autoencoder(graph: sparse.csr_array, dim: int, *, hidden: int = 128, steps: int = 120, seed: int = 0) -> Nodes:
    """A deep autoencoder of adjacency rows after SDNE (Wang et al., 2016), full batches of Adam.

    Edges weigh twenty times as much as their absence, and linked nodes are drawn together. Of weights of 1, 10 and of
    Euclidean distance or cosine, 10 and cosine rebuilt email_eu best.
    """
    n = graph.shape[0]
    rng = np.random.default_rng(seed)
    shapes = [(n, hidden), (hidden, dim), (dim, hidden), (hidden, n)]
    weights = [(rng.standard_normal(shape) * (1 / shape[0]) ** 0.5).astype(np.float32) for shape in shapes]
    weights[0] *= np.float32((n / graph.sum(axis=1).mean()) ** 0.5)
    bias = np.full(n, -3.0, np.float32)
    values = [*weights, bias]
    first, second = [np.zeros_like(v) for v in values], [np.zeros_like(v) for v in values]
    rows = graph.astype(np.float32)
    laplacian = sparse.csr_array(csgraph.laplacian(rows, normed=True)).astype(np.float32)
    dense = rows.toarray()
    importance = 1 + 19 * dense
    code = np.empty((n, dim), np.float32)
    for turn in range(1, steps + 1):
        one = np.tanh(rows @ values[0])
        code = np.tanh(one @ values[1])
        three = np.tanh(code @ values[2])
        out = 1 / (1 + np.exp(-(three @ values[3] + values[4])))
        error = importance * (out - dense) / n  # of the cross-entropy
        back = (error @ values[3].T) * (1 - three**2)
        inner = (back @ values[2].T + 20 * (laplacian @ code) / n) * (1 - code**2)
        outer = (inner @ values[1].T) * (1 - one**2)
        slopes = [rows.T @ outer, one.T @ inner, code.T @ back, three.T @ error, error.sum(axis=0)]
        for number, slope in enumerate(slopes):
            first[number] = 0.9 * first[number] + 0.1 * slope
            second[number] = 0.999 * second[number] + 0.001 * slope**2
            size = first[number] / (1 - 0.9**turn) / (np.sqrt(second[number] / (1 - 0.999**turn)) + 1e-8)
            values[number] = (values[number] - 0.01 * size).astype(np.float32)
    return Nodes(code, code, "cosine")


FAMILIES: dict[str, Callable[[sparse.csr_array, int], Nodes]] = {
    "spectral": spectral,
    "Katz (HOPE)": katz,
    "walks (DeepWalk)": walks,
    "autoencoder (SDNE)": autoencoder,
}


def _factors(matrix: sparse.csr_array | np.ndarray, dim: int) -> Nodes:
    n = matrix.shape[0]
    if dim < n // 2:
        left, sizes, right = svds(matrix, dim, v0=_start(n))
    else:
        left, sizes, right = np.linalg.svd(matrix.toarray() if isinstance(matrix, sparse.csr_array) else matrix)
        left, sizes, right = left[:, :dim], sizes[:dim], right[:dim]
    root = np.sqrt(np.maximum(sizes, 0))
    return Nodes((left * root).astype(np.float32), (right.T * root).astype(np.float32), "ip")


def _start(n: int) -> np.ndarray:
    """A vector that no symmetry of a graph maps to itself, where iterations begin: ones would end them early."""
    return np.random.default_rng(0).standard_normal(n)
