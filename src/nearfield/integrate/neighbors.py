"""The graph of nearest neighbours as a scikit-learn transformer."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import native
from ..common.checks import check_choice, check_int, check_random_state, check_real, check_vectors
from ..common.interval import mean_interval
from ..metric import get_metric
from ..transform.estimator import FLOATS, Transformer
from ..tune import Recipe

# Rows that are scanned whatever the target: a scan of all by all takes less than to build and to measure.
_SCANNED = 4096
# Rows whose neighbours are looked up exactly, to measure the recall of a width.
_MEASURED = 500
_WIDEST = 2048
_TIE = 1e-6
_METRICS = {"l2": "l2", "euclidean": "l2", "cosine": "cosine"}


class KNeighborsTransformer(ClassNamePrefixFeaturesOutMixin, Transformer):
    """The graph of the nearest neighbours, sparse, at a recall that is measured: scikit-learn's of the same name, fast.

    Choose it before t-SNE, Isomap, DBSCAN, HDBSCAN, spectral clustering or a neighbours classifier with
    ``metric="precomputed"``, or for UMAP's ``precomputed_knn``, from some ten thousand rows on. Few rows, and recall 1,
    are scanned exactly. Distances are exact whatever finds the neighbours.

    Parameters
    ----------
    mode : "distance", with each row among its own neighbours and one neighbour more, or "connectivity": ones for
        ``n_neighbors`` of them, the row itself counted.
    n_neighbors : t-SNE reads 3 * perplexity + 1 of them, UMAP its ``n_neighbors``.
    metric : "l2" (or "euclidean") or "cosine".
    recall : the share of the true neighbours to be found, in (0, 1]. The width of the search is the narrowest that
        reaches it: of 500 rows of the training set, whose neighbours are looked up exactly, with the lower end of the
        95% interval. 1 scans. A scan also answers where no width is enough.
    recipe : how the index is built, such as ``nearfield.tune.tune(...).recipe``; None means a graph over 8-bit codes.
        One with a width of its own is searched as it says, and ``recall`` only measured. Candidates are always scored
        again by the vectors.
    n_jobs : threads; None and -1 mean all the CPUs. Results do not depend on it.
    random_state : seed of the build and of the rows that are measured.

    Attributes
    ----------
    recall_ : the recall measured, and ``recall_interval_`` its 95% interval; 1.0 for a scan.
    recipe_ : how the rows are searched; None for a scan.
    n_samples_fit_ : rows of the training set.

    Notes
    -----
    Rows are rounded to float32. :meth:`fit_transform` knows which row it asks for: each is its own first neighbour even
    among copies. The sparse graph holds the rows' own distances as explicit zeros, as scikit-learn's does. A pickle
    holds the rows and what was measured; the index is built again, the same, by the first search.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).standard_normal((300, 8), np.float32)
    >>> graph = KNeighborsTransformer(n_neighbors=5).fit_transform(rows)
    >>> graph.shape, graph.nnz
    ((300, 300), 1800)
    >>> from sklearn.manifold import Isomap
    >>> from sklearn.pipeline import make_pipeline
    >>> make_pipeline(KNeighborsTransformer(n_neighbors=10), Isomap(metric="precomputed")).fit_transform(rows).shape
    (300, 2)
    """

    def __init__(
        self,
        *,
        mode: str = "distance",
        n_neighbors: int = 5,
        metric: str = "l2",
        recall: float = 0.95,
        recipe: Recipe | None = None,
        n_jobs: int | None = None,
        random_state: int = 0,
    ):
        self.mode = mode
        self.n_neighbors = n_neighbors
        self.metric = metric
        self.recall = recall
        self.recipe = recipe
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Index the rows of ``X`` (n, d), and measure how widely they have to be searched."""
        check_choice(self.mode, "mode", ("distance", "connectivity"))
        check_int(self.n_neighbors, "n_neighbors", 1, native.MAX_K - 1)
        target = check_real(self.recall, "recall", 0.0, 1.0, open_low=True)
        if self.recipe is not None and not isinstance(self.recipe, Recipe):
            raise TypeError(f"recipe: expected a nearfield.tune.Recipe or None, got {self.recipe!r}")
        check_random_state(self.random_state)
        self._metric = get_metric(_METRICS[check_choice(self.metric, "metric", tuple(_METRICS))])
        self._threads = _threads(self.n_jobs)
        rows, self._dtype = self._checked(X, reset=True)
        self._rows = rows
        self._scale = None
        if self._metric.nonzero:
            self._scale = (1 / np.linalg.norm(rows.astype(np.float64), axis=1)).astype(np.float32)
        self.n_samples_fit_ = self._n_features_out = len(rows)
        self.recipe_: Recipe | None = None
        self._index: Any = None
        self.recall_, self.recall_interval_ = 1.0, (1.0, 1.0)
        if target < 1.0 and len(rows) > _SCANNED:
            self._build(target)
        return self

    def _build(self, target: float) -> None:
        """Make the index, and find the narrowest search that reaches the target; keep it if there is one."""
        given = self._given()
        k = min(self.n_neighbors, len(self._rows) - 1)
        # A few more than are asked for: the codes may have put the last of them in another order.
        again = (k + 1) + max(4, (k + 1) // 4)
        index = self._made()
        picked = np.random.default_rng(self.random_state).permutation(len(self._rows))[:_MEASURED]
        truth = without_own(*self._scan(self._rows[picked], k + 1), picked)[0]

        def measure(width: int) -> tuple[Recipe, tuple[float, float, float]]:
            recipe = replace(given, rescore="vectors", candidates=given.candidates or again)
            if recipe.kind != "flat" and given.width is None:
                recipe = replace(recipe.with_width(width, k + 1), candidates=again)
            found = index.search(self._rows[picked], k + 1, threads=self._threads, **recipe.search_settings())
            near = without_own(found.distances, found.rows, picked)[0]
            return recipe, mean_interval((near <= truth[:, -1:] * (1 + _TIE) + _TIE).mean(axis=1))

        self._index = index
        if given.width is not None or given.kind == "flat":
            self._keep(*measure(0))
            return
        low, width = 0, max(16, k + 1)
        tried = measure(width)
        while tried[1][1] < target:
            if width >= min(_WIDEST, len(self._rows)):
                self._index = None
                return
            low, width = width, min(2 * width, _WIDEST)
            tried = measure(width)
        while low and width - low > max(1, width // 8):
            middle = (low + width) // 2
            narrower = measure(middle)
            if narrower[1][1] >= target:
                width, tried = middle, narrower
            else:
                low = middle
        self._keep(*tried)

    def _given(self) -> Recipe:
        return self.recipe or Recipe("graph", slack=True)

    def _made(self) -> Any:
        """The index over the rows: always the same."""
        return replace(self._given(), rescore="vectors").make(self._metric, self.random_state).build(self._rows)

    def __getstate__(self) -> dict[str, Any]:
        """All but the index, which the first search after unpickling makes again."""
        state = dict(super().__getstate__())
        if "_index" in state:
            state["_index"] = None
        return state

    def _keep(self, recipe: Recipe, measured: tuple[float, float, float]) -> None:
        self.recipe_, self.recall_, self.recall_interval_ = recipe, measured[0], measured[1:]

    def kneighbors(
        self, X: Any = None, n_neighbors: int | None = None, return_distance: bool = True
    ) -> tuple[np.ndarray, np.ndarray] | np.ndarray:
        """Distances and row numbers of the nearest rows, ``(q, n_neighbors)`` each, ascending; or the numbers alone.

        Without ``X`` the neighbours of the training set's rows, of which none is its own. ``kneighbors(X)[::-1]`` of
        the training set is UMAP's ``precomputed_knn``.
        """
        check_is_fitted(self)
        k = self.n_neighbors if n_neighbors is None else check_int(n_neighbors, "n_neighbors", 1, native.MAX_K - 1)
        if X is None:
            distances, rows = self._of_training(k)
        else:
            queries, dtype = self._checked(X, reset=False)
            distances, rows = self._search(queries, self._few_enough(k, len(self._rows)))
            distances = distances.astype(dtype, copy=False)
        return (distances, rows) if return_distance else rows

    def kneighbors_graph(self, X: Any = None, n_neighbors: int | None = None, mode: str = "connectivity") -> csr_matrix:
        """The same as a sparse matrix (q, n): ones, or with ``mode="distance"`` the distances."""
        check_choice(mode, "mode", ("distance", "connectivity"))
        distances, rows = self.kneighbors(X, n_neighbors)
        return self._graph(distances, rows, mode)

    def transform(self, X: Any) -> csr_matrix:
        """The graph from the rows of ``X`` (q, d) to those of the training set: sparse (q, n)."""
        check_is_fitted(self)
        return self.kneighbors_graph(X, self.n_neighbors + (self.mode == "distance"), self.mode)

    def fit_transform(self, X: Any, y: Any = None) -> csr_matrix:
        """The graph of the training set itself, (n, n), each row its own first neighbour."""
        self.fit(X)
        others = self.n_neighbors - (self.mode == "connectivity")
        n = self.n_samples_fit_
        self._few_enough(others + 1, n)
        own = np.arange(n)[:, None]
        if not others:
            return self._graph(np.zeros((n, 1), self._dtype), own, self.mode)
        distances, rows = self._of_training(others)
        distances = np.hstack([np.zeros((n, 1), self._dtype), distances])
        return self._graph(distances, np.hstack([own, rows]), self.mode)

    def _of_training(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        k = self._few_enough(k, len(self._rows) - 1)
        distances, rows = self._search(self._rows, k + 1)
        return without_own(distances.astype(self._dtype, copy=False), rows, np.arange(len(self._rows)))

    def _few_enough(self, k: int, most: int) -> int:
        if k > most:
            raise ValueError(f"n_neighbors: expected at most {most} of {len(self._rows)} rows (n_samples_fit), got {k}")
        return k

    def _search(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        if self.recipe_ is None:
            return self._scan(queries, k)
        if self._index is None:
            self._index = self._made()
        settings = self.recipe_.search_settings()
        if k > self.n_neighbors + 1:  # more than was measured: as much wider
            factor = k / (self.n_neighbors + 1)
            settings |= {name: int(settings[name] * factor) + 1 for name in ("beam", "candidates") if name in settings}
        found = self._index.search(queries, k, threads=self._threads, **settings)
        short = np.flatnonzero(found.rows[:, -1] < 0)
        if short.size:
            found.distances[short], found.rows[short] = self._scan(queries[short], k)
        return found.distances, found.rows

    def _scan(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        prepared = self._metric.prepare_queries(queries)
        found = native.exact_search(
            self._rows, prepared, k, metric=self._metric.native, scale=self._scale, threads=self._threads
        )
        return np.maximum(self._metric.distances_from_scores(found.scores), 0), found.rows

    def _checked(self, X: Any, *, reset: bool) -> tuple[np.ndarray, type]:
        """Rows as float32, and the type that distances are given back in."""
        array = validate_data(self, X, reset=reset, dtype=FLOATS)
        rows, _ = check_vectors(array.astype(np.float32), "X", nonzero=self._metric.nonzero)
        return rows, np.float64 if array.dtype == np.float64 else np.float32

    def _graph(self, distances: np.ndarray, rows: np.ndarray, mode: str) -> csr_matrix:
        count, k = rows.shape
        data = distances.ravel() if mode == "distance" else np.ones(count * k, distances.dtype)
        places = np.arange(0, count * k + 1, k)
        return csr_matrix((data, rows.ravel(), places), shape=(count, self.n_samples_fit_))


def without_own(distances: np.ndarray, rows: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lists of neighbours with each row's own number left out, or the last one where it is not there."""
    there = rows == own[:, None]
    there[~there.any(axis=1), -1] = True
    shape = (len(rows), rows.shape[1] - 1)
    return distances[~there].reshape(shape), rows[~there].reshape(shape)


def _threads(n_jobs: Any) -> int | None:
    if n_jobs is None:
        return None
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral) or (n_jobs < 1 and n_jobs != -1):
        raise ValueError(f"n_jobs: expected a number of threads, or None or -1 for all, got {n_jobs!r}")
    return None if n_jobs == -1 else int(n_jobs)
