"""Maps fitted with numpy alone, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .affine import AffineMap as AffineMap
    from .anchors import choose_anchors as choose_anchors
    from .aspects import Aspects as Aspects
    from .canonical import CanonicalCorrelation as CanonicalCorrelation
    from .chain import linear_map as linear_map
    from .debiasing import HardDebias as HardDebias
    from .gap import GapAlignment as GapAlignment
    from .gap import GapShift as GapShift
    from .k_subspaces import KSubspaces as KSubspaces
    from .kernel import KernelMap as KernelMap
    from .label_sets import LabelSets as LabelSets
    from .leanvec import LeanVec as LeanVec
    from .linear import LinearMap as LinearMap
    from .low_rank import LowRankMap as LowRankMap
    from .noise import perturb as perturb
    from .orthogonal_extension import OrthogonalExtension as OrthogonalExtension
    from .pair_margin import PairMargin as PairMargin
    from .pca import PCA as PCA
    from .procrustes import Procrustes as Procrustes
    from .projection import RandomProjection as RandomProjection
    from .ranking import RankingLoss as RankingLoss
    from .ranking import ranking_loss as ranking_loss
    from .relative import RelativeRepresentation as RelativeRepresentation
    from .residual import ResidualMap as ResidualMap
    from .ridge import RidgeMap as RidgeMap
    from .simplex import SimplexMap as SimplexMap
    from .simplex import simplex_vertices as simplex_vertices
    from .spiked_covariance import SpikedCovarianceFilter as SpikedCovarianceFilter
    from .steering import Steering as Steering
    from .subspace import Subspace as Subspace
    from .token_filter import TokenFilter as TokenFilter
    from .truncation import Truncation as Truncation
    from .vector_map import VectorMap as VectorMap
    from .whitening import Whitening as Whitening

__all__ = [
    "PCA",
    "AffineMap",
    "Aspects",
    "CanonicalCorrelation",
    "GapAlignment",
    "GapShift",
    "HardDebias",
    "KSubspaces",
    "KernelMap",
    "LabelSets",
    "LeanVec",
    "LinearMap",
    "LowRankMap",
    "OrthogonalExtension",
    "PairMargin",
    "Procrustes",
    "RandomProjection",
    "RankingLoss",
    "RelativeRepresentation",
    "ResidualMap",
    "RidgeMap",
    "SimplexMap",
    "SpikedCovarianceFilter",
    "Steering",
    "Subspace",
    "TokenFilter",
    "Truncation",
    "VectorMap",
    "Whitening",
    "choose_anchors",
    "linear_map",
    "perturb",
    "ranking_loss",
    "simplex_vertices",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AffineMap": ".affine",
        "Aspects": ".aspects",
        "CanonicalCorrelation": ".canonical",
        "GapAlignment": ".gap",
        "GapShift": ".gap",
        "HardDebias": ".debiasing",
        "KSubspaces": ".k_subspaces",
        "KernelMap": ".kernel",
        "LabelSets": ".label_sets",
        "LeanVec": ".leanvec",
        "LinearMap": ".linear",
        "LowRankMap": ".low_rank",
        "OrthogonalExtension": ".orthogonal_extension",
        "PCA": ".pca",
        "PairMargin": ".pair_margin",
        "Procrustes": ".procrustes",
        "RandomProjection": ".projection",
        "RankingLoss": ".ranking",
        "RelativeRepresentation": ".relative",
        "ResidualMap": ".residual",
        "RidgeMap": ".ridge",
        "SimplexMap": ".simplex",
        "SpikedCovarianceFilter": ".spiked_covariance",
        "Steering": ".steering",
        "Subspace": ".subspace",
        "TokenFilter": ".token_filter",
        "Truncation": ".truncation",
        "VectorMap": ".vector_map",
        "Whitening": ".whitening",
        "choose_anchors": ".anchors",
        "linear_map": ".chain",
        "perturb": ".noise",
        "ranking_loss": ".ranking",
        "simplex_vertices": ".simplex",
    },
)
