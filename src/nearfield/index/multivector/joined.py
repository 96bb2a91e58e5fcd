"""Several encodings of a bag, one after another: their products add up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from ... import native
from ...common.checks import check_real
from ...encode.bags import Bags
from ..files import part
from .encoding import BagEncoding, encoding_from_dict


class JoinedEncoding(BagEncoding):
    """The encodings' vectors one after another, so that a product is the weighted sum of theirs.

    For a mean that finds most and encodings that find what it misses. The weights are on the queries' side: the codec
    of the index sees every part as it is.

    Parameters
    ----------
    encodings : at least one, not fitted.
    weights : one for each, positive; None scales each part so that over the fitted queries (or documents, where there
        are none) its products spread alike.

    Attributes
    ----------
    weights_ : float32, the weights in use.

    Examples
    --------
    >>> from nearfield.index import MeanEncoding, FixedDimensionalEncoding
    >>> bags = Bags.from_list([np.eye(4, dtype=np.float32)])
    >>> JoinedEncoding([MeanEncoding(), FixedDimensionalEncoding(4, 2, 2)], weights=[1, 2]).fit(bags).dimensions_
    20
    """

    name: ClassVar[str] = "joined"

    def __init__(self, encodings: Sequence[BagEncoding], weights: Sequence[float] | None = None):
        self.encodings = list(encodings)
        if not self.encodings or not all(isinstance(one, BagEncoding) for one in self.encodings):
            raise TypeError(f"encodings: expected one or more BagEncoding, got {encodings!r}")
        self.weights: list[float] | None = None
        if weights is not None:
            self.weights = [check_real(one, "weights", 0, 1e6, open_low=True) for one in weights]
            if len(self.weights) != len(self.encodings):
                raise ValueError(f"weights: expected {len(self.encodings)}, one for each, got {len(self.weights)}")

    def _parameters(self) -> dict[str, Any]:
        return {"encodings": [one.to_dict() for one in self.encodings], "weights": self.weights}

    @classmethod
    def _from_parameters(cls, parameters: dict[str, Any]) -> Self:
        return cls([encoding_from_dict(one) for one in parameters["encodings"]], parameters["weights"])

    def _fit(self, bags: Bags, queries: Bags | None) -> None:
        for one in self.encodings:
            one.fit(bags, queries)
        self._set(np.array(self.weights if self.weights is not None else self._alike(bags, queries), np.float32))

    def _alike(self, bags: Bags, queries: Bags | None) -> list[float]:
        documents = bags[: min(len(bags), 1000)]
        asked = documents[:200] if queries is None else queries[:200]
        products = (one.queries(asked) @ one.documents(documents).T for one in self.encodings)
        spreads = [float(found.std(axis=1).mean()) for found in products]
        return [1 / spread if spread > 0 else 1.0 for spread in spreads]

    def _set(self, weights: np.ndarray) -> None:
        self.weights_ = weights
        self.dimensions_ = sum(one.dimensions_ for one in self.encodings)
        if self.dimensions_ > native.MAX_DIM:
            raise ValueError(f"encodings: expected at most {native.MAX_DIM} dimensions in all, got {self.dimensions_}")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Those of every encoding, by its number, and the weights."""
        self._fitted()
        arrays = {"weights": self.weights_}
        for number, one in enumerate(self.encodings):
            arrays |= {f"{number}.{name}": array for name, array in one.to_arrays().items()}
        return arrays

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        weights = np.ascontiguousarray(arrays["weights"])
        if weights.dtype != np.float32 or weights.shape != (len(self.encodings),) or not np.isfinite(weights).all():
            raise ValueError(f"weights: expected finite float32 ({len(self.encodings)},), got {weights.shape}")
        for number, one in enumerate(self.encodings):
            one._restore(dim, part(arrays, f"{number}."))
        self._set(weights)
        super()._restore(dim, arrays)

    def _documents(self, bags: Bags) -> np.ndarray:
        return np.concatenate([one.documents(bags) for one in self.encodings], axis=1)

    def _queries(self, bags: Bags) -> np.ndarray:
        parts = [one.queries(bags) * weight for one, weight in zip(self.encodings, self.weights_, strict=True)]
        return np.concatenate(parts, axis=1)
