"""One linear map out of whatever an index is given as its transform: a map, an estimator, or a pipeline of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .linear import LinearMap


def is_linear(transform: Any) -> bool:
    """Whether :func:`linear_map` can make one map of it once it is fitted.

    Examples
    --------
    >>> from nearfield.transform import PCA
    >>> is_linear(PCA(2)), is_linear("pca")
    (True, False)
    """
    steps = _steps(transform)
    return all(map(is_linear, steps)) if steps else isinstance(transform, LinearMap) or hasattr(transform, "export")


def is_fitted(transform: Any) -> bool:
    """Whether it is fitted: a map always is; of a pipeline, every step.

    Examples
    --------
    >>> from nearfield.transform import PCA
    >>> is_fitted(PCA(2)), is_fitted(PCA(1).fit(np.eye(3)))
    (False, True)
    """
    steps = _steps(transform)
    return (
        all(map(is_fitted, steps)) if steps else isinstance(transform, LinearMap) or hasattr(transform, "components_")
    )


def linear_map(transform: Any) -> LinearMap:
    """The fitted ``transform`` as one map; of a pipeline, the product of its steps.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from nearfield.transform import PCA, Whitening
    >>> X = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    >>> both = make_pipeline(Whitening(), PCA(2)).fit(X)
    >>> linear_map(both)
    LinearMap(4 -> 2)
    >>> bool(np.allclose(linear_map(both).transform(X), both.transform(X), atol=1e-5))
    True
    """
    if isinstance(transform, LinearMap):
        return transform
    steps = _steps(transform)
    if not steps:
        made: LinearMap = transform.export()
        return made
    product = linear_map(steps[0])
    for step in steps[1:]:
        product = _product(product, linear_map(step))
    return product


def output_dim(transform: Any, dim: int) -> int:
    """Dimensions after the transform of ``dim``, as far as they are known before it is fitted; else at most ``dim``.

    Examples
    --------
    >>> from nearfield.transform import PCA, Subspace
    >>> output_dim(PCA(2), 9), output_dim(PCA(0.9), 9), output_dim(Subspace(2), 9)
    (2, 9, 9)
    """
    if isinstance(transform, LinearMap):
        return transform.n_features_out
    for step in _steps(transform):
        dim = output_dim(step, dim)
    for name in ("n_components_", "n_components"):
        count = getattr(transform, name, None)
        if isinstance(count, int | np.integer) and not isinstance(count, bool):
            return min(int(count), dim)
    return dim


def _steps(transform: Any) -> list[Any]:
    """The estimators of a scikit-learn Pipeline, those that do nothing left out; empty for anything else."""
    named = getattr(transform, "steps", None)
    if not isinstance(named, list):
        return []
    return [step for _, step in named if step is not None and step != "passthrough"]


def _product(first: LinearMap, second: LinearMap) -> LinearMap:
    """The map that does ``first``, then ``second``."""
    one, two = (side.matrix.astype(np.float64) for side in (first, second))
    offset = first.offset.astype(np.float64)
    queries = None
    if first.queries is not None or second.queries is not None:
        if second.offset.any():
            raise ValueError("transform: expected no mean to be subtracted after a map of their own for queries")
        asked = [side.matrix if side.queries is None else side.queries for side in (first, second)]
        queries = asked[1].astype(np.float64) @ asked[0].astype(np.float64)
    elif second.offset.any():
        # What is subtracted between the two is subtracted before both, as the rows that the first sends there.
        before = np.linalg.lstsq(one, second.offset.astype(np.float64), rcond=None)[0]
        if not np.allclose(one @ before, second.offset, atol=1e-4 * float(np.abs(second.offset).max())):
            raise ValueError("transform: the mean that a later step subtracts cannot come from the step before it")
        offset = offset + before
    return LinearMap(two @ one, offset, queries)
