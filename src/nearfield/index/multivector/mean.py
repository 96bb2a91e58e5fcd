"""The mean of a bag: the plainest vector for it, and on mean-pooled encoders hard to beat."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...encode.bags import Bags
from .encoding import BagEncoding


class MeanEncoding(BagEncoding):
    """The mean of a document's vectors, and the sum of a query's.

    Their product is the MaxSim with the mean in place of the maximum. Choose it first for tokens of an encoder that was
    trained to be averaged (most sentence transformers): there the other encodings have to beat it, and plain
    fixed-dimensional ones of the same size do not. Nothing is fitted.

    Parameters
    ----------
    normalize : scale the document's mean to length one. Documents whose vectors disagree have a short mean, and MaxSim
        does not punish them for it: on SciFact it finds more with it.

    Examples
    --------
    >>> bags = Bags.from_list([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 2.0]]])
    >>> MeanEncoding(normalize=False).fit(bags).documents(bags)
    array([[0.5, 0.5],
           [0. , 2. ]], dtype=float32)
    """

    name: ClassVar[str] = "mean"

    def __init__(self, normalize: bool = True):
        self.normalize = bool(normalize)

    def _parameters(self) -> dict[str, Any]:
        return {"normalize": self.normalize}

    def _fit(self, bags: Bags, queries: Bags | None) -> None:
        self.dimensions_ = bags.dim

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        super()._restore(dim, arrays)
        self.dimensions_ = dim

    def _documents(self, bags: Bags) -> np.ndarray:
        return bags.means(self.normalize)

    def _queries(self, bags: Bags) -> np.ndarray:
        return bags.means() * bags.lengths[:, None].astype(np.float32)
