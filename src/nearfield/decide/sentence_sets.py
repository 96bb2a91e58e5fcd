"""Items and classes that are both sets of sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_array

from ..common.checks import check_choice, check_int
from ..common.lengths import unit_rows
from .classifier import FLOATS
from .texts import TextClassifier, encoded, is_texts
from .zero_shot import AGGREGATIONS, ZeroShotClassifier


@dataclass(frozen=True)
class _Sets:
    """Sentences of all items one after the other, of length one, and where each item begins."""

    rows: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)


class SentenceSetClassifier(TextClassifier):
    """Classify items that are described by several sentences each, by classes that are described so as well.

    Each sentence of an item is compared with all sentences of a class, and what the item's sentences say is averaged.
    Choose it over :class:`ZeroShotClassifier` when one item comes as several sentences (captions of the pictures of a
    film, wordings of one request), or when the sentences of the classes were collected by a search and most of them
    should go: ``n_sentences`` keeps those nearest to the class's name. Items of one sentence are classified as there.

    Parameters
    ----------
    aggregation : how the cosines of a sentence to those of a class become a score, as in :class:`ZeroShotClassifier`:
        "max", the nearest, is the paper's; "centroid" was better on WordNet (docs/evidence.md).
    item_aggregation : "mean" over an item's sentences, or "max", the one that fits best, which one odd sentence can
        decide.
    n_sentences : how many sentences to keep for each class, those nearest to its name; None keeps all. 5 to 20 of what
        a search gave; under "max" much more lets in sentences of anything.
    encoder : anything with ``encode(texts)``; then strings can be given for vectors everywhere.
    random_state : seed of the folds in which sentences are held out to set temperature and rejection.

    Attributes
    ----------
    classes_ : the labels.
    kept_ : numbers of the sentences that were kept, among those given.

    Notes
    -----
    Source: Estevam et al., Tell me what you see, 2022: videos and classes as sentences in one space of a paraphrase
    encoder, sentences of a class filtered by closeness to its name, nearest neighbour. There the captions of a video
    are encoded together; here each has its vector, and the scores are averaged.

    An item is a (s, d) array or a list of s strings, in a list of items; an (n, d) array is n items of one sentence.
    An item without sentences is refused by number.

    Examples
    --------
    >>> from nearfield.encode import WordLlama
    >>> sentences = ["a ship on the sea", "sailors in a harbour", "a car on a road", "traffic in a street"]
    >>> classifier = SentenceSetClassifier(encoder=WordLlama()).fit(sentences, ["sail", "sail", "drive", "drive"])
    >>> classifier.predict([["people on a boat", "waves"], ["a truck"]]).tolist()
    ['sail', 'drive']
    """

    kept_: np.ndarray

    def __init__(
        self,
        aggregation: str = "max",
        *,
        item_aggregation: str = "mean",
        n_sentences: int | None = None,
        encoder: Any = None,
        random_state: int = 0,
    ):
        self.aggregation = aggregation
        self.item_aggregation = item_aggregation
        self.n_sentences = n_sentences
        self.encoder = encoder
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_choice(self.aggregation, "aggregation", AGGREGATIONS)
        check_choice(self.item_aggregation, "item_aggregation", ("mean", "max"))

    def fit(self, X: Any, y: Any, *, names: Mapping[Any, Any] | None = None) -> Self:
        """Learn from sentences of the classes ``X``, vectors (n, d) or strings, and the class of each, ``y`` (n,).

        ``names``, a text or vector of each class, is needed to keep ``n_sentences`` of them.
        """
        if self.n_sentences is None:
            super().fit(X, y)
            self.kept_ = np.arange(len(self._sentences.labels_))
            return self
        labels = np.asarray(y)
        keep = check_int(self.n_sentences, "n_sentences", 1)
        vectors = unit_rows(check_array(encoded(X, self.encoder, "X"), dtype=FLOATS))
        if names is None or len(labels) != len(vectors):
            raise ValueError("names: expected a text or a vector of each class to keep n_sentences by, got None")
        called = unit_rows(check_array(encoded(list(names.values()), self.encoder, "names"), dtype=FLOATS))
        kept = []
        for label in np.unique(labels):
            if label not in names:
                raise ValueError(f"names: expected one for each class, got none for {label}")
            own = np.flatnonzero(labels == label)
            near = vectors[own] @ called[list(names).index(label)]
            kept.append(own[np.argsort(-near, kind="stable")[:keep]])
        self.kept_ = np.sort(np.concatenate(kept))
        super().fit(vectors[self.kept_], labels[self.kept_])
        self.texts_ = [X[row] for row in self.kept_] if is_texts(X) else None
        return self

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        self._sentences = ZeroShotClassifier(self.aggregation)
        self._sentences.classes_ = self.classes_
        self._sentences._fit(X, y)

    def _checked(self, X: Any) -> Any:
        if not (isinstance(X, Sequence) and len(X) and (is_texts(X[0]) or np.ndim(X[0]) == 2 or len(X[0]) == 0)):
            return super()._checked(X)
        sizes = [len(item) for item in X]
        if not all(sizes):
            raise ValueError(f"X: expected at least one sentence an item, got none for item {sizes.index(0)}")
        if is_texts(X[0]):
            rows: Any = [sentence for item in X for sentence in item]
        else:
            rows = np.concatenate([np.asarray(item) for item in X])
        return _Sets(super()._checked(rows), np.cumsum(sizes) - sizes)

    def _score(self, X: Any) -> np.ndarray:
        if not isinstance(X, _Sets):
            return self._sentences._score(X)
        scores = self._sentences._score(X.rows)
        if self.item_aggregation == "max":
            return np.asarray(np.maximum.reduceat(scores, X.starts, axis=0))
        sizes = np.diff(X.starts, append=len(scores))
        return np.asarray(np.add.reduceat(scores, X.starts, axis=0) / sizes[:, None])
