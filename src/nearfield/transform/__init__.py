"""Maps fitted with numpy alone, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .pair_margin import PairMargin as PairMargin
    from .pca import PCA as PCA
    from .projection import RandomProjection as RandomProjection
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss
    from .spiked_covariance import SpikedCovarianceFilter as SpikedCovarianceFilter
    from .subspace import Subspace as Subspace
    from .truncation import Truncation as Truncation
    from .whitening import Whitening as Whitening

__all__ = [
    "PCA",
    "LeanVec",
    "LinearMap",
    "PairMargin",
    "RandomProjection",
    "RankingLoss",
    "Subspace",
    "Truncation",
    "Whitening",
    "ranking_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "LeanVec": ".leanvec",
        "LinearMap": ".linear",
        "RankingLoss": ".ranking",
        "RandomProjection": ".projection",
        "SpikedCovarianceFilter": ".spiked_covariance",
        "Subspace": ".subspace",
        "Truncation": ".truncation",
        "Whitening": ".whitening",
        "ranking_loss": ".ranking",
    },
)
