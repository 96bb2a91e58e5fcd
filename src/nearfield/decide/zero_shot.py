"""Classification by what is said of the classes: a name, a description, several descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_choice
from ..common.lengths import unit_rows
from .classifier import FLOATS
from .texts import GRID, TextClassifier, blocks, encoded, is_texts

AGGREGATIONS = ("mean", "max", "centroid")


@dataclass(frozen=True)
class Terms:
    """Why a class has its score for one item: the share of each of its texts.

    Attributes
    ----------
    label : the class.
    score : its score; ``terms.sum()``, exactly.
    rows : numbers of the texts among those fitted.
    terms : (len(rows),) what each adds, the largest first.

    Examples
    --------
    >>> float(Terms("dog", 0.75, np.array([4, 2]), np.array([0.5, 0.25])).terms.sum())
    0.75
    """

    label: Any
    score: float
    rows: np.ndarray
    terms: np.ndarray


class ZeroShotClassifier(TextClassifier):
    """Give each item the class whose texts it is nearest to: no examples, only what the classes are called or are like.

    ``fit`` takes vectors of the texts and the class of each. One text a class, its name, is plain zero-shot; several
    descriptions, each beginning with the name ("boat, has a whistle"), are better: on 60 classes of WordNet's nouns 64%
    of definitions got their class, with names 55%. The rule is what the texts say: :meth:`terms` tells how
    much each of them counted, and :meth:`partial_fit` and :meth:`remove` change it. With a few labelled items beside
    the texts, :class:`DescriptionSelection` picks the texts that tell classes apart; with many unlabelled documents
    :class:`LabelVectors` replaces the texts by what is near them.

    Parameters
    ----------
    aggregation : how the cosines to a class's texts become its score. "mean" suits descriptions that should all apply;
        "max", the nearest text alone, suits texts about different parts of a class, such as its kinds; "centroid", the
        cosine to the mean of the texts, is "mean" without the disadvantage of classes whose texts differ widely, and a
        good choice when accuracy is all that counts.
    encoder : anything with ``encode(texts)``; then strings can be given for vectors everywhere.
    random_state : seed of the folds in which texts are held out to set temperature and rejection.

    Attributes
    ----------
    classes_ : the labels.
    vectors_, labels_ : (m, d) the texts as given, scaled to length one, and (m,) the class of each.
    texts_ : the texts, when strings were given.

    Notes
    -----
    ``s(c, x) = mean over d in D(c) of cos(x, d)``. Source: Menon and Vondrick, Visual Classification via Description
    from Large Language Models, 2023, equation 1; there the descriptions come from a language model, here from the
    caller. Cosines over the number of texts are rounded to 2^-40, so that terms sum to the score exactly. Temperature
    and rejection are set from the texts themselves, each held out in turn; :meth:`calibrate` sets them from items.

    A query in another language has the cosines that the encoder gives it: with an encoder of one language they are
    small and mean little, and :meth:`reject` refuses most such queries. A text longer than the encoder reads is cut by
    the encoder. Texts given twice count twice. A row of zeros scores 0 for every class.

    Examples
    --------
    >>> from nearfield.encode import WordLlama
    >>> from nearfield.decide import class_texts
    >>> texts, labels = class_texts({
    ...     "dog": ["dog, which barks", "dog, which has fur and four legs"],
    ...     "car": ["car, which has an engine", "car, which has wheels and a windscreen"],
    ... })
    >>> classifier = ZeroShotClassifier(encoder=WordLlama()).fit(texts, labels)
    >>> classifier.predict(["an animal that barks at the postman", "the motor needs oil"]).tolist()
    ['dog', 'car']
    >>> why = classifier.terms(["an animal that barks at the postman"])[0]
    >>> classifier.texts_[why.rows[0]], bool(why.score == why.terms.sum())
    ('dog, which barks', True)
    """

    vectors_: np.ndarray
    labels_: np.ndarray

    def __init__(self, aggregation: str = "mean", *, encoder: Any = None, random_state: int = 0):
        self.aggregation = aggregation
        self.encoder = encoder
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_choice(self.aggregation, "aggregation", AGGREGATIONS)

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        self.vectors_, self.labels_ = unit_rows(X), self.classes_[y]
        self._order = np.argsort(y, kind="stable")
        self._vectors = self.vectors_[self._order]
        self._counts = np.bincount(y, minlength=len(self.classes_))
        self._starts = np.cumsum(self._counts) - self._counts
        sums = np.add.reduceat(self._vectors, self._starts, axis=0)
        lengths = np.linalg.norm(sums, axis=1)
        flat = lengths <= 1e-9 * self._counts
        divisors = lengths if self.aggregation == "centroid" else self._counts
        self._weights = np.repeat(1.0 / np.where(flat, 1.0, divisors), self._counts)

    def _terms(self, X: np.ndarray) -> np.ndarray:
        """(n, m) what each text adds to its class's score, texts in the order of the classes."""
        cosines = X @ self._vectors.T
        if self.aggregation == "max":
            return np.asarray(np.rint(cosines / GRID) * GRID)
        return np.asarray(np.rint(cosines * (self._weights / GRID)) * GRID)

    def _score(self, X: np.ndarray) -> np.ndarray:
        reduced = np.maximum if self.aggregation == "max" else np.add
        parts = [
            reduced.reduceat(self._terms(X[block]), self._starts, axis=1)
            for block in blocks(len(X), len(self._vectors))
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes_)))

    def terms(self, X: Any, labels: Any = None) -> list[Terms]:
        """For each item, what each text of a class adds to its score: of the predicted class, or of ``labels`` (n,).

        Under "max" the nearest text is all of the score.
        """
        X = self._checked(X)
        with one_blas_thread():
            numbers = self._score(X).argmax(axis=1) if labels is None else self._numbers(labels)
            if len(numbers) != len(X):
                raise ValueError(f"labels: expected {len(X)}, one an item, got {len(numbers)}")
            return [self._explained(X[row : row + 1], number) for row, number in enumerate(numbers)]

    def _explained(self, x: np.ndarray, number: int) -> Terms:
        own = slice(self._starts[number], self._starts[number] + self._counts[number])
        terms = self._terms(x)[0, own]
        order = np.argsort(-terms, kind="stable")[: 1 if self.aggregation == "max" else None]
        return Terms(self.classes_[number], float(terms[order].sum()), self._order[own][order], terms[order])

    def explain(self, X: Any) -> list[str]:
        """One sentence for each item: the likeliest class, the next one, and the text that speaks most for it."""
        sentences = []
        for sentence, why in zip(super().explain(X), self.terms(X), strict=True):
            text = f"text {why.rows[0]}" if self.texts_ is None else repr(self.texts_[why.rows[0]][:200])
            sentences.append(f"{sentence[:-1]}; {text} adds most, {why.terms[0]:.3f} of {why.score:.3f}.")
        return sentences

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Add texts, of known classes or of new ones: the same as :meth:`fit` on all of them together.

        ``classes`` is there for scikit-learn and does nothing: a class begins with its first text.
        """
        if not hasattr(self, "vectors_"):
            return self.fit(X, y)
        texts = [*self.texts_, *X] if self.texts_ is not None and is_texts(X) else None
        added, labels = validate_data(self, encoded(X, self.encoder, "X"), y, dtype=FLOATS, reset=False)
        return self._again(np.concatenate([self.vectors_, added]), np.concatenate([self.labels_, labels]), texts)

    def remove(self, rows: Any) -> Self:
        """Take out the texts of these numbers (as in ``labels_``); a class goes with its last text."""
        check_is_fitted(self)
        rows = np.atleast_1d(np.asarray(rows))
        count = len(self.labels_)
        if rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= count):
            raise ValueError(f"rows: expected numbers from 0 to {count - 1}, got {rows.tolist()}")
        kept = np.setdiff1d(np.arange(count), rows)
        if not len(kept):
            raise ValueError(f"rows: expected at least one text to stay, got all {count}")
        return self._again(
            self.vectors_[kept], self.labels_[kept], None if self.texts_ is None else [self.texts_[row] for row in kept]
        )

    def _again(self, vectors: np.ndarray, labels: np.ndarray, texts: list[str] | None) -> Self:
        super().fit(vectors, labels)
        self.texts_ = texts
        return self
