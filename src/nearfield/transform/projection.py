"""Random projection: fewer dimensions without looking at the rows, from dense or from very sparse matrices."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.checks import check_random_state, check_real
from .estimator import FLOATS
from .reduction import Reduction


class RandomProjection(Reduction):
    """Multiply by a random matrix: inner products and distances are kept on average, with an error known beforehand.

    Choose it when nothing can be fitted: no rows yet, rows whose distribution will change, or so many dimensions
    (bags of words; sparse rows are taken as they are) that a covariance would not fit. Everywhere else :class:`PCA`
    keeps far more: of the ten nearest WordNet glosses 384 -> 128 dimensions keep 0.79 with PCA, 0.57 with this.

    Parameters
    ----------
    n_components : dimensions after the map, an integer from 1 to d; None keeps d. A cosine is off by about
        ``1 / sqrt(n_components)`` (standard deviation of unrelated rows), whatever d: 0.06 with 256.
    density : share of the matrix that is not zero. 1 draws Gaussians; "very-sparse" is ``1 / sqrt(d)``, with which
        sparse rows are mapped that much faster at hardly any loss in accuracy for d of thousands; 1/3 is a compromise.
    random_state : seed of the matrix, and of the rows that :meth:`ranking_loss` holds out.

    Attributes
    ----------
    components_ : (n_components_, d), an array, or a sparse matrix in CSR form where ``density`` is below 1.
    n_samples_seen_ : rows given to :meth:`fit` and :meth:`partial_fit`, or in the first block of :meth:`fit_blocks`.
    n_components_, n_features_in_ : counts.

    Notes
    -----
    Sources: Johnson and Lindenstrauss (1984); Achlioptas, Database-friendly random projections (2003), for density
    1/3; Li, Hastie and Church, Very sparse random projections (KDD 2006), for 1/sqrt(d). The matrices are
    scikit-learn's, whose ``johnson_lindenstrauss_min_dim`` gives the dimensions for a guaranteed error; here they come
    with :meth:`export` for an index, :meth:`ranking_loss` and sparse rows.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((100, 2000), dtype=np.float32)
    >>> mapped = RandomProjection(400, density="very-sparse").fit_transform(X)
    >>> ratio = np.linalg.norm(mapped[:50] - mapped[50:], axis=1) / np.linalg.norm(X[:50] - X[50:], axis=1)
    >>> print(f"distances off by {abs(ratio - 1).mean():.0%}")
    distances off by 3%
    """

    n_samples_seen_: int

    def __init__(self, n_components: int | None = None, *, density: float | str = 1.0, random_state: int = 0):
        self.n_components = n_components
        self.density = density
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw the matrix for the dimensions of ``X`` (n, d), dense or sparse; nothing else of it is used."""
        self.__dict__.pop("n_samples_seen_", None)
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Like :meth:`fit` at first; from then on the matrix stands, and rows are checked and counted."""
        first = not hasattr(self, "n_samples_seen_")
        X = validate_data(self, X, dtype=FLOATS, accept_sparse=["csr", "csc"], reset=first)
        if first:
            self._draw()
        self.n_samples_seen_ = X.shape[0] + (0 if first else self.n_samples_seen_)
        return self

    def _draw(self) -> None:
        self.n_components_ = self._count_kept()
        seed = check_random_state(self.random_state)
        density = self.n_features_in_**-0.5 if self.density == "very-sparse" else self.density
        if isinstance(density, str):
            raise ValueError(f"density: expected a number in (0, 1] or 'very-sparse', got {density!r}")
        density = check_real(density, "density", 0.0, 1.0, open_low=True)
        drawn: Any
        rng = np.random.RandomState(np.random.MT19937(seed))
        if density < 1:
            drawn = SparseRandomProjection(self.n_components_, density=density, random_state=rng)
        else:
            drawn = GaussianRandomProjection(self.n_components_, random_state=rng)
        # what scikit-learn draws depends on the shape alone
        shape = sparse.csr_matrix((1, self.n_features_in_), dtype=np.float64)
        self.components_ = drawn.fit(shape).components_

    def fit_blocks(self, blocks: Iterable[np.ndarray]) -> Self:
        """Like :meth:`fit`; only the first of ``blocks`` (n_i, d) is looked at, and only for its dimensions."""
        for block in blocks:
            return self.fit(block)
        raise ValueError("blocks: expected at least 1 block of rows, got none")

    def transform(self, X: Any) -> np.ndarray:
        """The rows after the map: (n, n_components_), dense, float64 for float64, else float32."""
        if not sparse.issparse(X):
            return super().transform(X)
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], accept_sparse=["csr", "csc"], reset=False)
        product = X @ self.components_.T.astype(X.dtype)
        return np.asarray(product.toarray() if sparse.issparse(product) else product)

    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        matrix = self.components_
        return np.asarray(matrix.toarray() if sparse.issparse(matrix) else matrix), None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
