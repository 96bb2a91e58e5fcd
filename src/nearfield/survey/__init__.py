"""Measures of a space, and of two spaces of the same things: what they are, and what that means for search.

Each function takes an array ``(n, d)`` and returns a :class:`Measure`: a value, a 95% interval, and one sentence that
says what the value means for search. :func:`survey` runs them all on a sample and makes a report. Measures of two
spaces take two arrays; :func:`compare` runs those.

Some functions carry the name of the file they live in, so the names are bound here rather than looked up lazily: a
submodule that is loaded later would take their place. Nothing below imports more than numpy and the native core. The
room itself can be called: ``nearfield.survey(vectors)`` is ``nearfield.survey.survey(vectors)``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .analogy import analogy
from .association import association
from .canonical import canonical_correlation
from .capacity import manifold_capacity
from .cka import cka
from .comparison import Comparison, compare
from .compatibility import compatibility
from .complexity import feature_complexity
from .contrast import contrast
from .dominance import dominant_directions
from .drift import Drift, drift
from .duplicates import duplicates
from .equivalence import functional_equivalence, head_equivalence
from .factors import factor_share
from .feature_groups import feature_groups
from .gap import modality_gap
from .hubness import hubness
from .intrinsic import intrinsic_dimension_mle, intrinsic_dimension_twonn, local_intrinsic_dimension
from .invariance import (
    column_order_invariance,
    context_stability,
    row_order_invariance,
    sample_fidelity,
    schema_robustness,
)
from .isotropy import isotropy, mean_cosine
from .matched_features import matched_features
from .measure import Measure
from .neighbors import Neighborhood, sample_neighbors
from .noise import real_directions
from .norms import norm_spread
from .ordering import order_sensitivity
from .overlap import mutual_neighbors, rank_biased_overlap
from .pair import Pair
from .predicted_features import predicted_features
from .procrustes import procrustes_residual
from .purity import neighbor_purity
from .rank import effective_rank, participation_ratio
from .reconstruction import graph_reconstruction
from .redundancy import Merging, feature_redundancy, merge_features, merge_units
from .relational import dependency_consistency, entity_stability, join_correlation
from .relations import relation_offsets, similarity_error
from .report import save_measures
from .row_sampling import RowSample, row_sensitivities, sample_rows
from .separability import class_separability
from .sharpness import label_sharpness
from .shift import distribution_shift
from .subspace_network import SubspaceNetwork
from .survey import Survey, survey
from .survival import quantization_survival
from .task_dimension import task_dimension
from .tendency import cluster_tendency
from .thresholds import threshold_inconsistency
from .uniformity import alignment, uniformity

__all__ = [
    "Comparison",
    "Drift",
    "Measure",
    "Merging",
    "Neighborhood",
    "Pair",
    "RowSample",
    "SubspaceNetwork",
    "Survey",
    "alignment",
    "analogy",
    "association",
    "canonical_correlation",
    "cka",
    "class_separability",
    "cluster_tendency",
    "column_order_invariance",
    "compare",
    "compatibility",
    "context_stability",
    "contrast",
    "dependency_consistency",
    "distribution_shift",
    "dominant_directions",
    "drift",
    "duplicates",
    "effective_rank",
    "entity_stability",
    "factor_share",
    "feature_complexity",
    "feature_groups",
    "feature_redundancy",
    "functional_equivalence",
    "graph_reconstruction",
    "head_equivalence",
    "hubness",
    "intrinsic_dimension_mle",
    "intrinsic_dimension_twonn",
    "isotropy",
    "join_correlation",
    "label_sharpness",
    "local_intrinsic_dimension",
    "manifold_capacity",
    "matched_features",
    "mean_cosine",
    "merge_features",
    "merge_units",
    "modality_gap",
    "mutual_neighbors",
    "neighbor_purity",
    "norm_spread",
    "order_sensitivity",
    "participation_ratio",
    "predicted_features",
    "procrustes_residual",
    "quantization_survival",
    "rank_biased_overlap",
    "real_directions",
    "relation_offsets",
    "row_order_invariance",
    "row_sensitivities",
    "sample_fidelity",
    "sample_neighbors",
    "sample_rows",
    "save_measures",
    "schema_robustness",
    "similarity_error",
    "survey",
    "task_dimension",
    "threshold_inconsistency",
    "uniformity",
]


class _Room(ModuleType):
    def __call__(self, vectors: Any, **options: Any) -> Survey:
        return survey(vectors, **options)


sys.modules[__name__].__class__ = _Room
