"""Remembered examples beside a classifier: classes it was never trained on, without training it again."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.checks import check_int
from ..common.lengths import unit_rows
from .classifier import FLOATS, EmbeddingClassifier, check_labels, fit_temperature
from .naive_bayes import NaiveBayes
from .prototypes import class_means

_CELLS = 8_000_000


class ExemplarMemory(EmbeddingClassifier):
    """A classifier with a memory: new classes are learnt by remembering examples, old ones stay with the classifier.

    Choose it where a trained classifier must know new classes today and cannot be trained again: :meth:`remember` takes
    their examples, and nothing else moves. Where all examples are at hand, fitting the classifier to all of them was 4
    to 8 points better (evidence ``exemplar_vqa``). A code of one bit a dimension lost nothing there.

    Parameters
    ----------
    estimator : the classifier of the classes it is fitted on, with ``predict_proba``; None is :class:`NaiveBayes`.
    k : nearest examples that are asked; 10 is a good start, fewer where new classes have fewer examples.
    codec : what the memory is kept in: any codec of ``nearfield.quantize``, such as ``RotatedQuantizer(2)``. None keeps
        float32. It is fitted on the first rows.
    random_state : seed of the folds that calibrate.

    Attributes
    ----------
    estimator_ : fitted on the first rows.
    known_ : numbers of the classes that the estimator knows.
    n_remembered_ : examples in the memory, the first rows among them.
    sharpness_ : by how much a nearer example counts for more.
    offset_ : (d,) what is taken away before examples are compared by cosine: the mean of the first class means.
    classes_, temperature_, held_out_support_ : labels, those remembered among them; calibration.

    Notes
    -----
    Source: Farazi, Khan and Barnes, From known to the unknown: transferring knowledge to answer questions about novel
    visual and semantic concepts, 2020: the nearest exemplars, found through a compact code in a joint space, inform the
    answer. Departure: no attention is refined. The nearest examples vote, weighed by a softmax of their cosine, and
    decide one thing: how likely it is that the row is of a class that the estimator does not know, and of which. The
    rest of the probability is the estimator's, so that a row whose neighbours are all known is answered as before. The
    support of a row is its cosine with the nearest example. What is remembered later changes no calibration.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = np.repeat(np.eye(3, 8), 10, axis=0) + 0.1 * rng.standard_normal((30, 8)), np.repeat(list("abc"), 10)
    >>> model = ExemplarMemory().fit(X[:20], y[:20])
    >>> model.remember(X[20:25], y[20:25]).predict(X[25:]).tolist()
    ['c', 'c', 'c', 'c', 'c']
    """

    known_: np.ndarray
    _labels: np.ndarray
    _memory: np.ndarray

    def __init__(self, estimator: Any = None, *, k: int = 10, codec: Any = None, random_state: int = 0):
        self.estimator = estimator
        self.k = k
        self.codec = codec
        self.random_state = random_state

    def remember(self, X: Any, y: Any) -> Self:
        """Add examples ``X`` (n, d) with labels ``y`` (n,), of new classes or of known ones."""
        check_is_fitted(self)
        X, y = validate_data(self, X, y, dtype=FLOATS, reset=False)
        check_labels(y)
        if (self.classes_.dtype.kind in "US") != (np.asarray(y).dtype.kind in "US"):
            raise ValueError(f"y: expected labels like those fitted on, {self.classes_[0]!r}, got {y.tolist()[0]!r}")
        old = self.classes_
        self.classes_ = np.union1d(old, y)
        moved = np.searchsorted(self.classes_, old)
        self.known_ = moved[self.known_]
        self._labels = np.concatenate([moved[self._labels], np.searchsorted(self.classes_, y)])
        self._memory = np.concatenate([self._memory, self._kept(self._placed(np.asarray(X, np.float64)))])
        self.n_remembered_ = len(self._labels)
        return self

    def forget(self, label: Any) -> Self:
        """Take the examples of a label out; ValueError for one that the estimator knows, or that is not there."""
        check_is_fitted(self)
        number = int(self._numbers([label])[0])
        if number in self.known_:
            raise ValueError(f"label: expected one that was remembered, got {label!r}, which the estimator knows")
        stays = self._labels != number
        self._memory, self._labels = self._memory[stays], self._labels[stays]
        self._labels = self._labels - (self._labels > number)
        self.known_ = self.known_ - (self.known_ > number)
        self.classes_ = np.delete(self.classes_, number)
        self.n_remembered_ = len(self._labels)
        return self

    def _check_parameters(self) -> None:
        check_int(self.k, "k", 1)
        missing = [name for name in ("fit", "encode", "decode") if not hasattr(self.codec, name)]
        if self.codec is not None and missing:
            raise TypeError(f"codec: expected a codec with fit, encode and decode, got one without {missing[0]}")

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        inner = NaiveBayes(random_state=self.random_state) if self.estimator is None else clone(self.estimator)
        self.estimator_ = inner.fit(X, y)
        self.known_ = np.arange(len(self.classes_))
        means = class_means(X, y)
        self.offset_ = means.mean(axis=0) if len(means) > 1 else np.zeros(X.shape[1])
        rows = self._placed(X)
        self._codec = None if self.codec is None else clone(self.codec, safe=False).fit(rows)
        self._memory, self._labels = self._kept(rows), y.copy()
        self.n_remembered_ = len(y)
        self.sharpness_ = 1.0
        some = np.random.default_rng(self.random_state).permutation(len(y))[:1_000]
        votes = self._votes(*self._nearest(rows[some], without=some))
        self.sharpness_ = 1.0 / fit_temperature(votes, y[some])

    def _placed(self, X: np.ndarray) -> np.ndarray:
        return unit_rows(X - self.offset_).astype(np.float32)

    def _kept(self, rows: np.ndarray) -> np.ndarray:
        return rows if self._codec is None else np.asarray(self._codec.encode(rows))

    def _nearest(self, rows: np.ndarray, without: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """``(cosines, class numbers)`` of the ``k`` nearest examples; row i does not see example ``without[i]``."""
        step = max(1, _CELLS // max(rows.shape[1], len(rows)))
        best = np.full((len(rows), self.k), -np.inf)
        labels = np.zeros((len(rows), self.k), np.int64)
        for start in range(0, len(self._memory), step):
            part = self._memory[start : start + step]
            part = part if self._codec is None else self._codec.decode(part)
            found = (rows @ part.T).astype(np.float64)
            if without is not None:
                here = np.flatnonzero((without >= start) & (without < start + len(part)))
                found[here, without[here] - start] = -np.inf
            every = np.concatenate([best, found], axis=1)
            kinds = np.concatenate([labels, np.broadcast_to(self._labels[start : start + step], found.shape)], axis=1)
            order = np.argsort(-every, axis=1, kind="stable")[:, : self.k]
            best, labels = np.take_along_axis(every, order, 1), np.take_along_axis(kinds, order, 1)
        return best, labels

    def _votes(self, cosines: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """(n, C): the best cosine of each class among the nearest; -1 for classes that are not among them."""
        votes = np.full((len(cosines), len(self.classes_)), -1.0)
        rows = np.arange(len(cosines))
        for place in range(cosines.shape[1]):
            seen = np.maximum(votes[rows, labels[:, place]], cosines[:, place])
            votes[rows, labels[:, place]] = seen
        return votes

    def _score(self, X: np.ndarray) -> np.ndarray:
        shares = np.asarray(self.estimator_.predict_proba(X), np.float64)
        logs = np.full((len(X), len(self.classes_)), -np.inf)
        new = np.setdiff1d(np.arange(len(self.classes_)), self.known_)
        logs[:, self.known_] = np.log(np.maximum(shares, 1e-300))
        if len(new):
            votes = log_softmax(self._votes(*self._nearest(self._placed(X))) * self.sharpness_, axis=1)
            logs[:, self.known_] += np.logaddexp.reduce(votes[:, self.known_], axis=1)[:, None]
            logs[:, new] = votes[:, new]
        return logs

    def _support(self, X: np.ndarray) -> np.ndarray:
        return self._nearest(self._placed(X))[0][:, 0]
