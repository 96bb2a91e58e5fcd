"""Maps fitted with numpy alone, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .chain import linear_map as linear_map
    from .k_subspaces import KSubspaces as KSubspaces
    from .anchors import choose_anchors as choose_anchors
    from .canonical import CanonicalCorrelation as CanonicalCorrelation
    from .gap import GapAlignment as GapAlignment
    from .gap import GapShift as GapShift
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .noise import perturb as perturb
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
    "KSubspaces",
    "LeanVec",
    "LinearMap",
    "PairMargin",
    "RandomProjection",
    "RankingLoss",
    "SpikedCovarianceFilter",
    "Subspace",
    "Truncation",
    "Whitening",
    "linear_map",
    from .procrustes import Procrustes as Procrustes
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss
    from .relative import RelativeRepresentation as RelativeRepresentation
    from .ridge import RidgeMap as RidgeMap
    from .subspace import Subspace as Subspace
    from .truncation import Truncation as Truncation
    from .vector_map import VectorMap as VectorMap

__all__ = [
    "PCA",
    "CanonicalCorrelation",
    "GapAlignment",
    "GapShift",
    "LeanVec",
    "LinearMap",
    "PairMargin",
    "Procrustes",
    "RankingLoss",
    "RelativeRepresentation",
    "RidgeMap",
    "Subspace",
    "Truncation",
    "VectorMap",
    "choose_anchors",
    "perturb",
    "ranking_loss",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "KSubspaces": ".k_subspaces",
        "CanonicalCorrelation": ".canonical",
        "GapAlignment": ".gap",
        "GapShift": ".gap",
        "LeanVec": ".leanvec",
        "LinearMap": ".linear",
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "Procrustes": ".procrustes",
        "RankingLoss": ".ranking",
        "RandomProjection": ".projection",
        "SpikedCovarianceFilter": ".spiked_covariance",
        "Subspace": ".subspace",
        "Truncation": ".truncation",
        "Whitening": ".whitening",
        "linear_map": ".chain",
        "RelativeRepresentation": ".relative",
        "RidgeMap": ".ridge",
        "Subspace": ".subspace",
        "Truncation": ".truncation",
        "VectorMap": ".vector_map",
        "choose_anchors": ".anchors",
        "perturb": ".noise",
        "ranking_loss": ".ranking",
    },
)
