"""Measures of a space: what kind of vectors these are, and what that means for search.

Each function takes an array ``(n, d)`` and returns a :class:`Measure`: a value, a 95% interval, and one sentence that
says what the value means for search. :func:`survey` runs them all on a sample and makes a report.

Some functions carry the name of the file they live in, so the names are bound here rather than looked up lazily: a
submodule that is loaded later would take their place. Nothing below imports more than numpy and the native core. The
room itself can be called: ``nearfield.survey(vectors)`` is ``nearfield.survey.survey(vectors)``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .contrast import contrast
from .dominance import dominant_directions
from .duplicates import duplicates
from .hubness import hubness
from .intrinsic import intrinsic_dimension_mle, intrinsic_dimension_twonn, local_intrinsic_dimension
from .isotropy import isotropy, mean_cosine
from .measure import Measure
from .neighbors import Neighborhood, sample_neighbors
from .noise import real_directions
from .norms import norm_spread
from .ordering import order_sensitivity
from .rank import effective_rank, participation_ratio
from .redundancy import Merging, feature_redundancy, merge_features, merge_units
from .survey import Survey, survey
from .survival import quantization_survival
from .tendency import cluster_tendency
from .uniformity import alignment, uniformity

__all__ = [
    "Measure",
    "Merging",
    "Neighborhood",
    "Survey",
    "alignment",
    "cluster_tendency",
    "contrast",
    "dominant_directions",
    "duplicates",
    "effective_rank",
    "feature_redundancy",
    "hubness",
    "intrinsic_dimension_mle",
    "intrinsic_dimension_twonn",
    "isotropy",
    "local_intrinsic_dimension",
    "mean_cosine",
    "merge_features",
    "merge_units",
    "norm_spread",
    "order_sensitivity",
    "participation_ratio",
    "quantization_survival",
    "real_directions",
    "sample_neighbors",
    "survey",
    "uniformity",
]


class _Room(ModuleType):
    def __call__(self, vectors: Any, **options: Any) -> Survey:
        return survey(vectors, **options)


sys.modules[__name__].__class__ = _Room
