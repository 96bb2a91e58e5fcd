"""Nearest class mean: a class is one vector, or a few."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int
from .classifier import EmbeddingClassifier


class Prototypes(EmbeddingClassifier):
    """Answer with the class whose mean is nearest.

    The first thing to try with one to five examples a class: nothing is estimated but means. :class:`NaiveBayes` does
    the same and weighs the dimensions by how much they vary within classes; :class:`ClassSubspaces` lets a class vary
    along a few directions; :class:`LinearProbe` is better from some tens of examples a class on.

    Parameters
    ----------
    per_class : prototypes for each class, by k-means within it; more than 1 pays where a class holds several topics and
        has tens of examples for each. A class with fewer rows has all its rows.
    metric : ``"cosine"`` or ``"l2"``, as the space was trained for.
    center : take the mean of the class means away first. Embeddings of a domain share a direction, which says nothing
        of the class; with one class there is nothing to take away.
    random_state : seed of k-means and of the folds that calibrate.

    Attributes
    ----------
    prototypes_ : (p, d), of length one under cosine.
    prototype_classes_ : (p,) the number of the class of each.
    offset_ : (d,) what was taken away.
    classes_, temperature_, held_out_support_ : labels; calibration.

    Notes
    -----
    Source: Snell, Swersky and Zemel, Prototypical networks, 2017, equation 1, on frozen vectors; centring and scaling
    as in Wang et al., SimpleShot, 2019. The score of a class is that of its best prototype.

    Examples
    --------
    >>> rows = np.array([[1.0, 0.1], [1.0, 0.2], [0.1, 1.0], [0.2, 1.0]])
    >>> model = Prototypes().fit(rows, ["east", "east", "north", "north"])
    >>> model.predict([[3.0, 1.0]]).tolist()
    ['east']
    """

    def __init__(self, per_class: int = 1, *, metric: str = "cosine", center: bool = True, random_state: int = 0):
        self.per_class = per_class
        self.metric = metric
        self.center = center
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_int(self.per_class, "per_class", 1)
        check_choice(self.metric, "metric", ("cosine", "l2"))
        if not isinstance(self.center, bool | np.bool_):
            raise TypeError(f"center: expected True or False, got {self.center!r}")

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        means = class_means(X, y)
        self.offset_ = means.mean(axis=0) if self.center and len(means) > 1 else np.zeros(X.shape[1])
        rows = self._placed(X)
        found = [_centres(rows[y == number], self.per_class, self.random_state) for number in range(len(means))]
        prototypes = np.concatenate(found)
        self.prototypes_ = unit_or_zero(prototypes) if self.metric == "cosine" else prototypes
        self.prototype_classes_ = np.repeat(np.arange(len(found)), [len(centres) for centres in found])

    def _score(self, X: np.ndarray) -> np.ndarray:
        scores = self._placed(X) @ self.prototypes_.T
        if self.metric == "l2":
            rows = X - self.offset_
            scores = 2 * scores - np.square(self.prototypes_).sum(axis=1) - np.square(rows).sum(axis=1)[:, None]
        starts = np.searchsorted(self.prototype_classes_, np.arange(len(self.classes_)))
        return np.asarray(np.maximum.reduceat(scores, starts, axis=1))

    def _placed(self, X: np.ndarray) -> np.ndarray:
        rows = X - self.offset_
        return unit_or_zero(rows) if self.metric == "cosine" else rows


def class_means(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(C, d) means of the rows of each class number.

    Examples
    --------
    >>> class_means(np.array([[1.0], [3.0], [5.0]]), np.array([0, 0, 1])).tolist()
    [[2.0], [5.0]]
    """
    order = np.argsort(y, kind="stable")
    counts = np.bincount(y)
    sums = np.add.reduceat(X[order], np.cumsum(counts) - counts, axis=0)
    return np.asarray(sums / counts[:, None])


def unit_or_zero(rows: np.ndarray) -> np.ndarray:
    """Rows of length one; rows of zeros stay.

    Examples
    --------
    >>> unit_or_zero(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def _centres(rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    if count == 1:
        return rows.mean(axis=0, keepdims=True)
    if len(rows) <= count:
        return rows
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than prototypes: some are twice there
        found: Any = KMeans(count, n_init=1, random_state=seed % 2**32).fit(rows)
    return np.asarray(found.cluster_centers_)
