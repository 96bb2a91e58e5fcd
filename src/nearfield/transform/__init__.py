"""Maps fitted with numpy alone, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .pair_margin import PairMargin as PairMargin
    from .pca import PCA as PCA
    from .procrustes import Procrustes as Procrustes
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss
    from .ridge import RidgeMap as RidgeMap
    from .truncation import Truncation as Truncation
    from .vector_map import VectorMap as VectorMap

__all__ = [
    "PCA",
    "LeanVec",
    "LinearMap",
    "PairMargin",
    "Procrustes",
    "RankingLoss",
    "RidgeMap",
    "Truncation",
    "VectorMap",
    "ranking_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "LeanVec": ".leanvec",
        "LinearMap": ".linear",
        "Procrustes": ".procrustes",
        "RankingLoss": ".ranking",
        "RidgeMap": ".ridge",
        "Truncation": ".truncation",
        "VectorMap": ".vector_map",
        "ranking_loss": ".ranking",
    },
)
