"""What the classifiers whose classes are texts share: strings through an encoder, cosines, sums that are exact."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.lengths import unit_rows
from .classifier import FLOATS, FOLDS, EmbeddingClassifier

# Terms are multiples of this. As long as a score is below 4,096, sums of them are exact in float64, in any order.
GRID = 2.0**-40
_BLOCK = 1 << 22  # cosines at a time: 32 MB
_QUERIES = 1024


def class_texts(classes: Mapping[Any, Sequence[Any]]) -> tuple[list[Any], np.ndarray]:
    """``(texts, labels)``, as ``fit`` wants them, of a dictionary from each class to its texts or their vectors.

    Raises
    ------
    ValueError : a class without texts: nothing could ever be of it.

    Examples
    --------
    >>> class_texts({"dog": ["it barks", "it has four legs"], "car": ["it has an engine"]})
    (['it barks', 'it has four legs', 'it has an engine'], array(['dog', 'dog', 'car'], dtype='<U3'))
    """
    for name, texts in classes.items():
        if isinstance(texts, str):
            raise TypeError(f"classes: expected a sequence of texts for {name!r}, got the one string {texts!r}")
        if not len(texts):
            raise ValueError(f"classes: expected at least one text a class, got none for {name!r}")
    labels = np.array(list(classes))
    return [text for texts in classes.values() for text in texts], labels.repeat([len(t) for t in classes.values()])


def is_texts(X: Any) -> bool:
    """Whether ``X`` is a sequence of strings."""
    if isinstance(X, np.ndarray):
        return X.ndim == 1 and (X.dtype.kind in "UT" or (X.dtype == object and len(X) > 0 and isinstance(X[0], str)))
    return isinstance(X, Sequence) and not isinstance(X, str) and len(X) > 0 and isinstance(X[0], str)


def encoded(X: Any, encoder: Any, name: str) -> Any:
    """Vectors of ``X`` where it is a sequence of strings, else ``X`` as it is."""
    if isinstance(X, str):
        raise TypeError(f"{name}: expected a sequence of texts or of vectors, got one str; put it into a list")
    if not is_texts(X):
        return X
    if encoder is None:
        raise TypeError(f"{name}: expected vectors, got texts; give encoder= to embed them")
    vectors = encoder.encode(list(X), progress=False)
    empty = np.flatnonzero(~np.asarray(vectors).any(axis=1))
    if empty.size:
        raise ValueError(f"{name}: expected texts that have a vector, got {X[empty[0]]!r} at position {empty[0]}")
    return vectors


def blocks(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices of the rows, such that a matrix of one of them and all columns stays small."""
    step = max(1, _BLOCK // max(1, n_columns))
    yield from (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def nearest(queries: np.ndarray, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """``(cosines, rows)`` (q, k) of the rows of ``X`` with the largest cosines to each query, by an exact scan.

    In blocks of both, so that millions of rows, also of a file mapped into memory, need little space; an index is
    faster where there are many queries. Found rows of equal cosine come in their order.

    Examples
    --------
    >>> nearest(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 0.0]]), 2)[1].tolist()
    [[2, 1]]
    """
    asked = unit_rows(queries)
    cosines, rows = np.zeros((len(asked), min(k, len(X)))), np.zeros((len(asked), min(k, len(X))), np.int64)
    for start in range(0, len(asked), _QUERIES):
        part = slice(start, start + _QUERIES)
        cosines[part], rows[part] = _nearest_block(asked[part], X, k)
    return cosines, rows


def _nearest_block(asked: np.ndarray, X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    cosines, rows = np.zeros((len(asked), 0)), np.zeros((len(asked), 0), np.int64)
    for block in blocks(len(X), max(len(asked), X.shape[1])):
        near = asked @ unit_rows(X[block]).T
        found = np.broadcast_to(np.arange(near.shape[1]), near.shape)
        if near.shape[1] > k:
            found = np.sort(np.argpartition(-near, k - 1, axis=1)[:, :k], axis=1)
        cosines = np.concatenate([cosines, np.take_along_axis(near, found, 1)], axis=1)
        rows = np.concatenate([rows, found + block.start], axis=1)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        cosines, rows = np.take_along_axis(cosines, order, 1), np.take_along_axis(rows, order, 1)
    return cosines, rows


class TextClassifier(EmbeddingClassifier):
    """An :class:`EmbeddingClassifier` under cosine that is fitted to texts of the classes, not to examples of them.

    Wherever vectors are asked for, strings do as well when it has an ``encoder``; then it keeps the texts it was fitted
    to, ``texts_``.

    Examples
    --------
    >>> from nearfield.decide import ZeroShotClassifier
    >>> isinstance(ZeroShotClassifier(), TextClassifier)
    True
    """

    encoder: Any
    texts_: list[str] | None

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from texts of the classes ``X``, vectors (n, d) or strings, and the class of each, ``y`` (n,)."""
        self.texts_ = list(X) if is_texts(X) else None
        with warnings.catch_warnings():
            # Names are one text a class, which scikit-learn takes for a regression.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            return super().fit(encoded(X, self.encoder, "X"), y)

    def calibrate(self, X: Any, y: Any) -> Self:
        """Set temperature and rejection from labelled items, as :meth:`EmbeddingClassifier.calibrate` does.

        Worth a few dozen labelled items: what is classified is seldom worded as the texts of the classes are.
        """
        check_is_fitted(self)
        rows, numbers = self._checked(X), self._numbers(y)
        if len(rows) != len(numbers):
            raise ValueError(f"y: expected {len(rows)} labels, one an item, got {len(numbers)}")
        with one_blas_thread():
            scores = self._score(rows)
            self._calibrate(scores, numbers, self._support(rows))
        return self

    def _checked(self, X: Any) -> Any:
        check_is_fitted(self)
        X = validate_data(self, encoded(X, self.encoder, "X"), dtype=FLOATS, reset=False)
        return unit_rows(X)

    def _twin(self) -> Self:
        return copy(self)

    def _cross_fitted(
        self, X: np.ndarray, y: np.ndarray, seed: int, folds: int = FOLDS
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return super()._cross_fitted(unit_rows(X), y, seed, folds)

    def _calibrate(
        self, scores: np.ndarray, y: np.ndarray, support: np.ndarray, rows: np.ndarray | None = None
    ) -> None:
        super()._calibrate(scores, y, support, None if rows is None else unit_rows(rows))
