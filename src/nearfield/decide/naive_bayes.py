"""Gaussian naive Bayes with one variance a dimension for all classes: a linear probe that needs few examples."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_choice, check_random_state, check_real
from .classifier import FLOATS, HELD_OUT, EmbeddingClassifier, check_labels


class NaiveBayes(EmbeddingClassifier):
    """Linear classifier from means and variances alone: no training, and good from the first examples on.

    Choose it with one to some ten examples a class, where classes come and go, or where rows arrive in parts
    (:meth:`partial_fit`). It needs examples in proportion to the logarithm of the dimensions, logistic regression in
    proportion to the dimensions; with enough of them the latter ends higher. :class:`LinearProbe` measures which of the
    two it is.

    Parameters
    ----------
    prior : ``"uniform"``, all classes alike, or ``"empirical"``, as often as among the examples.
    smoothing : how many rows the variance of *all* rows counts for beside that within classes, for each dimension. With
        one example a class nothing else is known. 0 is plain naive Bayes; 1 to 10 hardly matters but to the smallest
        sets.
    random_state : seed of the folds that calibrate.

    Attributes
    ----------
    coef_, intercept_ : (C, d) and (C,), the log-odds of the classes up to what they share.
    means_, variance_, counts_ : (C, d), (d,) and (C,), what they come from.
    classes_, temperature_, held_out_support_ : labels; calibration.

    Notes
    -----
    Source: Zheng et al., Revisiting discriminative vs. generative classifiers: theory and implications, 2023, section 3
    (after Ng and Jordan, 2001): class-conditional Gaussians with a variance for each dimension, shared by the classes,
    hence linear log-odds. Departures: ``smoothing``, and the temperature, without which naive Bayes is far too sure of
    itself. The support of a row is minus its squared distance, in units of the variance, from the nearest class.
    Moments are kept in float64: parts and the whole give the same up to rounding. ``partial_fit`` calibrates on each
    part before it learns from it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, 400)
    >>> X = rng.standard_normal((400, 8)) * [1, 1, 1, 1, 9, 9, 9, 9] + 2 * y[:, None]
    >>> model = NaiveBayes().fit(X[:40], y[:40])
    >>> bool(model.score(X[40:], y[40:]) > 0.95)
    True
    >>> bool(model.reject(20 * np.ones((1, 8)))[0])
    True
    """

    def __init__(self, *, prior: str = "uniform", smoothing: float = 1.0, random_state: int = 0):
        self.prior = prior
        self.smoothing = smoothing
        self.random_state = random_state

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Learn from more rows. The first call may name all ``classes`` there will be; else they are those of ``y``.

        A class without rows so far is never the answer. From the second call on, the rows are scored before they are
        learnt from, and temperature and rejection are those of the last rows so scored.
        """
        first = not hasattr(self, "_moments")
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=first)
        check_labels(y)
        if first:
            self._check_parameters()
            check_random_state(self.random_state)
            self.classes_ = np.unique(y if classes is None else classes)
            self._moments = (np.zeros(len(self.classes_), np.int64), np.zeros((len(self.classes_), X.shape[1])))
            self._scatter = np.zeros(X.shape[1])
            self._held = self._nothing_held()
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError("classes: expected those of the first call, got others")
        numbers, wide = self._numbers(y), np.asarray(X, np.float64)
        with one_blas_thread():
            if not first:
                known = self.counts_[numbers] > 0
                new = (self._score(wide[known]), numbers[known], self._support(wide[known]))
                most = max(1, min(HELD_OUT, 20_000_000 // len(self.classes_)))
                held = [np.concatenate([a, b])[-most:] for a, b in zip(self._held, new, strict=True)]
                self._held = (held[0], held[1], held[2])
            self._add(wide, numbers)
            self._calibrate(*self._held, rows=wide)
        return self

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from rows ``X`` (n, d) and their labels ``y`` (n,), integers or strings."""
        if hasattr(self, "_moments"):
            del self._moments
        super().fit(X, y)
        self._held = self._nothing_held()
        return self

    def _nothing_held(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.zeros((0, len(self.classes_))), np.zeros(0, np.int64), np.zeros(0)

    def _check_parameters(self) -> None:
        check_choice(self.prior, "prior", ("uniform", "empirical"))
        check_real(self.smoothing, "smoothing", 0.0, 1e12)

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        count = len(self.classes_)
        self._moments = (np.zeros(count, np.int64), np.zeros((count, X.shape[1])))
        self._scatter = np.zeros(X.shape[1])
        self._add(X, y)

    def _add(self, X: np.ndarray, y: np.ndarray) -> None:
        """Merge the rows' counts, means and scatter within classes with those seen (Chan, Golub and LeVeque 1983)."""
        counts, means = self._moments
        order = np.argsort(y, kind="stable")
        present, starts, new = np.unique(y[order], return_index=True, return_counts=True)
        rows = X[order]
        sums = np.add.reduceat(rows, starts, axis=0) / new[:, None]
        scatter = np.square(rows - np.repeat(sums, new, axis=0)).sum(axis=0)
        shift = sums - means[present]
        old = counts[present]
        share = new / (old + new)
        scatter += (np.square(shift) * (old * share)[:, None]).sum(axis=0)
        means[present] += shift * share[:, None]
        counts[present] += new
        self._scatter = self._scatter + scatter
        self._solve()

    def _solve(self) -> None:
        counts, means = self._moments
        total, there = int(counts.sum()), counts > 0
        centre = counts @ means / total
        between = (counts[:, None] * np.square(means - centre))[there].sum(axis=0)
        whole = (self._scatter + between) / max(total - 1, 1)
        free = max(total - int(there.sum()), 0)
        weight = float(self.smoothing) if free else 1.0
        variance = (self._scatter + weight * whole) / (free + weight)
        # A dimension that does not vary says nothing; a tiny floor keeps it from saying everything.
        floor = 1e-9 * float(variance.max())
        self.variance_ = np.maximum(variance, floor if floor > 0 else 1.0)
        self.means_, self.counts_ = means.copy(), counts.copy()
        self._centre = centre
        self.coef_ = (means - centre) / self.variance_
        share = counts / total if self.prior == "empirical" else there / there.sum()
        with np.errstate(divide="ignore"):
            constant = np.log(share) - 0.5 * (np.square(means - centre) / self.variance_).sum(axis=1)
        self.coef_[~there] = 0.0
        self.intercept_ = np.where(there, constant, -np.inf) - self.coef_ @ centre

    def _score(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def _support(self, X: np.ndarray) -> np.ndarray:
        share = np.log(np.maximum(self.counts_, 1) / self.counts_.sum())
        fit = self._score(X) - (share if self.prior == "empirical" else -np.log((self.counts_ > 0).sum()))
        return np.asarray(2 * fit.max(axis=1) - (np.square(X - self._centre) / self.variance_).sum(axis=1))
