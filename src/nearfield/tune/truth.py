"""What the right answers are: held-out queries, exact neighbours, and hits with ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_vectors
from ..metric import Metric

_BLOCK = 1 << 16
# Two scores nearer than this, relative to the lengths involved, are one score: float32 does not tell them apart.
_TIE = 1e-6


def check_rows(vectors: Any, metric: Metric, name: str = "vectors") -> np.ndarray:
    """``vectors`` as a float16 or float32 array (n, d) without NaN, and under cosine without zeros; half stays half."""
    array = np.asarray(vectors)
    if array.dtype != np.float16 or array.ndim != 2:
        checked, single = check_vectors(array, name, nonzero=metric.nonzero, min_rows=1)
        if single:
            raise ValueError(f"{name}: expected shape (n, d), got {array.shape}")
        return checked
    if len(array) == 0:
        raise ValueError(f"{name}: expected at least 1 row, got 0")
    for start in range(0, len(array), _BLOCK):
        try:
            check_vectors(array[start : start + _BLOCK], name, nonzero=metric.nonzero)
        except ValueError:
            check_vectors(array[: start + _BLOCK], name, nonzero=metric.nonzero)  # names the row of the whole array
    return array


def hold_out(rows: int, most: int, k: int, random_state: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers ``(queries, base)``: at most a tenth of the rows, at most ``most``, and at least ``k`` rows stay."""
    count = min(most, rows // 10, rows - k)
    order = np.random.default_rng(random_state).permutation(rows)
    return np.sort(order[:count]), np.sort(order[count:])


@dataclass(frozen=True)
class Truth:
    """Queries with their exact neighbours in ``base``: the measure of every recipe.

    Attributes
    ----------
    base : (n, d) the rows that are searched.
    queries : (q, d) float32.
    rows : (q, k) the exact nearest rows.
    farthest : (q,) the native score in float64 up to which a row is as near as the k-th nearest.
    """

    base: np.ndarray
    queries: np.ndarray
    rows: np.ndarray
    metric: Metric
    farthest: np.ndarray

    @classmethod
    def find(cls, base: np.ndarray, queries: np.ndarray, k: int, metric: Metric) -> Truth:
        """Search exactly, by :func:`nearfield.native.exact_search`."""
        scale = None
        if metric.nonzero:
            squares = [
                np.einsum("ij,ij->i", block, block, dtype=np.float64)
                for block in (base[start : start + _BLOCK] for start in range(0, len(base), _BLOCK))
            ]
            scale = (1 / np.sqrt(np.concatenate(squares))).astype(np.float32)
        prepared = metric.prepare_queries(queries)
        rows = native.exact_search(base, prepared, k, metric=metric.native, scale=scale).rows
        truth = cls(base, queries, rows, metric, np.empty(0))
        scores, slack = truth._scores(np.repeat(np.arange(len(queries)), k), rows.reshape(-1))
        return cls(base, queries, rows, metric, (scores + slack).reshape(rows.shape).max(axis=1))

    def shares(self, found: np.ndarray) -> np.ndarray:
        """Per query, the share of the true ``k`` nearest among ``found`` (q, k), ties counted as found: (q,)."""
        hits = (found[:, :, None] == self.rows[:, None, :]).any(axis=2)
        queries, columns = np.nonzero(~hits & (found >= 0))
        if queries.size:
            scores, _ = self._scores(queries, found[queries, columns])
            hits[queries, columns] = scores <= self.farthest[queries]
        return np.asarray(hits.sum(axis=1) / self.rows.shape[1])

    def _scores(self, queries: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores of pairs in float64, and how far apart two scores of this size may lie and still be one in float32."""
        scores, slack = np.empty(len(queries)), np.empty(len(queries))
        step = max(1, (1 << 22) // self.base.shape[1])
        for start in range(0, len(queries), step):
            here = slice(start, start + step)
            q = self.queries[queries[here]].astype(np.float64)
            x = self.base[rows[here]].astype(np.float64)
            if self.metric.native == "l2":
                scores[here] = slack[here] = np.square(q - x).sum(axis=1)
                continue
            scores[here] = -np.einsum("ij,ij->i", q, x)
            slack[here] = np.sqrt(np.einsum("ij,ij->i", q, q) * np.einsum("ij,ij->i", x, x))
            if self.metric.nonzero:
                scores[here] /= slack[here]
                slack[here] = 1.0
        return scores, _TIE * slack
