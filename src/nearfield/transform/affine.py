"""Least squares from one space into another, with no penalty."""

from __future__ import annotations

import numpy as np
from scipy import linalg

from .moments import PairedMoments
from .paired import SummedPairedMap, centred
from .ridge import principal


class AffineMap(SummedPairedMap):
    """The affine map of least squared error, and of several such the smallest.

    Choose it over :class:`RidgeMap` where the second space is a linear image of the first, or pairs are many times the
    dimensions: there it has no bias. With about as many pairs as dimensions it fits noise, and ``conditioned_`` says
    so; with fewer it passes through every pair.

    Attributes
    ----------
    matrix_ : (d_out, d_in), offset_ (d_in,), shift_ (d_out,): ``y = matrix_ @ (x - offset_) + shift_``.
    rank_ : how many directions the pairs settle.
    conditioned_ : whether there are at least twice as many pairs as directions; below that use :class:`RidgeMap`.
    n_pairs_, n_features_in_ : counts.

    Notes
    -----
    Ordinary least squares by a singular value decomposition; directions below the rounding of float64 are left out.
    In parts it is solved from sums of squares, which leave half of the digits to the weakest directions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, turn = rng.standard_normal((50, 4)), rng.standard_normal((4, 6))
    >>> fitted = AffineMap().fit(X, X @ turn + 2)
    >>> bool(np.allclose(fitted.transform(X), X @ turn + 2)), fitted.conditioned_
    (True, True)
    >>> bool(np.allclose(fitted.inverse_transform(fitted.transform(X)), X))
    True
    """

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        rows, self.offset_ = centred(X, True)
        target, self.shift_ = centred(Y, True)
        solution, _, rank, _ = linalg.lstsq(rows, target, cond=np.finfo(np.float64).eps * max(rows.shape))
        self._settled(solution.T, int(rank))

    def _solve_sums(self, sums: PairedMoments) -> None:
        self.offset_, self.shift_ = sums.mean, sums.other_mean
        squares, right = principal(sums)
        self._settled(((right @ sums.cross) / squares[:, None]).T @ right, len(squares))

    def _settled(self, matrix: np.ndarray, rank: int) -> None:
        self.matrix_ = np.ascontiguousarray(matrix)
        self.rank_ = rank
        self.conditioned_ = self.n_pairs_ >= 2 * (rank + 1)
