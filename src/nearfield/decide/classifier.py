"""What the classifiers of this room share: checks, probabilities by temperature, and rejection at a stated rate.

A subclass says how well each class fits a row (``_score``) and, where that differs, how well the row fits the classes
at all (``_support``). Everything else is here: temperature and rejection come from rows the classifier was not fitted
on, by default from its own folds.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_random_state, check_real

FLOATS = [np.float64, np.float32]
FOLDS = 5
# Rows that are held out at most, over all folds: more would not make temperature and rates any surer.
HELD_OUT = 20_000
_ROWS = 4096


class EmbeddingClassifier(ClassifierMixin, BaseEstimator, ABC):
    """A classifier of embeddings whose probabilities are calibrated and that can say *none of these*.

    ``fit`` learns from labelled rows and then sets temperature and rejection from folds of them: every row is scored
    by a twin that was fitted without it. A class of one row is never held out; where every class has one row, nothing
    can be rejected, and the temperature is the scores' own spread. One class alone is allowed: it is the answer to
    everything that is not rejected.

    Examples
    --------
    >>> from nearfield.decide import NaiveBayes
    >>> isinstance(NaiveBayes(), EmbeddingClassifier)
    True
    """

    classes_: np.ndarray
    n_features_in_: int
    temperature_: float
    held_out_support_: np.ndarray
    random_state: int

    @abstractmethod
    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        """Learn from float64 rows and class numbers below len(classes_): all, unless ``_label_space`` gives more."""

    @abstractmethod
    def _score(self, X: np.ndarray) -> np.ndarray:
        """(n, C): larger where the class fits better; probabilities are their softmax over a temperature."""

    def _support(self, X: np.ndarray) -> np.ndarray:
        """(n,): larger where the row is more surely of one of the classes at all; the best score, unless said."""
        return np.asarray(self._score(X).max(axis=1))

    def _label_space(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The classes there are, sorted, and the number of the class of each row."""
        classes, numbers = np.unique(y, return_inverse=True)
        return classes, numbers

    def _check_parameters(self) -> None:
        """Refuse parameters that the constructor stored unseen."""

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from rows ``X`` (n, d) and their labels ``y`` (n,), integers or strings."""
        X, y = validate_data(self, X, y, dtype=FLOATS)
        check_labels(y)
        self._check_parameters()
        self.classes_, numbers = self._label_space(X, y)
        seed = check_random_state(self.random_state)
        with one_blas_thread():
            wide = np.asarray(X, np.float64)
            self._fit(wide, numbers)
            self._calibrate(*self._cross_fitted(wide, numbers, seed), rows=wide)
        return self

    def calibrate(self, X: Any, y: Any) -> Self:
        """Set temperature and rejection anew from labelled rows that it was *not* fitted on.

        Choose it where such rows are at hand: the twins of the folds know fewer examples than the classifier itself,
        and make it a little too careful. ValueError for a label it was not fitted on.
        """
        check_is_fitted(self)
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=False)
        numbers = self._numbers(y)
        with one_blas_thread():
            wide = np.asarray(X, np.float64)
            self._calibrate(self._score(wide), numbers, self._support(wide))
        return self

    def predict(self, X: Any, *, reject: float | None = None) -> np.ndarray:
        """The likeliest class of each row (n,).

        With ``reject`` (a rate, see :meth:`reject`) the answer is an array of objects: labels, and None where the row
        is rejected.
        """
        numbers = self._each(X, lambda rows: self._score(rows).argmax(axis=1))
        labels = self.classes_[numbers]
        if reject is None:
            return labels
        out = self.reject(X, max_false=reject)
        answers = labels.astype(object)
        answers[out] = None
        return np.asarray(answers)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of each class (n, C), in the order of ``classes_``, given that the row is of one of them."""
        probabilities = self._each(X, lambda rows: softmax(self._score(rows) / self.temperature_, axis=1))
        kept = np.float64 if getattr(X, "dtype", np.float64) != np.float32 else np.float32
        return np.asarray(probabilities, kept)

    def reject(self, X: Any, *, max_false: float = 0.05) -> np.ndarray:
        """True (n,) where a row seems to be of none of the classes.

        Of rows that are of one of them, drawn like those it was fitted on, at most the share ``max_false`` is rejected
        by mistake (split-conformal quantile of the held-out rows' support; on average over such sets of held-out rows).
        What share of the others is caught depends on them. 0.05 is a good start; nothing can be rejected below one in
        the number of held-out rows plus one.
        """
        support = self._each(X, self._support)
        return np.asarray(support < self._threshold(max_false))

    def support(self, X: Any, *, share: bool = True) -> np.ndarray:
        """How surely each row is of one of the classes (n,): the share of held-out rows that fit no better.

        What :meth:`reject` cuts: a row is rejected at ``max_false`` where this is below it, up to one held-out row.
        ``share=False`` gives the score behind it, which has no unit and no steps: to order rows.
        """
        support = self._each(X, self._support)
        if not share:
            return support
        self._threshold(0.5)
        return np.searchsorted(self.held_out_support_, support, side="right") / (len(self.held_out_support_) + 1)

    def explain(self, X: Any) -> list[str]:
        """One sentence for each row: the likeliest class, the next one, and whether the row is of any."""
        shares = self._each(X, lambda rows: softmax(self._score(rows) / self.temperature_, axis=1))
        scope = self.support(X) if len(self.held_out_support_) else [None] * len(X)
        sentences = []
        for share, place in zip(shares, scope, strict=True):
            best = np.argsort(-share, kind="stable")[:2]
            text = f"{self.classes_[best[0]]} with probability {share[best[0]]:.2f}"
            if len(best) > 1:
                text += f", then {self.classes_[best[1]]} with {share[best[1]]:.2f}"
            if place is not None:
                text += f"; {place:.1%} of the known rows fit their classes worse"
            sentences.append(text + ".")
        return sentences

    def _checked(self, X: Any) -> Any:
        """Rows to be answered, checked and in float64."""
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=FLOATS, reset=False), np.float64)

    def _each(self, X: Any, function: Callable[[Any], np.ndarray]) -> np.ndarray:
        """What ``function`` makes of the checked rows, some thousand at a time."""
        rows = self._checked(X)
        with one_blas_thread():
            if not isinstance(rows, np.ndarray) or len(rows) <= _ROWS:
                return function(rows)
            return np.concatenate([function(rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)])

    def _numbers(self, y: Any) -> np.ndarray:
        """Labels as class numbers; ValueError for one that is not known."""
        y = np.asarray(y)
        unknown = ~np.isin(y, self.classes_)
        if unknown.any():
            raise ValueError(
                f"y: expected labels among the {len(self.classes_)} fitted, got {y[unknown].tolist()[0]!r}"
            )
        return np.searchsorted(self.classes_, y)

    def _cross_fitted(
        self, X: np.ndarray, y: np.ndarray, seed: int, folds: int = FOLDS
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores, class numbers and support of rows of the first ``folds`` by twins that were fitted without them."""
        fold_of = held_out_folds(y, np.random.default_rng(seed))
        scores, numbers, support = [np.zeros((0, len(self.classes_)))], [y[:0]], [np.zeros(0)]
        for fold in range(min(folds, int(fold_of.max()) + 1)):
            out = fold_of == fold
            twin = self._twin()
            twin._fit(X[~out], y[~out])
            scores.append(twin._score(X[out]))
            support.append(twin._support(X[out]))
            numbers.append(y[out])
        return np.concatenate(scores), np.concatenate(numbers), np.concatenate(support)

    def _twin(self) -> Self:
        """Another one of the same parameters and classes, not yet fitted to rows."""
        twin = clone(self)
        twin.classes_, twin.n_features_in_ = self.classes_, self.n_features_in_
        return twin

    def _calibrate(
        self, scores: np.ndarray, y: np.ndarray, support: np.ndarray, rows: np.ndarray | None = None
    ) -> None:
        """From held-out rows; where there are none, the temperature is the spread of the scores of ``rows``."""
        if len(scores) or rows is None:
            self.temperature_ = fit_temperature(scores, y)
        else:
            self.temperature_ = _spread(self._score(rows))
        self.held_out_support_ = np.sort(support)

    def _threshold(self, max_false: float) -> float:
        """Support below which a row is rejected."""
        if not len(self.held_out_support_):
            raise ValueError(
                "reject: expected rows that were held out, got none: every class has one row; give others to calibrate"
            )
        return support_cut(self.held_out_support_, max_false)


def support_cut(support: np.ndarray, max_false: float) -> float:
    """Support below which at most the share ``max_false`` of those lie that are drawn like the sorted ``support``.

    Examples
    --------
    >>> support_cut(np.arange(19.0), 0.1), support_cut(np.arange(19.0), 0.01)
    (1.0, -inf)
    """
    place = int(np.floor((len(support) + 1) * check_real(max_false, "max_false", 0.0, 1.0) + 1e-9))
    if place == 0:
        return -np.inf
    return np.inf if place > len(support) else float(support[place - 1])


@contextmanager
def few_rows_a_class() -> Iterator[None]:
    """Without scikit-learn's warning of many classes for the rows: they are what this room is for.

    Examples
    --------
    >>> with few_rows_a_class():
    ...     check_classification_targets(np.arange(40))
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        yield


def check_labels(y: np.ndarray) -> None:
    """ValueError for what is no list of classes.

    Examples
    --------
    >>> check_labels(np.array(["a", "b"]))
    """
    with few_rows_a_class():
        check_classification_targets(y)


def held_out_folds(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold in which each row is held out, or -1 where it never is (n,).

    Every class goes round the folds, so that each fold leaves rows of all classes; a class of one row is never out. Of
    very many rows a sample is held out, all at once where it is at most a fifth of them.

    Examples
    --------
    >>> held_out_folds(np.array([0, 0, 0, 0, 0, 1, 2, 2]), np.random.default_rng(0)).tolist()
    [3, 4, 0, 2, 1, -1, 3, 4]
    """
    order = rng.permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    counts = np.bincount(y)
    rank = np.arange(len(y)) - np.repeat(np.cumsum(counts) - counts, counts)
    folds = np.full(len(y), -1)
    folds[order] = np.where(counts[y[order]] > 1, (rank + rng.integers(0, FOLDS, len(counts))[y[order]]) % FOLDS, -1)
    usable = np.flatnonzero(folds >= 0)
    if len(usable) > HELD_OUT:
        kept = rng.choice(usable, HELD_OUT, replace=False)
        few = len(usable) >= HELD_OUT * FOLDS
        chosen = np.where(folds[kept] >= 0, 0, -1) if few else folds[kept]
        if few:  # one row of each class stays
            first = np.zeros(len(y), bool)
            first[order[rank == 0]] = True
            kept, chosen = kept[~first[kept]], chosen[~first[kept]]
        folds[:] = -1
        folds[kept] = chosen
    present = np.unique(folds[folds >= 0])
    return np.where(folds >= 0, np.searchsorted(present, folds), -1)


def fit_temperature(scores: np.ndarray, y: np.ndarray) -> float:
    """What scores (n, C) are divided by to make their softmax the likeliest for the classes ``y``.

    Between a thousandth and a thousand times the scores' own spread; 1 where there is nothing to learn from. Source:
    Guo et al., On calibration of modern neural networks, 2017, section 4.2. It never changes the likeliest class.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.integers(0, 3, 3000)
    >>> odds = np.log(0.8 / 0.1) * np.eye(3)[np.where(rng.random(3000) < 0.7, truth, rng.integers(0, 3, 3000))]
    >>> bool(abs(fit_temperature(5 * odds, truth) - 5) < 0.5)
    True
    """
    spread = _spread(scores)
    if not len(scores) or scores.shape[1] < 2:
        return 1.0

    def loss(log: float) -> float:
        return -float(log_softmax(scores / (spread * np.exp(log)), axis=1)[np.arange(len(y)), y].mean())

    found = minimize_scalar(loss, bounds=(np.log(1e-3), np.log(1e3)), method="bounded", options={"xatol": 1e-3})
    return float(spread * np.exp(found.x))


def _spread(scores: np.ndarray) -> float:
    """Mean standard deviation of a row's finite scores; 1 where they do not differ."""
    possible = np.isfinite(scores).all(axis=0)
    spread = float(scores[:, possible].std(axis=1).mean()) if scores.size and possible.any() else 0.0
    return spread if spread > 0 else 1.0
