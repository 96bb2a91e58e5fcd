"""Classes without labels, from rows of several sources that hold the classes in different shares."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from scipy.optimize import nnls
from scipy.special import softmax
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_random_state
from .classifier import FLOATS, check_labels


class LatentLabelShift(BaseEstimator):
    """Find classes by what shifts together from source to source, and not by what looks alike.

    Choose it over k-means where rows come from several domains (shops, months, cameras) that differ in how often the
    classes occur and in nothing else, above all where what looks alike is not what belongs together. It needs at least
    as many domains as classes, and thousands of rows: with 400 rows k-means was far better.

    Parameters
    ----------
    n_classes : how many classes to find.
    n_bins : parts that the domain probabilities are cut into; None is 10 for each class. Each should hold some tens
        of rows of every domain.
    discriminator : classifier of the domain with ``predict_proba``; None is logistic regression with a mild penalty.
        One that fits better finds more: a small network for images.
    random_state : seed of folds, clusters and factors.

    Attributes
    ----------
    domains_ : (r,) the domains, sorted.
    shares_ : (r, n_classes), how often each class occurs in each domain.
    discriminator_ : fitted on all rows.
    n_features_in_ : dimensions.

    Notes
    -----
    Source: Roberts et al., Unsupervised learning under latent label shift, 2022, algorithm 1: (i) a discriminator of
    the domain, (ii) clusters of its probabilities, (iii) non-negative factors of the table of clusters by domains: how
    classes fall into clusters and how often they occur, (iv) by Bayes the class of a row. Domains count alike, whatever
    their size. Departures: the fitted rows' own probabilities come from folds that did not see them, and the factors
    are those of the Kullback-Leibler divergence that start from anchors found by successive projection. Classes have no
    names: they are numbered as found.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> domains = np.repeat([0, 1, 2], 1000)
    >>> kind = rng.random(3000) < np.repeat([0.1, 0.5, 0.9], 1000)
    >>> X = np.column_stack([2 * kind, 9 * (rng.random(3000) < 0.5)]) + 0.3 * rng.standard_normal((3000, 2))
    >>> found = LatentLabelShift(2).fit(X, domains).predict(X)
    >>> share = float((found == kind).mean())
    >>> max(share, 1 - share) > 0.95
    True
    """

    def __init__(
        self, n_classes: int = 2, *, n_bins: int | None = None, discriminator: Any = None, random_state: int = 0
    ):
        self.n_classes = n_classes
        self.n_bins = n_bins
        self.discriminator = discriminator
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Learn from rows ``X`` (n, d) and the domain ``y`` (n,) of each, integers or strings."""
        X, y = validate_data(self, X, y, dtype=FLOATS)
        check_labels(y)
        count = check_int(self.n_classes, "n_classes", 1)
        seed = check_random_state(self.random_state) % 2**32
        self.domains_ = unique_labels(y)
        numbers = np.searchsorted(self.domains_, y)
        sizes = np.bincount(numbers)
        if len(sizes) < count:
            raise ValueError(
                f"y: expected at least {count} domains for {count} classes, got {len(sizes)} class of domain"
            )
        parts = 10 * count if self.n_bins is None else check_int(self.n_bins, "n_bins", count)
        wide = np.asarray(X, np.float64)
        self._middle = wide.mean(axis=0)
        self._scale = float(np.sqrt(np.square(wide - self._middle).sum(axis=1).mean())) or 1.0
        with one_blas_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            shares = self._domain_probabilities(wide, numbers, sizes, seed)
            distinct = len(np.unique(shares.round(9), axis=0))
            parts = max(1, min(parts, distinct))
            cluster = KMeans(parts, n_init=3, random_state=seed).fit_predict(shares)
            table = np.zeros((parts, len(sizes)))
            np.add.at(table, (cluster, numbers), 1.0 / sizes[numbers])
            self.shares_ = _factor(table, count, seed)
        joint = self.shares_ / self.shares_.sum(axis=0)  # p(domain | class), domains alike
        self._back = np.linalg.pinv(joint)
        return self

    def predict_proba(self, X: Any, domains: Any = None) -> np.ndarray:
        """Probability of each class (n, n_classes), in the ``domains`` (n,) given, or in all of them mixed alike.

        Give domains where the discriminator is good: one that leaves rows in doubt lets their shares decide too much,
        and answers without domains were better (evidence ``latent_label_shift``).
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        with one_blas_thread():
            rows = np.clip(self._discriminated(np.asarray(X, np.float64)) @ self._back.T, 1e-9, None)
        if domains is not None:
            given = np.asarray(domains)
            if given.shape != (len(X),) or not np.isin(given, self.domains_).all():
                raise ValueError(
                    f"domains: expected one of the {len(self.domains_)} fitted for each row, got {given!r:.80}"
                )
            rows = rows * self.shares_[np.searchsorted(self.domains_, given)] / self.shares_.mean(axis=0)
        return np.asarray(rows / rows.sum(axis=1, keepdims=True), X.dtype)

    def predict(self, X: Any, domains: Any = None) -> np.ndarray:
        """The likeliest class of each row (n,), from 0 to n_classes - 1; ``domains`` as in :meth:`predict_proba`."""
        return np.asarray(self.predict_proba(X, domains).argmax(axis=1))

    def _domain_probabilities(self, X: np.ndarray, numbers: np.ndarray, sizes: np.ndarray, seed: int) -> np.ndarray:
        model = (
            clone(self.discriminator) if self.discriminator is not None else LogisticRegression(C=10.0, max_iter=200)
        )
        rows = (X - self._middle) / self._scale
        self._weights = sizes / sizes.sum()
        if len(sizes) == 1:
            self.discriminator_ = None
            return np.ones((len(X), 1))
        self.discriminator_ = model.fit(rows, numbers)
        if sizes.min() < 2:
            return self._discriminated(X)
        folds = StratifiedKFold(min(5, int(sizes.min())), shuffle=True, random_state=seed)
        found = cross_val_predict(clone(model), rows, numbers, cv=folds, method="predict_proba")
        return _evened(found, self._weights)

    def _discriminated(self, X: np.ndarray) -> np.ndarray:
        """p(domain | row), as if the domains were of one size."""
        if self.discriminator_ is None:
            return np.ones((len(X), 1))
        rows = (X - self._middle) / self._scale
        return _evened(np.asarray(self.discriminator_.predict_proba(rows), np.float64), self._weights)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _evened(shares: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray(softmax(np.log(np.maximum(shares, 1e-12)) - np.log(weights), axis=1))


def _factor(table: np.ndarray, count: int, seed: int) -> np.ndarray:
    """p(class | domain) (r, count), from the table (bins, r) of p(bin | domain).

    Many factors fit a table alike. The anchors choose among them: of the bins that hold most of the rows, the ones that
    lie farthest out as mixtures of domains are taken for pure (successive projection, Araujo et al. 2001), and the
    factors start there.
    """
    mass = table.sum(axis=1)
    mixtures = table / np.maximum(mass, 1e-12)[:, None]
    heavy = np.flatnonzero(mass >= 0.25 * mass.mean())
    rest, anchors = mixtures[heavy].copy(), []
    for _ in range(count):
        lengths = np.square(rest).sum(axis=1)
        anchors.append(int(lengths.argmax()))
        direction = rest[anchors[-1]] / np.sqrt(max(float(lengths.max()), 1e-12))
        rest = rest - np.outer(rest @ direction, direction)
    pure = np.maximum(mixtures[heavy[anchors]], 1e-6)
    prior = np.maximum(nnls(pure.T, np.full(table.shape[1], 1 / table.shape[1]))[0], 1e-3)
    start = pure * prior[:, None]
    start = start / start.sum(axis=0)
    bins = np.maximum(table @ np.linalg.pinv(start), 1e-6)
    model = NMF(count, init="custom", solver="mu", beta_loss="kullback-leibler", max_iter=200, random_state=seed)
    with np.errstate(invalid="ignore"):  # a table that the start fits exactly has no error to compare with
        bins = model.fit_transform(table, W=bins, H=start)
    shares = np.maximum(model.components_.T * bins.sum(axis=0), 1e-12)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))
