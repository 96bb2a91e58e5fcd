"""Books of 256 words: how they are learnt from vectors, by k-means or as a linear map of frozen random directions."""

from __future__ import annotations

import numpy as np

from ..common.blas import one_blas_thread
from ..native.additive import WORDS, nearest

_SEEN = 4096


def book_bias(words: np.ndarray) -> np.ndarray:
    """Half the squared length of every word of a book (width, 256): what :func:`nearest` is to be given."""
    return np.ascontiguousarray(0.5 * (words.astype(np.float64) ** 2).sum(0), np.float32)


def assign(x: np.ndarray, words: np.ndarray) -> np.ndarray:
    """The nearest word of every row."""
    return nearest(x, words, book_bias(words))[0]


def free_words(x: np.ndarray, rng: np.random.Generator, iterations: int) -> np.ndarray:
    """Lloyd's k-means from random distinct rows: float32 (width, 256); cells left empty get the worst-coded rows.

    With at most 256 distinct rows they are the words, and zeros fill the book.
    """
    start = _distinct(x, rng)
    words = np.zeros((x.shape[1], WORDS), np.float32)
    words[:, : len(start)] = start.T
    if len(start) < WORDS:
        return words
    lengths = np.einsum("ij,ij->i", x, x, dtype=np.float64)
    before: np.ndarray | None = None
    for _ in range(iterations):
        codes, scores = nearest(x, words, book_bias(words))
        if before is not None and (codes == before).all():
            break
        before = codes
        counts, sums = cells(x, codes)
        empty = np.flatnonzero(counts == 0)
        words[:, counts > 0] = (sums[counts > 0] / counts[counts > 0, None]).T
        if empty.size:
            worst = np.argsort(-(lengths + 2.0 * scores), kind="stable")[: empty.size]
            words[:, empty] = x[worst].T
    return words


def linear_words(x: np.ndarray, rng: np.random.Generator, iterations: int) -> np.ndarray:
    """Words C W with a frozen Gaussian C (256, width) and one map W, solved for by least squares: (width, 256).

    A change of W moves every word, also those that no row has for its nearest. With more dimensions than words the same
    least squares are solved in the space of the words: time grows with the cube of the smaller of the two.
    """
    width = x.shape[1]
    basis = rng.standard_normal((WORDS, width))
    wide = width > WORDS
    with one_blas_thread():
        products = basis @ basis.T
        words = _spread_words(x, rng) if wide else _like_moments(x, basis)
        before: np.ndarray | None = None
        for _ in range(iterations):
            codes = assign(x, np.ascontiguousarray(words.T, np.float32))
            if before is not None and (codes == before).all():
                break
            before = codes
            counts, sums = cells(x, codes)
            if wide:  # (B'CB + eI)^-1 B' = B' (CBB' + eI)^-1
                normal = counts[:, None] * products
                ridge = 1e-9 * (np.trace(normal) / width + 1e-300)
                words = products @ np.linalg.solve(normal + ridge * np.eye(WORDS), sums)
            else:
                normal = basis.T @ (counts[:, None] * basis)
                normal[np.diag_indices(width)] += 1e-9 * (np.trace(normal) / width + 1e-300)
                words = basis @ np.linalg.solve(normal, basis.T @ sums)
        return np.ascontiguousarray(words.T, np.float32)


def _like_moments(x: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The basis mapped so that it has the second moments of the rows."""
    moments = x.T.astype(np.float64) @ x / len(x)
    values, vectors = np.linalg.eigh(moments)
    return basis @ (np.sqrt(np.maximum(values, 0))[:, None] * vectors.T)


def _spread_words(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Words with the second moments of the rows, as random sums of them: no matrix of the dimensions is needed."""
    rows = x[np.linspace(0, len(x) - 1, min(len(x), 4096)).astype(np.int64)].astype(np.float64)
    return rng.standard_normal((WORDS, len(rows))) @ rows / np.sqrt(len(rows))


def _distinct(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """256 distinct rows at random, or all there are."""
    order = rng.permutation(len(x))
    for seen in (_SEEN, len(x)):
        rows = x[order[:seen]]
        first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
        if len(first) >= WORDS or seen >= len(x):
            break
    return rows[first[:WORDS]]


def cells(x: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of every word, and their sums in float64."""
    counts = np.bincount(codes, minlength=WORDS)
    present = np.flatnonzero(counts)
    starts = np.concatenate([[0], np.cumsum(counts[present])[:-1]])
    sums = np.zeros((WORDS, x.shape[1]))
    sums[present] = np.add.reduceat(x[np.argsort(codes, kind="stable")], starts, axis=0, dtype=np.float64)
    return counts, sums


TRAINERS = {"free": free_words, "linear": linear_words}
