"""Maps fitted with numpy alone, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .chain import linear_map as linear_map
    from .debiasing import HardDebias as HardDebias
    from .k_subspaces import KSubspaces as KSubspaces
    from .anchors import choose_anchors as choose_anchors
    from .canonical import CanonicalCorrelation as CanonicalCorrelation
    from .gap import GapAlignment as GapAlignment
    from .gap import GapShift as GapShift
    from .label_sets import LabelSets as LabelSets
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .noise import perturb as perturb
    from .affine import AffineMap as AffineMap
    from .kernel import KernelMap as KernelMap
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .low_rank import LowRankMap as LowRankMap
    from .orthogonal_extension import OrthogonalExtension as OrthogonalExtension
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
    from .procrustes import Procrustes as Procrustes
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss
    from .relative import RelativeRepresentation as RelativeRepresentation
    from .ridge import RidgeMap as RidgeMap
    from .subspace import Subspace as Subspace
    from .residual import ResidualMap as ResidualMap
    from .ridge import RidgeMap as RidgeMap
    from .simplex import SimplexMap as SimplexMap
    from .simplex import simplex_vertices as simplex_vertices
    from .truncation import Truncation as Truncation
    from .vector_map import VectorMap as VectorMap

__all__ = [
    "PCA",
    "CanonicalCorrelation",
    "GapAlignment",
    "GapShift",
    "AffineMap",
    "KernelMap",
    "LeanVec",
    "LinearMap",
    "LowRankMap",
    "OrthogonalExtension",
    "PairMargin",
    "Procrustes",
    "RankingLoss",
    "RelativeRepresentation",
    "RidgeMap",
    "Subspace",
    "ResidualMap",
    "RidgeMap",
    "SimplexMap",
    "Truncation",
    "VectorMap",
    "choose_anchors",
    "perturb",
    "ranking_loss",
    "simplex_vertices",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AffineMap": ".affine",
        "KernelMap": ".kernel",
        "LowRankMap": ".low_rank",
        "OrthogonalExtension": ".orthogonal_extension",
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "HardDebias": ".debiasing",
        "LabelSets": ".label_sets",
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
        "Steering": ".steering",
        "Subspace": ".subspace",
        "TokenFilter": ".token_filter",
        "Truncation": ".truncation",
        "Whitening": ".whitening",
        "linear_map": ".chain",
        "RelativeRepresentation": ".relative",
        "RidgeMap": ".ridge",
        "Subspace": ".subspace",
        "ResidualMap": ".residual",
        "RidgeMap": ".ridge",
        "SimplexMap": ".simplex",
        "Truncation": ".truncation",
        "VectorMap": ".vector_map",
        "choose_anchors": ".anchors",
        "perturb": ".noise",
        "ranking_loss": ".ranking",
        "simplex_vertices": ".simplex",
    },
)
