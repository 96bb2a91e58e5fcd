"""Scalar codes of two levels: 4 bits to search by, and some more beside them to order the best by."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_vectors
from ..native import levels
from .scalar import ScalarQuantizer


class TwoLevelQuantizer(ScalarQuantizer):
    """A uniform code of 5, 6, 8 or 12 bits a dimension, whose upper four bits stand in rows of their own.

    A search reads the first level alone, half of what 8-bit codes would cost it; with ``rescore="residual"`` an index
    keeps the second level too and scores the best candidates again by both, as exactly as one code of all bits would.
    With 4 bits in the second level that takes the memory of 8-bit codes in all, where 4-bit codes rescored by 8-bit
    ones take half as much again. Choose it over :class:`ScalarQuantizer` of 8 bits when a search waits for memory
    (wide vectors, large sets), and over 4 bits alone when those find too little: each further bit halves the error.

    As a codec of its own (:meth:`encode`, :meth:`decode`, :meth:`space`) it is its first level.

    Parameters
    ----------
    residual_bits : 4, or 1, 2 or 8: of the second level, a dimension.

    Attributes
    ----------
    center_ : float32 (d,), the mean of the fitted vectors.

    Notes
    -----
    Source: locally-adaptive vector quantisation with two levels (Aguerrebere et al., Similarity search in the blink of
    an eye with compressed indices, VLDB 2023, section 3): the step of the first level is the range of what it leaves,
    so the second needs no constants of its own. Departures: both levels are cut from one uniform code, so that the
    codes of the first are middles of cells rather than a grid through the row's extremes (a step one sixteenth smaller
    with 4 + 4 bits), and the score of both is a sum in whole numbers. With 1 and 2 bits the range is the best of nine
    by squared error, as with :class:`ScalarQuantizer` of 4 bits. A row of the second level begins with its own squared
    length, four bytes.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((100, 32), np.float32)
    >>> codec = TwoLevelQuantizer().fit(x)
    >>> codec.bytes_per_vector, codec.residual_bytes_per_vector
    (32, 20)
    >>> codes, residual = codec.encode(x), codec.encode_residual(x)
    >>> bool(np.abs(codec.decode(codes) - x).max() < 0.3)
    True
    >>> bool(np.abs(codec.decode_both(codes, residual) - x).max() < 0.02)
    True
    """

    def __init__(self, residual_bits: int = 4):
        if not isinstance(residual_bits, Integral) or isinstance(residual_bits, bool):
            raise ValueError(f"residual_bits: expected 1, 2, 4 or 8, got {residual_bits!r}")
        if residual_bits not in (1, 2, 4, 8):
            raise ValueError(f"residual_bits: expected 1, 2, 4 or 8, got {residual_bits!r}")
        super().__init__(4)
        self.residual_bits: int = int(residual_bits)

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "two-level", "residual_bits": self.residual_bits}

    def encode_residual(self, vectors: Any) -> np.ndarray:
        """The second level of ``vectors`` (n, d): uint8 rows of :attr:`residual_bytes_per_vector`."""
        array, single = check_vectors(vectors, "vectors", dim=self._fitted_dim())
        residual = levels.encode(self.residual_bits, array, self.center_)[1]
        return residual[0] if single else residual

    def decode_both(self, codes: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """The float32 (n, d) vectors that rows of both levels stand for."""
        first, second = (np.atleast_2d(np.ascontiguousarray(rows)) for rows in (codes, residual))
        self._check_levels(first, second)
        vectors = levels.decode(self.residual_bits, first, second, self.center_)
        return vectors[0] if np.ndim(codes) == 1 else vectors

    @property
    def residual_bytes_per_vector(self) -> int:
        """Bytes that the second level of one row takes."""
        return self._residual_row_bytes(self._fitted_dim())

    def residual_space(self, codes: np.ndarray, residual: np.ndarray) -> native.Space:
        """Rows of both levels as the native core takes them; queries are prepared as for :meth:`space`."""
        self._check_levels(codes, residual)
        return levels.space(self.residual_bits, codes, residual, self._fitted_dim(), self.center_)

    def _residual_row_bytes(self, dim: int) -> int:
        return levels.row_bytes(self.residual_bits, dim)

    def _check_levels(self, codes: np.ndarray, residual: np.ndarray) -> None:
        widths = (self.bytes_per_vector, self.residual_bytes_per_vector)
        for name, rows, width in zip(("codes", "residual"), (codes, residual), widths, strict=True):
            if rows.dtype != np.uint8 or rows.shape != (len(codes), width):
                raise ValueError(f"{name}: expected uint8 {(len(codes), width)}, got {rows.dtype} {rows.shape}")

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return levels.encode(self.residual_bits, vectors, self.center_)[0]
