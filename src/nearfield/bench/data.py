"""What the peers are measured on: base vectors, queries, and exact answers found without any engine under test."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

K = 10
HELD_OUT = 2000
SAMPLE = "sample.npy"


@dataclass(frozen=True)
class Workload:
    """A base with one or more sets of queries.

    ``metric`` is ``"cosine"`` (base and queries have unit length) or ``"l2"``; ``queries`` maps a workload's name to
    its query vectors. ``sample`` holds further queries that an index may be built with; none of them is asked.
    """

    name: str
    metric: str
    base: np.ndarray
    queries: dict[str, np.ndarray]
    sample: np.ndarray | None = None

    def fingerprint(self) -> str:
        """Sixteen hex digits that change when any vector changes."""
        digest = hashlib.sha256(self.metric.encode())
        for array in (self.base, *self.queries.values()):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows as float32 of length one."""
    vectors = vectors.astype(np.float32)
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _hold_out(vectors: np.ndarray, rows: int | None, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """``(base, held out)``: a random split; ``rows`` bounds the base."""
    order = np.random.default_rng(seed).permutation(len(vectors))
    held, kept = order[:count], np.sort(order[count:])
    if rows is not None:
        kept = kept[:: max(1, len(kept) // rows)][:rows]
    return vectors[kept], vectors[np.sort(held)]


def wordnet(rows: int | None = None, count: int = HELD_OUT) -> Workload:
    """MiniLM vectors of the WordNet glosses: held-out glosses, and Debian descriptions as out-of-distribution ones."""
    from ..datasets import load

    loaded: Any = load("wordnet")
    base, held = _hold_out(np.asarray(loaded.vectors), rows, count)
    strange = np.asarray(loaded.out_of_distribution_queries)
    order = np.random.default_rng(1).permutation(len(strange))
    asked = max(1, count // 2)
    chosen, rest = np.sort(order[:asked]), np.sort(order[asked:])
    queries = {"wordnet": unit(held), "wordnet-ood": unit(strange[chosen])}
    return Workload("wordnet", "cosine", unit(base), queries, unit(strange[rest]))


def fashion_mnist(rows: int | None = None, count: int = HELD_OUT) -> Workload:
    """The 60,000 training images as base, test images as queries, Euclidean distance."""
    from ..datasets import load

    loaded: Any = load("fashion_mnist")
    base = np.asarray(loaded.train).reshape(len(loaded.train), -1)
    test = np.asarray(loaded.test).reshape(len(loaded.test), -1)
    chosen = np.sort(np.random.default_rng(0).permutation(len(test))[:count])
    if rows is not None:
        base = base[:: max(1, len(base) // rows)][:rows]
    as_float = [np.ascontiguousarray(part, np.float32) for part in (base, test[chosen])]
    return Workload("fashion_mnist", "l2", as_float[0], {"fashion_mnist": as_float[1]})


WORKLOADS: dict[str, Callable[..., Workload]] = {"wordnet": wordnet, "fashion_mnist": fashion_mnist}


def exact_distances(metric: str, queries: np.ndarray, base: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Distances (q, k) in float64 between each query and the base rows named for it (-1 gives inf)."""
    found = np.asarray(base[np.maximum(rows, 0)], np.float64)
    if metric == "cosine":
        distances = 1.0 - np.einsum("qkd,qd->qk", found, queries.astype(np.float64))
    else:
        distances = np.sqrt(((found - queries[:, None, :].astype(np.float64)) ** 2).sum(axis=2))
    return np.where(rows >= 0, distances, np.inf)


def exact_neighbors(
    metric: str, base: np.ndarray, queries: np.ndarray, k: int = K, block: int = 200
) -> tuple[np.ndarray, np.ndarray]:
    """``(distances, rows)`` of the k nearest by plain NumPy: float32 shortlist, float64 order.

    Independent of every engine under test, ours included.
    """
    k = min(k, len(base))
    keep = min(len(base), k + 32)
    squares = np.einsum("ij,ij->i", base, base) if metric == "l2" else None
    all_rows = np.empty((len(queries), k), np.int64)
    all_distances = np.empty((len(queries), k), np.float64)
    for start in range(0, len(queries), block):
        part = queries[start : start + block]
        scores = -(part @ base.T)
        if squares is not None:
            scores = squares + 2 * scores
        short = np.argpartition(scores, keep - 1, axis=1)[:, :keep]
        distances = exact_distances(metric, part, base, short)
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        all_rows[start : start + block] = np.take_along_axis(short, order, axis=1)
        all_distances[start : start + block] = np.take_along_axis(distances, order, axis=1)
    return all_distances, all_rows


def write(workload: Workload, folder: Path) -> None:
    """Lay the workload out as ``.npy`` files that workers map read-only, with the exact k-th distances."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "base.npy", workload.base)
    if workload.sample is not None:
        np.save(folder / SAMPLE, workload.sample)
    for name, queries in workload.queries.items():
        np.save(folder / f"{name}.queries.npy", queries)
        distances, _ = exact_neighbors(workload.metric, workload.base, queries)
        np.save(folder / f"{name}.kth.npy", distances[:, -1])
