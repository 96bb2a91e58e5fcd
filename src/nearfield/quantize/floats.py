"""Codecs that keep floats: the vectors as they are, or in half precision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .codec import Codec


class Float32(Codec):
    """Keeps every vector as it is: 4 bytes a dimension, no loss. The baseline that the others are measured against.

    Choose :class:`Float16` for half the bytes at a loss nobody sees, :class:`ScalarQuantizer` for a quarter or less.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.float32([[1, 2, 3]])
    >>> codec = Float32().fit(x)
    >>> codec.bytes_per_vector, bool((codec.decode(codec.encode(x)) == x).all())
    (12, True)
    """

    kind = "f32"
    fits_in_blocks = True
    header_floats = 0
    dtype = np.dtype(np.float32)

    def fit_blocks(self, blocks: Iterable[np.ndarray]) -> Codec:
        """Like :meth:`fit`: there is nothing to learn but the dimensions."""
        return self.fit(next(iter(blocks)))

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "float32"}

    def _row_bytes(self, dim: int) -> int:
        return 4 * dim

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return vectors

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return codes


class Float16(Codec):
    """Keeps every vector in IEEE half precision: 2 bytes a dimension, eleven significant bits.

    On unit vectors the error of an inner product is about 1e-4: far below the gaps between neighbours. Values beyond
    65504 do not fit and are refused; those below 6e-5 lose digits, and below 3e-8 become zero.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.float32([[0.1, 0.2]])
    >>> codec = Float16().fit(x)
    >>> float(abs(codec.decode(codec.encode(x)) - x).max()) < 1e-4
    True
    """

    kind = "f16"
    fits_in_blocks = True
    header_floats = 0
    dtype = np.dtype(np.float16)

    def fit_blocks(self, blocks: Iterable[np.ndarray]) -> Codec:
        """Like :meth:`fit`: there is nothing to learn but the dimensions."""
        return self.fit(next(iter(blocks)))

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "float16"}

    def _row_bytes(self, dim: int) -> int:
        return 2 * dim

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        if vectors.size and float(np.abs(vectors).max()) > 65504:
            raise ValueError(f"vectors: expected values up to 65504 for float16, got {np.abs(vectors).max():g}")
        return vectors.astype(np.float16)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return codes.astype(np.float32)
