"""Optimised scalar quantisation: principal directions get bits by their variance, packed into bytes without waste."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_real, check_vectors
from ..native import additive
from .additive import AdditiveCodec

_SAMPLE = 1 << 15
_MOST = 8  # bits of one direction
_TURNED = 2048  # dimensions of the longest vectors that are rotated


class VarianceQuantizer(AdditiveCodec):
    """Bits go where the variance is: each principal direction gets 0 to 8 of them under one budget.

    The vectors are rotated to their principal directions; a direction of much variance gets many levels, one of
    little gets none, and the levels are the best for its values (Lloyd's). Several directions share a byte, and no
    bit of a row is spare: ``ceil(bits * d / 8)`` bytes and 4 of header. Choose it over :class:`ScalarQuantizer` for
    2 bits a dimension or fewer, where the spectrum falls (text vectors: it does); over :class:`ProductQuantizer` where
    the fit must be quick or a lower bound of the distance is needed (:meth:`lower_bounds`).
    Fitting takes time with the cube of d and the rotation 4 d * d bytes, so above 2,048 dimensions nothing is rotated
    and the coordinates themselves get bits by their variance: put a PCA before where they are correlated.

    Parameters
    ----------
    bits : budget a dimension, over 0 to 8; 1 to 2 is a good start for text vectors, with rescoring.
    iterations : most rounds of Lloyd's method for the levels of a direction.

    Attributes
    ----------
    center_ : float32 (d,), the mean of the fitted vectors, rotated.
    rotation_ : float32 (d, d), the directions as columns, those of one byte beside each other; above 2,048 dimensions
        int32 (d,), the coordinates in that order.
    bits_ : int32 (d,), bits of each direction, in the same order.
    words_, layout_ : see :class:`ResidualQuantizer`.

    Notes
    -----
    Source: SQUASH (Oakley and Ferhatosmanoglu, 2025) for the optimised scalar quantiser: rotation, allotment by
    variance, levels by Lloyd, shared segments. Departures: bits are handed out one after another to the largest
    remaining error, with the error of b bits taken to be the variance over 4**b; no code crosses a byte (directions
    are put into bytes so that they fill them), so that a byte's contribution is one look-up; a direction that finds no
    room takes fewer bits, and what is left over goes to the direction of that byte that gains most.

    Examples
    --------
    >>> spread = np.float32(0.9) ** np.arange(32, dtype=np.float32)
    >>> x = np.random.default_rng(0).standard_normal((2000, 32), np.float32) * spread
    >>> codec = VarianceQuantizer(bits=2).fit(x)
    >>> codec.bytes_per_vector, int(codec.bits_.sum())
    (12, 64)
    >>> float(((codec.decode(codec.encode(x)) - x) ** 2).sum() / (x**2).sum()) < 0.05
    True
    """

    def __init__(self, bits: float = 2.0, *, iterations: int = 25):
        self.bits = check_real(bits, "bits", 0.0, 8.0)
        if self.bits == 0:
            raise ValueError(f"bits: expected above 0, up to 8, got {bits!r}")
        self.iterations = check_int(iterations, "iterations", 1, 1000)

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "variance", "bits": self.bits, "iterations": self.iterations}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Those of the books, the rotation, and the bits of each direction."""
        return super().to_arrays() | {"rotation": self.rotation_, "bits": self.bits_}

    def prepare_queries(self, queries: np.ndarray) -> np.ndarray:
        """Queries in the principal directions."""
        return self._framed(queries)

    def lower_bounds(self, query: Any, codes: np.ndarray) -> np.ndarray:
        """Squared Euclidean distances from ``query`` (d,) that no row with the ``codes`` (n, bytes) can fall below.

        Each direction adds the squared distance to the cell that holds the row's value. float32 (n,), rounded down.
        The bound is that of vectors encoded by this codec; those without bits in a direction add nothing there.
        """
        array, single = check_vectors(query, "query", dim=self._fitted_dim())
        if not single:
            raise ValueError(f"query: expected one vector of shape (d,), got {np.shape(query)}")
        rotated = (self._framed(array)[0] - self.center_).astype(np.float64)
        total, shifts = np.zeros(len(codes)), self._shifts()
        for number, (begin, width, first) in enumerate(self.layout_):
            code = codes[:, 4 + number].astype(np.int64)
            for j in range(begin, begin + width):
                levels, shift = self._levels(first + j - begin, j, shifts)
                edges = np.concatenate([[-np.inf], (levels[1:] + levels[:-1]) / 2, [np.inf]])
                gap = np.maximum(np.maximum(edges[:-1] - rotated[j], rotated[j] - edges[1:]), 0.0)
                total += (gap**2)[(code >> shift) & (len(levels) - 1)]
        # Rounding of the rotation moves a value by a few units in the last place of the longest vector there is.
        scale = float(np.abs(rotated).max(initial=0) + np.abs(self.center_).max(initial=0)) + np.sqrt(total)
        return np.maximum(total * (1 - 1e-5) - 1e-6 * scale**2, 0).astype(np.float32)

    def _levels(self, row: int, direction: int, shifts: np.ndarray) -> tuple[np.ndarray, int]:
        """Ascending levels of a direction, and the place of its code within the byte."""
        shift = int(shifts[direction])
        return self.words_[row, np.arange(1 << self.bits_[direction]) << shift].astype(np.float64), shift

    def _shifts(self) -> np.ndarray:
        shifts = np.zeros(self.dim_, np.int64)
        for begin, width, _ in self.layout_:
            shifts[begin : begin + width] = (
                np.cumsum(self.bits_[begin : begin + width]) - self.bits_[begin : begin + width]
            )
        return shifts

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        super()._restore(dim, arrays)
        self.rotation_ = np.ascontiguousarray(arrays["rotation"])
        self.bits_ = np.ascontiguousarray(arrays["bits"])
        dtype, shape = self.rotation_.dtype, self.rotation_.shape
        if shape == (dim,) and dtype == np.int32:
            if (np.sort(self.rotation_) != np.arange(dim)).any():
                raise ValueError("rotation: expected every coordinate once")
        elif dtype != np.float32 or shape != (dim, dim):
            raise ValueError(f"rotation: expected float32 {(dim, dim)} or int32 ({dim},), got {dtype} {shape}")
        if (
            self.bits_.dtype != np.int32
            or self.bits_.shape != (dim,)
            or ((self.bits_ < 0) | (self.bits_ > _MOST)).any()
        ):
            raise ValueError(f"bits: expected int32 ({dim},) from 0 to 8, got {self.bits_.dtype} {self.bits_.shape}")
        if not np.isfinite(self.rotation_).all():
            raise ValueError("rotation: expected finite values")
        for begin, width, first in self.layout_:
            inside = 0 <= begin <= begin + width <= dim and 0 <= first <= first + width <= len(self.words_)
            if not inside or self.bits_[begin : begin + width].sum() > _MOST:
                raise ValueError("layout: a byte reaches beyond the directions, the words or its eight bits")

    def _books(self, dim: int) -> int:
        return max(1, int(np.ceil(round(self.bits * dim) / 8)))

    def _fit(self, vectors: np.ndarray) -> None:
        n, dim = vectors.shape
        mean = vectors.mean(axis=0, dtype=np.float64)
        rows = vectors[np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64)]
        shifted = rows - mean
        if dim <= _TURNED:
            with one_blas_thread():
                variance, directions = np.linalg.eigh(shifted.T @ shifted / len(rows))
            variance, directions = np.maximum(variance[::-1], 0), directions[:, ::-1]
        else:
            variance = np.einsum("ij,ij->j", shifted, shifted) / len(rows)
        packed = pack_bits(allot_bits(variance, 8 * self._books(dim)), variance, self._books(dim))
        used = [j for byte in packed for j, _ in byte]
        order = np.array(used + sorted(set(range(dim)) - set(used)))
        turned = dim <= _TURNED
        self.rotation_ = np.ascontiguousarray(directions[:, order], np.float32) if turned else order.astype(np.int32)
        self.bits_ = np.zeros(dim, np.int32)
        self.bits_[: len(used)] = [count for byte in packed for _, count in byte]
        self.dim_ = dim
        self.center_ = self._framed(mean.astype(np.float32)[None])[0]
        values = self._framed(rows) - self.center_
        self.words_ = np.zeros((max(len(used), 1), additive.WORDS), np.float32)
        layout, at = [], 0
        for byte in packed:
            layout.append((at, len(byte), at))
            shift = 0
            for _, count in byte:
                levels = lloyd(values[:, at], 1 << count, self.iterations)
                self.words_[at] = levels[(np.arange(additive.WORDS) >> shift) & ((1 << count) - 1)]
                shift += count
                at += 1
        self.layout_ = np.array(layout, np.int32)

    def _framed(self, vectors: np.ndarray) -> np.ndarray:
        if self.rotation_.ndim == 1:
            return np.ascontiguousarray(vectors[:, self.rotation_])
        return additive.combine(vectors, self.rotation_)

    def _codes(self, centred: np.ndarray) -> np.ndarray:
        codes, shifts = np.zeros((len(centred), len(self.layout_)), np.uint8), self._shifts()
        for number, (begin, width, first) in enumerate(self.layout_):
            for j in range(begin, begin + width):
                levels, shift = self._levels(first + j - begin, j, shifts)
                edges = (levels[1:] + levels[:-1]) / 2
                codes[:, number] |= (np.searchsorted(edges, centred[:, j]) << shift).astype(np.uint8)
        return codes

    def _decode(self, codes: np.ndarray) -> np.ndarray:
        return self._unframed(super()._decode(codes))

    def _unframed(self, rotated: np.ndarray) -> np.ndarray:
        """Rows back from the frame of the books."""
        if self.rotation_.ndim == 1:
            return np.ascontiguousarray(rotated[:, np.argsort(self.rotation_)])
        return additive.combine(rotated, np.ascontiguousarray(self.rotation_.T))


def allot_bits(variance: np.ndarray, budget: int) -> np.ndarray:
    """Bits of each direction, one after another to the one of largest remaining error; at most 8 each."""
    bits = np.zeros(len(variance), np.int64)
    heap = [(-float(v), j) for j, v in enumerate(variance)]
    heapq.heapify(heap)
    for _ in range(min(budget, _MOST * len(variance))):
        worst, j = heapq.heappop(heap)
        bits[j] += 1
        if bits[j] < _MOST:
            heapq.heappush(heap, (worst / 4, j))
    return bits


def pack_bits(bits: np.ndarray, variance: np.ndarray, count: int) -> list[list[tuple[int, int]]]:
    """``count`` bytes of (direction, bits) pairs: the widest first, each into the fullest byte that has room."""
    content: list[list[list[int]]] = [[] for _ in range(count)]
    room = np.full(count, _MOST)
    for j in np.lexsort((np.arange(len(bits)), -bits)):
        wanted = int(bits[j])
        if wanted == 0:
            break
        fits = np.flatnonzero(room >= wanted)
        byte = int(fits[np.argmin(room[fits])]) if fits.size else int(np.argmax(room))
        wanted = min(wanted, int(room[byte]))
        if wanted:
            content[byte].append([int(j), wanted])
            room[byte] -= wanted
    for byte in range(count):
        while room[byte] and any(held < _MOST for _, held in content[byte]):
            growing = max(
                (pair for pair in content[byte] if pair[1] < _MOST), key=lambda p: variance[p[0]] / 4.0 ** p[1]
            )
            growing[1] += 1
            room[byte] -= 1
    return [[(j, held) for j, held in pairs] for pairs in content]


def lloyd(values: np.ndarray, levels: int, iterations: int) -> np.ndarray:
    """Ascending levels of least squared error for the values, from quantiles: float32 (levels,)."""
    ordered = np.sort(values.astype(np.float64))
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    found = ordered[((np.arange(levels) + 0.5) / levels * len(ordered)).astype(np.int64)]
    for _ in range(iterations):
        bounds = np.concatenate([[0], np.searchsorted(ordered, (found[1:] + found[:-1]) / 2), [len(ordered)]])
        counts = np.diff(bounds)
        means = np.divide(np.diff(sums[bounds]), counts, out=found.copy(), where=counts > 0)
        if np.array_equal(means, found):
            break
        found = means
    return np.sort(found).astype(np.float32)
