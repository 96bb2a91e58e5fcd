"""Steering: move rows along the direction of a concept by a stated amount, and back."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .estimator import Transformer
from .linear import LinearMap

_FLOATS = [np.float64, np.float32]


class Steering(OneToOneFeatureMixin, Transformer):
    """Add or subtract the direction of a concept, learnt from rows that have it and rows that do not.

    Choose it to lean queries toward a concept or away from it by a dial: every row moves by the same vector, so nothing
    is lost and :meth:`inverse_transform` is exact. To take the concept out of rows altogether, however much of it each
    holds, remove its span instead (:class:`Subspace`): a shift that is right for rows full of a concept is too much
    for those without it.

    Parameters
    ----------
    strength : how far to move, in units of ``y``: with classes 0 and 1, 1 moves a row by the way from the mean of the
        rows without the concept to the mean of those with it, -1 back by the same. Between -1 and 1 for queries under
        cosine; beyond 2 the concept is all that is left.

    Attributes
    ----------
    direction_ : (d,) what one unit of ``y`` moves a row by.
    n_samples_seen_, n_features_in_ : counts.

    Notes
    -----
    The direction is the least-squares slope of the rows on ``y``, one coordinate at a time: for two classes the
    difference of their means, as in word analogies (Mikolov et al., Linguistic Regularities in Continuous Space Word
    Representations, 2013) and the activation steering of language models.

    Examples
    --------
    >>> import numpy as np
    >>> plain, loud = np.array([[1.0, 0], [0, 1]]), np.array([[1.0, 2], [0, 3]])
    >>> louder = Steering(0.5).fit(np.vstack([plain, loud]), [0, 0, 1, 1])
    >>> louder.transform(plain)
    array([[1., 1.],
           [0., 2.]])
    """

    direction_: np.ndarray
    n_samples_seen_: int

    def __init__(self, strength: float = 1.0):
        self.strength = strength

    def fit(self, X: Any, y: Any) -> Self:
        """Learn the direction from rows ``X`` (n, d) and ``y`` (n,): how much of the concept each has, or 0 and 1."""
        if hasattr(self, "n_samples_seen_"):
            del self.n_samples_seen_
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Add rows to those seen; the same as :meth:`fit` on all of them, up to rounding."""
        first = not hasattr(self, "n_samples_seen_")
        X, y = validate_data(
            self, X, y, dtype=_FLOATS, reset=first, y_numeric=True, ensure_min_samples=2 if first else 1
        )
        strength = self.strength
        if not isinstance(strength, Real) or isinstance(strength, bool) or not math.isfinite(strength):
            raise ValueError(f"strength: expected a finite number, got {strength!r}")
        wide, amount = X.astype(np.float64), np.asarray(y, np.float64)
        if first:
            self.n_samples_seen_ = 0
            self._means = np.zeros(X.shape[1] + 1)
            self._scatter = np.zeros(X.shape[1] + 1)
        # The rows and, last, y itself: its scatter with each of them (Chan, Golub and LeVeque 1983).
        both = np.column_stack([wide, amount])
        n, seen = len(both), self.n_samples_seen_
        mean = both.mean(axis=0)
        shift = mean - self._means
        self._scatter = (
            self._scatter + (both - mean).T @ (amount - mean[-1]) + shift * shift[-1] * (seen * n / (seen + n))
        )
        self._means = self._means + shift * (n / (seen + n))
        self.n_samples_seen_ = seen + n
        spread = float(self._scatter[-1])
        self.direction_ = self._scatter[:-1] / spread if spread > 0 else np.zeros(X.shape[1])
        if spread <= 0:
            raise ValueError("y: expected at least two different values, got one: no direction can be told from it")
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The rows moved by ``strength`` times the direction: (n, d), of the type of ``X``."""
        return self._moved(X, self.strength)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The rows moved back."""
        return self._moved(X, -self.strength)

    def _moved(self, X: Any, amount: float) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        return np.asarray(X + amount * self.direction_, X.dtype)

    def export(self) -> LinearMap:
        """The move as a linear map. Give it to queries alone: rows and queries moved alike keep their distances."""
        check_is_fitted(self)
        return LinearMap(np.eye(self.n_features_in_), -self.strength * self.direction_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
