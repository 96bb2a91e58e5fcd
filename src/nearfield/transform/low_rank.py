"""Ridge regression of low rank: only the directions of the other space that can be told."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from .moments import PairedMoments, leading_here
from .paired import SummedPairedMap
from .ridge import RidgeMap

_HELD = 5


class LowRankMap(SummedPairedMap):
    """The affine map of a given rank with least penalised squared error (reduced-rank regression).

    Choose it over :class:`RidgeMap` where the second space repeats itself in few directions, or a map of few numbers
    is wanted: at rank r it is two matrices of r rows. Between two good encoders of text all directions carry
    something, and ridge is as good or better.

    Parameters
    ----------
    rank : from 1 to the smaller dimension; None keeps the one of least squared error on a fifth of the pairs held out,
        which :meth:`partial_fit`, that keeps no pairs, cannot: it wants a number.
    alpha : penalty, as in :class:`RidgeMap`; None chooses it.
    random_state : seed of the pairs held out.

    Attributes
    ----------
    matrix_ : (d_out, d_in) of rank ``rank_``, offset_ (d_in,), shift_ (d_out,).
    rank_, alpha_ : as used.
    n_pairs_, n_features_in_ : counts.

    Notes
    -----
    Source: Izenman, Reduced-rank regression for the multivariate linear model, 1975, with the identity as weight: the
    fitted values are projected on their leading principal directions. With the ridge penalty: Mukherjee and Zhu,
    Reduced rank ridge regression and its kernel extensions, 2011.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((400, 10))
    >>> Y = X @ rng.standard_normal((10, 2)) @ rng.standard_normal((2, 12)) + rng.standard_normal((400, 12))
    >>> LowRankMap().fit(X, Y).rank_
    2
    """

    def __init__(self, rank: int | None = None, *, alpha: float | None = None, random_state: int = 0):
        self.rank = rank
        self.alpha = alpha
        self.random_state = random_state

    def _check_parameters(self, d_out: int) -> None:
        RidgeMap(self.alpha)._check_parameters(d_out)
        if self.rank is not None:
            check_int(self.rank, "rank", 1, min(self.n_features_in_, d_out))
        check_random_state(self.random_state)

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        fitted, directions = self._fitted(X, Y)
        self.rank_ = self._chosen(X, Y) if self.rank is None else int(self.rank)
        self._project(fitted, directions[: self.rank_])

    def _check_in_parts(self) -> None:
        if self.rank is None:
            raise ValueError(
                "rank: expected an integer to be fitted in parts, got None, which holds pairs out to choose it; give "
                "the rank_ that fit found on some of the pairs"
            )

    def _solve_sums(self, sums: PairedMoments) -> None:
        assert self.rank is not None
        fitted = RidgeMap(self.alpha)
        fitted._solve_sums(sums)
        self.rank_ = int(self.rank)
        self._project(fitted, leading_here(fitted.matrix_ @ sums.scatter @ fitted.matrix_.T, self.rank_)[1])

    def _project(self, fitted: Any, kept: np.ndarray) -> None:
        """The ridge map, of whose results only the part along these directions is left."""
        self.alpha_, self.offset_, self.shift_ = fitted.alpha_, fitted.offset_, fitted.shift_
        self.matrix_ = kept.T @ (kept @ fitted.matrix_)

    def _fitted(self, X: np.ndarray, Y: np.ndarray) -> tuple[Any, np.ndarray]:
        """The ridge map, and the principal directions (m, d_out) of what it gives."""
        fitted = RidgeMap(self.alpha).fit(X, Y)
        values = (X - fitted.offset_) @ fitted.matrix_.T
        return fitted, np.linalg.svd(values, full_matrices=False)[2]

    def _chosen(self, X: np.ndarray, Y: np.ndarray) -> int:
        most = min(self.n_features_in_, Y.shape[1])
        order = np.random.default_rng(self.random_state).permutation(len(X))
        held, kept = order[: len(X) // _HELD], order[len(X) // _HELD :]
        if not len(held) or len(kept) < 2:
            return most
        fitted, directions = self._fitted(X[kept], Y[kept])
        given = ((X[held] - fitted.offset_) @ fitted.matrix_.T) @ directions.T
        wanted = (Y[held] - fitted.shift_) @ directions.T
        gains = np.cumsum((2 * given * wanted - given**2).sum(axis=0))
        return int(np.argmax(gains[:most])) + 1
