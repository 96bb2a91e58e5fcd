"""The modality gap: two kinds of things in one space that each keep to their own region, and how it is closed."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..common.checks import check_int, check_real
from .estimator import FLOATS, LinearEstimator, Transformer

_REAL = (-2.0, 2.0)


class GapShift(OneToOneFeatureMixin, LinearEstimator):
    """Move the rows of one modality towards the other by a share of the difference of their means.

    Choose it for encoders of two modalities in one space (images and text of a contrastive model), where a head made
    for one side is to be used on the other, or both are searched together. It needs no pairs, only rows of both. Where
    the two sides differ by more than an offset, some hundred pairs and :class:`RidgeMap` go further; where there is
    nothing of the other side at all, train on rows made rough by :func:`perturb`.

    Parameters
    ----------
    amount : share of the gap to move by, from -2 to 2. 1 lays this side's mean on the other's; 0.5 on both sides meets
        in the middle (see :class:`GapAlignment`); negative widens the gap.
    unit : whether rows have length one: they are brought to it before and after. True for cosine, False for l2.

    Attributes
    ----------
    mean_, other_mean_ : (d,) means of the two sides (of unit rows where ``unit``).
    gap_ : (d,) their difference, ``other_mean_ - mean_``; its length is the gap before anything is moved.
    n_samples_seen_, n_other_seen_, n_features_in_ : counts.

    Notes
    -----
    Source: Liang et al., Mind the gap (NeurIPS 2022), section 4; the mean-shift adapter of Gu, Clark and Kembhavi,
    I can't believe there's no images! (ICCV 2023). A row that the shift takes to the origin has no direction and stays
    there.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> images, texts = rng.standard_normal((2, 200, 8)) + np.float64([[[4] + [0] * 7], [[0, 4] + [0] * 6]])
    >>> moved = GapShift().fit(images, other=texts).transform(images)
    >>> def mean(rows):
    ...     return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).mean(axis=0)
    >>> before, after = (np.linalg.norm(mean(rows) - mean(texts)) for rows in (images, moved))
    >>> print(f"{before:.2f} apart before, {after:.2f} after")
    1.17 apart before, 0.03 after
    """

    def __init__(self, amount: float = 1.0, *, unit: bool = True):
        self.amount = amount
        self.unit = unit

    def fit(self, X: Any, y: Any = None, *, other: Any = None) -> Self:
        """Learn the gap from rows ``X`` (n, d) of the side to be moved and ``other`` (m, d) of the side to move to.

        The rows need not be paired. Without ``other`` the side moves to the origin; two sides that both do so meet
        there, without either having seen the other.
        """
        self.__dict__.pop("n_samples_seen_", None)
        return self.partial_fit(X, y, other=other)

    def partial_fit(self, X: Any, y: Any = None, *, other: Any = None) -> Self:
        """Add rows of the one side and, where given, of the other; the same as :meth:`fit` on all, up to rounding."""
        first = not hasattr(self, "n_samples_seen_")
        X = validate_data(self, X, dtype=FLOATS, reset=first)
        if first:
            check_real(self.amount, "amount", *_REAL)
            d = X.shape[1]
            self.n_samples_seen_ = self.n_other_seen_ = 0
            self.mean_, self.other_mean_ = np.zeros(d), np.zeros(d)
        self.n_samples_seen_, self.mean_ = self._added(self.n_samples_seen_, self.mean_, X)
        if other is not None:
            other = check_array(other, dtype=FLOATS, input_name="other")
            if other.shape[1] != X.shape[1]:
                raise ValueError(f"other: expected {X.shape[1]} dimensions, as X has, got {other.shape[1]}")
            self.n_other_seen_, self.other_mean_ = self._added(self.n_other_seen_, self.other_mean_, other)
        self.gap_ = self.other_mean_ - self.mean_
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The rows moved, of length one again where ``unit``: float64 for float64, else float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        X = X if X.dtype == np.float64 else np.asarray(X, np.float32)
        moved = self._lengths(X) + (self.amount * self.gap_).astype(X.dtype)
        return self._lengths(moved)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The rows before they were moved: exact, of length one where ``unit``, while the shift is shorter than one."""
        if not self.unit:
            return super().inverse_transform(X)
        check_is_fitted(self)
        X = self._lengths(check_array(X, dtype=[np.float64, np.float32], input_name="X"))
        if X.shape[1] != len(self.gap_):
            raise ValueError(f"X: expected shape (n, {len(self.gap_)}), got {X.shape}")
        shift = (self.amount * self.gap_).astype(X.dtype)
        along = X @ shift
        # The length t of the moved row before it was cut to one: |t x - shift| = 1.
        length = along + np.sqrt(np.maximum(along**2 - shift @ shift + 1, 0))
        return self._lengths(length[:, None] * X - shift)

    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        return np.eye(len(self.gap_)), -self.amount * self.gap_

    def _lengths(self, rows: np.ndarray) -> np.ndarray:
        if not self.unit:
            return rows
        lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
        return np.asarray(rows / np.where(lengths > 0, lengths, 1.0)[:, None], rows.dtype)

    def _added(self, seen: int, mean: np.ndarray, rows: np.ndarray) -> tuple[int, np.ndarray]:
        total = seen + len(rows)
        new = self._lengths(np.asarray(rows, np.float64)).mean(axis=0)
        return total, mean + (new - mean) * (len(rows) / total)


class GapAlignment(ClassNamePrefixFeaturesOutMixin, Transformer):
    """Two modalities side by side in each row, each moved towards the other before a classifier sees them together.

    Choose it as a step of a pipeline that fuses vectors made beforehand (image and text of one patient, product, place)
    in a small classifier; search ``strength`` on validation data, ``GridSearchCV`` does. For the two sides apart,
    :class:`GapShift`.

    Parameters
    ----------
    strength : share of the gap that is closed, lambda in the paper, from -2 to 2; each side moves by half of it. 0
        only brings both to length one. Try -1, -0.5, 0, 0.5 and 1 on validation data.
    split : how many of the columns belong to the first modality; None halves them. The shorter of the two is filled
        up with zeros.

    Attributes
    ----------
    gap_ : (width,) the mean of the second modality less that of the first, of rows of length one.
    width_ : columns of each side of the result, which has twice as many.
    split_, n_features_in_ : counts.

    Notes
    -----
    Source: Restrepo et al., Multimodal deep learning for low-resource settings: a vector embedding alignment approach
    for healthcare applications (2024): both sides brought to length one, moved by half of lambda times the gap, and
    brought to length one again. Departures: the gap comes from the rows it was fitted to, not from those transformed;
    modalities of different dimension are filled up with zeros, not interpolated. Between encoders that share no space
    the difference of means says where the two clouds lie and nothing of what they mean; moving by it is then a shift by
    a constant, which a linear classifier undoes but for the lengths.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> both = np.hstack([rng.random((50, 4)), -rng.random((50, 4))])
    >>> aligned = GapAlignment().fit_transform(both)
    >>> aligned.shape, bool(np.allclose(np.linalg.norm(aligned[:, :4], axis=1), 1))
    ((50, 8), True)
    """

    def __init__(self, strength: float = 1.0, *, split: int | None = None):
        self.strength = strength
        self.split = split

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the gap from rows (n, d_first + d_second) that hold both modalities of one thing."""
        self.__dict__.pop("_shifts", None)
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Add rows to those seen; the same as :meth:`fit` on all of them, up to rounding."""
        anew = not hasattr(self, "_shifts")
        X = validate_data(self, X, dtype=FLOATS, ensure_min_features=2 if anew else 1, reset=anew)
        if anew:
            half = check_real(self.strength, "strength", *_REAL) / 2
            d = X.shape[1]
            self.split_ = d // 2 if self.split is None else check_int(self.split, "split", 1, d - 1)
            self.width_ = max(self.split_, d - self.split_)
            self._shifts = (GapShift(half), GapShift(half))
        first, second = self._sides(X)
        self._shifts[0].partial_fit(first, other=second)
        self._shifts[1].partial_fit(second, other=first)
        self.gap_ = self._shifts[0].gap_
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The two sides aligned, side by side: (n, 2 width_), float64 for float64, else float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        return np.hstack([shift.transform(side) for shift, side in zip(self._shifts, self._sides(X), strict=True)])

    def _sides(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first, second = X[:, : self.split_], X[:, self.split_ :]
        return tuple(np.pad(side, ((0, 0), (0, self.width_ - side.shape[1]))) for side in (first, second))  # type: ignore[return-value]

    @property
    def _n_features_out(self) -> int:
        return 2 * self.width_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        return tags
