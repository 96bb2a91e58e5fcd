"""What the estimators of maps between two spaces share: paired rows in, a map out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from .estimator import Transformer
from .moments import PairedMoments
from .vector_map import VectorMap

_FLOATS = [np.float64, np.float32, np.float16]


class PairedMap(ClassNamePrefixFeaturesOutMixin, Transformer, ABC):
    """The base of the estimators that learn from rows in two spaces how to go from one into the other.

    Row ``i`` of ``X`` and row ``i`` of ``Y`` are the same thing seen by two encoders. A subclass gives ``_solve``,
    ``_mapped`` and ``export``. All linear algebra of a fit runs on one thread: the same pairs give the same bytes.

    Examples
    --------
    >>> from nearfield.transform import RidgeMap
    >>> isinstance(RidgeMap(), PairedMap)
    True
    """

    n_features_in_: int
    n_pairs_: int
    shift_: np.ndarray

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from paired rows: ``X`` (n, d_in) of the one space, ``y`` (n, d_out), or (n,), of the other."""
        rows, target = self._pairs(X, y, first=True)
        self.n_pairs_ = len(rows)
        with one_blas_thread():
            self._begin(rows, target)
            self._solve(rows, target)
        return self

    def _begin(self, X: np.ndarray, Y: np.ndarray) -> None:
        """Keep of float64 pairs, before they are fitted to, what more pairs will be added to."""
        return

    def _pairs(self, X: Any, y: Any, *, first: bool) -> tuple[np.ndarray, np.ndarray]:
        """Both sides checked, float64."""
        X = validate_data(self, X, dtype=_FLOATS, ensure_min_samples=2 if first else 1, reset=first)
        target = self._target(X, y)
        self._check_parameters(target.shape[1])
        return np.asarray(X, np.float64), target

    def _target(self, X: np.ndarray, y: Any) -> np.ndarray:
        if y is None:
            raise ValueError(
                f"y: expected the same {len(X)} things in the other space, got None; {type(self).__name__} requires y "
                "to be passed, but the target y is None"
            )
        target = check_array(y, dtype=np.float64, ensure_2d=False, ensure_min_features=0, input_name="y")
        if target.ndim == 1:
            target = target[:, None]
        if target.ndim != 2 or target.shape[1] == 0:
            raise ValueError(f"y: expected shape (n, d) or (n,), got {np.shape(y)}")
        if len(target) != len(X):
            raise ValueError(f"y: expected {len(X)} rows, one for each of X, got {len(target)}")
        return target

    def _check_parameters(self, d_out: int) -> None:
        """ValueError for a parameter that is not allowed; ``self.n_features_in_`` is known."""
        return

    @abstractmethod
    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        """Fit to float64 pairs."""

    @abstractmethod
    def _mapped(self, X: np.ndarray) -> np.ndarray:
        """The map in float64."""

    @abstractmethod
    def export(self, *, unit: bool = False) -> VectorMap:
        """The fitted map as plain float32 arrays; with ``unit`` it brings what it is given to length one first."""

    def transform(self, X: Any) -> np.ndarray:
        """The rows in the other space: (n, d_out), float64 for float64, else float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        return self._mapped(X) if X.dtype == np.float64 else self.export().transform(X)

    @property
    def _n_features_out(self) -> int:
        return len(self.shift_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        return tags


class AffinePairedMap(PairedMap):
    """A :class:`PairedMap` of the form ``y = matrix_ @ (x - offset_) + shift_``, which can be turned back.

    Examples
    --------
    >>> from nearfield.transform import RidgeMap
    >>> isinstance(RidgeMap(), AffinePairedMap)
    True
    """

    matrix_: np.ndarray
    offset_: np.ndarray

    def _mapped(self, X: np.ndarray) -> np.ndarray:
        return np.asarray((X - self.offset_) @ self.matrix_.T + self.shift_)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """The nearest rows of the first space that map to the rows ``X`` (n, d_out) of the second."""
        check_is_fitted(self)
        X = check_array(X, dtype=_FLOATS, input_name="X")
        if X.shape[1] != self._n_features_out:
            raise ValueError(f"X: expected {self._n_features_out} dimensions, got {X.shape[1]}")
        with one_blas_thread():
            back = (X - self.shift_) @ np.linalg.pinv(self.matrix_).T + self.offset_
        return np.asarray(back, X.dtype if X.dtype == np.float64 else np.float32)

    def export(self, *, unit: bool = False) -> VectorMap:
        """The fitted map as plain float32 arrays; with ``unit`` it brings what it is given to length one first."""
        check_is_fitted(self)
        return VectorMap(self.matrix_, self.offset_, self.shift_, unit=unit)


class SummedPairedMap(AffinePairedMap):
    """An :class:`AffinePairedMap` for which sums over the pairs suffice, so that it can be fitted in parts.

    A subclass gives ``_solve_sums`` beside ``_solve``; the latter may use what only the pairs themselves tell.

    Examples
    --------
    >>> from nearfield.transform import RidgeMap
    >>> isinstance(RidgeMap(), SummedPairedMap)
    True
    """

    _sums: PairedMoments

    def _begin(self, X: np.ndarray, Y: np.ndarray) -> None:
        self._sums = self._new_sums(X.shape[1], Y.shape[1]).add(X, Y)

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Add paired rows to those seen; the same as :meth:`fit` on all of them, up to rounding.

        Every call solves anew; give it thousands of pairs at a time. Nothing is kept of them but sums.
        """
        self._check_in_parts()
        first = not hasattr(self, "_sums")
        rows, target = self._pairs(X, y, first=first)
        if first:
            self._sums = self._new_sums(rows.shape[1], target.shape[1])
        elif target.shape[1] != len(self._sums.other_mean):
            raise ValueError(f"y: expected {len(self._sums.other_mean)} dimensions, as before, got {target.shape[1]}")
        with one_blas_thread():
            self.n_pairs_ = self._sums.add(rows, target).count
            self._solve_sums(self._sums)
        return self

    def _check_in_parts(self) -> None:
        """ValueError for a parameter under which the sums do not suffice."""
        return

    def _new_sums(self, dim: int, other_dim: int) -> PairedMoments:
        return PairedMoments(dim, other_dim)

    @abstractmethod
    def _solve_sums(self, sums: PairedMoments) -> None:
        """Fit to sums over pairs."""


def centred(rows: np.ndarray, center: bool) -> tuple[np.ndarray, np.ndarray]:
    """``(rows less their mean, the mean)``, or the rows and zeros.

    Examples
    --------
    >>> centred(np.float64([[1, 3], [3, 5]]), True)
    (array([[-1., -1.],
           [ 1.,  1.]]), array([2., 4.]))
    """
    mean = rows.mean(axis=0) if center else np.zeros(rows.shape[1])
    return rows - mean, mean
