"""Queries on their way through several things that search: checked once, prepared once."""

from __future__ import annotations

import functools

import numpy as np

from .base import get_metric


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


metric_of = functools.cache(get_metric)
