"""Linear reduction that knows the queries: keep what their inner products with the rows depend on."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_choice, check_random_state, check_vectors
from .estimator import FLOATS
from .linear import LinearMap
from .moments import Moments, leading
from .reduction import Reduction

# Shares of the rows in the blend that are tried, then steps around the best one: ten pairs of eigenproblems, good to
# 0.05. The first of equals is taken: all of the rows, and no trust in the queries, if they make no difference.
_BLENDS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)
_STEPS = (0.1, 0.05)
_MAX_ROUNDS = 200
_TOLERANCE = 1e-4


class LeanVec(Reduction):
    """Keep the directions that inner products between queries and rows depend on, given a sample of the queries.

    Choose it over :class:`PCA` when queries come from another source than the rows (questions and passages, captions
    and images) and some hundred or thousand of them are at hand, without answers. On 115,659 sentence vectors of
    WordNet glosses asked by descriptions of packages, 384 -> 160 dimensions, the best 30 hold 0.98 of the true ten,
    with PCA 0.89; for queries like the rows 0.995 and 0.996. Without ``queries`` it is PCA that does not centre.

    Parameters
    ----------
    n_components : how many directions to keep, an integer from 1 to d; None keeps all. A third to a half of d is a
        good start for text, with rescoring.
    method : "shared" maps queries and rows alike, by the leading directions of a blend of both second moments; the
        share of the rows in the blend is the one with the smallest loss for queries held out. "frank-wolfe" fits a map
        for each side; its loss is about a tenth lower, what it finds on the set above is the same within a point, and
        an index under l2 refuses it. Start with "shared".
    random_state : seed of the rows that :meth:`ranking_loss` holds out; the fit itself involves no chance.

    Attributes
    ----------
    components_ : (n_components_, d) orthonormal directions for the rows.
    query_components_ : (n_components_, d) orthonormal directions for the queries; with "shared" the same.
    loss_ : mean squared error of the inner products between the queries and rows it was fitted to, as a share of
        their mean square: ``|Q^T (A^T B - I) X|^2 / |Q^T X|^2``, 0 when nothing is lost.
    blend_ : share of the rows' second moments in the blend, in [0, 1]; 1.0 without queries.
    n_components_, n_samples_seen_, n_queries_, n_features_in_ : counts.

    Notes
    -----
    Source: Tepper et al., LeanVec: Searching vectors faster by making them fit (TMLR 2024), equation of the loss
    above; LeanVec-ID, and LeanVec-OOD by eigenvectors and by block-coordinate Frank-Wolfe over the convex hull of the
    matrices with orthonormal rows. Departures: the second moments are scaled to trace one before they are blended, so
    that the share means the same for any lengths; the blend is searched on a grid, by two-fold cross-validation over
    the queries (chosen by the loss of its own sample, 150 claims on SciFact's abstracts made the error of 150 others 2
    to 5 times PCA's); Frank-Wolfe starts from the blend, takes exact line-search steps, and its outcome is made
    orthonormal (polar factor) and kept only if such pairs are better than the blend for the queries held out. Under
    cosine an index brings mapped rows to unit length again; for orthonormal maps that finds more than keeping the
    shortened lengths does (0.98 against 0.97 in the example above). Linear algebra runs on one thread: the same input
    gives the same bytes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 6)) * [9, 8, 7, 1, 1, 1]
    >>> Q = rng.standard_normal((200, 6)) * [0.1, 0.1, 1, 1, 9, 9]
    >>> plain, lean = LeanVec(3).fit(X), LeanVec(3).fit(X, queries=Q)
    >>> def lost(fitted):
    ...     kept = fitted.transform_queries(Q) @ fitted.transform(X).T
    ...     return float(((kept - Q @ X.T) ** 2).sum() / ((Q @ X.T) ** 2).sum())
    >>> print(f"{lost(plain):.2f} of the inner products' mean square lost without queries, {lost(lean):.2f} with")
    0.77 of the inner products' mean square lost without queries, 0.21 with

    In an index, sample queries given to the build reach the fit:

    >>> from nearfield.index import Flat
    >>> index = Flat("ip", transform=LeanVec(3), rescore="vectors")
    >>> index.build(np.float32(X), queries=np.float32(Q)).search(np.float32(Q[0]), 1).rows.shape
    (1,)
    """

    n_samples_seen_: int
    _moments: Moments
    _halves: tuple[Moments, Moments]

    fits_queries: ClassVar[bool] = True
    """An index that is built with sample queries passes them to ``fit(X, queries=...)`` of such a transform."""

    def __init__(self, n_components: int | None = None, *, method: str = "shared", random_state: int = 0):
        self.n_components = n_components
        self.method = method
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, queries: Any = None) -> Self:
        """Fit to the rows of ``X`` (n, d) and, where given, to sample ``queries`` (m, d), prepared alike.

        Rows and queries are float16, float32 or float64, in memory or mapped from a file. Some thousand queries are
        plenty. Few cannot do harm: half of them judge what the other half makes, and where that is worse than leaving
        them out, they are left out. A single one is.
        """
        self.__dict__.pop("n_samples_seen_", None)
        return self.partial_fit(X, y, queries=queries)

    def partial_fit(self, X: Any, y: Any = None, *, queries: Any = None) -> Self:
        """Add rows and, where given, queries to those seen; the same as :meth:`fit` on all of them, up to rounding.

        Every call solves anew; give it thousands of rows at a time. Queries may come with any part.
        The steps of "frank-wolfe" make more of rounding: its loss was seen to differ by 0.3%.
        """
        first = not hasattr(self, "n_samples_seen_")
        X = validate_data(self, X, dtype=FLOATS, reset=first)
        self._check_parameters()
        d = self.n_features_in_
        base, halves = (Moments(d), (Moments(d), Moments(d))) if first else (self._moments, self._halves)
        self._halves = halves if queries is None else self._with_sample(halves, queries, d)
        self._moments = base.add(X)
        self.n_samples_seen_ = base.count
        rows = _scaled(base.square)
        parts = [half for half in self._halves if half.count]
        self.n_queries_ = sum(part.count for part in parts)
        asked = np.sum([part.count / self.n_queries_ * part.square for part in parts], axis=0) if parts else rows
        with one_blas_thread():
            self._solve(_Objective(_scaled(asked), rows), [_Objective(_scaled(part.square), rows) for part in parts])
        return self

    def _with_sample(self, halves: tuple[Moments, Moments], queries: Any, d: int) -> tuple[Moments, Moments]:
        """The second moments of every other query, and of the others: what one half fits, the other judges."""
        sample = np.asarray(queries)
        if sample.dtype not in FLOATS or sample.ndim != 2:
            sample = np.atleast_2d(check_vectors(queries, "queries", dim=d)[0])
        if sample.shape[1] != d:
            raise ValueError(f"queries: expected {d} dimensions, got {sample.shape[1]}")
        if not len(sample):
            raise ValueError("queries: expected at least 1 row or None, got 0")
        made = deepcopy(halves)  # so that what is refused leaves no trace
        seen = sum(half.count for half in halves)
        for number, half in enumerate(made):
            half.add(sample[(number + seen) % 2 :: 2])
        if not all(np.isfinite(half.scatter).all() for half in made):
            raise ValueError("queries: expected finite values, got NaN or infinity")
        return made

    def transform(self, X: Any) -> np.ndarray:
        """Coordinates of the rows: (n, n_components_), float64 for float64, else float32."""
        return self._mapped(X, queries=False)

    def transform_queries(self, X: Any) -> np.ndarray:
        """Coordinates of queries: (n, n_components_), float64 for float64, else float32."""
        return self._mapped(X, queries=True)

    def export(self) -> LinearMap:
        """The fitted maps as plain float32 arrays, for an index or a file."""
        check_is_fitted(self)
        own = self.query_components_ is not self.components_
        return LinearMap(self.components_, queries=self.query_components_ if own else None)

    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.components_, None

    def _check_parameters(self) -> None:
        self.n_components_ = self._count_kept()
        check_choice(self.method, "method", ("shared", "frank-wolfe"))
        check_random_state(self.random_state)

    def _solve(self, objective: _Objective, parts: list[_Objective]) -> None:
        count = self.n_components_
        chooses = len(parts) == 2 and count < self.n_features_in_
        self.blend_ = self._choose_blend(parts) if chooses else 1.0
        self.components_ = self.query_components_ = objective.blended(self.blend_, count)
        if chooses and self.method == "frank-wolfe" and self._pair_pays(parts):
            self.components_, self.query_components_ = _frank_wolfe(objective, self.components_)
        loss = objective.relative(self.query_components_, self.components_)
        self.loss_ = 0.0 if count == self.n_features_in_ else loss

    def _choose_blend(self, parts: list[_Objective]) -> float:
        """The share whose directions, fitted to one half of the queries, lose least for the other half."""
        tried: dict[float, float] = {}

        def attempt(share: float) -> None:
            share = round(min(max(share, 0.0), 1.0), 2)
            if share not in tried:
                made = [part.blended(share, self.n_components_) for part in parts]
                tried[share] = sum(part.relative(one, one) for part, one in zip(parts, made[::-1], strict=True))

        for share in _BLENDS:
            attempt(share)
        for step in _STEPS:
            middle = min(tried, key=lambda share: tried[share])
            attempt(middle - step)
            attempt(middle + step)
        return min(tried, key=lambda share: tried[share])

    def _pair_pays(self, parts: list[_Objective]) -> bool:
        """Whether a pair of maps fitted to one half of the queries loses less for the other half than one map does."""
        single = pair = 0.0
        for part, judge in zip(parts, parts[::-1], strict=True):
            shared = part.blended(self.blend_, self.n_components_)
            ours, theirs = _frank_wolfe(part, shared)
            single += judge.relative(shared, shared)
            pair += judge.relative(theirs, ours)
        return pair < single

    def _mapped(self, X: Any, *, queries: bool) -> np.ndarray:
        check_is_fitted(self)
        X = validate_data(self, X, dtype=FLOATS, reset=False)
        if X.dtype != np.float64:
            exported = self.export()
            return exported.transform_queries(X) if queries else exported.transform(X)
        return np.asarray(X @ (self.query_components_ if queries else self.components_).T)


class _Objective:
    """``|Q^T M X|^2 = tr(K_Q M K_X M^T)`` from second moments alone, with ``M = A^T B - I``."""

    def __init__(self, asked: np.ndarray, rows: np.ndarray):
        self.asked, self.rows = asked, rows
        self.whole = float(np.sum(asked * rows))

    def blended(self, share: float, count: int) -> np.ndarray:
        """Leading directions of the blend with this share of the rows."""
        return leading((1 - share) * self.asked + share * self.rows, count)[1]

    def inner(self, left: np.ndarray, right: np.ndarray) -> float:
        """``tr(K_Q left K_X right^T)``."""
        return float(np.sum((self.asked @ left @ self.rows) * right))

    def error(self, theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
        product = theirs.T @ ours
        product[np.diag_indices_from(product)] -= 1.0
        return np.asarray(product)

    def relative(self, theirs: np.ndarray, ours: np.ndarray) -> float:
        error = self.error(theirs, ours)
        return max(self.inner(error, error) / self.whole, 0.0) if self.whole > 0 else 0.0


def _frank_wolfe(objective: _Objective, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``(map of the rows, map of the queries)``: the two in turn, each a step towards the vertex its gradient names.

    The loss is quadratic in either map while the other stands, so that the best step has a closed form.
    """
    ours, theirs = start, start
    last = objective.relative(theirs, ours)
    for _ in range(_MAX_ROUNDS):
        error = objective.error(theirs, ours)
        step = -_polar(ours @ objective.rows @ error.T @ objective.asked) - theirs
        theirs = theirs + _length(objective, error, step.T @ ours) * step
        error = objective.error(theirs, ours)
        step = -_polar(theirs @ objective.asked @ error @ objective.rows) - ours
        ours = ours + _length(objective, error, theirs.T @ step) * step
        now = objective.relative(theirs, ours)
        if last - now <= _TOLERANCE * now:
            break
        last = now
    return _polar(ours), _polar(theirs)


def _length(objective: _Objective, error: np.ndarray, change: np.ndarray) -> float:
    curvature = objective.inner(change, change)
    return min(max(-objective.inner(error, change) / curvature, 0.0), 1.0) if curvature > 0 else 0.0


def _polar(matrix: np.ndarray) -> np.ndarray:
    """The nearest matrix with orthonormal rows."""
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(left @ right)


def _scaled(square: np.ndarray) -> np.ndarray:
    total = float(np.trace(square))
    return square / total if total > 0 else square
