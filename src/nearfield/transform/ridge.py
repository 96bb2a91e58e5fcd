"""Ridge regression from one space into another, its penalty chosen by generalised cross-validation."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from ..common.checks import check_real
from .moments import leading
from .paired import AffinePairedMap, centred

# Penalties tried, as shares of the largest eigenvalue of the scatter: beyond either end nothing changes.
_SHARES = np.logspace(-6, 1, 57)


class RidgeMap(AffinePairedMap):
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
        rows, self.offset_ = centred(X, True)
        target, self.shift_ = centred(Y, True)
        squares, right = _principal(rows)
        turned = (right @ (rows.T @ target)) / np.sqrt(squares)[:, None]
        self.alpha_ = self._chosen(squares, turned, target) if self.alpha is None else float(self.alpha)
        self.matrix_ = ((np.sqrt(squares) / (squares + self.alpha_))[:, None] * turned).T @ right

    @staticmethod
    def _chosen(squares: np.ndarray, turned: np.ndarray, target: np.ndarray) -> float:
        """The penalty of least generalised cross-validation error; the largest tried where nothing can be told."""
        if not len(squares):
            return 1.0
        penalties = squares[0] * _SHARES[::-1]
        kept = squares / (squares + penalties[:, None])
        explained = (2 * kept - kept**2) @ np.square(turned).sum(axis=1)
        left_over = np.maximum(np.square(target).sum() - explained, 0.0)
        freedom = np.maximum(len(target) - 1 - kept.sum(axis=1), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.where(freedom > 0, left_over / freedom**2, np.inf)
        return float(penalties[np.argmin(errors)])


def _principal(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared singular values above rounding, falling, and their right singular vectors (r, d)."""
    if len(rows) > 2 * rows.shape[1]:
        squares, right = leading(rows.T @ rows, rows.shape[1])
    else:
        _, values, right = linalg.svd(rows, full_matrices=False)
        squares = values**2
    kept = squares > squares[0] * np.finfo(np.float64).eps * max(rows.shape)
    return squares[kept], right[kept]
