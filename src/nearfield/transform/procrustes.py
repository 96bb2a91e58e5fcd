"""The rotation, reflection and scale that lay one space over another."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from .moments import PairedMoments
from .paired import SummedPairedMap, centred


class Procrustes(SummedPairedMap):
    """The map with orthonormal rows or columns that brings paired rows nearest, with or without a scale.

    Choose it where few pairs are known and both spaces have much the same geometry: it cannot overfit as a free matrix
    can, keeps every angle (of unequal dimensions, those that fit in the smaller one) and has its transpose as inverse.
    :class:`RidgeMap` fits better from some hundred pairs on when the two encoders differ in kind.

    Parameters
    ----------
    center : whether the means are laid over each other first. Where only directions count (cosine), False keeps
        inner products as they were.
    scale : whether lengths are scaled, by one factor, to fit best; no ranking under cosine notices when not centred.

    Attributes
    ----------
    matrix_ : (d_out, d_in), ``scale_`` times a matrix with orthonormal columns (d_out >= d_in) or rows.
    offset_, shift_ : the two means, or zeros.
    scale_ : the factor; 1 without ``scale``.
    residual_ : squared distance left between the pairs, as a share of the second space's, in [0, 1] with ``scale``.
    n_pairs_, n_features_in_ : counts.

    Notes
    -----
    Source: Schönemann, A generalized solution of the orthogonal Procrustes problem, 1966. Unequal dimensions are as if
    the smaller space were padded with zeros. Directions that the pairs leave open, as fewer pairs than dimensions do,
    are completed to some orthonormal set: the same for the same pairs, but nothing is known about them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 5))
    >>> turn = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    >>> fitted = Procrustes(scale=True).fit(X, 3 * X @ turn + 1)
    >>> round(fitted.scale_, 6), bool(np.allclose(fitted.transform(X), 3 * X @ turn + 1))
    (3.0, True)
    """

    def __init__(self, *, center: bool = True, scale: bool = False):
        self.center = center
        self.scale = scale

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        rows, self.offset_ = centred(X, self.center)
        target, self.shift_ = centred(Y, self.center)
        right, along = self._turn(target.T @ rows, float((rows**2).sum()))
        self._leave(float((target**2).sum()), along, float(((rows @ right.T) ** 2).sum()))

    def _solve_sums(self, sums: PairedMoments) -> None:
        if not self.center:
            sums = sums.about_zero()
        self.offset_, self.shift_ = sums.mean, sums.other_mean
        right, along = self._turn(sums.cross.T, float(np.trace(sums.scatter)))
        self._leave(sums.total, along, float(((right @ sums.scatter) * right).sum()))

    def _turn(self, cross: np.ndarray, size: float) -> tuple[np.ndarray, float]:
        left, values, right = linalg.svd(cross, full_matrices=False)
        along = float(values.sum())
        self.scale_ = along / size if self.scale and size > 0 else 1.0
        self.matrix_ = self.scale_ * (left @ right)
        return right, along

    def _leave(self, total: float, along: float, kept: float) -> None:
        left_over = total - 2 * self.scale_ * along + self.scale_**2 * kept
        self.residual_ = max(0.0, left_over) / total if total > 0 else 0.0
