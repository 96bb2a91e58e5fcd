"""The doctor's self-test: a small store is built, searched, opened again, and compared with exact search."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

_ROWS, _DIM, _QUERIES, _K, _CLUSTERS = 4000, 64, 100, 10, 100
_LEAST_EXACT = 0.999  # ties within a rounding may go either way
_LEAST_GRAPH = 0.90  # what a graph with its usual settings finds here is 0.99 and more


def self_test() -> dict[str, Any]:
    """Recall of an exact scan, of a graph at every CPU level, and of a store before and after it is opened again."""
    import numpy as np

    from .. import native
    from ..index import Flat, Graph
    from ..quantize import Float32

    start = time.perf_counter()
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((_CLUSTERS, _DIM))
    points = centers[rng.integers(_CLUSTERS, size=_ROWS + _QUERIES)] + 0.7 * rng.standard_normal(
        (_ROWS + _QUERIES, _DIM)
    )
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    vectors, queries = points[:_ROWS], points[_ROWS:]
    # NumPy alone decides what is right: nothing that is tested takes part.
    truth = np.argsort(-(queries.astype(np.float64) @ vectors.astype(np.float64).T), axis=1, kind="stable")[:, :_K]
    recall: dict[str, float] = {}
    flat = Flat("cosine", codec=Float32()).build(vectors)
    graph = Graph("cosine").build(vectors)
    level = native.simd_level()
    try:
        for name in native.simd_levels():
            native.set_simd_level(name)
            recall[f"scan, {name}"] = _recall(truth, flat.search(queries, _K).rows)
            recall[f"graph, {name}"] = _recall(truth, graph.search(queries, _K).rows)
    finally:
        native.set_simd_level(level)
    problems = []
    with tempfile.TemporaryDirectory(prefix="nearfield-doctor-") as folder:
        problems += _store_test(Path(folder) / "doctor.nf", vectors, queries, truth, recall)
    for name, found in recall.items():
        least = _LEAST_GRAPH if name.startswith("graph") else _LEAST_EXACT
        if found < least:
            problems.append(f"{name} finds {found:.3f} of the nearest, {least} at least is right")
    seconds = time.perf_counter() - start
    lines = [("recall@10", ", ".join(f"{name} {found:.3f}" for name, found in recall.items()))]
    lines.append(("took", f"{seconds:.1f} s, {_ROWS:,} rows of {_DIM} dimensions, {_QUERIES} queries"))
    return {
        "rows": _ROWS,
        "dim": _DIM,
        "queries": _QUERIES,
        "recall": recall,
        "seconds": seconds,
        "lines": lines,
        "problems": problems,
    }


def _store_test(path: Path, vectors: Any, queries: Any, truth: Any, recall: dict[str, float]) -> list[str]:
    import numpy as np

    from ..store import Store

    def found(store: Store) -> float:
        return _recall(truth, np.array([store.search(query, _K).ids for query in queries]))

    with Store.create(path, _DIM) as store:
        store.add(list(range(_ROWS)), vectors)
        recall["store, just added"] = found(store)
        store.compact()
    with Store.open(path) as store:
        recall["store, opened again"] = found(store)
        verified = store.verify(sample=50)
        store.delete([int(truth[0, 0])])
        gone = truth[0, 0] not in store.search(queries[0], _K).ids
    problems = [f"store: {problem}" for problem in verified.problems]
    return problems if gone else [*problems, "store: a deleted item was found"]


def _recall(truth: Any, rows: Any) -> float:
    import numpy as np

    return float(
        np.mean([len(set(one) & set(two)) / _K for one, two in zip(truth.tolist(), rows.tolist(), strict=True)])
    )
