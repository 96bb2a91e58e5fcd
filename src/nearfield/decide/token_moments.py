"""Sets of token vectors as one vector each: their mean, and how their coordinates vary together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_real
from .classifier import FLOATS


class TokenMoments(TransformerMixin, BaseEstimator):
    """Features of a set of vectors for a linear classifier: the mean and multi-head cross-covariances.

    Choose it over the mean alone where what tells the classes apart is how a set's vectors differ from each other:
    patches of an image, or tokens of a text whose encoder was not trained for the mean. Where the encoder was trained
    to put everything into the mean, measure first. Give the features to :class:`LinearProbe`.

    Parameters
    ----------
    heads : parts that the coordinates are cut into, in order; at most the dimensions.
    width : directions kept of each part, those in which all tokens vary most; a part with fewer keeps what it has.
        There are about ``(heads * width) ** 2 / 2`` features beside the mean: 4 and 12 are a good start for some
        thousand sets.
    weight : root mean square length of the covariance features beside that of the means. 1 counts both alike; lower it
        where the mean knows most.
    within : also the covariances within each part (the upper triangle); False leaves the cross-covariances alone.

    Attributes
    ----------
    projection_ : list of (width, channels), one for each part.
    scale_ : what the covariance features are multiplied with.
    offset_ : (d,) mean of all tokens, which the projections take away.
    n_features_in_, n_features_out_ : dimensions of a token and of what becomes of a set.

    Notes
    -----
    Source: Gao et al., Tuning pre-trained model via moment probing, 2023, section 3.2: the distribution of the tokens
    stands for the set, by its first and second moments, the second by cross-covariances between heads. Departures: the
    reduction of each head is by principal components instead of trained convolutions, own covariances may be added, and
    signed square roots tame the second moments. The two parameters a layer that the paper's second form trains in the
    backbone are not part of it. The order of the tokens does not matter, nor does their number beyond what it does to
    the moments; a set of one token has no covariance.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> narrow, wide = 0.2 * rng.standard_normal((50, 9, 4)), 2 * rng.standard_normal((50, 9, 4))
    >>> features = TokenMoments(heads=2, width=2).fit_transform(np.concatenate([narrow, wide]))
    >>> features.shape
    (100, 14)
    """

    def __init__(self, heads: int = 4, width: int = 12, *, weight: float = 1.0, within: bool = True):
        self.heads = heads
        self.width = width
        self.weight = weight
        self.within = within

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the reductions from sets: a list of arrays (t, d), an array (n, t, d), or rows (n, d), sets of one."""
        tokens, starts = self._sets(X, reset=True)
        d = self.n_features_in_
        heads, width = check_int(self.heads, "heads", 1), check_int(self.width, "width", 1)
        check_real(self.weight, "weight", 0.0, 1e6)
        if not isinstance(self.within, bool | np.bool_):
            raise TypeError(f"within: expected True or False, got {self.within!r}")
        if heads == 1 and not self.within:
            raise ValueError("heads: expected at least 2 without covariances within, got 1")
        with one_blas_thread():
            self.offset_ = tokens.mean(axis=0)
            self.projection_ = []
            for part in np.array_split(np.arange(d), min(heads, d)):
                rows = tokens[:, part] - self.offset_[part]
                kept = min(width, len(part))
                vectors = linalg.eigh(rows.T @ rows, subset_by_index=(len(part) - kept, len(part) - 1))[1].T[::-1]
                largest = np.abs(vectors).argmax(axis=1)
                self.projection_.append(vectors * np.sign(vectors[np.arange(kept), largest])[:, None])
            self.scale_ = 1.0
            means, moments = self._moments(tokens, starts)
            sizes = [
                float(np.sqrt(np.square(part).sum(axis=1).mean())) for part in (means - means.mean(axis=0), moments)
            ]
            self.scale_ = float(self.weight) * (sizes[0] or 1.0) / sizes[1] if sizes[1] > 0 else 0.0
        self.n_features_out_ = means.shape[1] + moments.shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """One row for each set (n, n_features_out_): first the mean (d,), then the covariances."""
        check_is_fitted(self)
        tokens, starts = self._sets(X, reset=False)
        with one_blas_thread():
            means, moments = self._moments(tokens, starts)
        kept = np.float64 if _dtype(X) != np.float32 else np.float32
        return np.concatenate([means, moments], axis=1).astype(kept)

    def _moments(self, tokens: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counts = np.diff(starts)
        means = np.add.reduceat(tokens, starts[:-1], axis=0) / counts[:, None]
        parts = np.array_split(np.arange(tokens.shape[1]), len(self.projection_))
        heads = [(tokens[:, part] - self.offset_[part]) @ p.T for part, p in zip(parts, self.projection_, strict=True)]
        reduced = np.concatenate(heads, axis=1)
        ends = np.cumsum([0, *(head.shape[1] for head in heads)])
        head_of = np.repeat(np.arange(len(heads)), np.diff(ends))
        across = head_of[:, None] < head_of[None, :]
        if self.within:
            across |= np.triu(np.ones_like(across)) & (head_of[:, None] == head_of[None, :])
        taken = np.nonzero(across)
        moments = np.zeros((len(counts), len(taken[0])))
        for row, (start, end) in enumerate(pairwise(starts)):
            own = reduced[start:end] - reduced[start:end].mean(axis=0)
            moments[row] = (own.T @ own / len(own))[taken]
        return means, np.sign(moments) * np.sqrt(np.abs(moments)) * self.scale_

    def _sets(self, X: Any, *, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        """All tokens in float64, and where each set begins, the end included."""
        if _is_sets(X):
            counts = [len(part) if np.ndim(part) == 2 else -1 for part in X]
            if -1 in counts or 0 in counts:
                place = next(i for i, count in enumerate(counts) if count < 1)
                shape = np.shape(X[place])
                raise ValueError(f"X: expected sets of shape (t, d) with at least one token, got {shape} at {place}")
            widths = {np.shape(part)[1] for part in X}
            if len(widths) > 1:
                raise ValueError(f"X: expected sets of the same dimension, got {sorted(widths)}")
            tokens = check_array(np.concatenate(list(X)), dtype=FLOATS)
            if reset:
                self.n_features_in_ = tokens.shape[1]
            elif tokens.shape[1] != self.n_features_in_:
                raise ValueError(f"X: expected tokens of {self.n_features_in_} dimensions, got {tokens.shape[1]}")
        else:
            tokens = validate_data(self, X, dtype=FLOATS, reset=reset)
            counts = [1] * len(tokens)
        return np.asarray(tokens, np.float64), np.cumsum([0, *counts])


def _is_sets(X: Any) -> bool:
    if isinstance(X, np.ndarray):
        return X.ndim == 3
    return isinstance(X, Sequence) and len(X) > 0 and isinstance(X[0], np.ndarray) and X[0].ndim != 1


def _dtype(X: Any) -> Any:
    return getattr(X[0] if isinstance(X, Sequence) and len(X) else X, "dtype", np.float64)
