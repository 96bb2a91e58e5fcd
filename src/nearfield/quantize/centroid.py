"""Centroid and residual bits: a vector is named by its nearest centroid, and a few bits say where it lies beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from ..native import additive
from .additive import AdditiveCodec
from .books import assign, free_words
from .variance import VarianceQuantizer

_SAMPLE = 1 << 15


class CentroidQuantizer(AdditiveCodec):
    """A byte or two for a centroid, and bits by variance for what it leaves: for vectors that lie in many clusters.

    Token vectors of texts do: the same word in like company has like vectors. What the centroids leave has less
    variance than the vectors, and the same bits say it more exactly: at equal bytes it loses less than
    :class:`VarianceQuantizer`, whose bits go by the variance of the whole. Vectors of whole texts cluster little: there
    the centroid's byte is better spent on bits. ``stages + ceil(bits * d / 8)`` bytes and 4 of header, in fours.

    Decoded vectors are shorter than the vectors, each by what its code left out. ``MultiVector`` undoes that: it keeps
    the factor in the header, which products do not need. Give it ``means`` as well, and 28 bytes of this codec for 384
    dimensions.

    Parameters
    ----------
    bits : of the residual, a dimension, over 0 to 8. With 384 dimensions 0.5 are 29 bytes, padded to 32, and 1 is 56.
    stages : books of 256 centroids that add up: 1 are 256 centroids, 2 are 65,536.
    iterations : most rounds of k-means, and of Lloyd's method for the levels.
    random_state : seed of the sample and the first centroids.

    Attributes
    ----------
    center_, words_, layout_ : see :class:`ResidualQuantizer`; in principal directions of the residuals.
    residual_ : the fitted :class:`VarianceQuantizer` of the residuals.

    Notes
    -----
    Source: ColBERTv2 (Santhanam et al., 2022), section 3.3: nearest centroid and 1 or 2 bits a dimension of the
    residual. Departures: the bits go to principal directions of the residuals by their variance, with levels by Lloyd's
    method instead of quantiles, so that fewer than one bit a dimension can be had; centroids may be sums of two.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((50, 16))[rng.integers(0, 50, 2000)] + 0.2 * rng.standard_normal((2000, 16))
    >>> x = x.astype(np.float32)
    >>> codecs = [CentroidQuantizer(1.0).fit(x), VarianceQuantizer(2.0).fit(x)]
    >>> [codec.bytes_per_vector for codec in codecs]
    [8, 8]
    >>> errors = [float(((codec.decode(codec.encode(x)) - x) ** 2).mean()) for codec in codecs]
    >>> errors[0] < errors[1]
    True
    """

    def __init__(self, bits: float = 0.5, stages: int = 1, *, iterations: int = 12, random_state: int = 0):
        self._check(bits, iterations)
        self.bits = float(bits)
        self.stages = check_int(stages, "stages", 1, 8)
        self.iterations = check_int(iterations, "iterations", 1, 1000)
        self.random_state = check_random_state(random_state)

    @staticmethod
    def _check(bits: float, iterations: int) -> VarianceQuantizer:
        return VarianceQuantizer(bits, iterations=iterations)

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        own = {"bits": self.bits, "stages": self.stages, "iterations": self.iterations}
        return {"codec": "centroid", **own, "random_state": self.random_state}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Those of the books, and of the residuals' codec its rotation, bits and center."""
        fine = self.residual_.to_arrays()
        return super().to_arrays() | {"rotation": fine["rotation"], "bits": fine["bits"], "shift": fine["center"]}

    def prepare_queries(self, queries: np.ndarray) -> np.ndarray:
        """Queries in the principal directions of the residuals."""
        return self._framed(queries)

    def _books(self, dim: int) -> int:
        return self.stages + self._check(self.bits, self.iterations)._books(dim)

    def _fit(self, vectors: np.ndarray) -> None:
        n, dim = vectors.shape
        rng = np.random.default_rng(self.random_state)
        rows = np.sort(rng.permutation(n)[:_SAMPLE]) if n > _SAMPLE else np.arange(n)
        mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        rest = np.ascontiguousarray(vectors[rows] - mean)
        books = []
        for _ in range(self.stages):
            books.append(free_words(rest, rng, self.iterations))
            rest -= books[-1].T[assign(rest, books[-1])]
        self.residual_ = self._check(self.bits, self.iterations)
        self.residual_.fit(rest)
        turned = [self._framed(np.ascontiguousarray(book.T)).T for book in books]
        self.words_ = np.ascontiguousarray(np.concatenate([*turned, self.residual_.words_]))
        coarse = [(0, dim, stage * dim) for stage in range(self.stages)]
        fine = self.residual_.layout_ + np.array([0, 0, self.stages * dim], np.int32)
        self.layout_ = np.concatenate([np.array(coarse, np.int32), fine])
        self.center_ = self._framed(mean[None])[0] + self.residual_.center_

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        super()._restore(dim, arrays)
        first = self.stages * dim
        coarse = [(0, dim, stage * dim) for stage in range(self.stages)]
        if (self.layout_[: self.stages] != coarse).any() or len(self.words_) <= first:
            raise ValueError(f"layout: expected {self.stages} books of all {dim} dimensions first")
        fine = {name: arrays[name] for name in ("rotation", "bits")}
        fine |= {"center": arrays["shift"], "words": self.words_[first:]}
        fine["layout"] = self.layout_[self.stages :] - np.array([0, 0, first], np.int32)
        self.residual_ = self._check(self.bits, self.iterations)
        self.residual_._restore(dim, fine)

    def _framed(self, vectors: np.ndarray) -> np.ndarray:
        return self.residual_._framed(vectors)

    def _codes(self, centred: np.ndarray) -> np.ndarray:
        rest = centred + self.residual_.center_
        codes = np.empty((len(rest), self.stages), np.uint8)
        for stage in range(self.stages):
            book = self.words_[stage * self.dim_ : (stage + 1) * self.dim_]
            codes[:, stage] = assign(rest, book)
            rest -= book.T[codes[:, stage]]
        return np.concatenate([codes, self.residual_._codes(rest - self.residual_.center_)], axis=1)

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return self.residual_._unframed(additive.unpack(codes, self.words_, self.layout_, self.center_))
