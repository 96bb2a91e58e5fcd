"""A small neural network beside a linear map: what is left after ridge regression, learnt without torch."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from ..common.checks import check_int, check_random_state, check_real
from .paired import PairedMap
from .ridge import RidgeMap
from .vector_map import VectorMap

_HELD = 0.1


class ResidualMap(PairedMap):
    """Ridge regression plus one hidden layer that learns what it leaves over.

    Choose it over :class:`RidgeMap` where pairs are some thousands and the two encoders differ in kind; over
    :class:`KernelMap` where they are a hundred thousand, or the map must stay small: it has ``units`` times the sum of
    both dimensions in numbers, and takes minutes to fit.

    Parameters
    ----------
    units : of the hidden layer; 256 is a good start.
    epochs : most passes over the pairs; it stops where a tenth of the pairs, held out, is no better for ten passes.
    alpha : weight decay, from 0.
    random_state : seed of the weights and the order of the pairs.

    Attributes
    ----------
    matrix_ : (d_out, d_in), offset_ (d_in,), shift_ (d_out,): the linear part.
    hidden_, hidden_shift_, outer_ : (units, d_in), (units,), (d_out, units): ``outer_ @ max(0, hidden_ @ (x
        - offset_) + hidden_shift_)`` comes to it.
    n_pairs_, n_features_in_ : counts.

    Notes
    -----
    The linear part is fitted first and stays; the layer is scikit-learn's ``MLPRegressor`` (Adam, squared error). It
    has no inverse.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((600, 4))
    >>> Y = np.abs(X) @ rng.standard_normal((4, 3))
    >>> def error(fitted):
    ...     return float(np.abs(fitted.fit(X[:500], Y[:500]).transform(X[500:]) - Y[500:]).mean())
    >>> error(ResidualMap(32, epochs=200)) < error(RidgeMap()) / 2
    True
    """

    def __init__(self, units: int = 256, *, epochs: int = 60, alpha: float = 1e-4, random_state: int = 0):
        self.units = units
        self.epochs = epochs
        self.alpha = alpha
        self.random_state = random_state

    def _check_parameters(self, d_out: int) -> None:
        check_int(self.units, "units", 1)
        check_int(self.epochs, "epochs", 1)
        check_real(self.alpha, "alpha", 0.0, np.inf, open_high=True)
        check_random_state(self.random_state)

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        linear = RidgeMap().fit(X, Y)
        self.matrix_, self.offset_, self.shift_ = linear.matrix_, linear.offset_, linear.shift_
        rows, left_over = X - self.offset_, Y - linear.transform(X)
        spread, size = (float(np.sqrt((part**2).mean())) or 1.0 for part in (rows, left_over))
        stops = int(_HELD * len(X)) >= 2
        network = MLPRegressor(
            hidden_layer_sizes=(self.units,),
            alpha=self.alpha,
            max_iter=self.epochs,
            early_stopping=stops,
            validation_fraction=_HELD,
            random_state=self.random_state % 2**32,
        )
        target = np.float32(left_over / size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the passes are the setting
            network.fit(np.float32(rows / spread), target[:, 0] if target.shape[1] == 1 else target)
        hidden, outer = (np.asarray(part, np.float64) for part in network.coefs_)
        self.hidden_, self.outer_ = hidden.T / spread, outer.T * size
        self.hidden_shift_ = np.asarray(network.intercepts_[0], np.float64)
        self.shift_ = self.shift_ + network.intercepts_[1] * size

    def _mapped(self, X: np.ndarray) -> np.ndarray:
        rows = X - self.offset_
        units = np.maximum(rows @ self.hidden_.T + self.hidden_shift_, 0.0)
        return np.asarray(rows @ self.matrix_.T + units @ self.outer_.T + self.shift_)

    def export(self, *, unit: bool = False) -> VectorMap:
        """The fitted map as plain float32 arrays; with ``unit`` it brings what it is given to length one first."""
        return VectorMap(
            self.matrix_,
            self.offset_,
            self.shift_,
            hidden=self.hidden_,
            hidden_shift=self.hidden_shift_,
            outer=self.outer_,
            unit=unit,
        )
