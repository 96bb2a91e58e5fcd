"""Maps fitted with numpy alone, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .chain import linear_map as linear_map
    from .debiasing import HardDebias as HardDebias
    from .k_subspaces import KSubspaces as KSubspaces
    from .label_sets import LabelSets as LabelSets
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .pair_margin import PairMargin as PairMargin
    from .pca import PCA as PCA
    from .projection import RandomProjection as RandomProjection
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss
    from .spiked_covariance import SpikedCovarianceFilter as SpikedCovarianceFilter
    from .steering import Steering as Steering
    from .subspace import Subspace as Subspace
    from .token_filter import TokenFilter as TokenFilter
    from .truncation import Truncation as Truncation
    from .whitening import Whitening as Whitening

__all__ = [
    "PCA",
    "HardDebias",
    "KSubspaces",
    "LabelSets",
    "LeanVec",
    "LinearMap",
    "PairMargin",
    "RandomProjection",
    "RankingLoss",
    "SpikedCovarianceFilter",
    "Steering",
    "Subspace",
    "TokenFilter",
    "Truncation",
    "Whitening",
    "linear_map",
    "ranking_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "HardDebias": ".debiasing",
        "LabelSets": ".label_sets",
        "KSubspaces": ".k_subspaces",
        "LeanVec": ".leanvec",
        "LinearMap": ".linear",
        "RankingLoss": ".ranking",
        "RandomProjection": ".projection",
        "SpikedCovarianceFilter": ".spiked_covariance",
        "Steering": ".steering",
        "Subspace": ".subspace",
        "TokenFilter": ".token_filter",
        "Truncation": ".truncation",
        "Whitening": ".whitening",
        "linear_map": ".chain",
        "ranking_loss": ".ranking",
    },
)
