"""How far each of two models is believed where both are asked while a store is moved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from .next_space import ENCODED_WEIGHT


class Mixture(NamedTuple):
    """The weight of the new model's similarity beside the old one's, both in standard deviations.

    Attributes
    ----------
    encoded, mapped : where the new model encoded the item, and where its vector is mapped; the old one has the rest.
    lift : what a mapped item is brought nearer by, for what is unknown of it.
    """

    encoded: float
    mapped: float
    lift: float

    @classmethod
    def of(cls, following: Mapping[str, Any], weight: float | None = None) -> Mixture:
        """As the setting ``next`` says, or as it would be with this weight where an item is encoded.

        What pairs told of mapped items is for the usual weight; with less of it there, they get as much less.
        """
        if weight is None:
            judged = following.get("judged")
            weight = ENCODED_WEIGHT if judged is None else float(judged["weight"])
        share = weight / ENCODED_WEIGHT
        return cls(weight, min(1.0, share * following["weight"]), share * following["lift"])

    @property
    def old_alone(self) -> bool:
        """Whether the new model has no say at all."""
        return self.encoded == self.mapped == self.lift == 0.0

    def scores(self, known: np.ndarray, own: np.ndarray, encoded: np.ndarray) -> np.ndarray:
        """Both standings of items as one, smaller is nearer; ``encoded`` says which of them the new model encoded."""
        weight = np.where(encoded, self.encoded, self.mapped)
        return np.asarray((1 - weight) * known + weight * own - np.where(encoded, 0.0, self.lift))
