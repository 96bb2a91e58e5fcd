"""Class prototypes with a learnt boundary to what is of no class, and rows that come from another domain."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.checks import check_int, check_real
from .classifier import FLOATS, EmbeddingClassifier
from .prototypes import class_means


class OpenSet(EmbeddingClassifier):
    """Nearest class mean, with rejection learnt from pseudo-unknown rows, and adaptation to another domain.

    Choose it over :class:`Prototypes` where the rows to answer come from another source than the examples (another
    camera, another register of language): :meth:`adapt` takes rows without labels. Its learnt boundary, on the other
    hand, rejects no better than the plain distance of :class:`Prototypes` in the spaces of the evidence ``dafosnet``.

    Parameters
    ----------
    noise : standard deviation, in units of that within classes, of what is added to the copies of a class that plays
        the unknown. More makes the boundary wider and less sharp; 0 copies rows as they are.
    copies : noisy copies of each row of a class that plays the unknown.
    random_state : seed of the noise and of the folds that calibrate.

    Attributes
    ----------
    prototypes_ : (C, d) class means, of rows without their domain's mean and in units of its spread.
    offset_, scale_ : (d,) and number: mean of the domain's rows, and their root mean square distance from it.
    boundary_ : logistic regression of *known* on three logarithms: the distance from the nearest prototype, from the
        second nearest beyond it, and from all on average; None with fewer than three classes, where the distance
        decides.
    classes_, temperature_, held_out_support_ : labels; calibration.

    Notes
    -----
    Source: Pal et al., Domain adaptive few-shot open-set learning (DAFOSNET), 2023: prototypes per domain, aligned by
    domain-specific normalisation; pseudo-open samples of tunable noise; an outlier boundary trained on them.
    Departures: no network and no adversarial generators. Each class in turn plays the unknown, with noisy copies,
    against prototypes of the others, while rows of the others are measured against prototypes without them. The
    normalisation is a mean for each dimension and one scale: one for each makes much of what hardly varies.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = 3 * np.repeat(np.eye(4, 8), 10, axis=0) + 0.5 * rng.standard_normal((40, 8))
    >>> model = OpenSet().fit(X, np.repeat(list("abcd"), 10))
    >>> darker = 0.2 * X - 5
    >>> float(model.adapt(darker).score(darker, np.repeat(list("abcd"), 10)))
    1.0
    """

    def __init__(self, *, noise: float = 0.5, copies: int = 8, random_state: int = 0):
        self.noise = noise
        self.copies = copies
        self.random_state = random_state

    def adapt(self, X: Any) -> Self:
        """Take the rows ``X`` (n, d), without labels, for the domain that the next rows come from.

        Their mean and spread replace those of the rows it was fitted on. They should show the classes about as often as
        those did: a mean over other classes is another mean.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False, ensure_min_samples=2)
        self.offset_, self.scale_ = _place(np.asarray(X, np.float64))
        return self

    def _check_parameters(self) -> None:
        check_real(self.noise, "noise", 0.0, 1e6)
        check_int(self.copies, "copies", 1)

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        self.offset_, self.scale_ = _place(X)
        rows = (X - self.offset_) / self.scale_
        self.prototypes_ = class_means(rows, y)
        count = len(self.prototypes_)
        self.boundary_: Any = None
        if count < 3 or np.bincount(y).max() < 2:
            return
        rng = np.random.default_rng(self.random_state)
        free = max(len(rows) - count, 1)
        within = np.sqrt(np.square(rows - self.prototypes_[y]).sum(axis=0) / free)
        known, unknown = [], []
        for number in range(count):
            out = y == number
            others = np.unique(y[~out], return_inverse=True)[1]
            means = class_means(rows[~out], others)
            known.append(_features(_distances_without(rows[~out], others, means)))
            copies = np.repeat(rows[out], self.copies, axis=0)
            copies = copies + self.noise * within * rng.standard_normal(copies.shape)
            unknown.append(_features(_distances(copies, means)))
        features = np.concatenate([*known, *unknown])
        target = np.arange(len(features)) < sum(map(len, known))
        self._middle, self._spread = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
        self.boundary_ = LogisticRegression(class_weight="balanced")
        self.boundary_.fit((features - self._middle) / self._spread, target)

    def _score(self, X: np.ndarray) -> np.ndarray:
        return -_distances((X - self.offset_) / self.scale_, self.prototypes_)

    def _support(self, X: np.ndarray) -> np.ndarray:
        scores = self._score(X)
        if self.boundary_ is None:
            return np.asarray(scores.max(axis=1))
        return np.asarray(self.boundary_.decision_function((_features(-scores) - self._middle) / self._spread))


def _place(rows: np.ndarray) -> tuple[np.ndarray, float]:
    middle = rows.mean(axis=0)
    return middle, float(np.sqrt(np.square(rows - middle).sum(axis=1).mean())) or 1.0


def _distances(rows: np.ndarray, prototypes: np.ndarray) -> np.ndarray:
    """Squared, (n, C)."""
    squares = np.square(rows).sum(axis=1)[:, None] + np.square(prototypes).sum(axis=1)
    return np.asarray(np.maximum(squares - 2 * rows @ prototypes.T, 0.0))


def _distances_without(rows: np.ndarray, y: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Squared distances from prototypes to which the row itself has not contributed, where its class has others."""
    found = _distances(rows, means)
    sizes = np.bincount(y)[y]
    factor = np.where(sizes > 1, sizes / np.maximum(sizes - 1, 1), 1.0)
    found[np.arange(len(y)), y] *= np.square(factor)
    return found


def _features(distances: np.ndarray) -> np.ndarray:
    nearest = np.log(np.sort(distances, axis=1)[:, :2] + 1e-12)
    return np.column_stack([nearest[:, 0], nearest[:, 1] - nearest[:, 0], np.log(distances.mean(axis=1) + 1e-12)])
