"""The protocol of a metric, what the three metrics share, and the door by name."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from ..common.checks import check_vectors

_WHERE = {"cosine": (".cosine", "Cosine"), "ip": (".inner_product", "InnerProduct"), "l2": (".euclidean", "Euclidean")}

# Rows of `a` times rows of `b` handled at once in float64: 32 MiB of products.
_BLOCK = 1 << 22
# Where a difference of two numbers of size s falls below this share of s, it is computed again from the coordinates:
# above it, the float64 subtraction keeps more digits than float32 shows.
_CANCELLED = 1e-6


class Metric(ABC):
    """A distance between vectors and its exact reduction to what the engine computes; obtained by :func:`get_metric`.

    Choose ``cosine`` for embeddings trained with it (nearly all text encoders), ``ip`` when the length of a vector
    carries meaning (recommenders, late-interaction encodings), ``l2`` for raw coordinates and image pixels.

    Attributes
    ----------
    name : "cosine", "ip" or "l2".
    native : which score the engine computes on prepared vectors: "ip" (``-<q, x>``) or "l2" (squared Euclidean).
    nonzero : True when a zero vector has no distance to anything and is refused.

    Notes
    -----
    Identities, tested on random vectors: for prepared ``q' = prepare_queries(q)`` and ``x' = prepare_base(x)``,
    ``distances_from_scores(native score of q', x') == pairwise(q, x)`` up to float32 rounding; and the rows nearest
    to ``reduce_queries(q)`` among ``reduce_base(x)`` under Euclidean distance are the nearest under the metric.

    Examples
    --------
    >>> import numpy as np
    >>> metric = get_metric("cosine")
    >>> metric.pairwise(np.eye(2, dtype=np.float32), np.float32([[1, 1]])).round(4)
    array([[0.2929],
           [0.2929]], dtype=float32)
    """

    name: ClassVar[str]
    native: ClassVar[str]
    nonzero: ClassVar[bool] = False

    def pairwise(self, a: Any, b: Any) -> np.ndarray:
        """Distances between every row of ``a`` (n, d) and every row of ``b`` (m, d): float32 (n, m).

        For measuring and testing; to find neighbours use :func:`nearfield.native.exact_search`, which is faster and
        never holds n x m numbers. A single vector ``(d,)`` drops its axis. Computed in float64 (memory beyond the
        result is bounded) so that near-duplicates keep their digits.
        """
        rows, single_row = check_vectors(a, "a", nonzero=self.nonzero)
        columns, single_column = check_vectors(b, "b", nonzero=self.nonzero)
        if rows.shape[1] != columns.shape[1]:
            raise ValueError(f"b: expected {rows.shape[1]} dimensions as in a, got {columns.shape[1]}")
        result = np.empty((len(rows), len(columns)), np.float32)
        if result.size:
            self._fill(rows, columns, result)
        if single_column:
            result = result[:, 0]
        return result[0] if single_row else result

    def to_many(self, query: Any, base: Any) -> np.ndarray:
        """Distances from one ``query`` (d,) to every row of ``base`` (n, d): float32 (n,)."""
        if np.ndim(query) != 1:
            raise ValueError(f"query: expected one vector of shape (d,), got {np.shape(query)}")
        return np.atleast_1d(self.pairwise(query, base))

    def prepare_base(self, x: Any) -> np.ndarray:
        """The vectors an index stores so that the native score ranks as the metric does: float32 (n, d)."""
        vectors, single = check_vectors(x, "x", nonzero=self.nonzero)
        prepared = self._prepare(vectors)
        return prepared[0] if single else prepared

    def prepare_queries(self, q: Any) -> np.ndarray:
        """The queries to give to the native score: float32 (q, d)."""
        vectors, single = check_vectors(q, "q", nonzero=self.nonzero)
        prepared = self._prepare(vectors)
        return prepared[0] if single else prepared

    def prepare_checked(self, vectors: np.ndarray) -> np.ndarray:
        """:meth:`prepare_queries` of rows that have been checked: float32 (q, d), not looked at again."""
        return self._prepare(vectors)

    def reduce_base(self, x: Any) -> np.ndarray:
        """Vectors whose Euclidean neighbours are the metric's neighbours, for building graph edges: float32 (n, d')."""
        return self.prepare_base(x)

    def reduce_queries(self, q: Any) -> np.ndarray:
        """Queries in the space of :meth:`reduce_base`: float32 (q, d')."""
        return self.prepare_queries(q)

    @abstractmethod
    def distances_from_scores(self, scores: Any) -> np.ndarray:
        """The metric's distances from native scores of prepared vectors; +inf (missing) stays +inf."""

    @abstractmethod
    def scores_from_distances(self, distances: Any) -> np.ndarray:
        """The inverse of :meth:`distances_from_scores`, up to rounding."""

    @abstractmethod
    def _fill(self, a: np.ndarray, b: np.ndarray, result: np.ndarray) -> None:
        """Write the distances between the rows of ``a`` and ``b``, both checked, into ``result``."""

    def _prepare(self, vectors: np.ndarray) -> np.ndarray:
        return vectors

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def get_metric(metric: str | Metric) -> Metric:
    """The metric of a name ("cosine", "ip", "l2"); a :class:`Metric` is returned as it is.

    Examples
    --------
    >>> get_metric("l2")
    Euclidean()
    >>> get_metric("hamming")
    Traceback (most recent call last):
    ValueError: metric: expected one of 'cosine', 'ip', 'l2' or a Metric, got 'hamming'
    """
    if isinstance(metric, Metric):
        return metric
    if not isinstance(metric, str) or metric not in _WHERE:
        raise ValueError(f"metric: expected one of {', '.join(map(repr, _WHERE))} or a Metric, got {metric!r}")
    module, cls = _WHERE[metric]
    found: Metric = getattr(importlib.import_module(module, __package__), cls)()
    return found


def squared_differences(
    a: np.ndarray, b: np.ndarray, finish: Callable[[np.ndarray], np.ndarray], result: np.ndarray
) -> None:
    """Write ``finish(|a_i - b_j|^2)`` into ``result``; ``a``, ``b`` float64, few digits lost however near the rows are.

    ``|a|^2 + |b|^2 - 2<a, b>`` is fast but loses the digits of near pairs; those are computed again from differences.
    """
    squares_b = np.einsum("ij,ij->i", b, b)
    step = max(1, _BLOCK // max(1, len(b)))
    for start in range(0, len(a), step):
        block = a[start : start + step]
        sizes = np.einsum("ij,ij->i", block, block)[:, None] + squares_b
        squared = sizes - 2.0 * (block @ b.T)
        near_rows, near_columns = np.nonzero(squared <= _CANCELLED * sizes)
        pairs = max(1, _BLOCK // a.shape[1])
        for first in range(0, len(near_rows), pairs):
            i, j = near_rows[first : first + pairs], near_columns[first : first + pairs]
            difference = block[i] - b[j]
            squared[i, j] = np.einsum("ij,ij->i", difference, difference)
        result[start : start + step] = finish(squared)
