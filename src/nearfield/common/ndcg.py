"""How good a ranking is by graded judgements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def discounts(k: int) -> np.ndarray:
    """What a hit at each of the first ``k`` places counts: 1 over log2 of the place + 1, float64 (k,).

    Examples
    --------
    >>> discounts(3).round(3).tolist()
    [1.0, 0.631, 0.5]
    """
    return np.asarray(1 / np.log2(np.arange(2, k + 2)))


def ndcg(
    rows: np.ndarray, document_ids: Sequence[str], query_ids: Sequence[str], judgements: Mapping[str, Mapping[str, int]]
) -> float:
    """nDCG@k, the mean over queries: gain is the grade, discount is log2 of the place + 1 (as in trec_eval).

    Examples
    --------
    >>> ndcg(np.array([[1, 0]]), ["a", "b"], ["q"], {"q": {"b": 1}})
    1.0
    """
    values = []
    discount = discounts(rows.shape[1])
    for query, found in zip(query_ids, rows, strict=True):
        grades = judgements[query]
        gains = np.array([grades.get(document_ids[row], 0) if row >= 0 else 0 for row in found], float)
        best = np.sort(np.array(list(grades.values()), float))[::-1][: rows.shape[1]]
        ideal = float((best * discount[: len(best)]).sum())
        values.append(float((gains * discount).sum()) / ideal if ideal > 0 else 0.0)
    return float(np.mean(values))
