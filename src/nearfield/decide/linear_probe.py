"""A linear probe that measures whether naive Bayes or logistic regression is better for the examples at hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.special import log_softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from ..common.checks import check_choice
from .classifier import FOLDS, EmbeddingClassifier, few_rows_a_class, fit_temperature
from .naive_bayes import NaiveBayes

PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_UNTESTED = 10.0
# With more rows than this, candidates are compared on one fold, which then holds rows enough.
_ALL_FOLDS = 1_500


class LinearProbe(EmbeddingClassifier):
    """The better of naive Bayes and logistic regression, and the better penalty, by held-out rows.

    The choice where there is time to fit: some thousands of examples take seconds. What held-out rows cannot tell apart
    is cheap to get wrong. Choose :class:`NaiveBayes` itself for examples that come in parts, :class:`Prototypes` where
    *none of these* is what matters most.

    Parameters
    ----------
    method : ``"auto"``, or ``"naive_bayes"`` or ``"logistic"`` where it is known; the penalty is chosen either way.
    random_state : seed of the folds that choose and calibrate.

    Attributes
    ----------
    method_, penalty_ : what was taken; the penalty is scikit-learn's ``C`` on rows of mean square length one.
    held_out_accuracy_ : of every candidate; empty where no class has two rows, and then ``"logistic"`` with 10 is
        taken.
    coef_, intercept_ : (C, d) and (C,).
    classes_, temperature_, held_out_support_ : labels; calibration.

    Notes
    -----
    Source: the choice is that of Zheng et al., Revisiting discriminative vs. generative classifiers, 2023, whose theory
    says that naive Bayes is ahead with few examples and logistic regression with many. Departure: the choice is
    measured, not read off the number of rows, because the crossing moves with the penalty. With a penalty chosen by
    held-out rows logistic regression was level or ahead from the second example a class on, in the spaces of the
    evidence ``naive_bayes_probe``. Candidates are compared by accuracy, then by the log-loss after the temperature.
    Calibration uses the same folds as the choice, between five candidates. Logistic regression is scikit-learn's. The
    support of a row is that of naive Bayes: how far it is from the nearest class, which log-odds do not know.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 3, 600)
    >>> X = np.eye(3, 16)[y] + rng.standard_normal((600, 16)) * np.r_[np.full(8, 0.2), np.full(8, 2.0)]
    >>> model = LinearProbe().fit(X[:300], y[:300])
    >>> bool(model.score(X[300:], y[300:]) > 0.9), sorted(model.held_out_accuracy_)[0]
    (True, 'logistic 1')
    """

    def __init__(self, method: str = "auto", *, random_state: int = 0):
        self.method = method
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_choice(self.method, "method", ("auto", "naive_bayes", "logistic"))

    def _candidates(self) -> dict[str, EmbeddingClassifier]:
        found: dict[str, EmbeddingClassifier] = {}
        if self.method != "logistic" or len(self.classes_) < 2:
            found["naive_bayes"] = NaiveBayes(random_state=self.random_state)
        if self.method != "naive_bayes" and len(self.classes_) > 1:
            found |= {f"logistic {penalty:g}": _Logistic(penalty, self.random_state) for penalty in PENALTIES}
        for candidate in found.values():
            candidate.classes_, candidate.n_features_in_ = self.classes_, self.n_features_in_
        return found

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        candidates = self._candidates()
        self.held_out_accuracy_: dict[str, float] = {}
        best, order = next(iter(candidates)), (-1.0, 0.0)
        for name, candidate in candidates.items():
            held = candidate._cross_fitted(X, y, self.random_state, FOLDS if len(X) <= _ALL_FOLDS else 1)
            if not len(held[0]):
                best, self._held = f"logistic {_UNTESTED:g}" if len(candidates) > 1 else best, held
                break
            merit = (float((held[0].argmax(axis=1) == held[1]).mean()), -_loss(*held[:2]))
            self.held_out_accuracy_[name] = merit[0]
            if merit > order:
                best, order, self._held = name, merit, held
        self._model = candidates[best]
        if len(X) > _ALL_FOLDS:
            self._held = self._model._cross_fitted(X, y, self.random_state)
        self._model._fit(X, y)
        self.method_ = best.split()[0]
        self.penalty_ = float(best.split()[1]) if " " in best else np.nan
        self.coef_, self.intercept_ = self._model.coef_, self._model.intercept_

    def _cross_fitted(
        self, X: np.ndarray, y: np.ndarray, seed: int, folds: int = FOLDS
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._held  # left by the choice

    def _score(self, X: np.ndarray) -> np.ndarray:
        return self._model._score(X)

    def _support(self, X: np.ndarray) -> np.ndarray:
        return self._model._support(X)


class _Logistic(EmbeddingClassifier):
    """scikit-learn's logistic regression with the support of naive Bayes."""

    def __init__(self, penalty: float = _UNTESTED, random_state: int = 0):
        self.penalty = penalty
        self.random_state = random_state

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        scale = float(np.sqrt(np.square(X).sum(axis=1).mean())) or 1.0
        # The first gradient has entries of one in (classes * root of d); scikit-learn stops below tol, however many
        # classes there are, which for 150 is before the first step.
        tolerance = 1e-2 / (len(self.classes_) * np.sqrt(X.shape[1]))
        model: Any = LogisticRegression(C=self.penalty, max_iter=200, tol=tolerance)
        with few_rows_a_class(), warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # what is left to gain is less than the folds tell apart
            model.fit(X / scale, y)
        coef, intercept = model.coef_ / scale, model.intercept_
        if len(coef) == 1:
            coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
        self.coef_, self.intercept_ = coef, intercept
        self._distance = NaiveBayes(random_state=self.random_state)
        self._distance.classes_, self._distance.n_features_in_ = self.classes_, self.n_features_in_
        self._distance._fit(X, y)

    def _score(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(X @ self.coef_.T + self.intercept_)

    def _support(self, X: np.ndarray) -> np.ndarray:
        return self._distance._support(X)


def _loss(scores: np.ndarray, y: np.ndarray) -> float:
    """Log-loss at the best temperature."""
    return -float(log_softmax(scores / fit_temperature(scores, y), axis=1)[np.arange(len(y)), y].mean())
