"""From distances to decisions: calibrated relevance, and a cut-off whose error rate is stated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .conformal import ConformalCut as ConformalCut
    from .conformal import conformal_cut as conformal_cut
    from .cuts import cut_at_count as cut_at_count
    from .cuts import cut_at_distance as cut_at_distance
    from .cuts import cut_at_jump as cut_at_jump
    from .judge import Judge as Judge
    from .query_calibration import QueryCalibrator as QueryCalibrator
    from .query_calibration import labels_from_clicks as labels_from_clicks
    from .rate import Rate as Rate

__all__ = [
    "ConformalCut",
    "Judge",
    "QueryCalibrator",
    "Rate",
    "conformal_cut",
    "cut_at_count",
    "cut_at_distance",
    "cut_at_jump",
    "labels_from_clicks",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ConformalCut": ".conformal",
        "Judge": ".judge",
        "QueryCalibrator": ".query_calibration",
        "Rate": ".rate",
        "conformal_cut": ".conformal",
        "cut_at_count": ".cuts",
        "cut_at_distance": ".cuts",
        "cut_at_jump": ".cuts",
        "labels_from_clicks": ".query_calibration",
    },
)
