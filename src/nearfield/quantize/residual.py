"""Vector quantisation in groups of dimensions and stages of residuals; one stage is product quantisation."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from .additive import AdditiveCodec
from .books import TRAINERS, assign

_SAMPLE = 1 << 15


class ResidualQuantizer(AdditiveCodec):
    """Group-residual vector quantisation: each group of dimensions is coded by ``stages`` words that add up.

    A stage names the nearest of 256 words to what the stages before left over. ``groups * stages`` bytes a vector and
    4 of header. Choose :class:`ScalarQuantizer` where 48 bytes for 96 dimensions can be paid: it is faster to fit and
    nearly lossless; choose this one for an eighth to a fiftieth of float32, with rescoring by finer codes. At equal
    bytes fewer groups with more stages keep more where dimensions are correlated, and take longer to fit and encode:
    time grows with ``stages``, and a query's table with ``stages`` times the dimensions.

    The decoded rows are shorter than the vectors, so inner products with near rows are underrated: not unbiased;
    :func:`codec_loss` says by how much.

    Parameters
    ----------
    stages : words that add up in each group, 1 to 64. 2 to 4 are a good start.
    groups : parts of near-equal size that the dimensions are cut into, in their order; never more than there are
        dimensions. 1 is plain residual quantisation.
    books : "free" learns every word (k-means). "linear" learns one linear map of frozen random directions for all
        words of a book, so that no word is left behind; with few rows or words hardly used it can be the better one.
    iterations : most rounds of learning of a book. 12 is within a percent of the end on text vectors.
    random_state : seed of the sample, the first words and the frozen directions.

    Attributes
    ----------
    center_ : float32 (d,), the mean of the fitted vectors.
    words_ : float32 (rows, 256), a row for every dimension of every book.
    layout_ : int32 (books, 3): first dimension, dimensions, and first row of words of each book.

    Notes
    -----
    Sources: HiFi-Codec (Yang et al., 2023) for groups with residual stages; SimVQ (Zhu et al., 2024) for the linear
    books, there trained by gradients within a network, here solved for by least squares between assignments. Words are
    learnt by k-means on at most 32,768 rows, stage after stage; no beam: every stage takes its nearest word.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((2000, 16), np.float32)
    >>> two, three = (ResidualQuantizer(stages, groups=2).fit(x) for stages in (2, 3))
    >>> two.bytes_per_vector, three.bytes_per_vector
    (8, 12)
    >>> errors = [float(((codec.decode(codec.encode(x)) - x) ** 2).mean()) for codec in (two, three)]
    >>> errors[0] > errors[1]
    True
    """

    def __init__(
        self, stages: int, groups: int = 1, *, books: str = "free", iterations: int = 12, random_state: int = 0
    ):
        self.stages = check_int(stages, "stages", 1, 64)
        self.groups = check_int(groups, "groups", 1, 16384)
        self.books = check_choice(books, "books", tuple(TRAINERS))
        self.iterations = check_int(iterations, "iterations", 1, 1000)
        self.random_state = check_random_state(random_state)

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "residual", "stages": self.stages, **self._parameters()}

    def _parameters(self) -> dict[str, Any]:
        return {
            "groups": self.groups,
            "books": self.books,
            "iterations": self.iterations,
            "random_state": self.random_state,
        }

    def _books(self, dim: int) -> int:
        return self.stages * min(self.groups, dim)

    def _fit(self, vectors: np.ndarray) -> None:
        n, dim = vectors.shape
        rng = np.random.default_rng([self.random_state, 0])
        rows = np.sort(rng.permutation(n)[:_SAMPLE]) if n > _SAMPLE else np.arange(n)
        self.center_ = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        groups = min(self.groups, dim)
        bounds = np.arange(groups + 1) * dim // groups
        train = TRAINERS[self.books]
        words, layout, first = [], [], 0
        for group, (begin, end) in enumerate(itertools.pairwise(bounds)):
            rest = np.ascontiguousarray(vectors[rows, begin:end] - self.center_[begin:end])
            for stage in range(self.stages):
                book = train(rest, np.random.default_rng([self.random_state, 1, group, stage]), self.iterations)
                words.append(book)
                layout.append((begin, end - begin, first))
                first += end - begin
                rest -= book.T[assign(rest, book)]
        self.words_ = np.concatenate(words)
        self.layout_ = np.array(layout, np.int32)

    def _codes(self, centred: np.ndarray) -> np.ndarray:
        codes = np.empty((len(centred), len(self.layout_)), np.uint8)
        last = -1
        for number, (begin, width, first) in enumerate(self.layout_):
            if begin != last:
                rest, last = np.ascontiguousarray(centred[:, begin : begin + width]), begin
            book = self.words_[first : first + width]
            codes[:, number] = assign(rest, book)
            rest -= book.T[codes[:, number]]
        return codes


class ProductQuantizer(ResidualQuantizer):
    """Product quantisation: the dimensions are cut into groups, and each is coded by the nearest of 256 words.

    The :class:`ResidualQuantizer` of one stage, bit for bit; the quickest of the vector quantisers to fit, to encode
    and to ask, since a query's table costs no more than 256 products with a row. ``groups`` bytes and 4 of header.

    Parameters
    ----------
    groups : bytes of codes; an eighth of the dimensions (a thirty-second of float32) to a quarter is a good start for
        text vectors, with rescoring of 100 candidates. Never more than there are dimensions.
    books, iterations, random_state : see :class:`ResidualQuantizer`.

    Notes
    -----
    Source: Jégou, Douze and Schmid, Product quantization for nearest neighbor search, PAMI 2011, sections II and III
    (asymmetric distances).

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal((1000, 16), np.float32)
    >>> codec = ProductQuantizer(8).fit(x)
    >>> codec.bytes_per_vector
    12
    """

    def __init__(self, groups: int, *, books: str = "free", iterations: int = 12, random_state: int = 0):
        super().__init__(1, groups, books=books, iterations=iterations, random_state=random_state)

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON."""
        return {"codec": "product", **self._parameters()}
