"""Graphs to search: ours, and the layered one of the papers by the libraries that implement it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..common.checks import require
from ..index import Graph
from ..quantize import Float32
from .measures import cost_at, recall

Search = Callable[[np.ndarray, int, int], np.ndarray]
"""``search(queries, k, beam) -> rows``"""


def ours(base: np.ndarray, metric: str = "cosine", seed: int = 0) -> Search:
    """:class:`nearfield.index.Graph` over the float32 vectors, so that recall is that of the graph alone."""
    graph = Graph(metric, codec=Float32(), build_beam=128, random_state=seed).build(base)
    return lambda queries, k, beam: graph.search(queries, k, beam=beam).rows


def hnswlib(base: np.ndarray, metric: str = "cosine", seed: int = 0) -> Search:
    """hnswlib, M 16 and efConstruction 128, the rows inserted one by one in their order."""
    library: Any = require("hnswlib", "bench")
    index = library.Index(space="l2" if metric == "l2" else "ip", dim=base.shape[1])
    index.init_index(len(base), ef_construction=128, M=16, random_seed=seed + 1)
    index.add_items(base, num_threads=1)

    def search(queries: np.ndarray, k: int, beam: int) -> np.ndarray:
        index.set_ef(beam)
        rows: np.ndarray = index.knn_query(queries, k=k, num_threads=1)[0]
        return rows.astype(np.int64)

    return search


def engines() -> dict[str, Callable[..., Search]]:
    """Ours, and hnswlib where it is installed."""
    found: dict[str, Callable[..., Search]] = {"ours": ours}
    if importlib.util.find_spec("hnswlib") is not None:
        found["hnswlib"] = hnswlib
    return found


def layer_costs(
    base: np.ndarray, queries: np.ndarray, truth: Any, target: float, beams: Sequence[int], *, metric: str = "cosine"
) -> tuple[float, float]:
    """Distances that faiss's graph (M 16, efConstruction 100) needs for recall ``target``: with layers, and without.

    Without: the same graph is entered at its lowest layer, from the same row for every query.
    """
    faiss: Any = require("faiss", "bench")
    kind = faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexHNSWFlat(base.shape[1], 16, kind)
    index.hnsw.efConstruction = 100
    index.add(base)
    k = truth.rows.shape[1]
    entry = index.hnsw.entry_point
    entries = np.full((len(queries), 1), entry, np.int32)
    first = ((queries - base[entry]) ** 2).sum(axis=1) if metric == "l2" else -(queries @ base[entry])
    first = np.ascontiguousarray(first[:, None], np.float32)
    distances, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
    arrays = [faiss.swig_ptr(array) for array in (queries, entries, first, distances, rows)]

    def count(beam: int, layers: bool) -> tuple[float, float]:
        index.hnsw.efSearch = beam
        faiss.cvar.hnsw_stats.reset()
        if layers:
            found = index.search(queries, k)[1]
        else:
            index.search_level_0(len(queries), arrays[0], k, *arrays[1:], 1, 1)
            found = rows
        return recall(found, truth), faiss.cvar.hnsw_stats.ndis / len(queries)

    return cost_at(lambda beam: count(beam, True), target, beams)[0], cost_at(
        lambda beam: count(beam, False), target, beams
    )[0]
