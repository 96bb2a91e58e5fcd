"""What several evidence files count: recall, nDCG, distances at a recall, differences in places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..common.ndcg import ndcg
from ..datasets import Retrieval


def exact(vectors: np.ndarray, queries: np.ndarray, k: int = 10, metric: str = "cosine") -> Any:
    """The exact neighbours, by a scan of the float32 vectors: ``Neighbors(distances, rows)``."""
    from ..index import Flat

    return Flat(metric).build(vectors).search(queries, k)


def recall(found: np.ndarray, truth: Any) -> float:
    """Share of the exact neighbours that were found, over all queries.

    Examples
    --------
    >>> from nearfield.index import Neighbors
    >>> truth = Neighbors(np.zeros((1, 2), np.float32), np.array([[4, 7]]))
    >>> recall(np.array([[7, 3]]), truth)
    0.5
    """
    right = truth.rows
    return float(np.mean([np.isin(row, known).sum() / len(known) for row, known in zip(found, right, strict=True)]))


def cost_at(run: Callable[[int], tuple[float, float]], target: float, beams: Sequence[int]) -> tuple[float, int]:
    """The cost of recall ``target``, between the two beams around it, and the wider of the two.

    ``run(beam)`` gives recall and cost. RuntimeError when no beam reaches the target.

    Examples
    --------
    >>> cost_at({10: (0.5, 100.0), 20: (0.75, 200.0)}.get, 0.625, [10, 20])
    (150.0, 20)
    """
    below: tuple[float, float] | None = None
    for beam in beams:
        share, count = run(beam)
        if share >= target:
            part = 1.0 if below is None else (target - below[0]) / (share - below[0])
            return count if below is None else below[1] + part * (count - below[1]), beam
        below = (share, count)
    raise RuntimeError(f"beams up to {beams[-1]} do not reach recall {target}")


def walk(graph: Any, queries: np.ndarray, truth: Any) -> Callable[[int], tuple[float, float]]:
    """For :func:`cost_at`: recall of a graph at a beam, and the mean number of rows scored for a query."""
    k = truth.rows.shape[1]

    def run(beam: int) -> tuple[float, float]:
        found = graph.search(queries, k, beam=beam).rows
        return recall(found, truth), float(graph.count_distances(queries, k, beam=beam).mean())

    return run


def search_ndcg(papers: Retrieval, documents: np.ndarray, queries: np.ndarray) -> float:
    """nDCG@10 of an exact search by cosine over the documents of a judged set."""
    return ndcg(exact(documents, queries).rows, papers.document_ids, papers.query_ids, papers.judgements)


def places_moved(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, int]:
    """How many places each name falls (positive) or rises when the scores ``before`` become ``after``.

    Examples
    --------
    >>> places_moved({"a": 3, "b": 2, "c": 1}, {"a": 1, "b": 2, "c": 0})
    {'a': 1, 'b': -1, 'c': 0}
    """
    old = sorted(before, key=lambda name: -before[name])
    new = sorted(after, key=lambda name: -after[name])
    return {name: new.index(name) - old.index(name) for name in before}


def first_right(queries: np.ndarray, asked: np.ndarray, gallery: np.ndarray, labels: np.ndarray) -> float:
    """Share of queries, labelled ``asked``, whose nearest row of the gallery by cosine has their label (R@1).

    Rows without a direction answer nothing, and queries without one find nothing.

    Examples
    --------
    >>> first_right(np.eye(2, dtype=np.float32), np.array([0, 1]), np.float32([[1, 0], [1, 1]]), np.array([0, 1]))
    1.0
    """
    there, able = gallery.any(axis=1), queries.any(axis=1)
    found = exact(gallery[there], queries[able], 1).rows[:, 0]
    return float((labels[there][found] == asked[able]).sum() / len(asked))


def precision_at_recall(scores: np.ndarray, relevant: np.ndarray, recall: float) -> float:
    """Precision of the hits whose score is at least the highest that keeps the share ``recall`` of the relevant ones.

    Examples
    --------
    >>> precision_at_recall(np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]), 1.0)
    0.6666666666666666
    """
    right = np.sort(scores[relevant])[::-1]
    kept = scores >= right[max(int(np.ceil(recall * len(right) - 1e-9)), 1) - 1]
    return float(relevant[kept].mean())


def calibration_error(probabilities: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error: mean gap of stated and true shares over bins of equal width, by their counts.

    Examples
    --------
    >>> calibration_error(np.array([0.25, 0.25, 0.75, 0.75]), np.array([0, 1, 1, 1]))
    0.25
    """
    stated, true = np.ravel(probabilities).astype(np.float64), np.ravel(truth).astype(np.float64)
    cell = np.minimum((stated * bins).astype(int), bins - 1)
    gaps = np.bincount(cell, stated - true, minlength=bins)
    return float(np.abs(gaps).sum() / len(stated))
