"""The measures of :func:`nearfield.survey.survey` that need labels, in the order of the report."""

from __future__ import annotations

from typing import Any

from .capacity import manifold_capacity
from .collection import Collection
from .labels import Labels
from .measure import Measure
from .neighbors import Neighborhood
from .purity import neighbor_purity
from .separability import class_separability
from .sharpness import label_sharpness
from .thresholds import threshold_inconsistency

LABELLED = (
    "neighbor_purity",
    "class_separability",
    "label_sharpness",
    "manifold_capacity",
    "threshold_inconsistency",
)


def labelled_measures(
    space: Collection, labels: Labels, *, sample: int, random_state: int, neighbors: Neighborhood
) -> dict[str, Measure]:
    """Name -> measure; ``neighbors`` are those of some rows, shared with the measures that need no labels."""
    common: dict[str, Any] = {"metric": space.metric, "random_state": random_state}
    return {
        "neighbor_purity": neighbor_purity(space, labels, sample=sample, neighbors=neighbors, **common),
        "class_separability": class_separability(space, labels, **common),
        "label_sharpness": label_sharpness(space, labels, **common),
        "manifold_capacity": manifold_capacity(space, labels, **common),
        "threshold_inconsistency": threshold_inconsistency(space, labels, **common),
    }
