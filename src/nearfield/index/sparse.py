"""Sparse vectors: an inverted index that answers with the rows of largest inner product, exactly.

A posting list a dimension holds the rows that have it and their weights. A query adds up the lists of its own
dimensions, each times its weight (term at a time), and looks at no other. What it costs is the length of those lists.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_choice, check_int
from ..common.container import read_container, write_container
from ..common.decoding import decoding, expect
from .base import MAX_ROWS, Neighbors

_VERSION = 1
_KIND = "sparse"
# A query whose lists hold fewer than one in so many of all rows sorts their entries; others fill a score a row.
_SHARE = 8


class SparseIndex:
    """Exact nearest rows by inner product of sparse vectors, such as those of SPLADE, BM25 or TF-IDF weights.

    Choose it over :class:`~nearfield.index.Flat` when most weights are zero: a row of 30,000 dimensions with 100 of
    them not zero takes 800 bytes instead of 120,000, or 500 with ``bits=8``. For the words of texts that are stored
    anyway, ``Store.search(text=)`` needs no vectors at all.

    Parameters
    ----------
    bits : 32 keeps every weight; 8 keeps a code of a byte and one step a dimension, so no weight is off by more than
        half a step, 1/510 of the dimension's largest (1/254 where it has negative ones). The order of equal scores and
        of near ones may change; :meth:`error_bound` says by how much a score can be off.

    Attributes
    ----------
    n, dim, nonzero : rows, dimensions, and weights that are stored.

    Notes
    -----
    A row that shares no dimension with the query is no answer, whatever its score of 0 would be worth: as in every
    engine of this kind. Weights are added in double precision in the order of the dimensions, so an answer does not
    depend on threads or batches; equal scores go to the lower row.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> rows = csr_array(np.float32([[0, 2, 0, 1], [3, 0, 0, 0], [0, 1, 0, 4]]))
    >>> index = SparseIndex().build(rows)
    >>> found = index.search(csr_array(np.float32([[0, 1, 0, 1]])), k=3)
    >>> found.rows.tolist(), found.distances.tolist()
    ([[2, 0, -1]], [[-5.0, -3.0, inf]])
    """

    kind = _KIND

    def __init__(self, *, bits: int = 32):
        self.bits = bits

    def build(self, vectors: Any) -> SparseIndex:
        """Take the rows of a scipy.sparse matrix or array of any format (n, d), or of a dense array; returns itself.

        Raises
        ------
        ValueError, TypeError : weights that are not finite in float32, no rows, no dimensions.
        """
        check_choice(str(self.bits), "bits", ("8", "32"))
        rows = _checked(vectors, "vectors", None)
        if not rows.shape[0] or rows.shape[0] >= MAX_ROWS:
            raise ValueError(f"vectors: expected 1 to {MAX_ROWS - 1} rows, got {rows.shape[0]}")
        columns = rows.tocsc()
        columns.sort_indices()
        self.n, self.dim = (int(size) for size in rows.shape)
        self._offsets = columns.indptr.astype(np.int64)
        self._rows = columns.indices.astype(np.uint32)
        self._steps = np.ones(self.dim, np.float32)
        self._weights = columns.data
        if self.bits == 8:
            self._steps, self._weights = _quantize(columns.data, self._offsets)
        return self

    @property
    def nonzero(self) -> int:
        """How many weights are stored."""
        self._check_built()
        return len(self._rows)

    def search(self, queries: Any, k: int = 10, *, allow: Any = None) -> Neighbors:
        """The ``k`` rows of largest inner product with each query.

        Parameters
        ----------
        queries : scipy.sparse (q, d), or dense (q, d) or (d,).
        k : how many rows.
        allow : bool (n,) or packed words: rows that may be returned; None: all.

        Returns
        -------
        Neighbors : distances are minus the inner product, ascending; row -1 and distance +inf where there are fewer
            rows that share a dimension with the query.
        """
        self._check_built()
        check_int(k, "k", 1, native.MAX_K)
        asked = _checked(queries, "queries", self.dim)
        single = not hasattr(queries, "tocsr") and np.ndim(queries) == 1
        allowed = None if allow is None else self._allowed(allow)
        distances = np.full((asked.shape[0], k), np.inf, np.float32)
        rows = np.full((asked.shape[0], k), -1, np.int64)
        for number in range(asked.shape[0]):
            own = slice(asked.indptr[number], asked.indptr[number + 1])
            found, scores = self._scores(asked.indices[own], asked.data[own])
            if allowed is not None:
                kept = allowed[found]
                found, scores = found[kept], scores[kept]
            best = _largest(scores, found, k)
            distances[number, : len(best)], rows[number, : len(best)] = -scores[best], found[best]
        return Neighbors(distances[0], rows[0]) if single else Neighbors(distances, rows)

    def error_bound(self, queries: Any) -> np.ndarray:
        """By how much a score of each query can be off at most, (q,): half a step times the query's weights."""
        self._check_built()
        asked = _checked(queries, "queries", self.dim)
        if self.bits == 32:
            return np.zeros(asked.shape[0])
        return np.asarray(abs(asked).astype(np.float64) @ (self._steps.astype(np.float64) / 2))

    def memory(self) -> dict[str, int]:
        """Bytes by what they hold."""
        self._check_built()
        return {
            "rows": self._rows.nbytes,
            "weights": self._weights.nbytes,
            "dimensions": self._offsets.nbytes + self._steps.nbytes,
        }

    def save(self, path: str | os.PathLike[str]) -> int:
        """Write to a file, atomically and durably; returns its bytes."""
        self._check_built()
        arrays = {"offsets": self._offsets, "rows": self._rows, "weights": self._weights, "steps": self._steps}
        return write_container(Path(path), _KIND, _VERSION, {"n": self.n, "dim": self.dim, "bits": self.bits}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, check: bool = True) -> SparseIndex:
        """Open what :meth:`save` wrote, memory-mapped; ``check=False`` skips the checksums.

        Raises
        ------
        FileNotFoundError, CorruptFileError, FormatVersionError : absent, damaged, newer.
        """
        container = read_container(Path(path), _KIND, _VERSION, check=check)
        meta, arrays = container.meta, container.arrays
        with decoding(path, "sparse index"):
            index = cls(bits=int(check_choice(str(meta["bits"]), "bits", ("8", "32"))))
            index.n = check_int(meta["n"], "n", 1, MAX_ROWS - 1)
            index.dim = check_int(meta["dim"], "dim", 1)
            index._offsets, index._rows = arrays["offsets"], arrays["rows"]
            index._weights, index._steps = arrays["weights"], arrays["steps"]
            size = len(index._rows)
            expect(index._offsets.dtype == np.int64 and index._offsets.shape == (index.dim + 1,), "offsets")
            expect(index._rows.dtype == np.uint32 and index._weights.shape == (size,), "lists of two lengths")
            kinds = (np.uint8, np.int8) if index.bits == 8 else (np.float32,)
            expect(index._weights.dtype in kinds, f"weights of type {index._weights.dtype}")
            expect(index._steps.dtype == np.float32 and index._steps.shape == (index.dim,), "steps")
            expect(index._offsets[0] == 0 and index._offsets[-1] == size, "lists that do not cover the rows")
            expect(bool((np.diff(index._offsets) >= 0).all()), "lists that run backwards")
            expect(size == 0 or int(index._rows.max()) < index.n, "rows beyond the last")
            if check:
                expect(bool(np.isfinite(index._steps).all()), "steps that are not finite")
                expect(index.bits == 8 or bool(np.isfinite(index._weights).all()), "weights that are not finite")
        return index

    def _check_built(self) -> None:
        if not hasattr(self, "_rows"):
            raise RuntimeError("this index is not built yet; call build first")

    def _allowed(self, allow: Any) -> np.ndarray:
        words = native.allow_words(allow, self.n)
        return native.unpack_bits(words, self.n).astype(bool)

    def _scores(self, dimensions: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows that share a dimension with the query, ascending, and their inner products."""
        begins, ends = self._offsets[dimensions], self._offsets[dimensions + 1]
        total = int((ends - begins).sum())
        if not total:
            return np.empty(0, np.int64), np.empty(0)
        rows, parts = np.empty(total, np.int64), np.empty(total)
        place = 0
        factors = weights.astype(np.float64) * self._steps[dimensions].astype(np.float64)
        for begin, end, factor in zip(begins.tolist(), ends.tolist(), factors.tolist(), strict=True):
            here = slice(place, place + end - begin)
            rows[here] = self._rows[begin:end]
            np.multiply(self._weights[begin:end], factor, out=parts[here])
            place += end - begin
        if total * _SHARE < self.n:
            found, of = np.unique(rows, return_inverse=True)
            return found, np.bincount(of, parts, len(found))
        scores = np.bincount(rows, parts, self.n)
        seen = np.zeros(self.n, bool)
        seen[rows] = True
        found = np.flatnonzero(seen)
        return found, scores[found]


def _checked(vectors: Any, name: str, dim: int | None) -> Any:
    """As a float32 ``csr_array`` without doubles and zeros, its columns ascending; always a copy."""
    from scipy.sparse import csr_array, issparse

    if not issparse(vectors):
        vectors = np.asarray(vectors)
        if vectors.dtype.kind not in "fiu" or vectors.ndim not in (1, 2):
            raise TypeError(
                f"{name}: expected a scipy.sparse matrix or numbers of shape (n, d), got {vectors.dtype} of shape "
                f"{vectors.shape}"
            )
        vectors = np.atleast_2d(vectors)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected numbers of shape (n, d), got {vectors.dtype} of shape {vectors.shape}")
    if not vectors.shape[1] or (dim is not None and vectors.shape[1] != dim):
        wanted = "at least one dimension" if dim is None else f"{dim} dimensions"
        raise ValueError(f"{name}: expected {wanted}, got {vectors.shape[1]}")
    with np.errstate(over="ignore"):
        rows = csr_array(vectors, dtype=np.float32, copy=True)
        rows.sum_duplicates()
    if not np.isfinite(rows.data).all():
        bad = int(np.searchsorted(rows.indptr, np.flatnonzero(~np.isfinite(rows.data))[0], side="right")) - 1
        raise ValueError(f"{name}: expected finite weights that float32 can hold, got others in row {bad}")
    rows.eliminate_zeros()
    return rows


def _quantize(weights: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A step a dimension, and the weights in steps: bytes, with a sign only where there are negative ones."""
    lengths = np.diff(offsets)
    largest = np.zeros(len(lengths), np.float32)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    np.maximum.at(largest, owner, np.abs(weights))
    signed = bool((weights < 0).any())
    levels = 127 if signed else 255
    # The smallest normal number keeps codes within their range where weights are subnormal.
    steps = np.maximum(largest / levels, np.finfo(np.float32).tiny).astype(np.float32)
    codes = np.rint(weights / steps[owner]) if len(weights) else weights
    return steps, np.clip(codes, -levels, levels).astype(np.int8 if signed else np.uint8)


def _largest(scores: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """The places of the ``k`` largest, the largest first; among equals the lower row."""
    if len(scores) > 4 * k:
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        some = np.flatnonzero(scores >= least)
    else:
        some = np.arange(len(scores))
    return some[np.lexsort((rows[some], -scores[some]))][:k]


def bm25_weights(counts: Any, *, k1: float = 1.2, b: float = 0.75) -> Any:
    """Counts of words (n, words) as BM25 weights, so that the inner product with 0/1 queries is the BM25 score.

    Choose it over ``Store.search(text=)``, whose ``k1`` and ``b`` are fixed, to set them; over TF-IDF whenever texts
    differ in length.

    Parameters
    ----------
    counts : scipy.sparse (n, words), as scikit-learn's ``CountVectorizer`` gives them.
    k1 : how soon more of the same word counts no more: 0.9 to 2.
    b : how much length is held against a text: 0 not at all, 1 wholly.

    Returns
    -------
    csr_array of float32 (n, words).

    Notes
    -----
    Source: Robertson and Zaragoza, *The Probabilistic Relevance Framework*, 2009, equation 3.15; the idf is
    ``log(1 + (n - df + 0.5) / (df + 0.5))``, which is never negative.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> bm25_weights(csr_array(np.float32([[1, 0], [2, 1]]))).toarray().round(2)
    array([[0.23, 0.  ],
           [0.22, 0.58]], dtype=float32)
    """
    from ..common.checks import check_real

    check_real(k1, "k1", 0.0, 100.0)
    check_real(b, "b", 0.0, 1.0)
    rows = _checked(counts, "counts", None)
    if (rows.data < 0).any():
        raise ValueError("counts: expected numbers of 0 or more, got negative ones")
    held = np.bincount(rows.indices, minlength=rows.shape[1])
    idf = np.log1p((rows.shape[0] - held + 0.5) / (held + 0.5))
    length = np.asarray(rows.sum(axis=1), np.float64)
    mean = length.mean() if length.any() else 1.0
    norm = k1 * (1 - b + b * np.repeat(length, np.diff(rows.indptr)) / mean)
    weights = idf[rows.indices] * rows.data * (k1 + 1) / (rows.data + norm)
    rows.data = weights.astype(np.float32)
    return rows
