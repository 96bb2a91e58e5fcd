"""Descriptions that tell a class from those it is mistaken for, chosen by a few labelled items; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_array, check_is_fitted

from ..common.checks import check_int, check_real
from .classifier import FLOATS
from .texts import TextClassifier, blocks, encoded, is_texts, unit_rows


class DescriptionSelection(TextClassifier):
    """For each item, compare its likeliest classes by those descriptions that tell just these classes apart.

    A pool of descriptions, of any number and not sorted by class, is given with a few labelled items. The class names
    (or the labelled items) say which classes an item may be of; for each of them, the descriptions are used that its
    labelled items are nearer to than those of the others. Choose it over :class:`ZeroShotClassifier` when there are
    about ten labelled items a class and no one knows which descriptions are any good; :class:`Prototypes`, fitted to
    the same labelled items alone, is the rival to try beside it, and explains nothing.

    Parameters
    ----------
    n_classes : how many of the likeliest classes are told apart. Classes beyond are never the answer, so take as many
        as hold the right one nine times in ten: 5 where names are good, 20 of 60 where they are not.
    n_descriptions : how many descriptions a class at most, 5 to 20; more are steadier and less to the point. Those that
        its labelled items are no nearer to than the others' are left out, but for the best.
    name_weight : how much the cosine to the name adds to the mean over the descriptions, from 0: what is left then is
        what descriptions say and not what names do.
    center : subtract from each cosine the mean that its description has over the labelled items of the classes told
        apart, so that descriptions near to everything weigh no more than others.
    encoder : anything with ``encode(texts)``; then strings can be given for vectors everywhere.
    random_state : seed of the folds in which labelled items are held out to set temperature and rejection.

    Attributes
    ----------
    classes_ : the labels.
    class_means_ : (C, m) mean cosine of the labelled items of each class to each description.
    descriptions_ : (m, d) the pool, of length one; ``description_texts_`` holds the strings when strings were given.

    Notes
    -----
    Source: Ali, Wanner, Sarmad, Schramowski et al., Does VLM Classification Benefit from LLM Description Semantics?,
    2024: the neighbourhood is the k likeliest classes, and a description's worth for a class is its mean similarity to
    the class's selection items less that to the others of the neighbourhood. Departures: the pool is shared by all
    classes, and ``center`` (False gives the paper's score). Classes outside the neighbourhood score below it, in the
    order of the names.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> kinds = rng.normal(size=(4, 24))
    >>> y = np.repeat(list("abcd"), 10)
    >>> few, pool = kinds.repeat(10, axis=0) + rng.normal(size=(40, 24)), rng.normal(size=(60, 24))
    >>> pool[:12] = kinds.repeat(3, axis=0) + 0.5 * rng.normal(size=(12, 24))  # three good ones a class
    >>> chooser = DescriptionSelection(n_classes=2, n_descriptions=3).fit(few, y, descriptions=pool)
    >>> chooser.selected(["a", "c"])
    {'a': [1, 0, 2], 'c': [8, 7, 6]}
    """

    class_means_: np.ndarray
    descriptions_: np.ndarray
    description_texts_: list[str] | None

    def __init__(
        self,
        *,
        n_classes: int = 10,
        n_descriptions: int = 10,
        name_weight: float = 0.0,
        center: bool = True,
        encoder: Any = None,
        random_state: int = 0,
    ):
        self.n_classes = n_classes
        self.n_descriptions = n_descriptions
        self.name_weight = name_weight
        self.center = center
        self.encoder = encoder
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_int(self.n_classes, "n_classes", 2)
        check_int(self.n_descriptions, "n_descriptions", 1)
        check_real(self.name_weight, "name_weight", 0.0, 1e6)

    def fit(self, X: Any, y: Any, *, descriptions: Any = None, names: Mapping[Any, Any] | None = None) -> Self:
        """Learn from a few labelled items.

        Parameters
        ----------
        X, y : labelled items, vectors (n, d) or strings, and the label of each (n,); 5 to 20 a class.
        descriptions : the pool, (m, d) or strings; None takes the labelled items themselves.
        names : a text or a vector (d,) of each class; None puts the mean of its labelled items in its place.
        """
        self.description_texts_ = list(descriptions) if descriptions is not None and is_texts(descriptions) else None
        self._pool = None
        if descriptions is not None:
            self._pool = unit_rows(check_array(encoded(descriptions, self.encoder, "descriptions"), dtype=FLOATS))
        self._names = None
        if names is not None:
            given = encoded(list(names.values()), self.encoder, "names")
            self._names = dict(zip(names, unit_rows(check_array(given, dtype=FLOATS)), strict=True))
        return super().fit(X, y)

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        rows, count = unit_rows(X), len(self.classes_)
        self.descriptions_ = rows if self._pool is None else self._pool
        for name, given in (
            ("descriptions", self.descriptions_),
            ("names", next(iter((self._names or {}).values()), X[0])),
        ):
            if given.shape[-1] != X.shape[1]:
                raise ValueError(f"{name}: expected {X.shape[1]} dimensions, got {given.shape[-1]}")
        sums = np.zeros((count, X.shape[1]))
        np.add.at(sums, y, rows)
        self.class_means_ = sums / np.bincount(y, minlength=count)[:, None] @ self.descriptions_.T
        missing = [label for label in self.classes_ if self._names is not None and label not in self._names]
        if missing:
            raise ValueError(f"names: expected one for each of {len(self.classes_)} classes, got none for {missing[0]}")
        named = self._names
        self._centres = unit_rows(sums if named is None else np.array([named[label] for label in self.classes_]))

    def _chosen(self, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For the classes told apart (k,): numbers, weights and offsets of the descriptions of each."""
        means = self.class_means_[classes]
        total = means.sum(axis=0)
        gaps = means - (total - means) / max(1, len(classes) - 1)
        chosen = np.argsort(-gaps, axis=1, kind="stable")[:, : self.n_descriptions]
        good = np.take_along_axis(gaps, chosen, 1) > 0
        good[:, 0] = True
        offsets = (total / len(classes))[chosen] if self.center else np.zeros(chosen.shape)
        return chosen, good / good.sum(axis=1, keepdims=True), offsets

    def _score(self, X: np.ndarray) -> np.ndarray:
        parts = [self._score_block(X[block]) for block in blocks(len(X), len(self.descriptions_))]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes_)))

    def _score_block(self, X: np.ndarray) -> np.ndarray:
        near, cosines = X @ self._centres.T, X @ self.descriptions_.T
        likely = np.sort(np.argsort(-near, axis=1, kind="stable")[:, : self.n_classes], axis=1)
        told_apart, group = np.unique(likely, axis=0, return_inverse=True)
        order = np.argsort(group.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(group.ravel(), minlength=len(told_apart)))
        scores = np.array(near)
        for classes, rows in zip(told_apart, np.split(order, ends[:-1]), strict=True):
            chosen, weights, offsets = self._chosen(classes)
            found = ((cosines[rows][:, chosen] - offsets) * weights).sum(axis=2) + self.name_weight * near[
                np.ix_(rows, classes)
            ]
            lowest = found.min(axis=1, keepdims=True) - near[np.ix_(rows, classes)].min(axis=1, keepdims=True)
            scores[rows] = near[rows] + lowest  # all others: below, in the order of the names
            scores[np.ix_(rows, classes)] = found
        return scores

    def selected(self, labels: Sequence[Any]) -> dict[Any, list[Any]]:
        """For each of these labels, the descriptions that tell it from the others: texts, or numbers of vectors."""
        check_is_fitted(self)
        classes = self._numbers(labels)
        if len(classes) < 2 or len(np.unique(classes)) < len(classes):
            raise ValueError(f"labels: expected at least 2, each once, got {list(labels)!r}")
        rows, weights, _ = self._chosen(classes)
        chosen = [own[weight > 0].tolist() for own, weight in zip(rows, weights, strict=True)]
        texts = self.description_texts_
        return {
            label: own if texts is None else [texts[row] for row in own]
            for label, own in zip(labels, chosen, strict=True)
        }
