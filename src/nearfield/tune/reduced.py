"""A codec over fewer dimensions that is asked and answered in all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import native
from ..quantize import Codec
from ..transform.linear import LinearMap


class Reduced(Codec):
    """A codec over fewer dimensions, asked and answered in all of them.

    Under cosine (``unit``) what is mapped is brought to unit length again, as an index does. An index takes the two
    parts apart, as transform and codec; this is for measuring, and for codes without an index.

    Examples
    --------
    >>> from nearfield.quantize import ScalarQuantizer
    >>> rows = np.random.default_rng(0).standard_normal((100, 8)).astype(np.float32)
    >>> codec = Reduced(ScalarQuantizer(8), LinearMap(np.eye(4, 8)), unit=False).fit(rows)
    >>> codec.decode(codec.encode(rows)).shape
    (100, 8)
    """

    def __init__(self, inner: Codec, reduction: LinearMap, unit: bool):
        self.inner, self.map, self.unit = inner, reduction, unit

    @property
    def kind(self) -> str:  # type: ignore[override]
        return self.inner.kind

    @property
    def dtype(self) -> np.dtype:  # type: ignore[override]
        return self.inner.dtype

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "reduced", "inner": self.inner.to_dict(), "kept": len(self.map.matrix), "unit": self.unit}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Those of the codec, and the map, of which a prefix of the dimensions needs nothing."""
        kept, dim = self.map.matrix.shape
        prefix = np.array_equal(self.map.matrix, np.eye(kept, dim, dtype=np.float32))
        return self.inner.to_arrays() | ({} if prefix else {"matrix": self.map.matrix, "offset": self.map.offset})

    def prepare_queries(self, queries: np.ndarray) -> np.ndarray:
        """Queries mapped, as the codec is asked."""
        return self.inner.prepare_queries(self._mapped(queries))

    def space(self, codes: np.ndarray, scale: np.ndarray | None = None) -> native.Space:
        """The code rows as the native core takes them."""
        return self.inner.space(codes, scale)

    def _mapped(self, vectors: np.ndarray) -> np.ndarray:
        mapped = self.map.transform(vectors)
        if self.unit:
            lengths = np.sqrt(np.einsum("ij,ij->i", mapped, mapped))
            mapped = mapped / np.where(lengths > 0, lengths, np.float32(1))[:, None]
        return np.ascontiguousarray(mapped)

    def _fit(self, vectors: np.ndarray) -> None:
        self.inner.fit(self._mapped(vectors))

    def _row_bytes(self, dim: int) -> int:
        return self.inner.bytes_per_vector

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return self.inner.encode(self._mapped(vectors))

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return self.map.inverse_transform(self.inner.decode(codes))
