"""Measures of a space: what kind of vectors these are, and what that means for search.

Each function takes an array ``(n, d)`` and returns a :class:`Measure`: a value, a 95% interval, and one sentence that
says what the value means for search. :func:`survey` runs them all on a sample and makes a report.

Six functions carry the name of the file they live in, so the names are bound here rather than looked up lazily: a
submodule that is loaded later would take their place. Nothing below imports more than numpy. The room itself can be
called: ``nearfield.survey(vectors)`` is ``nearfield.survey.survey(vectors)``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from .analogy import analogy
from .association import association
from .contrast import contrast
from .duplicates import duplicates
from .hubness import hubness
from .intrinsic import intrinsic_dimension_mle, intrinsic_dimension_twonn, local_intrinsic_dimension
from .isotropy import isotropy, mean_cosine
from .measure import Measure
from .neighbors import Neighborhood, sample_neighbors
from .norms import norm_spread
from .rank import effective_rank, participation_ratio
from .survey import Survey, survey

__all__ = [
    "Measure",
    "Neighborhood",
    "Survey",
    "analogy",
    "association",
    "contrast",
    "duplicates",
    "effective_rank",
    "hubness",
    "intrinsic_dimension_mle",
    "intrinsic_dimension_twonn",
    "isotropy",
    "local_intrinsic_dimension",
    "mean_cosine",
    "norm_spread",
    "participation_ratio",
    "sample_neighbors",
    "survey",
]


class _Room(ModuleType):
    def __call__(self, vectors: Any, **options: Any) -> Survey:
        return survey(vectors, **options)


sys.modules[__name__].__class__ = _Room
