"""Ridge regression from one space into another, its penalty chosen by generalised cross-validation."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from ..common.checks import check_real
from .moments import PairedMoments, leading
from .paired import SummedPairedMap, centred

# Penalties tried, as shares of the largest eigenvalue of the scatter: beyond either end nothing changes.
_SHARES = np.logspace(-6, 1, 57)


class RidgeMap(SummedPairedMap):
    """The affine map of least squared error with a penalty on its size, which is chosen in closed form.

    Choose it as the first map between two encoders: it uses what every pair says about every direction and shrinks
    what the pairs do not settle, so it works with fewer pairs than dimensions. :class:`AffineMap` is its limit
    without a penalty, for many pairs; :class:`Procrustes` keeps all angles and needs the fewest.

    Parameters
    ----------
    alpha : penalty on the squared size of the matrix, in units of the squared rows, from 0. None tries 57 values over
        seven decades and keeps the one that generalised cross-validation expects least error of on new rows: advised.

    Attributes
    ----------
    matrix_ : (d_out, d_in), offset_ (d_in,), shift_ (d_out,): ``y = matrix_ @ (x - offset_) + shift_``.
    alpha_ : the penalty used.
    n_pairs_, n_features_in_ : counts.

    Notes
    -----
    Source: Hoerl and Kennard, Ridge regression, 1970; Golub, Heath and Wahba, Generalized cross-validation as a method
    for choosing a good ridge parameter, 1979 (eq. 1.4), with the mean counted as one degree of freedom. One penalty
    serves all dimensions of the target.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((300, 8))
    >>> Y = X @ rng.standard_normal((8, 12)) + 5
    >>> fitted = RidgeMap().fit(X[:200], Y[:200])
    >>> bool(np.abs(fitted.transform(X[200:]) - Y[200:]).max() < 0.01)
    True
    """

    def __init__(self, alpha: float | None = None):
        self.alpha = alpha

    def _check_parameters(self, d_out: int) -> None:
        if self.alpha is not None:
            check_real(self.alpha, "alpha", 0.0, np.inf, open_high=True)

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        if len(X) > 2 * X.shape[1]:
            self._solve_sums(self._sums)
            return
        rows, self.offset_ = centred(X, True)
        target, self.shift_ = centred(Y, True)
        _, values, right = linalg.svd(rows, full_matrices=False)
        kept = _above_rounding(values**2, max(rows.shape))
        self._shrink(values[kept] ** 2, right[kept], rows.T @ target, float(np.square(target).sum()), len(rows))

    def _solve_sums(self, sums: PairedMoments) -> None:
        self.offset_, self.shift_ = sums.mean, sums.other_mean
        squares, right = principal(sums)
        self._shrink(squares, right, sums.cross, sums.total, sums.count)

    def _shrink(self, squares: np.ndarray, right: np.ndarray, cross: np.ndarray, total: float, count: int) -> None:
        turned = (right @ cross) / np.sqrt(squares)[:, None]
        self.alpha_ = penalty(squares, turned, total, count) if self.alpha is None else float(self.alpha)
        self.matrix_ = ((np.sqrt(squares) / (squares + self.alpha_))[:, None] * turned).T @ right


def penalty(squares: np.ndarray, turned: np.ndarray, total: float, count: int) -> float:
    """The penalty of least generalised cross-validation error; the largest tried where nothing can be told.

    ``squares`` (r,) are the squared singular values of the centred rows, falling; ``turned`` (r, d_out) is the centred
    target along the left singular vectors, ``total`` the sum of its squares, ``count`` the number of rows.
    """
    if not len(squares):
        return 1.0
    penalties = squares[0] * _SHARES[::-1]
    kept = squares / (squares + penalties[:, None])
    explained = (2 * kept - kept**2) @ np.square(turned).sum(axis=1)
    left_over = np.maximum(total - explained, 0.0)
    freedom = np.maximum(count - 1 - kept.sum(axis=1), 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(freedom > 0, left_over / freedom**2, np.inf)
    return float(penalties[np.argmin(errors)])


def principal(sums: PairedMoments) -> tuple[np.ndarray, np.ndarray]:
    """Squared singular values of the centred rows above rounding, falling, and their right singular vectors (r, d).

    Examples
    --------
    >>> rows = np.float64([[0, 0], [2, 0], [4, 0]])
    >>> principal(PairedMoments(2, 2).add(rows, rows))
    (array([8.]), array([[1., 0.]]))
    """
    dim = len(sums.mean)
    squares, right = leading(sums.scatter, dim)
    kept = _above_rounding(squares, max(sums.count, dim))
    kept[max(sums.count - 1, 0) :] = False  # so few pairs settle no more
    return squares[kept], right[kept]


def _above_rounding(squares: np.ndarray, size: int) -> np.ndarray:
    return np.asarray(squares > squares[0] * np.finfo(np.float64).eps * size)
