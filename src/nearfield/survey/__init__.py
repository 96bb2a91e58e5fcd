"""Measures of a space, and of two spaces of the same things: what they are, and what that means for search.

Each function takes an array ``(n, d)`` and returns a :class:`Measure`: a value, a 95% interval, and one sentence that
says what the value means for search. :func:`survey` runs them all on a sample and makes a report. Measures of two
spaces take two arrays; :func:`compare` runs those.

Some functions carry the name of the file they live in, so the names are bound here rather than looked up lazily: a
submodule that is loaded later would take their place. Nothing below imports more than numpy. The room itself can be
called: ``nearfield.survey(vectors)`` is ``nearfield.survey.survey(vectors)``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .canonical import canonical_correlation
from .cka import cka
from .comparison import Comparison, compare
from .compatibility import compatibility
from .contrast import contrast
from .duplicates import duplicates
from .equivalence import functional_equivalence, head_equivalence
from .feature_groups import feature_groups
from .gap import modality_gap
from .hubness import hubness
from .intrinsic import intrinsic_dimension_mle, intrinsic_dimension_twonn, local_intrinsic_dimension
from .isotropy import isotropy, mean_cosine
from .matched_features import matched_features
from .measure import Measure
from .neighbors import Neighborhood, sample_neighbors
from .norms import norm_spread
from .overlap import mutual_neighbors, rank_biased_overlap
from .pair import Pair
from .predicted_features import predicted_features
from .procrustes import procrustes_residual
from .rank import effective_rank, participation_ratio
from .row_sampling import RowSample, row_sensitivities, sample_rows
from .survey import Survey, survey

__all__ = [
    "Comparison",
    "Measure",
    "Neighborhood",
    "Pair",
    "RowSample",
    "Survey",
    "canonical_correlation",
    "cka",
    "compare",
    "compatibility",
    "contrast",
    "duplicates",
    "effective_rank",
    "feature_groups",
    "functional_equivalence",
    "head_equivalence",
    "hubness",
    "intrinsic_dimension_mle",
    "intrinsic_dimension_twonn",
    "isotropy",
    "local_intrinsic_dimension",
    "matched_features",
    "mean_cosine",
    "modality_gap",
    "mutual_neighbors",
    "norm_spread",
    "participation_ratio",
    "predicted_features",
    "procrustes_residual",
    "rank_biased_overlap",
    "row_sensitivities",
    "sample_neighbors",
    "sample_rows",
    "survey",
]


class _Room(ModuleType):
    def __call__(self, vectors: Any, **options: Any) -> Survey:
        return survey(vectors, **options)


sys.modules[__name__].__class__ = _Room
