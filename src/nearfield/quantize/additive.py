"""What all additive codecs share: a row of bytes stands for the center and a sum of words, one of each book."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from .. import native
from ..native import additive
from .codec import Codec

_ROWS = 16384


class AdditiveCodec(Codec):
    """Code rows scored by tables: a query's product with every word is worked out once, a row's score is a sum.

    Examples
    --------
    >>> from nearfield.quantize import ProductQuantizer
    >>> isinstance(ProductQuantizer(8), AdditiveCodec)
    True
    """

    kind = "additive"
    dtype = np.dtype(np.uint8)
    coarse = True
    header_floats = 1

    def space(self, codes: np.ndarray, scale: np.ndarray | None = None) -> native.Space:
        """The code rows as the native core takes them."""
        dim = self._fitted_dim()
        return native.make_space(
            self.kind, codes, dim, center=self.center_, scale=scale, words=self.words_, layout=self.layout_
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Center, words and layout of the books."""
        self._fitted_dim()
        return {"center": self.center_, "words": self.words_, "layout": self.layout_}

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        self.center_ = np.ascontiguousarray(arrays["center"])
        self.words_ = np.ascontiguousarray(arrays["words"])
        self.layout_ = np.ascontiguousarray(arrays["layout"])
        shapes = (self.center_.shape, self.words_.shape[1:], self.layout_.shape[1:], self.layout_.ndim)
        if shapes != ((dim,), (additive.WORDS,), (3,), 2):
            raise ValueError(f"a center, words and a layout of shapes that do not fit {dim} dimensions: {shapes}")
        for name, array in (("center", self.center_), ("words", self.words_)):
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise ValueError(f"{name}: expected finite float32, got {array.dtype}")
        if self.layout_.dtype != np.int32 or len(self.layout_) != self._books(dim):
            raise ValueError(f"layout: expected int32 of {self._books(dim)} books, got {self.layout_.shape}")
        super()._restore(dim, arrays)

    def _row_bytes(self, dim: int) -> int:
        return additive.row_bytes(self._books(dim))

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        rows = np.empty((len(vectors), self.bytes_per_vector), np.uint8)
        for start in range(0, len(vectors), _ROWS):
            codes = self._codes(self._framed(vectors[start : start + _ROWS]) - self.center_)
            rows[start : start + _ROWS] = additive.pack(codes, self.words_, self.layout_, self.dim_)
        return rows

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return additive.unpack(codes, self.words_, self.layout_, self.center_)

    def _framed(self, vectors: np.ndarray) -> np.ndarray:
        """Rows in the frame of the books."""
        return vectors

    center_: np.ndarray
    words_: np.ndarray
    layout_: np.ndarray

    @abstractmethod
    def _books(self, dim: int) -> int:
        """How many books, and so bytes of codes, a fit on ``dim`` dimensions has."""

    @abstractmethod
    def _codes(self, centred: np.ndarray) -> np.ndarray:
        """Code bytes (n, books) of rows whose center was taken away."""
