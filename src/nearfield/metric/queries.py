"""Queries on their way through several things that search: checked once, prepared once."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..common.checks import check_vectors
from .base import Metric, get_metric


class Queries:
    """The queries of one search, prepared for the native core when something first needs that.

    Parameters
    ----------
    raw : checked float32 (q, d).
    metric : name of the metric.
    """

    def __init__(self, raw: np.ndarray, metric: str):
        self.raw = raw
        self.metric = metric_of(metric)

    def __len__(self) -> int:
        return len(self.raw)

    @functools.cached_property
    def prepared(self) -> np.ndarray:
        """As the metric prepares them."""
        return np.ascontiguousarray(self.metric.prepare_checked(self.raw))


def prepared_queries(queries: Any, metric: Metric, dim: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """``(checked, prepared, single)``: those of :class:`Queries` of this metric as they are, others checked now.

    Examples
    --------
    >>> prepared_queries([3.0, 4.0], get_metric("cosine"), 2)
    (array([[3., 4.]], dtype=float32), array([[0.6, 0.8]], dtype=float32), True)
    """
    if isinstance(queries, Queries):
        if queries.metric == metric and queries.raw.shape[1] == dim:
            return queries.raw, queries.prepared, False
        queries = queries.raw
    checked, single = check_vectors(queries, "queries", dim=dim, nonzero=metric.nonzero)
    return checked, np.ascontiguousarray(metric.prepare_checked(checked)), single


metric_of = functools.cache(get_metric)
