"""K-subspaces: rows in groups that each fill a low-dimensional subspace, and the denoiser that this model gives."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_random_state, check_real
from .estimator import FLOATS, Transformer
from .moments import leading_here

_ROWS = 4096


class KSubspaces(ClassNamePrefixFeaturesOutMixin, ClusterMixin, Transformer):
    """Cluster rows by the low-dimensional subspace they lie in, and clean rows by what their subspace allows.

    Choose it over k-means when what belongs together shares directions rather than a place (images of one object under
    changing light, rows of one kind that vary in a few ways), and over one :class:`PCA` when different groups of rows
    vary in different directions: with as many numbers kept for a row it then loses less. It needs several times
    ``n_components`` rows in each group.

    Parameters
    ----------
    n_subspaces : how many groups, at least 1.
    n_components : dimensions of each subspace, from 1 to d. Start with what a PCA of one group would need.
    affine : whether a subspace has a centre of its own; False lets all go through the origin, as in the paper. True
        for real data whose groups have means.
    n_init : how often to begin anew; the fit with the smallest ``inertia_`` is kept. Alternation ends in the nearest
        optimum: many subspaces, many dimensions or few rows need tens of beginnings.
    max_iter : most alternations of assigning and fitting from one beginning; 0 fits to the first assignment alone.
    random_state : seed of the beginnings.

    Attributes
    ----------
    components_ : (n_subspaces, n_components, d) orthonormal directions of each, by falling variance.
    variances_ : (n_subspaces, n_components) mean square along each direction, from the centre.
    means_ : (n_subspaces, d) centres; zero unless ``affine``.
    weights_ : (n_subspaces,) share of the rows in each.
    labels_ : (n,) the subspace of each row.
    inertia_ : sum of the squared distances of the rows to their subspaces.
    n_iter_, n_features_in_ : counts.

    Notes
    -----
    Source: Wang et al., Diffusion Models Learn Low-Dimensional Distributions via Subspace Clustering (2024), where the
    training loss of a denoiser for a mixture of low-rank Gaussians is that of K-subspaces (Bradley and Mangasarian
    2000; Tseng 2000): rows go to the subspace of largest ``|U_k^T x|``, subspaces are refitted to their rows. Without
    noise subspaces of 3, 6 and 12 dimensions are found from 1.5, 2 and 3 rows a dimension and group, with 30
    beginnings. Departures: subspaces may be affine; each beginning picks rows far from the subspaces so far and spans
    one by the row's neighbours in angle; a subspace that loses its rows takes those that fit worst; :meth:`denoise`
    uses the variances measured, where the paper's are all one. Linear algebra runs on one thread: the same input gives
    the same bytes.

    Examples
    --------
    Two planes in ten dimensions:

    >>> rng = np.random.default_rng(0)
    >>> planes = [np.linalg.qr(rng.standard_normal((10, 2)))[0].T for _ in range(2)]
    >>> X = np.concatenate([rng.standard_normal((100, 2)) @ plane for plane in planes])
    >>> fitted = KSubspaces(2, n_components=2).fit(X)
    >>> sorted(np.bincount(fitted.labels_).tolist()), round(fitted.inertia_, 6)
    ([100, 100], 0.0)

    Noise of 0.3 in every coordinate, most of which the planes do not allow:

    >>> noisy = X + 0.3 * rng.standard_normal(X.shape)
    >>> error = [round(float(((rows - X) ** 2).mean()), 3) for rows in (noisy, fitted.denoise(noisy, 0.3))]
    >>> error[1] < 0.4 * error[0]
    True
    """

    def __init__(
        self,
        n_subspaces: int = 8,
        n_components: int = 1,
        *,
        affine: bool = False,
        n_init: int = 10,
        max_iter: int = 100,
        random_state: int = 0,
    ):
        self.n_subspaces = n_subspaces
        self.n_components = n_components
        self.affine = affine
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, assignment: Any = None) -> Self:
        """Fit to the rows of ``X`` (n, d), float16, float32 or float64; at least ``n_subspaces`` of them.

        Parameters
        ----------
        assignment : (n,) int, subspaces from 0 to ``n_subspaces - 1`` to begin with, instead of chance; with
            ``max_iter=0`` they stay, and each class of rows gets the subspace of its own.
        """
        X = validate_data(self, X, dtype=FLOATS)
        k, n = check_int(self.n_subspaces, "n_subspaces", 1), len(X)
        check_int(self.n_components, "n_components", 1, self.n_features_in_)
        check_int(self.n_init, "n_init", 1)
        check_int(self.max_iter, "max_iter", 0)
        rng = np.random.default_rng(check_random_state(self.random_state))
        if n < k:
            raise ValueError(f"X: expected at least n_subspaces = {k} rows, got n_samples = {n}")
        rows = X.astype(np.float64)
        given = None if assignment is None else _checked(assignment, n, k)
        best: tuple[float, int, _Subspaces] | None = None
        with one_blas_thread():
            for _ in range(1 if given is not None or k == 1 else self.n_init):
                labels = np.zeros(n, np.int64) if k == 1 else given
                found = self._alternate(rows, self._begun(rows, rng) if labels is None else labels)
                if best is None or found[0] < best[0] * (1 - 1e-9):
                    best = found
        assert best is not None
        self.inertia_, self.n_iter_, fitted = best
        self.components_, self.variances_, self.means_, self.weights_ = fitted.parts()
        self.labels_ = fitted.labels
        return self

    def _alternate(self, rows: np.ndarray, labels: np.ndarray) -> tuple[float, int, _Subspaces]:
        k, r = int(self.n_subspaces), int(self.n_components)
        state = _Subspaces.fitted(rows, labels, k, r, bool(self.affine))
        distances = state.distances(rows)
        steps = 0
        while steps < int(self.max_iter):
            steps += 1
            new = _refilled(distances.argmin(axis=1), distances, k)
            if (new == state.labels).all():
                break
            state = _Subspaces.fitted(rows, new, k, r, bool(self.affine))
            distances = state.distances(rows)
        return float(distances[np.arange(len(rows)), state.labels].sum()), steps, state

    def _begun(self, rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Rows far from the subspaces so far, each with the rows nearest in angle, span the first subspaces."""
        k, r = int(self.n_subspaces), int(self.n_components)
        centred = rows - rows.mean(axis=0) if self.affine else rows
        lengths = np.linalg.norm(centred, axis=1)
        unit = centred / np.where(lengths > 0, lengths, 1.0)[:, None]
        left = lengths**2
        distances = np.empty((len(rows), k))
        for number in range(k):
            total = left.sum()
            seed = rng.choice(len(rows), p=left / total) if total > 0 else rng.integers(len(rows))
            likeness = unit @ unit[seed]
            likeness = likeness if self.affine else np.abs(likeness)
            group = np.argsort(-likeness, kind="stable")[: min(2 * r + self.affine, len(rows))]
            one = _Subspaces.fitted(rows[group], np.zeros(len(group), np.int64), 1, r, bool(self.affine))
            distances[:, number] = one.distances(rows)[:, 0]
            left = np.minimum(left, distances[:, number])
        return _refilled(distances.argmin(axis=1), distances, k)

    def predict(self, X: Any) -> np.ndarray:
        """(n,) int: the subspace nearest to each row."""
        return np.asarray(self._distances(X).argmin(axis=1))

    def transform(self, X: Any) -> np.ndarray:
        """(n, n_subspaces) distances of the rows to the subspaces; float64 for float64, else float32."""
        X, squares = self._validated(X), self._distances(X)
        return np.sqrt(squares).astype(np.float64 if X.dtype == np.float64 else np.float32)

    def denoise(self, X: Any, noise: float) -> np.ndarray:
        """The expected clean rows, given rows ``X`` (n, d) with Gaussian noise of deviation ``noise`` a coordinate.

        The posterior mean under the fitted mixture of low-rank Gaussians: every subspace projects the row and shrinks
        each coordinate by ``variance / (variance + noise^2)``, and the subspaces are averaged by how likely each is to
        have given the row. ``noise=0`` projects onto the nearest subspace.
        """
        X = self._validated(X)
        sigma = check_real(noise, "noise", 0.0, 1e15)
        result = np.empty(X.shape, np.float64 if X.dtype == np.float64 else np.float32)
        gains = np.ones_like(self.variances_)
        np.divide(self.variances_, self.variances_ + sigma**2, out=gains, where=self.variances_ + sigma**2 > 0)
        state = _Subspaces(self.components_, self.variances_, self.means_, self.weights_, self.labels_)
        with one_blas_thread():
            for start in range(0, len(X), _ROWS):
                block = X[start : start + _ROWS].astype(np.float64)
                chances = state.chances(block, sigma)
                clean = np.zeros(block.shape)
                for number, (basis, mean) in enumerate(zip(self.components_, self.means_, strict=True)):
                    part = (((block - mean) @ basis.T) * gains[number]) @ basis + mean
                    clean += chances[:, number, None] * part
                result[start : start + _ROWS] = clean
        return result

    def _distances(self, X: Any) -> np.ndarray:
        X = self._validated(X)
        state = _Subspaces(self.components_, self.variances_, self.means_, self.weights_, self.labels_)
        with one_blas_thread():
            blocks = [X[start : start + _ROWS].astype(np.float64) for start in range(0, len(X), _ROWS)]
            return np.concatenate([state.distances(block) for block in blocks])

    def _validated(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, dtype=FLOATS, reset=False))

    @property
    def _n_features_out(self) -> int:
        return int(self.n_subspaces)


class _Subspaces:
    """Directions, variances, centres and shares of all subspaces, and which rows they were fitted to."""

    def __init__(self, bases: Any, variances: Any, means: Any, weights: Any, labels: np.ndarray):
        self.bases, self.variances, self.means, self.weights = map(np.asarray, (bases, variances, means, weights))
        self.labels = labels

    @classmethod
    def fitted(cls, rows: np.ndarray, labels: np.ndarray, k: int, r: int, affine: bool) -> _Subspaces:
        found = [_fitted(rows[labels == number], r, affine) for number in range(k)]
        counts = np.bincount(labels, minlength=k)
        bases, variances, means = zip(*found, strict=True)
        return cls(bases, variances, means, counts / counts.sum(), labels)

    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return self.bases, self.variances, self.means, self.weights

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """(n, k) squared distances of the rows to the subspaces."""
        squares = np.empty((len(rows), len(self.bases)))
        for number, (basis, mean) in enumerate(zip(self.bases, self.means, strict=True)):
            shifted = rows - mean
            inside = shifted @ basis.T
            squares[:, number] = np.einsum("ij,ij->i", shifted, shifted) - np.einsum("ij,ij->i", inside, inside)
        return np.maximum(squares, 0.0)

    def chances(self, rows: np.ndarray, noise: float) -> np.ndarray:
        """(n, k) how likely each subspace is to have given the row; with no noise, the nearest one is certain."""
        squares = self.distances(rows)
        # Where the squares of the noise vanish beside the rows, the likelihood ends in the nearest.
        if noise**2 <= np.finfo(np.float64).tiny or not np.isfinite(squares.max(initial=0.0) / noise**2):
            return np.eye(len(self.bases))[squares.argmin(axis=1)]
        logs = np.empty_like(squares)
        outside = rows.shape[1] - self.bases.shape[1]
        for number, (basis, mean) in enumerate(zip(self.bases, self.means, strict=True)):
            spread = self.variances[number] + noise**2
            along = (((rows - mean) @ basis.T) ** 2 / spread).sum(axis=1)
            size = np.log(spread).sum() + outside * 2 * np.log(noise)
            with np.errstate(divide="ignore"):
                logs[:, number] = np.log(self.weights[number]) - 0.5 * (size + along + squares[:, number] / noise**2)
        return np.asarray(softmax(logs, axis=1))


def _fitted(rows: np.ndarray, r: int, affine: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(directions, variances, centre)`` of the rows; arbitrary directions of no variance where there are too few."""
    d = rows.shape[1]
    if not len(rows):
        return np.eye(r, d), np.zeros(r), np.zeros(d)
    mean = rows.mean(axis=0) if affine else np.zeros(d)
    if len(rows) >= d:
        shifted = rows - mean
        values, directions = leading_here(shifted.T @ shifted / len(rows), r)
        return directions, values, mean
    # The small Gram matrix of few rows is quicker, and its directions are completed to r.
    _, values, found = np.linalg.svd(rows - mean, full_matrices=False)
    kept = min(r, len(values))
    directions = found[:kept] if kept == r else np.linalg.qr(np.concatenate([found[:kept], np.eye(r, d)]).T)[0].T[:r]
    variances = np.zeros(r)
    variances[:kept] = values[:kept] ** 2 / len(rows)
    return directions, variances, mean


def _refilled(labels: np.ndarray, distances: np.ndarray, k: int) -> np.ndarray:
    """The labels, every subspace with a row at least: an empty one takes the row that fits its own worst."""
    counts = np.bincount(labels, minlength=k)
    for number in np.flatnonzero(counts == 0):
        own = distances[np.arange(len(labels)), labels]
        worst = int(np.where(counts[labels] > 1, own, -1.0).argmax())
        counts[labels[worst]] -= 1
        labels[worst], counts[number] = number, 1
    return labels


def _checked(assignment: Any, n: int, k: int) -> np.ndarray:
    labels = np.asarray(assignment)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(f"assignment: expected {n} integers, one a row, got {labels.dtype} {labels.shape}")
    if labels.min() < 0 or labels.max() >= k:
        raise ValueError(f"assignment: expected numbers from 0 to {k - 1}, got {labels.min()} to {labels.max()}")
    return labels.astype(np.int64)
