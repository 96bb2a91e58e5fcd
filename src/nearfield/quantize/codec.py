"""The protocol of a codec, and the door by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_choice, check_int, check_vectors

# The one list of codecs: name in descriptions and files -> module and class, loaded when asked for.
CODEC_CLASSES = {
    "float32": (".floats", "Float32"),
    "float16": (".floats", "Float16"),
    "scalar": (".scalar", "ScalarQuantizer"),
    "two-level": (".two_level", "TwoLevelQuantizer"),
    "rotated": (".rotated", "RotatedQuantizer"),
    "recurrent": (".recurrent", "RecurrentBinary"),
    "product": (".residual", "ProductQuantizer"),
    "variance": (".variance", "VarianceQuantizer"),
    "centroid": (".centroid", "CentroidQuantizer"),
    "low-rank": (".lowrank", "LowRankQuantizer"),
    "residual": (".residual", "ResidualQuantizer"),
}


class Codec(ABC):
    """Turns float32 vectors into codes an index keeps, and scores queries against the codes without decoding them.

    A codec is fitted once (:meth:`fit`), then encodes any number of rows. Its scores are those of the decoded
    vectors: what the code lost is lost for the ranking too, unless an index rescores with a finer codec. (An unbiased
    codec keeps each vector's own length: its distances are estimates of those to the vectors themselves.)

    Attributes
    ----------
    kind : the native name of the code rows: "f32", "f16", "sq8", "sq4", "sq2", "sq1" or "additive".
    dtype : of the code rows.
    dim_ : dimensions of the vectors it was fitted on.
    unbiased : whether the expected score, over the codec's own randomness, is that of the vector itself.
    coarse : whether its codes are too coarse to choose a graph's links by, or slow to compare with each other: the
        links are then found by 8-bit codes, which are dropped afterwards.
    header_floats : how many floats stand before the codes of a row.
    fits_in_blocks : whether :meth:`fit_blocks` holds no more than one block; otherwise it gathers all rows.

    Examples
    --------
    >>> import numpy as np
    >>> from nearfield.quantize import Float16
    >>> codec = Float16().fit(np.eye(4, dtype=np.float32))
    >>> codec.bytes_per_vector
    8
    """

    kind: str
    dtype: np.dtype
    dim_: int
    unbiased: bool = False
    coarse: bool = False
    header_floats: int = 3
    fits_in_blocks: bool = False

    def fit(self, vectors: Any) -> Codec:
        """Learn what the codes need to know from ``vectors`` (n, d); returns self. ValueError for NaN or n = 0."""
        array, _ = check_vectors(vectors, "vectors", min_rows=1)
        self.dim_ = array.shape[1]
        self._fit(array)
        return self

    def fit_blocks(self, blocks: Iterable[np.ndarray]) -> Codec:
        """Like :meth:`fit`, on the rows of ``blocks``, float32 (n_i, d) each, gone through once; returns self.

        An index fits so, to keep the memory of a build small. A codec that has to see all rows at once gathers them.
        """
        return self.fit(np.concatenate(list(blocks)))

    def encode(self, vectors: Any) -> np.ndarray:
        """Code rows of ``vectors`` (n, d): n rows of :attr:`bytes_per_vector`, whose dtype depends on the codec."""
        array, single = check_vectors(vectors, "vectors", dim=self._fitted_dim())
        codes = self._encode(array)
        return codes[0] if single else codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The float32 (n, d) vectors that the code rows stand for."""
        rows = np.ascontiguousarray(codes)
        single = rows.ndim == 1
        if single:
            rows = rows[None]
        width = self.bytes_per_vector // self.dtype.itemsize
        if rows.ndim != 2 or rows.shape[1] != width or rows.dtype != self.dtype:
            expected = f"{self.dtype} of shape (n, {width}) or ({width},)"
            raise ValueError(f"codes: expected {expected}, got {rows.dtype} {np.shape(codes)}")
        vectors = self._decode(rows)
        return vectors[0] if single else vectors

    def scorer(self, query: Any, metric: str) -> Callable[[np.ndarray], np.ndarray]:
        """A function from code rows to scores against ``query`` (d,): ``-<q, x>`` for "ip", squared l2 for "l2"."""
        check_choice(metric, "metric", ("ip", "l2"))
        array, single = check_vectors(query, "query", dim=self._fitted_dim())
        if not single:
            raise ValueError(f"query: expected one vector of shape (d,), got {np.shape(query)}")

        asked = self.prepare_queries(array)

        def score(codes: np.ndarray) -> np.ndarray:
            space = self.space(codes)
            return native.score(space, asked, np.arange(len(codes), dtype=np.uint32), metric=metric)[0]

        return score

    def prepare_queries(self, queries: np.ndarray) -> np.ndarray:
        """Checked float32 (q, d) queries as :meth:`space` is asked: for codes of rotated vectors, rotated alike."""
        return queries

    @property
    def bytes_per_vector(self) -> int:
        """Bytes one code row takes."""
        return self._row_bytes(self._fitted_dim())

    def row_bytes(self, dim: int) -> int:
        """Bytes one code row of vectors of ``dim`` dimensions would take; nothing need be fitted."""
        return self._row_bytes(check_int(dim, "dim", 1, native.MAX_DIM))

    def space(self, codes: np.ndarray, scale: np.ndarray | None = None) -> native.Space:
        """The code rows as the native core takes them."""
        return native.make_space(self.kind, codes, self._fitted_dim(), center=self._center(), scale=scale)

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON; what was fitted comes from :meth:`to_arrays`."""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What was fitted, as named arrays."""
        return {}

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        self.dim_ = dim

    def _fitted_dim(self) -> int:
        if not hasattr(self, "dim_"):
            raise ValueError(f"{type(self).__name__} is not fitted; call fit first")
        return self.dim_

    def _fit(self, vectors: np.ndarray) -> None:
        return

    def _center(self) -> np.ndarray | None:
        return None

    @abstractmethod
    def _row_bytes(self, dim: int) -> int: ...

    @abstractmethod
    def _encode(self, vectors: np.ndarray) -> np.ndarray: ...

    @abstractmethod
    def _decode(self, codes: np.ndarray) -> np.ndarray: ...

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.to_dict().items() if k != "codec")
        return f"{type(self).__name__}({arguments})"


def restored_center(dim: int, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The center of a file; ValueError unless it is finite float32 (dim,)."""
    center = np.ascontiguousarray(arrays["center"])
    if center.dtype != np.float32 or center.shape != (dim,) or not np.isfinite(center).all():
        raise ValueError(f"a center of {center.dtype} {center.shape}, expected finite float32 ({dim},)")
    return center


def codec_from_dict(
    description: dict[str, Any], dim: int | None = None, arrays: dict[str, np.ndarray] | None = None
) -> Codec:
    """The codec that :meth:`Codec.to_dict` described; fitted when ``dim`` and ``arrays`` are given.

    Examples
    --------
    >>> codec_from_dict({"codec": "scalar", "bits": 4})
    ScalarQuantizer(bits=4)
    """
    parameters = dict(description)
    module, name = CODEC_CLASSES[check_choice(parameters.pop("codec", None), "codec", tuple(CODEC_CLASSES))]
    codec: Codec = getattr(import_module(module, __package__), name)(**parameters)
    if dim is not None:
        codec._restore(dim, arrays or {})
    return codec
