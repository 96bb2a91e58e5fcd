"""Labels that are near or far from each other: predict the Fréchet mean, also of labels that no example has."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from sklearn.base import clone

from ..common.checks import check_int, check_real
from .classifier import EmbeddingClassifier
from .naive_bayes import NaiveBayes
from .prototypes import class_means

_CELLS = 4_000_000


def frechet_mean(probabilities: Any, distances: Any, *, power: float = 2.0) -> np.ndarray:
    """For each row the label whose mean distance to the labels it may have, raised to ``power``, is least.

    Takes the place of the argmax where labels are near or far from each other. A row that may be any of several
    near labels gets one amid them, whether or not it was ever observed; a row that is surely one gets that one.

    Parameters
    ----------
    probabilities : (n, K) of each of K observed labels, from any classifier; rows need not sum to one.
    distances : (N, K) of every label there is from the observed ones; for all of them against each other, (K, K).
    power : 2 is the Fréchet mean; 1, the median, changes less.

    Returns
    -------
    (n,) numbers of labels, from 0 to N - 1; the first of equals. Memory does not grow with n times N.

    Notes
    -----
    Source: Roberts et al., Geometry-aware adaptation for pretrained models (Loki), 2023, equation 1.

    Examples
    --------
    Labels on a line, of which the ends were observed:

    >>> line = np.abs(np.arange(5)[:, None] - np.array([0, 4]))
    >>> frechet_mean([[1, 0], [0.5, 0.5], [0.3, 0.7]], line).tolist()
    [0, 2, 3]
    """
    shares, costs = _table(probabilities, "probabilities"), _table(distances, "distances")
    if shares.shape[1] != costs.shape[1]:
        raise ValueError(f"distances: expected {shares.shape[1]} columns, as probabilities, got {costs.shape[1]}")
    if (shares < 0).any() or not shares.any(axis=1).all():
        raise ValueError("probabilities: expected no negative ones, and one above zero in each row")
    costs = costs ** check_real(power, "power", 0.0, 16.0, open_low=True)
    found = np.zeros(len(shares), np.int64)
    step = max(1, _CELLS // len(costs))
    for start in range(0, len(shares), step):
        found[start : start + step] = (shares[start : start + step] @ costs.T).argmin(axis=1)
    return found


def predictable(distances: Any, observed: Any, *, steps: int = 33) -> np.ndarray:
    """True (N,) for each label that a Fréchet mean of two observed ones can be, the observed among them.

    In a tree these are the labels on the paths between observed ones, and means of more than two add none. Elsewhere
    more labels may be in reach: it is a lower bound.

    Parameters
    ----------
    distances : (N, N) of all labels from each other.
    observed : numbers of the labels that have examples.
    steps : divisions of the probability between the two: more than twice the longest path of a tree is exact.

    Notes
    -----
    Source: Roberts et al. 2023, section 4 (the locus of the Fréchet mean, decomposed into pairs).

    Examples
    --------
    >>> predictable(tree_distances([-1, 0, 0, 1, 1, 2]), [3, 5]).tolist()
    [True, True, True, True, False, True]
    """
    costs, rows = _space(distances, observed)
    weights = np.linspace(0, 1, check_int(steps, "steps", 2))
    found = np.zeros(len(costs), bool)
    found[rows] = True
    for place, row in enumerate(rows[1:], 1):
        found[_between(costs, row, rows[:place], weights)] = True
    return found


def next_class(distances: Any, observed: Any, *, steps: int = 33) -> int:
    """The number of the label to collect examples of next: the one that puts most further labels in reach.

    The first of equals. Labels that are in reach already (:func:`predictable`) may be chosen where all are.

    Parameters
    ----------
    distances, observed, steps : see :func:`predictable`.

    Notes
    -----
    Source: Roberts et al. 2023, section 4.3 (active choice of the next class): for a tree the label farthest from the
    paths between observed ones. Here any distances will do, and what a label would add is counted.

    Examples
    --------
    A chain of four and a chain of two that hang from the root; the root was observed:

    >>> next_class(tree_distances([-1, 0, 1, 2, 3, 0, 5]), [0])
    4
    """
    costs, rows = _space(distances, observed)
    weights = np.linspace(0, 1, check_int(steps, "steps", 2))
    there = predictable(distances, observed, steps=steps)
    rest = np.setdiff1d(np.arange(len(costs)), rows)
    if not len(rest):
        raise ValueError(f"observed: expected a label that is not observed yet, got all {len(costs)}")
    gains = []
    for row in rest:
        new = there.copy()
        new[_between(costs, row, rows, weights)] = True
        new[row] = True
        gains.append(int(new.sum()))
    return int(rest[int(np.argmax(gains))])


def tree_distances(parents: Any) -> np.ndarray:
    """Steps between all nodes of a tree (N, N), from the number of each node's parent; -1 where it has none.

    Several roots are as far from each other as by a common parent that is no label itself. ValueError for a cycle.

    Examples
    --------
    >>> tree_distances([-1, 0, 0]).tolist()
    [[0.0, 1.0, 1.0], [1.0, 0.0, 2.0], [1.0, 2.0, 0.0]]
    """
    parent = np.asarray(parents)
    n = len(parent) if parent.ndim == 1 else 0
    if not n or parent.dtype.kind not in "iu" or parent.min() < -1 or parent.max() >= n:
        raise ValueError(f"parents: expected integers from -1 to the number of nodes - 1, got {parents!r:.80}")
    up = np.append(np.where(parent < 0, n, parent), n)
    seen = np.arange(n)
    for _ in range(n):
        seen = up[seen]
        if (seen == n).all():
            break
    else:
        raise ValueError("parents: expected a tree, got a cycle")
    several = (parent < 0).sum() > 1
    edges = np.flatnonzero((parent >= 0) | several)
    graph = sparse.csr_array((np.ones(len(edges)), (edges, up[edges])), shape=(n + 1, n + 1))
    return np.asarray(csgraph.shortest_path(graph, directed=False, unweighted=True)[:n, :n])


class FrechetClassifier(EmbeddingClassifier):
    """A classifier whose labels are near or far from each other, and which can answer with labels it never saw.

    Choose it over the classifier inside where a near miss is better than a far one (a hierarchy, grades, places), or
    where only some of the labels have examples. It makes fewer grave mistakes and, with every label observed, somewhat
    more small ones. :func:`frechet_mean` does the same for the probabilities of any model.

    Parameters
    ----------
    estimator : the classifier of the observed labels, with ``predict_proba``; None is :class:`NaiveBayes`. Its
        probabilities must be calibrated: one that is too sure gives back the argmax. So does one whose observed labels
        are so far apart that it is never in doubt between them.
    distances : (N, N) of all labels from each other, such as :func:`tree_distances`; None takes the distances between
        the means of the observed classes, and answers with observed labels only.
    labels : the N labels in the order of ``distances``; None where they are the observed ones, sorted.
    power : see :func:`frechet_mean`.
    random_state : seed of the folds that calibrate.

    Attributes
    ----------
    estimator_ : fitted on the observed labels.
    distances_ : (N, N), in the order of ``classes_``.
    observed_ : numbers of the labels that have examples.
    classes_ : all N labels, sorted; ``predict_proba`` is over them.
    temperature_, held_out_support_ : calibration.

    Notes
    -----
    Source: Roberts et al., Geometry-aware adaptation for pretrained models (Loki), 2023. The score of a label is minus
    the mean of its distance, to the ``power``, over the estimator's probabilities.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> place = rng.integers(0, 5, 500)
    >>> X = place[:, None] + 0.3 * rng.standard_normal((500, 4))
    >>> ends = (place == 0) | (place == 4)
    >>> model = FrechetClassifier(distances=np.abs(np.arange(5)[:, None] - np.arange(5)), labels=np.arange(5))
    >>> model.fit(X[ends], place[ends]).classes_.tolist(), model.observed_.tolist()
    ([0, 1, 2, 3, 4], [0, 4])
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        distances: Any = None,
        labels: Any = None,
        power: float = 2.0,
        random_state: int = 0,
    ):
        self.estimator = estimator
        self.distances = distances
        self.labels = labels
        self.power = power
        self.random_state = random_state

    def _check_parameters(self) -> None:
        check_real(self.power, "power", 0.0, 16.0, open_low=True)
        if self.labels is not None and self.distances is None:
            raise ValueError("labels: expected distances with them, got none")

    def _label_space(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen = np.unique(y)
        given = seen if self.labels is None else np.asarray(self.labels)
        classes, counts = np.unique(given, return_counts=True)
        if given.ndim != 1 or (counts > 1).any():
            raise ValueError(
                f"labels: expected different labels, got {classes[counts > 1].tolist()[:3]} more than once"
            )
        if self.distances is not None and len(_square(self.distances)) != len(classes):
            count = len(self.distances)
            raise ValueError(f"distances: expected those of {len(classes)} labels, got those of {count}")
        unknown = seen[~np.isin(seen, classes)]
        if len(unknown):
            raise ValueError(f"y: expected labels among the {len(classes)} given, got {unknown.tolist()[0]!r}")
        return classes, np.searchsorted(classes, y)

    def _fit(self, X: np.ndarray, y: np.ndarray) -> None:
        self.observed_, numbers = np.unique(y, return_inverse=True)
        inner = NaiveBayes(random_state=self.random_state) if self.estimator is None else clone(self.estimator)
        self.estimator_ = inner.fit(X, numbers)
        if self.distances is None:
            means = np.zeros((len(self.classes_), X.shape[1]))
            means[self.observed_] = class_means(X, numbers)
            squares = np.square(means).sum(axis=1)
            gaps = np.maximum(squares[:, None] + squares - 2 * means @ means.T, 0.0)
            np.fill_diagonal(gaps, 0.0)
            self.distances_ = np.sqrt(gaps)
        else:
            order = np.argsort(self.classes_ if self.labels is None else np.asarray(self.labels), kind="stable")
            self.distances_ = _square(self.distances)[np.ix_(order, order)]

    def _score(self, X: np.ndarray) -> np.ndarray:
        shares = np.asarray(self.estimator_.predict_proba(X), np.float64)
        return np.asarray(-shares @ self.distances_[self.observed_] ** self.power)

    def _support(self, X: np.ndarray) -> np.ndarray:
        if isinstance(self.estimator_, EmbeddingClassifier):
            return self.estimator_._support(X)
        return np.asarray(self.estimator_.predict_proba(X).max(axis=1), np.float64)


def _table(value: Any, name: str) -> np.ndarray:
    table = np.asarray(value)
    if table.ndim != 2 or not table.size or table.dtype.kind not in "fiu":
        raise ValueError(f"{name}: expected a table of numbers, got {table.dtype} of shape {table.shape}")
    table = table.astype(np.float64)
    if not np.isfinite(table).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    if name == "distances" and (table < 0).any():
        raise ValueError(f"distances: expected none below zero, got {table.min():g}")
    return table


def _square(distances: Any) -> np.ndarray:
    table = _table(distances, "distances")
    if table.shape[0] != table.shape[1] or np.diagonal(table).any():
        raise ValueError(f"distances: expected (N, N) with zeros on the diagonal, got shape {table.shape}")
    return table


def _space(distances: Any, observed: Any) -> tuple[np.ndarray, np.ndarray]:
    """Squared distances and the observed numbers."""
    table, rows = _square(distances), np.unique(np.asarray(observed))
    if rows.ndim != 1 or not len(rows) or rows.dtype.kind not in "iu" or rows[0] < 0 or rows[-1] >= len(table):
        raise ValueError(f"observed: expected numbers from 0 to {len(table) - 1}, got {observed!r:.80}")
    return np.square(table), rows


def _between(costs: np.ndarray, row: int, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Numbers of the labels that are the mean of ``row`` and one of ``others`` at one of the weights."""
    found = []
    step = max(1, _CELLS // (len(weights) * len(costs)))
    for start in range(0, len(others), step):
        part = costs[others[start : start + step]]
        mixed = weights[:, None] * costs[row] + (1 - weights[:, None]) * part[:, None, :]
        found.append(np.unique(mixed.argmin(axis=2)))
    return np.unique(np.concatenate(found))
