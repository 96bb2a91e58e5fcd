"""Classes at the corners of a regular simplex that never move: features of different models that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy import optimize, special
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.checks import check_int, check_real
from .estimator import Transformer
from .vector_map import VectorMap

_FLOATS = [np.float64, np.float32, np.float16]
_STEPS = 500


def simplex_vertices(count: int) -> np.ndarray:
    """The ``count`` corners of a regular simplex, unit vectors in ``count - 1`` dimensions: float64 (count, count - 1).

    Any two have the cosine ``-1 / (count - 1)``, the least that so many directions can all have; and the first
    coordinates of more corners are not those of fewer, so decide on the number for good.

    Examples
    --------
    >>> corners = simplex_vertices(3)
    >>> (corners @ corners.T).round(6) + 0
    array([[ 1. , -0.5, -0.5],
           [-0.5,  1. , -0.5],
           [-0.5, -0.5,  1. ]])
    """
    check_int(count, "count", 2)
    corners = np.zeros((count, count - 1))
    for axis in range(count - 1):
        corners[axis, axis] = np.sqrt(1 - np.square(corners[axis, :axis]).sum())
        below = (-1 / (count - 1) - corners[axis + 1 :, :axis] @ corners[axis, :axis]) / corners[axis, axis]
        corners[axis + 1 :, axis] = below
    return corners


class SimplexMap(ClassNamePrefixFeaturesOutMixin, Transformer):
    """Map features so that each class points to a corner of a simplex that is fixed before any data is seen.

    Choose it where labelled things are retrieved over years of changing encoders: features of every encoder, mapped by
    its own fit, share one space, so that a new model's queries are answered from vectors an old model left behind.
    Classes to come have corners kept free. Without labels use :class:`OrthogonalExtension` or :class:`RidgeMap`, which
    need the same things encoded by both.

    Parameters
    ----------
    vertices : number of corners, which every model must share: at least 2 and the classes there will ever be, some to
        spare. None takes the classes of the fit, which leaves none.
    classes : labels in the order of their corners; give it, and only ever append to it, so that a class keeps its
        corner from one fit to the next. None takes the sorted labels.
    alpha : penalty on the squared size of the map, relative to the mean loss of a row, from 0.

    Attributes
    ----------
    vertices_ : (vertices, vertices - 1) the corners, see :func:`simplex_vertices`.
    classes_ : labels, in the order of their corners.
    matrix_ : (vertices - 1, d), offset_ (d,), shift_ (vertices - 1,): ``y = matrix_ @ (x - offset_) + shift_``.
    n_features_in_ : dimensions.

    Notes
    -----
    Source: Biondi et al., Stationary representations: optimally approximating compatibility (2024), and Pernici et
    al., Regular polytope networks (2021): a classifier whose weights are the corners of a d-simplex and are never
    trained, cross-entropy over all corners, the free ones included. They train the network below it; here the features
    are given and the map is linear, which makes the loss convex: L-BFGS finds its one minimum, whatever the start.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> fitted = SimplexMap(vertices=12).fit(X[:1000], y[:1000])
    >>> mapped = fitted.transform(X[1000:])
    >>> nearest = fitted.classes_[(mapped @ fitted.vertices_[:10].T).argmax(axis=1)]
    >>> mapped.shape, bool((nearest == y[1000:]).mean() > 0.85)
    ((797, 11), True)
    """

    def __init__(self, vertices: int | None = None, *, classes: Sequence[Any] | None = None, alpha: float = 1e-3):
        self.vertices = vertices
        self.classes = classes
        self.alpha = alpha

    def fit(self, X: Any, y: Any) -> Self:
        """Fit to rows ``X`` (n, d) and their labels ``y`` (n,)."""
        if y is None:
            raise ValueError("y: expected a label a row; SimplexMap requires y to be passed, but the target y is None")
        X = validate_data(self, X, dtype=_FLOATS)
        given = np.asarray(y)
        if given.shape != (len(X),):
            raise ValueError(f"y: expected one label a row, shape ({len(X)},), got {given.shape}")
        alpha = check_real(self.alpha, "alpha", 0.0, np.inf, open_high=True)
        corner = self._corners(given)
        with one_blas_thread():
            self._solve(np.asarray(X, np.float64), corner, alpha)
        return self

    def _corners(self, labels: np.ndarray) -> np.ndarray:
        """The corner of each row; sets ``classes_`` and ``vertices_``."""
        self.classes_ = np.unique(labels) if self.classes is None else np.asarray(self.classes)
        if self.classes_.ndim != 1 or len(np.unique(self.classes_)) != len(self.classes_):
            raise ValueError(f"classes: expected distinct labels, got {self.classes!r}")
        order = np.argsort(self.classes_, kind="stable")
        place = np.searchsorted(self.classes_[order], labels)
        place = order[np.minimum(place, len(order) - 1)]
        if len(unknown := labels[self.classes_[place] != labels]):
            raise ValueError(f"y: expected labels out of classes, got {unknown[0]}")
        count = max(2, len(self.classes_)) if self.vertices is None else check_int(self.vertices, "vertices", 2)
        if count < len(self.classes_):
            raise ValueError(f"vertices: expected at least {len(self.classes_)}, one a class, got {count}")
        self.vertices_ = simplex_vertices(count)
        return place

    def _solve(self, X: np.ndarray, corner: np.ndarray, alpha: float) -> None:
        self.offset_ = X.mean(axis=0)
        rows = X - self.offset_
        spread = float(np.sqrt(np.square(rows).sum(axis=1).mean())) or 1.0
        rows = rows / spread
        n, d = rows.shape
        width = self.vertices_.shape[1]
        hot = np.arange(n), corner

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            matrix, shift = flat[: width * d].reshape(width, d), flat[width * d :]
            logs = special.log_softmax((rows @ matrix.T + shift) @ self.vertices_.T, axis=1)
            pull = np.exp(logs)
            pull[hot] -= 1.0
            slope = pull @ self.vertices_ / n
            value = -float(logs[hot].mean()) + 0.5 * alpha * float(np.square(matrix).sum())
            return value, np.concatenate([(slope.T @ rows + alpha * matrix).ravel(), slope.sum(axis=0)])

        start = np.zeros(width * (d + 1))
        found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}).x
        self.matrix_, self.shift_ = found[: width * d].reshape(width, d) / spread, found[width * d :]

    def transform(self, X: Any) -> np.ndarray:
        """The rows in the space of the corners: (n, vertices - 1), float64 for float64, else float32."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        if X.dtype != np.float64:
            return self.export().transform(X)
        return np.asarray((X - self.offset_) @ self.matrix_.T + self.shift_)

    def export(self, *, unit: bool = False) -> VectorMap:
        """The fitted map as plain float32 arrays; with ``unit`` it brings what it is given to length one first."""
        check_is_fitted(self)
        return VectorMap(self.matrix_, self.offset_, self.shift_, unit=unit)

    @property
    def _n_features_out(self) -> int:
        return len(self.shift_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
