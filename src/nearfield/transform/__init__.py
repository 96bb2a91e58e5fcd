"""Maps fitted with numpy alone, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .pair_margin import PairMargin as PairMargin
    from .pca import PCA as PCA
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss
    from .subspace import Subspace as Subspace
    from .truncation import Truncation as Truncation

__all__ = ["PCA", "LeanVec", "LinearMap", "PairMargin", "RankingLoss", "Subspace", "Truncation", "ranking_loss"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "LeanVec": ".leanvec",
        "LinearMap": ".linear",
        "RankingLoss": ".ranking",
        "Subspace": ".subspace",
        "Truncation": ".truncation",
        "ranking_loss": ".ranking",
    },
)
