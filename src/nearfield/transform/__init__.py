"""Maps fitted with numpy alone, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .affine import AffineMap as AffineMap
    from .kernel import KernelMap as KernelMap
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .low_rank import LowRankMap as LowRankMap
    from .pair_margin import PairMargin as PairMargin
    from .pca import PCA as PCA
    from .procrustes import Procrustes as Procrustes
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss
    from .residual import ResidualMap as ResidualMap
    from .ridge import RidgeMap as RidgeMap
    from .truncation import Truncation as Truncation
    from .vector_map import VectorMap as VectorMap

__all__ = [
    "PCA",
    "AffineMap",
    "KernelMap",
    "LeanVec",
    "LinearMap",
    "LowRankMap",
    "PairMargin",
    "Procrustes",
    "RankingLoss",
    "ResidualMap",
    "RidgeMap",
    "Truncation",
    "VectorMap",
    "ranking_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AffineMap": ".affine",
        "KernelMap": ".kernel",
        "LowRankMap": ".low_rank",
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "LeanVec": ".leanvec",
        "LinearMap": ".linear",
        "Procrustes": ".procrustes",
        "RankingLoss": ".ranking",
        "ResidualMap": ".residual",
        "RidgeMap": ".ridge",
        "Truncation": ".truncation",
        "VectorMap": ".vector_map",
        "ranking_loss": ".ranking",
    },
)
