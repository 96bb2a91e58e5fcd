"""Recurrent binary codes: the sign of each dimension, then the sign of what the signs before left."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from .. import native
from .codec import Codec, restored_center


class RecurrentBinary(Codec):
    """One, two or four signs a dimension, each of what the ones before left; queries may be coded alike.

    The first loop keeps the sign of every dimension (around the mean), each loop after it the sign of the residual
    with half the step: together an even grid of ``2 ** loops`` levels, whose step is the best for each vector. No
    training and no rotation: choose it over :class:`RotatedQuantizer` where queries should be codes too
    (``symmetric``, for instance because they are stored or sent as codes) or where the dimensions of the vectors
    should stay as they are. With queries as they come, :class:`RotatedQuantizer` of as many bits finds about as
    much, its estimates are unbiased, and it stands single large dimensions better.

    Decoded vectors have the length of the encoded ones (around the mean), so that scores are those of the decoded
    vectors. With ``symmetric``, a query is replaced by its own decoded code: under "l2" the score is the squared
    distance between two codes, under "ip" the negative product of the two decoded vectors, mean included. The products
    of the codes are summed exactly, in integers.

    Parameters
    ----------
    loops : 1, 2 or 4: bits a dimension. 4 need no rescoring for most uses; 1 and 2 are for a first search.
    symmetric : whether queries are coded as well. Costs recall (most with 1 loop), saves sending or keeping floats.

    Attributes
    ----------
    center_ : float32 (d,), the mean of the fitted vectors.

    Notes
    -----
    Source: Binary Embedding-based Retrieval at Tencent (Gan et al., KDD 2023), for the loops and for symmetric
    distances. Departures: no network is trained, so the codes are those of the vectors as they are, and not
    compatible with those of another model; the mean is taken away; each vector has a step and a length of its own.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((100, 64), np.float32)
    >>> codec = RecurrentBinary(loops=2).fit(x)
    >>> codec.bytes_per_vector
    32
    >>> bool(np.corrcoef(codec.scorer(x[0], "ip")(codec.encode(x)), -x @ x[0])[0, 1] > 0.9)
    True
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, loops: int = 2, symmetric: bool = False):
        if not isinstance(loops, Integral) or isinstance(loops, bool) or loops not in (1, 2, 4):
            raise ValueError(f"loops: expected 1, 2 or 4, got {loops!r}")
        if not isinstance(symmetric, bool | np.bool_):
            raise TypeError(f"symmetric: expected True or False, got {symmetric!r}")
        self.loops: int = int(loops)
        self.symmetric: bool = bool(symmetric)

    @property
    def kind(self) -> str:  # type: ignore[override]
        """The native name of the code rows."""
        return f"sq{self.loops}"

    @property
    def coarse(self) -> bool:  # type: ignore[override]
        """Whether a graph should be linked by finer codes: with 1 and 2 loops."""
        return self.loops < 4

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "recurrent", "loops": self.loops, "symmetric": self.symmetric}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The center."""
        self._fitted_dim()
        return {"center": self.center_}

    def prepare_queries(self, queries: np.ndarray) -> np.ndarray:
        """The queries themselves; with ``symmetric``, what their codes decode to."""
        return self._decode(self._encode(queries)) if self.symmetric else queries

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        super()._restore(dim, arrays)
        self.center_ = restored_center(dim, arrays)

    def _fit(self, vectors: np.ndarray) -> None:
        self.center_ = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)

    def _center(self) -> np.ndarray:
        return self.center_

    def _row_bytes(self, dim: int) -> int:
        return native.code_row_bytes(self.kind, dim)

    def _encode(self, vectors: np.ndarray) -> np.ndarray:
        return native.encode_symmetric(self.kind, "length", vectors - self.center_)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return native.decode(self.kind, codes, self.center_)
