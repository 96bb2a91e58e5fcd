"""What the estimators of this room that end in one linear map share: checks, dtypes, export, and fits in parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .linear import LinearMap
from .moments import Moments

FLOATS = [np.float64, np.float32, np.float16]


class Transformer(TransformerMixin, BaseEstimator):
    """What all transformers of this room are: estimators that give float32 for float32, and float64 for float64.

    Examples
    --------
    >>> from nearfield.transform import PCA
    >>> isinstance(PCA(2), Transformer)
    True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class LinearEstimator(Transformer, ABC):
    """An estimator whose fitted state is ``y = matrix @ (x - offset)``; an index takes it as its ``transform``.

    A subclass says the two in ``_map``; one with an exact inverse says it in ``_inverse``.

    Examples
    --------
    >>> from nearfield.transform import PCA
    >>> isinstance(PCA(2), LinearEstimator)
    True
    """

    n_features_in_: int

    @abstractmethod
    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        """``(matrix, offset)`` in float64; None where nothing is subtracted."""

    def _inverse(self) -> np.ndarray:
        """What leads back from the outputs, (d_in, d_out); the pseudo-inverse where nothing better is known."""
        return np.asarray(np.linalg.pinv(self._map()[0]))

    def export(self) -> LinearMap:
        """The fitted map as plain float32 arrays, for an index or a file."""
        check_is_fitted(self)
        return LinearMap(*self._map())

    def transform(self, X: Any) -> np.ndarray:
        """The rows after the map: (n, d_out), float64 for float64, else float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        if X.dtype != np.float64:
            return self.export().transform(X)
        matrix, offset = self._map()
        return np.asarray((X if offset is None else X - offset) @ matrix.T)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The rows (n, d_in) that the map sends to ``X`` (n, d_out): exact where it is invertible, else the nearest."""
        check_is_fitted(self)
        X = np.asarray(X)
        matrix, offset = self._map()
        if X.ndim != 2 or X.shape[1] != len(matrix):
            raise ValueError(f"X: expected shape (n, {len(matrix)}), got {X.shape}")
        back = X @ self._inverse().T
        if offset is not None:
            back = back + offset
        return np.asarray(back, X.dtype if X.dtype == np.float64 else np.float32)


class MomentsEstimator(LinearEstimator):
    """A linear estimator that needs nothing of the rows but their second moments, and so can be fitted in parts.

    Examples
    --------
    >>> from nearfield.transform import PCA
    >>> issubclass(PCA, MomentsEstimator)
    True
    """

    center: bool
    mean_: np.ndarray
    n_samples_seen_: int
    _moments: Moments

    @abstractmethod
    def _check_parameters(self) -> None:
        """Refuse parameters that the constructor stored unseen; ``n_features_in_`` is set."""

    @abstractmethod
    def _solve(self) -> None:
        """Set what is fitted, from ``_moments``."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit to the rows of ``X`` (n, d): float16, float32 or float64, in memory or mapped from a file."""
        self._forget()
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Add the rows of ``X`` to those seen; the same as :meth:`fit` on all of them, up to rounding.

        Every call solves anew; give it thousands of rows at a time.
        """
        first = not hasattr(self, "n_samples_seen_")
        self._see(X, ensure_min_samples=2 if first and self.center else 1)
        self._solve()
        return self

    def fit_blocks(self, blocks: Iterable[np.ndarray]) -> Self:
        """Like :meth:`fit`, on the rows of ``blocks`` (n_i, d) gone through once; solves at the end alone."""
        self._forget()
        for block in blocks:
            self._see(block)
        if self.center and self.n_samples_seen_ < 2:
            raise ValueError(f"X: expected at least 2 rows to centre, got {self.n_samples_seen_}")
        self._solve()
        return self

    def _forget(self) -> None:
        if hasattr(self, "n_samples_seen_"):
            del self.n_samples_seen_

    def _see(self, X: Any, ensure_min_samples: int = 1) -> None:
        """Check rows and add them to those seen."""
        first = not hasattr(self, "n_samples_seen_")
        X = validate_data(self, X, dtype=FLOATS, reset=first, ensure_min_samples=ensure_min_samples)
        if first:
            self._check_parameters()
            self._moments = self._new_moments(X)
        self._moments.add(X)
        self.n_samples_seen_, self.mean_ = self._moments.count, self._moments.mean

    def _new_moments(self, X: np.ndarray) -> Moments:
        return Moments(X.shape[1])

    def _second_moments(self) -> np.ndarray:
        """(d, d) covariance when ``center``, else mean square; of one row, which has no covariance, the scatter."""
        if not self.center:
            return self._moments.square
        return np.asarray(self._moments.scatter / max(self.n_samples_seen_ - 1, 1))

    @property
    def _offset(self) -> np.ndarray | None:
        return self.mean_ if self.center else None
