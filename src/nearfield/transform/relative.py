"""Relative representations: a row described by how much it is like each of a few anchors, not by its coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from scipy import linalg
from scipy.special import ndtri
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_choice, check_int, check_random_state
from .anchors import SELECTIONS, choose_anchors
from .estimator import FLOATS, Transformer
from .linear import LinearMap

SIMILARITIES = ("cosine", "euclidean", "gaussian")
NORMALIZATIONS = ("standard", "quantile", "whitened")
# Rows whose similarities give means, deviations and quantiles.
_SAMPLE = 10_000
_LEVELS = 257
# Of the eigenvalues of the anchors' similarities, the largest left out, this share of their mean is added to each. From
# 0.01 to 0.3 it hardly matters: the mean reciprocal rank between two encoders moves by 0.006 at 300 anchors.
_RIDGE = 0.1


class RelativeRepresentation(ClassNamePrefixFeaturesOutMixin, Transformer):
    """Describe every row by its similarities to anchors; encoders that agree on likeness then agree on coordinates.

    Choose it to search, compare or stitch spaces of encoders that were trained apart, where the same few hundred items
    have been encoded by both and no map between the two is wanted: each space is transformed on its own, so that a
    third encoder costs one more fit instead of two more maps, and nothing is trained. Where one pair of spaces is all
    there is and its pairs are at hand together, :class:`RidgeMap` finds about as much; see *Moving between spaces* in
    the documentation for both, measured.

    Parameters
    ----------
    n_anchors : how many anchors, at least 1, and dimensions of the result; all rows where ``X`` has fewer. 300 is a
        good start; every doubling helps up to the dimension of the spaces, and whitened anchors help beyond.
    selection : "random", "kmeans" (advised where they can be chosen) or "farthest", see :func:`choose_anchors`; not
        used where anchors are given.
    similarity : "cosine" of the row and the anchor; "euclidean", their distance, negative and in units of the root mean
        square distance between anchors; "gaussian", ``exp(cosine - 1)``, which tells near anchors from far ones better.
        All three forget rotations, reflections and lengths; "euclidean" keeps differences in length between rows.
    normalization : what is done to the similarities. None leaves them readable: coordinate j is the likeness to anchor
        j. "standard" subtracts each coordinate's mean over ``X`` and divides by its deviation; "quantile" replaces it
        by the normal quantile of its rank in ``X``, which also forgets any rising function of the similarity;
        "whitened" takes out what the anchors say in common (multiplies by the inverse square root of the anchors'
        similarities to each other), and finds most when two encoders are searched against each other; not with
        "euclidean".
    center : whether the mean of ``X`` is subtracted first, for "cosine" and "gaussian". Advised: text encoders share
        little of theirs. False is the paper's form.
    random_state : seed of the choice of anchors and of the rows sampled.

    Attributes
    ----------
    anchors_ : (n_anchors_, d), the anchors in this space.
    anchor_rows_ : their row numbers in ``X``, to look the same items up in another space; only where they were chosen.
    center_ : (d,) what is subtracted first.
    scale_ : unit of distance under "euclidean", else 1.
    components_ : (n_anchors_, d) the linear part, where the map is linear but for lengths ("cosine" as it is or
        whitened); it does not exist otherwise.
    n_anchors_, n_features_in_ : counts.

    Notes
    -----
    Source: Moschella et al., Relative representations enable zero-shot latent space communication (ICLR 2023),
    equation 2 with the cosine. Additions: the mean subtracted; the Gaussian; distances; whitening, which is Nyström's
    feature map of the similarity (Williams and Seeger 2001; eigenvalues are raised by a tenth of their mean, so that
    anchors that repeat each other do no harm). A row at the centre has no direction: its cosines are zero. Means,
    deviations and quantiles come from 10,000 rows where there are more. With float32 the products are the core's: a row
    gives the same bytes alone or in a batch.

    Examples
    --------
    A space and itself turned, stretched and moved cannot be compared; relative to the same anchors they are one:

    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 8))
    >>> turn = np.linalg.qr(rng.standard_normal((8, 8)))[0]
    >>> Y = 3 * X @ turn + 1
    >>> one = RelativeRepresentation(20).fit(X)
    >>> other = RelativeRepresentation().fit(Y, anchors=Y[one.anchor_rows_])
    >>> bool(np.allclose(one.transform(X), other.transform(Y)))
    True
    """

    def __init__(
        self,
        n_anchors: int = 300,
        *,
        selection: str = "random",
        similarity: str = "cosine",
        normalization: str | None = None,
        center: bool = True,
        random_state: int = 0,
    ):
        self.n_anchors = n_anchors
        self.selection = selection
        self.similarity = similarity
        self.normalization = normalization
        self.center = center
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, anchors: Any = None) -> Self:
        """Learn mean and spread of the rows of ``X`` (n, d) and choose the anchors among them.

        Parameters
        ----------
        anchors : (m, d) vectors of this space to use as anchors instead; row i must be the same item as row i of the
            anchors of the space that this one is to be compared with.
        """
        X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
        self._check_parameters()
        self.__dict__.pop("anchor_rows_", None)
        if anchors is None:
            self.anchor_rows_ = choose_anchors(
                X, self.n_anchors, selection=self.selection, random_state=self.random_state
            )
            anchors = X[self.anchor_rows_]
        else:
            anchors = check_array(anchors, dtype=FLOATS, input_name="anchors")
            if anchors.shape[1] != X.shape[1]:
                raise ValueError(f"anchors: expected {X.shape[1]} dimensions, as X has, got {anchors.shape[1]}")
        self.anchors_ = np.array(anchors, np.float64 if X.dtype == np.float64 else np.float32)
        subtracted = self.center or self.similarity == "euclidean"
        mean = X.mean(axis=0, dtype=np.float64) if subtracted else np.zeros(X.shape[1])
        self.center_ = mean.astype(self.anchors_.dtype)
        self._prepare()
        with one_blas_thread():
            self._normalize(X)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The rows (n, d) as similarities to the anchors: (n, n_anchors_), float64 for float64, else float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        if X.dtype != np.float64:
            X = np.asarray(X, np.float32)
        found = self._similarities(X)
        if self.normalization == "whitened":
            return _times(found, self._table[0])
        if self.normalization == "standard":
            found -= self._table[0].astype(X.dtype)
            found /= self._table[1].astype(X.dtype)
        elif self.normalization == "quantile":
            levels = np.linspace(0.5 / _LEVELS, 1 - 0.5 / _LEVELS, _LEVELS)
            for column, known in zip(found.T, self._table.T, strict=True):
                column[:] = ndtri(np.interp(column, known, levels))
        return found

    def export(self) -> LinearMap:
        """The map but for lengths as plain float32 arrays, for an index under metric "cosine", which forgets them.

        Only of "cosine", as it is or whitened; ValueError otherwise, as no other is linear.
        """
        check_is_fitted(self)
        if not hasattr(self, "components_"):
            raise ValueError(
                "similarity: expected 'cosine' with normalization None or 'whitened' to export a linear map, got "
                f"{self.similarity!r} with {self.normalization!r}; transform the rows before they are indexed"
            )
        return LinearMap(self.components_, self.center_ if self.center else None)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted state as named arrays of numbers and text, for an array container."""
        check_is_fitted(self)
        kind = np.array([self.similarity, self.normalization or "none", "centred" if self.center else "as given"])
        return {"kind": kind, "anchors": self.anchors_, "center": self.center_, "table": self._table}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The fitted estimator that :meth:`to_arrays` described; it maps to the same bytes."""
        names = ("kind", "anchors", "center", "table")
        if not isinstance(arrays, Mapping) or any(name not in arrays for name in names):
            raise ValueError(f"arrays: expected a dict of {', '.join(names)}, got {arrays!r:.80}")
        similarity, normalization, center = (str(word) for word in arrays["kind"])
        made = cls(
            len(arrays["anchors"]),
            similarity=similarity,
            normalization=None if normalization == "none" else normalization,
            center=center == "centred",
        )
        made._check_parameters()
        made.anchors_, made.center_, made._table = (np.asarray(arrays[name]) for name in names[1:])
        made.n_features_in_ = made.anchors_.shape[1]
        made._prepare()
        return made

    @property
    def components_(self) -> np.ndarray:
        """(n_anchors_, d); AttributeError where the map is not linear."""
        if self.similarity != "cosine" or self.normalization not in (None, "whitened"):
            raise AttributeError(f"components_: {self.similarity!r} with {self.normalization!r} is not linear")
        return self._rows if self.normalization is None else self._table[0] @ self._rows

    def _check_parameters(self) -> None:
        check_int(self.n_anchors, "n_anchors", 1)
        check_choice(self.selection, "selection", SELECTIONS)
        check_choice(self.similarity, "similarity", SIMILARITIES)
        if self.normalization is not None:
            check_choice(self.normalization, "normalization", NORMALIZATIONS)
        if self.normalization == "whitened" and self.similarity == "euclidean":
            raise ValueError(
                "normalization: expected None, 'standard' or 'quantile' with 'euclidean', got 'whitened', which needs "
                "similarities that are inner products"
            )
        check_random_state(self.random_state)

    def _prepare(self) -> None:
        """What rows are multiplied with, from the anchors."""
        self.n_anchors_ = len(self.anchors_)
        self._rows = self._placed(self.anchors_)
        self.scale_ = 1.0
        if self.similarity == "euclidean":
            m = self.n_anchors_
            spread = np.square(self._rows - self._rows.mean(axis=0), dtype=np.float64).sum()
            # The mean over pairs of different rows of their squared distance is 2 / (m - 1) times the spread.
            self.scale_ = float(np.sqrt(2 * spread / (m - 1))) if m > 1 and spread > 0 else 1.0

    def _placed(self, X: np.ndarray) -> np.ndarray:
        """Rows less the centre, and of length one where only directions count."""
        moved = X - self.center_.astype(X.dtype)
        if self.similarity == "euclidean":
            return moved
        lengths = np.sqrt(np.einsum("ij,ij->i", moved, moved, dtype=np.float64))
        return np.asarray(moved / np.where(lengths > 0, lengths, 1.0)[:, None], X.dtype)

    def _similarities(self, X: np.ndarray) -> np.ndarray:
        placed = self._placed(X)
        found = _times(placed, self._rows)
        if self.similarity == "euclidean":
            own, anchors = (np.einsum("ij,ij->i", rows, rows) for rows in (placed, self._rows))
            squares = own[:, None] + anchors.astype(X.dtype) - 2 * found
            return -np.sqrt(np.maximum(squares, 0)) / X.dtype.type(self.scale_)
        np.clip(found, -1, 1, out=found)
        return np.exp(found - 1) if self.similarity == "gaussian" else found

    def _normalize(self, X: np.ndarray) -> None:
        """``_table``: (1, m, m) what whitens, (2, m) mean and deviation, or (levels, m) quantiles."""
        self._table = np.zeros((0, self.n_anchors_))
        if self.normalization is None:
            return
        if self.normalization == "whitened":
            self._table = _inverse_root(self._similarities(self.anchors_.astype(np.float64)))[None]
            return
        drawn = np.random.default_rng(self.random_state).permutation(len(X))[:_SAMPLE]
        found = self._similarities(np.asarray(X[np.sort(drawn)], np.float64))
        if self.normalization == "standard":
            deviation = found.std(axis=0)
            self._table = np.stack([found.mean(axis=0), np.where(deviation > 0, deviation, 1.0)])
        else:
            self._table = np.quantile(found, np.linspace(0, 1, _LEVELS), axis=0)

    @property
    def _n_features_out(self) -> int:
        return self.n_anchors_


def _times(rows: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """``rows @ matrix.T``; float32 by the core, the same bytes for a row alone and in a batch."""
    return LinearMap(matrix).transform(rows) if rows.dtype != np.float64 else np.asarray(rows @ matrix.T)


def _inverse_root(similarities: np.ndarray) -> np.ndarray:
    """The inverse square root of the anchors' similarities, after raising the eigenvalues a little."""
    values, vectors = linalg.eigh((similarities + similarities.T) / 2)
    values = np.maximum(values, 0.0)  # below zero by rounding alone
    ridge = _RIDGE * values[:-1].mean() if len(values) > 1 else 0.0
    raised = values + max(ridge, values[-1] * 1e-6, np.finfo(np.float64).tiny)
    return np.asarray((vectors / np.sqrt(raised)) @ vectors.T)
