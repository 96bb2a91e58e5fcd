"""Maps without training by gradient: principal components, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .linear import LinearMap as LinearMap
    from .pca import PCA as PCA
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss

__all__ = ["PCA", "LinearMap", "RankingLoss", "ranking_loss"]

__getattr__, __dir__ = lazy_names(
    __name__, {"PCA": ".pca", "LinearMap": ".linear", "RankingLoss": ".ranking", "ranking_loss": ".ranking"}
)
