"""What near means: cosine, inner product and Euclidean distance, and how each reduces to what the engine computes.

Distances: smaller is nearer, for every metric. Scores, the engine's own numbers, are cheaper to compute and rank
the same way: ``-<q, x>`` under "ip", the squared Euclidean distance under "l2".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .base import Metric as Metric
    from .base import get_metric as get_metric
    from .cosine import Cosine as Cosine
    from .euclidean import Euclidean as Euclidean
    from .inner_product import InnerProduct as InnerProduct

__all__ = ["Cosine", "Euclidean", "InnerProduct", "Metric", "get_metric"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Cosine": ".cosine",
        "Euclidean": ".euclidean",
        "InnerProduct": ".inner_product",
        "Metric": ".base",
        "get_metric": ".base",
    },
)
