"""Label vectors: where the documents that are nearest to a label's texts lie, instead of the texts themselves."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils.validation import check_array

from ..common.checks import check_int, check_real
from ..common.lengths import unit_rows
from .classifier import FLOATS, FOLDS
from .texts import TextClassifier, encoded, nearest


class LabelVectors(TextClassifier):
    """Classes by the mean of the unlabelled documents that are nearest to their names or keywords.

    A name lies where names lie; documents lie elsewhere. Moving each label to where documents like it are makes up for
    that without a single labelled one: from names alone, macro-F1 rose from 0.66 to 0.73 on the 150 intents of CLINC150
    and from 0.27 to 0.30 on 40 topics of WordNet. Choose it over :class:`ZeroShotClassifier` when there are tens of
    unlabelled documents for every class, such as those to be classified themselves; choose classifiers of labelled
    rows (:class:`Prototypes`) as soon as there are labels.

    Parameters
    ----------
    threshold : only documents whose cosine to the mean of the label's texts is at least this, in [-1, 1]; None takes
        ``max_documents`` whatever their cosines, and is the safer choice: what is near is different for every encoder.
    min_documents : so many, at least, even below the threshold.
    max_documents : so many at most. 20 suits a few dozen documents a class; 50, a few hundred. Not more than a class
        can be expected to have.
    outliers : share of a label's documents that are dropped as outliers, in [0, 0.5], by local outlier factor. In what
        was measured it did not help (docs/evidence.md), and the default keeps all.
    encoder : anything with ``encode(texts)``; then strings can be given for vectors everywhere.
    random_state : there for the family; nothing here is random.

    Attributes
    ----------
    classes_ : the labels.
    label_vectors_ : (C, d), of length one.
    documents_ : for each class, numbers of the documents its vector is the mean of, the nearest first.

    Notes
    -----
    Source: Schopf, Braun and Matthes, Evaluating Unsupervised Text Classification, 2022 (Lbl2TransformerVec), after
    Lbl2Vec, 2021: the mean of the keywords, documents above a threshold between a least and a most number, outliers
    removed by local outlier factor, the centroid. There the factor's own bound says what an outlier is, which in
    hundreds of dimensions is nothing; here a share is dropped, those of the largest factors. Documents are scaled to
    length one before their mean.

    Nothing is held out, so :meth:`reject` needs a :meth:`calibrate` with some labelled items, and until then the
    temperature of the probabilities is the scores' spread. Without ``documents``, labels stay the mean of their texts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> topics = rng.normal(size=(3, 16))
    >>> documents = topics.repeat(40, axis=0) + 0.5 * rng.normal(size=(120, 16))
    >>> names = topics + rng.normal(size=16) + 0.5 * rng.normal(size=(3, 16))  # names lie aside
    >>> labels = LabelVectors().fit(names, ["a", "b", "c"], documents=documents)
    >>> float(np.mean(labels.predict(documents) == np.repeat(["a", "b", "c"], 40)))
    1.0
    """

    label_vectors_: np.ndarray
    documents_: list[np.ndarray]

    def __init__(
        self,
        *,
        threshold: float | None = None,
        min_documents: int = 10,
        max_documents: int = 20,
        outliers: float = 0.0,
        encoder: Any = None,
        random_state: int = 0,
    ):
        self.threshold = threshold
        self.min_documents = min_documents
        self.max_documents = max_documents
        self.outliers = outliers
        self.encoder = encoder
        self.random_state = random_state

    def _check_parameters(self) -> None:
        if self.threshold is not None:
            check_real(self.threshold, "threshold", -1.0, 1.0)
        check_int(self.min_documents, "min_documents", 1)
        check_int(self.max_documents, "max_documents", self.min_documents)
        check_real(self.outliers, "outliers", 0.0, 0.5)

    def fit(self, X: Any, y: Any, *, documents: Any = None, index: Any = None) -> Self:
        """Learn from texts of the labels and unlabelled documents.

        Parameters
        ----------
        X, y : names, keywords or descriptions, vectors (n, d) or strings, and the label of each (n,).
        documents : (m, d) vectors, in memory or mapped from a file, or strings.
        index : anything with ``search(queries, k)`` whose answer has ``rows`` (q, k), such as a cosine index of
            :mod:`nearfield.index` over the ``documents``; None scans them all.
        """
        self._documents, self._index = None, index
        if documents is not None:
            self._documents = check_array(encoded(documents, self.encoder, "documents"), dtype=FLOATS)
        elif index is not None:
            raise ValueError("documents: expected the vectors that the index was built of, got None")
        try:
            return super().fit(X, y)
        finally:
            del self._documents, self._index

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        means = np.zeros((len(self.classes_), X.shape[1]))
        np.add.at(means, y, unit_rows(X))
        self.label_vectors_, self.documents_ = unit_rows(means), [np.zeros(0, np.int64) for _ in means]
        documents = self._documents
        if documents is None:
            return
        if documents.shape[1] != X.shape[1]:
            raise ValueError(f"documents: expected {X.shape[1]} dimensions, got {documents.shape[1]}")
        k = min(self.max_documents, len(documents))
        if self._index is None:
            cosines, rows = nearest(means, documents, k)
        else:
            rows = np.asarray(self._index.search(means.astype(np.float32), k).rows)
            cosines = np.stack(
                [unit_rows(documents[own]) @ at for own, at in zip(rows, self.label_vectors_, strict=True)]
            )
        for label, (near, found) in enumerate(zip(cosines, rows, strict=True)):
            enough = k if self.threshold is None else max(self.min_documents, int((near >= self.threshold).sum()))
            self.documents_[label] = self._without_outliers(documents, found[found >= 0][:enough])
            chosen = unit_rows(documents[self.documents_[label]])
            self.label_vectors_[label] = unit_rows(chosen.sum(axis=0)[None, :])[0]

    def _without_outliers(self, documents: np.ndarray, rows: np.ndarray) -> np.ndarray:
        dropped = int(self.outliers * len(rows))
        if not dropped or len(rows) < 4:
            return rows
        factor = LocalOutlierFactor(n_neighbors=min(20, len(rows) - 1)).fit(unit_rows(documents[rows]))
        kept = np.argsort(-factor.negative_outlier_factor_, kind="stable")[: len(rows) - dropped]
        return np.asarray(rows[np.sort(kept)])

    def _score(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(X @ self.label_vectors_.T)

    def _cross_fitted(
        self, X: np.ndarray, y: np.ndarray, seed: int, folds: int = FOLDS
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Nothing: a text held out says little of how documents of its label score."""
        return np.zeros((0, len(self.classes_))), y[:0], np.zeros(0)
