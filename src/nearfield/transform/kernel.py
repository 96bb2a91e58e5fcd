"""Kernel ridge regression from one space into another: a smooth map that bends."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from ..common.checks import check_int, check_random_state, check_real
from .paired import PairedMap
from .ridge import RidgeMap
from .vector_map import VectorMap

# Added to the kernel among the centres, as a share of its diagonal, so that equal centres do no harm.
_JITTER = 1e-6


class KernelMap(PairedMap):
    """The smooth map of least penalised squared error: every pair pulls on what lies near it.

    Choose it over :class:`RidgeMap` for two encoders of different kinds, from a few hundred pairs on: it finds what a
    matrix cannot express, at the price of ``d_in + d_out`` numbers for every centre. It comes close to the target of
    each pair it was fitted to, so judge it on others.

    Parameters
    ----------
    width : of the Gaussian, as a multiple of the root mean squared distance between rows, above 0. 1.5 is nearly
        linear and a good start for text; 0.7 follows the pairs closely.
    alpha : penalty, from 0; None chooses it by generalised cross-validation, as :class:`RidgeMap` does.
    centers : most pairs that serve as centres, at least 1, drawn at random. All pairs count in the fit, but it can
        bend at the centres alone; 1,000 is a good start, and time grows with the square of it.
    random_state : seed of the choice of centres.

    Attributes
    ----------
    centers_ : (h, d_in), less ``offset_``; coefficients_ (h, d_out); offset_ (d_in,), shift_ (d_out,):
        ``y = shift_ + sum of coefficients_[i] * exp(-gamma_ * |x - offset_ - centers_[i]|**2)``.
    gamma_, alpha_ : as used.
    n_pairs_, n_features_in_ : counts.

    Notes
    -----
    Source: Saunders, Gammerman and Vovk, Ridge regression learning algorithm in dual variables, 1998; with fewer
    centres than pairs the Nyström method of Williams and Seeger, 2001. A constant is fitted beside it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((600, 2))
    >>> Y = np.column_stack([np.sin(2 * X[:, 0]), X[:, 0] * X[:, 1]])
    >>> def error(fitted):
    ...     return float(np.abs(fitted.fit(X[:500], Y[:500]).transform(X[500:]) - Y[500:]).mean())
    >>> error(KernelMap(0.7)) < error(RidgeMap()) / 10
    True
    """

    def __init__(self, width: float = 1.5, *, alpha: float | None = None, centers: int = 1000, random_state: int = 0):
        self.width = width
        self.alpha = alpha
        self.centers = centers
        self.random_state = random_state

    def _check_parameters(self, d_out: int) -> None:
        check_real(self.width, "width", 0.0, np.inf, open_low=True, open_high=True)
        RidgeMap(self.alpha)._check_parameters(d_out)
        check_int(self.centers, "centers", 1)
        check_random_state(self.random_state)

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        self.offset_ = X.mean(axis=0)
        rows = X - self.offset_
        spread = 2 * float(np.square(rows).sum(axis=1).mean())
        self.gamma_ = 1 / (self.width**2 * spread) if spread > 0 else 1.0
        order = np.random.default_rng(self.random_state).permutation(len(rows))[: self.centers]
        self.centers_ = rows[np.sort(order)]
        among = self._kernel(self.centers_)
        among[np.diag_indices(len(among))] += _JITTER
        root = linalg.cholesky(among, lower=True)
        features = linalg.solve_triangular(root, self._kernel(rows).T, lower=True).T
        fitted = RidgeMap(self.alpha).fit(features, Y)
        self.alpha_ = fitted.alpha_
        self.coefficients_ = linalg.solve_triangular(root, fitted.matrix_.T, lower=True, trans="T")
        self.shift_ = fitted.shift_ - fitted.matrix_ @ fitted.offset_

    def _kernel(self, rows: np.ndarray) -> np.ndarray:
        squares = np.square(rows).sum(axis=1)[:, None] + np.square(self.centers_).sum(axis=1)
        distances = np.maximum(squares - 2 * rows @ self.centers_.T, 0.0)
        return np.asarray(np.exp(-self.gamma_ * distances))

    def _mapped(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._kernel(X - self.offset_) @ self.coefficients_ + self.shift_)

    def export(self, *, unit: bool = False) -> VectorMap:
        """The fitted map as plain float32 arrays; with ``unit`` it brings what it is given to length one first."""
        return VectorMap(
            np.zeros((len(self.shift_), len(self.offset_))),
            self.offset_,
            self.shift_,
            hidden=2 * self.gamma_ * self.centers_,
            hidden_shift=-self.gamma_ * np.square(self.centers_).sum(axis=1),
            outer=self.coefficients_.T,
            gamma=self.gamma_,
            unit=unit,
        )
