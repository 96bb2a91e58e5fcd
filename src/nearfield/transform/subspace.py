"""Keep, remove or damp what lies in a span of directions: one operation, whatever the span was found by."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import OneToOneFeatureMixin, clone

from ..common.checks import check_choice, check_int, check_real
from .estimator import MomentsEstimator
from .moments import leading

ACTIONS = ("remove", "keep")


class Subspace(OneToOneFeatureMixin, MomentsEstimator):
    """Take a span of directions out of every row, or keep nothing but it, wholly or in part.

    Choose it when some directions are known to carry what you do not want (a topic, a bias, the few directions that
    all embeddings share) or alone what you do. The rows keep their d dimensions, so that whatever was fitted to them
    still applies; to store fewer numbers choose :class:`PCA`, and to even out all directions :class:`Whitening`.

    Parameters
    ----------
    span : where the directions come from. An integer takes that many leading directions of the rows (of the
        covariance when ``center``, else of the mean square). An array (k, d) is taken as it is; its rows need not be
        orthogonal, nor independent. An unfitted estimator is cloned and fitted to the rows (and ``y``), and its
        ``components_`` are taken.
    action : "remove" gives ``x - strength * P x``, "keep" gives ``x - strength * (x - P x)``, where ``P`` projects
        onto the span.
    strength : from 0, which changes nothing, to 1, which leaves nothing of what goes. Below 1 it only damps, and the
        map can be inverted exactly.
    center : whether the mean of the rows is subtracted first. It changes the ranking under cosine and inner product.

    Attributes
    ----------
    components_ : (n_directions_, d) orthonormal basis of the span; for an integer ``span`` by falling variance.
    share_ : share of the rows' variance (mean square when not ``center``) that lies in the span, in [0, 1].
    mean_ : (d,) mean of the rows; subtracted only when ``center``.
    n_directions_, n_samples_seen_, n_features_in_ : counts. Directions in which there is nothing are left out, so that
        ``n_directions_`` may be smaller than ``span``.

    Notes
    -----
    With ``center=True`` and the number of dimensions over 100 as ``span`` this is all-but-the-top (Mu and Viswanath,
    All-but-the-Top: Simple and Effective Postprocessing for Word Representations, ICLR 2018, algorithm 1). It makes a
    space more isotropic; whether search gets better is another matter, see docs/concepts-transform.md. With
    ``strength=1`` the inverse is the nearest row, without what was taken.

    Examples
    --------
    A direction shared by all rows hides the rest; without it, cosines tell rows apart:

    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((500, 8)) + [9, 0, 0, 0, 0, 0, 0, 0]
    >>> unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    >>> before, after = (unit(rows) @ unit(rows).T for rows in (X, Subspace(1).fit_transform(X)))
    >>> print(f"mean cosine {before.mean():.2f} before, {after.mean():.2f} after")
    mean cosine 0.92 before, 0.00 after

    A direction of your own, damped by half:

    >>> damped = Subspace([[2.0, 0.0]], strength=0.5).fit(np.eye(2))
    >>> damped.transform(np.array([[4.0, 3.0]]))
    array([[2., 3.]])
    >>> damped.inverse_transform(np.array([[2.0, 3.0]]))
    array([[4., 3.]])
    """

    def __init__(self, span: Any = 1, *, action: str = "remove", strength: float = 1.0, center: bool = False):
        self.span = span
        self.action = action
        self.strength = strength
        self.center = center

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit to the rows of ``X`` (n, d); ``y`` goes to the estimator that is the ``span``, if one is."""
        self._forget()
        if hasattr(self.span, "fit"):
            self._given = _components(clone(self.span).fit(X, y))
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Add the rows of ``X`` to those seen; the same as :meth:`fit` on all of them, up to rounding.

        ValueError where the ``span`` is an estimator: give its fitted ``components_`` instead.
        """
        return super().partial_fit(X, y)

    def _check_parameters(self) -> None:
        check_choice(self.action, "action", ACTIONS)
        check_real(self.strength, "strength", 0.0, 1.0)
        if isinstance(self.span, Integral) and not isinstance(self.span, bool):
            check_int(self.span, "span", 1, self.n_features_in_)
        elif hasattr(self.span, "fit"):
            if not hasattr(self, "_given"):
                raise ValueError(
                    "span: expected an integer or an array to be fitted in parts, got an estimator; fit it first and "
                    "give its components_"
                )
        else:
            self._given = orthonormal_basis(self.span, "span", self.n_features_in_)

    def _forget(self) -> None:
        super()._forget()
        if hasattr(self, "_given"):
            del self._given

    def _solve(self) -> None:
        moments = self._second_moments()
        total = float(np.trace(moments))
        if hasattr(self, "_given"):
            self.components_ = self._given
        else:
            values, directions = leading(moments, int(self.span))
            self.components_ = directions[values > total * np.finfo(np.float64).eps]
        self.n_directions_ = len(self.components_)
        held = float(np.sum((self.components_ @ moments) * self.components_))
        self.share_ = min(max(held / total, 0.0), 1.0) if total > 0 else 0.0

    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        inside, outside = self._gains()
        return span_matrix(self.components_, inside, outside), self._offset

    def _inverse(self) -> np.ndarray:
        inside, outside = (1 / gain if gain > 0 else 0.0 for gain in self._gains())
        return span_matrix(self.components_, inside, outside)

    def _gains(self) -> tuple[float, float]:
        """What a row's part inside the span is multiplied with, and its part outside."""
        left = 1.0 - float(self.strength)
        return (left, 1.0) if self.action == "remove" else (1.0, left)


def orthonormal_basis(vectors: Any, name: str, dim: int) -> np.ndarray:
    """Orthonormal rows (r, dim) with the span of ``vectors`` (k, dim), or (dim,), as float64; r is their rank.

    Examples
    --------
    >>> orthonormal_basis([[0.0, 3.0], [0.0, -1.0]], "vectors", 2)
    array([[0., 1.]])
    """
    array = np.atleast_2d(np.asarray(vectors))
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected vectors as an array of numbers, got {vectors!r}")
    if array.ndim != 2 or array.shape[1] != dim or not len(array):
        raise ValueError(f"{name}: expected vectors of shape (k, {dim}), got {np.shape(vectors)}")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite values, got NaN or infinity")
    _, values, directions = np.linalg.svd(array, full_matrices=False)
    basis = directions[values > values[0] * max(array.shape) * np.finfo(np.float64).eps]
    if not len(basis):
        raise ValueError(f"{name}: expected at least one vector that is not zero, got zeros")
    largest = np.abs(basis).argmax(axis=1)
    basis *= np.sign(basis[np.arange(len(basis)), largest])[:, None]
    return np.asarray(basis)


def _components(fitted: Any) -> np.ndarray:
    if not hasattr(fitted, "components_"):
        raise TypeError(f"span: expected an estimator that has components_ once fitted, got {type(fitted).__name__}")
    return orthonormal_basis(fitted.components_, "span", fitted.n_features_in_)


def span_matrix(basis: np.ndarray, inside: float, outside: float) -> np.ndarray:
    """The matrix that multiplies what lies in the span of ``basis`` by ``inside`` and the rest by ``outside``."""
    matrix = (inside - outside) * (basis.T @ basis)
    matrix[np.diag_indices(len(matrix))] += outside
    return np.asarray(matrix)
