"""Low-rank vector quantisation: one book for all parts of a vector, its words few numbers behind one linear decoder."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_random_state
from ..native import additive
from .additive import AdditiveCodec
from .books import assign, cells, free_words

_SAMPLE = 1 << 16


class LowRankQuantizer(AdditiveCodec):
    """Every part of a vector is coded by one of 256 shared words, and a word is ``rank`` numbers times one decoder.

    What is stored beside the codes is the smallest of all vector quantisers: ``rank * (256 + width)`` numbers. Choose
    it for small tables, where the books of a :class:`ProductQuantizer` weigh as much as the codes; elsewhere books of
    its own for every part lose less.

    Parameters
    ----------
    groups : parts of equal size that the dimensions are cut into (the last may be smaller), and bytes of codes.
    rank : numbers of a word, 1 to the size of a part (more counts as that, which is ordinary vector quantisation).
        None predicts it from the spectrum (:func:`predict_rank`).
    iterations : most rounds of learning of the words; then a quarter as many of decoder and words in turn.
    random_state : seed of the sample and the first words.

    Attributes
    ----------
    rank_ : the rank in use.
    coordinates_, decoder_ : float32 (256, rank) and (rank, width), the words being their product.

    Notes
    -----
    Source: Learning Low-Rank Representations for Model Compression (Zhu et al., 2022), in closed form: principal
    directions, k-means among the coordinates, then decoder and words by least squares in turn; no tuning end to end.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 32), np.float32)
    >>> codec = LowRankQuantizer(8, rank=2).fit(x)
    >>> codec.bytes_per_vector, codec.to_arrays()["decoder"].shape
    (12, (2, 4))
    """

    def __init__(self, groups: int, rank: int | None = None, *, iterations: int = 12, random_state: int = 0):
        self.groups = check_int(groups, "groups", 1, 16384)
        self.rank = None if rank is None else check_int(rank, "rank", 1, 16384)
        self.iterations = check_int(iterations, "iterations", 1, 1000)
        self.random_state = check_random_state(random_state)

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        own = {"groups": self.groups, "rank": self.rank, "iterations": self.iterations}
        return {"codec": "low-rank", **own, "random_state": self.random_state}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Center, coordinates and decoder."""
        self._fitted_dim()
        return {"center": self.center_, "coordinates": self.coordinates_, "decoder": self.decoder_}

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        coordinates, decoder = (np.ascontiguousarray(arrays[name]) for name in ("coordinates", "decoder"))
        rank = len(decoder)
        if coordinates.shape != (additive.WORDS, rank) or decoder.shape != (rank, self._width(dim)) or rank < 1:
            raise ValueError(f"coordinates of shape {coordinates.shape}, a decoder of {decoder.shape}")
        if not coordinates.dtype == decoder.dtype == np.float32:
            raise ValueError(f"coordinates, decoder: expected float32, got {coordinates.dtype}, {decoder.dtype}")
        self._assemble(dim, coordinates, decoder)
        super()._restore(dim, {"center": arrays["center"], "words": self.words_, "layout": self.layout_})

    def _assemble(self, dim: int, coordinates: np.ndarray, decoder: np.ndarray) -> None:
        self.coordinates_, self.decoder_, self.rank_ = coordinates, decoder, len(decoder)
        self.words_ = np.ascontiguousarray(additive.combine(coordinates, decoder).T)
        width = self._width(dim)
        self.layout_ = np.array([(b, min(width, dim - b), 0) for b in range(0, dim, width)], np.int32)

    def _width(self, dim: int) -> int:
        return -(-dim // min(self.groups, dim))

    def _books(self, dim: int) -> int:
        return -(-dim // self._width(dim))

    def _fit(self, vectors: np.ndarray) -> None:
        n, dim = vectors.shape
        rng = np.random.default_rng(self.random_state)
        self.center_ = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        width, groups = self._width(dim), self._books(dim)
        rows = np.sort(rng.permutation(n)[: max(1, _SAMPLE // groups)])
        padded = np.zeros((len(rows), groups * width), np.float32)
        padded[:, :dim] = vectors[rows] - self.center_
        parts = padded.reshape(-1, width)
        with one_blas_thread():
            variance, directions = np.linalg.eigh(parts.T.astype(np.float64) @ parts / len(parts))
            variance, directions = np.maximum(variance[::-1], 0), directions[:, ::-1]
            rank = min(self.rank or predict_rank(variance), width)
            decoder = np.eye(width) if rank == width else directions[:, :rank].T
            turned = additive.combine(parts, np.ascontiguousarray(decoder.T, np.float32))
            coordinates = free_words(turned, rng, self.iterations).T.astype(np.float64)
            for _ in range(self.iterations // 4 if rank < width else 0):
                codes = assign(parts, np.ascontiguousarray((coordinates @ decoder).T, np.float32))
                counts, sums = cells(parts, codes)
                normal = coordinates.T @ (counts[:, None] * coordinates)
                decoder = np.linalg.lstsq(normal, coordinates.T @ sums, rcond=None)[0]
                used = counts > 0
                coordinates[used] = (sums[used] / counts[used, None]) @ np.linalg.pinv(decoder)
        self._assemble(dim, np.ascontiguousarray(coordinates, np.float32), np.ascontiguousarray(decoder, np.float32))

    def _codes(self, centred: np.ndarray) -> np.ndarray:
        codes = [
            assign(np.ascontiguousarray(centred[:, begin : begin + width]), np.ascontiguousarray(self.words_[:width]))
            for begin, width, _ in self.layout_
        ]
        return np.stack(codes, axis=1)


def predict_rank(variance: np.ndarray, bits: int = 8) -> int:
    """How many directions of falling ``variance`` a code of so many bits has anything left for.

    By reverse water-filling (Cover and Thomas, Elements of Information Theory, section 10.3.3): directions below the
    water level of the bits get none of them.
    """
    positive = variance[variance > 0]
    best = 1
    for rank in range(1, len(positive) + 1):
        level = np.exp(np.log(positive[:rank]).mean()) * 2.0 ** (-2.0 * bits / rank)
        if positive[rank - 1] > level:
            best = rank
    return best
