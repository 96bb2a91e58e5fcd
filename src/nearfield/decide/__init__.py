"""From distances to decisions: calibrated relevance, and a cut-off whose error rate is stated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .fusion import Fusion as Fusion
    from .fusion_report import FusionReport as FusionReport
    from .fusion_report import compare_fusion as compare_fusion
    from .judge import Judge as Judge
    from .rank_fusion import normalized_sum as normalized_sum
    from .rank_fusion import reciprocal_rank_fusion as reciprocal_rank_fusion
    from .rate import Rate as Rate

__all__ = [
    "Fusion",
    "FusionReport",
    "Judge",
    "Rate",
    "compare_fusion",
    "normalized_sum",
    "reciprocal_rank_fusion",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Fusion": ".fusion",
        "FusionReport": ".fusion_report",
        "Judge": ".judge",
        "Rate": ".rate",
        "compare_fusion": ".fusion_report",
        "normalized_sum": ".rank_fusion",
        "reciprocal_rank_fusion": ".rank_fusion",
    },
)
