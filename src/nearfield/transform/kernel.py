"""Kernel ridge regression from one space into another: a smooth map that bends."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from ..common.checks import check_int, check_random_state, check_real
from .moments import leading
from .paired import PairedMap
from .ridge import RidgeMap, penalty
from .vector_map import VectorMap

# Added to the kernel among the centres, as a share of its diagonal, so that equal centres do no harm.
_JITTER = 1e-6
# The penalty is told from so many pairs: it does not change with their number, and eigenvectors take long.
_SHOWN = 1000
_ALL, _SOME = 5000, 2000


class KernelMap(PairedMap):
    """The smooth map of least penalised squared error: every pair pulls on what lies near it.

    Choose it over :class:`RidgeMap` for two encoders of different kinds, from a few hundred pairs on: it finds what a
    matrix cannot express, at the price of ``d_in + d_out`` numbers for every centre. It comes close to the target of
    each pair it was fitted to, so judge it on others.

    Parameters
    ----------
    width : of the Gaussian, as a multiple of the root mean squared distance between rows, above 0. 1 is a good start
        for text; 2.5 is nearly linear, 0.5 follows single pairs.
    alpha : penalty, from 0; None chooses it by generalised cross-validation on at most 1,000 of the pairs.
    centers : most pairs that serve as centres, drawn at random, at least 1; all pairs count in the fit, but it bends at
        the centres alone. None takes all pairs up to 5,000, of more pairs 2,000. Time grows with its square.
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

    def __init__(
        self, width: float = 1.0, *, alpha: float | None = None, centers: int | None = None, random_state: int = 0
    ):
        self.width = width
        self.alpha = alpha
        self.centers = centers
        self.random_state = random_state

    def _check_parameters(self, d_out: int) -> None:
        check_real(self.width, "width", 0.0, np.inf, open_low=True, open_high=True)
        RidgeMap(self.alpha)._check_parameters(d_out)
        if self.centers is not None:
            check_int(self.centers, "centers", 1)
        check_random_state(self.random_state)

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        self.offset_, self.shift_ = X.mean(axis=0), Y.mean(axis=0)
        rows, target = X - self.offset_, Y - self.shift_
        spread = 2 * float(np.square(rows).sum(axis=1).mean())
        self.gamma_ = 1 / (self.width**2 * spread) if spread > 0 else 1.0
        order = np.random.default_rng(self.random_state).permutation(len(rows))
        few = np.sort(order[:_SHOWN])
        self.alpha_ = self._told(rows[few], target[few]) if self.alpha is None else float(self.alpha)
        most = self.centers or (_ALL if len(rows) <= _ALL else _SOME)
        chosen = np.sort(order[:most])
        self.centers_ = rows[chosen]
        among = self._kernel(self.centers_, self.centers_)
        if len(chosen) == len(rows):
            among[np.diag_indices(len(among))] += max(self.alpha_, _JITTER)
            self.coefficients_ = linalg.solve(among, target, assume_a="pos", overwrite_a=True)
            return
        among[np.diag_indices(len(among))] += _JITTER
        root = linalg.cholesky(among, lower=True)
        features = linalg.solve_triangular(root, self._kernel(self.centers_, rows), lower=True)
        square = features @ features.T
        square[np.diag_indices(len(square))] += max(self.alpha_, _JITTER)
        weights = linalg.solve(square, features @ target, assume_a="pos", overwrite_a=True)
        self.coefficients_ = linalg.solve_triangular(root, weights, lower=True, trans="T")

    def _told(self, rows: np.ndarray, target: np.ndarray) -> float:
        values, vectors = leading(self._kernel(rows, rows), len(rows))
        kept = values > values[0] * _JITTER
        return penalty(values[kept], vectors[kept] @ target, float(np.square(target).sum()), len(target))

    def _kernel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
        return np.asarray(np.exp(-self.gamma_ * np.maximum(squares - 2 * a @ b.T, 0.0)))

    def _mapped(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self._kernel(X - self.offset_, self.centers_) @ self.coefficients_ + self.shift_)

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
