"""Canonical correlation analysis: the directions of two spaces that tell of each other, and nothing else of either."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from scipy import linalg
from sklearn.utils.validation import check_array, check_is_fitted

from ..common.checks import check_random_state, check_real
from .estimator import FLOATS
from .moments import PairedMoments, leading_here
from .paired import SummedPairedMap, centred
from .vector_map import VectorMap

_SHRINKAGES = (0.0, 1e-4, 1e-3, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.95, 1.0)
_FOLDS = 5
# Pairs held out at a time are looked for among so many at most.
_JUDGED = 1_000


class CanonicalCorrelation(SummedPairedMap):
    """Project two spaces onto the directions that agree across paired rows; both sides then share one space.

    Choose it when the two sides were made from different things (text and shapes, words and pixels) and agree in part
    only: a map of the whole space spends itself on what cannot be mapped. Between encoders of the same text, which
    agree in nearly everything, :class:`RidgeMap` finds more. Rows of the one side go through :meth:`transform`, of the
    other through :meth:`transform_other`; compare them by cosine.

    Parameters
    ----------
    n_components : dimensions of the shared space; None keeps all there are, ``min(n - 1, d_x, d_y)``, which is best
        with ``power`` of 1 or more. From a tenth of the number of pairs up to a half is a good start otherwise.
    shrinkage : share of each covariance replaced by its mean variance times the identity, in [0, 1]. 0 is the plain
        analysis, which some hundred pairs overfit to nothing in hundreds of dimensions; 1 leaves the covariances out
        (partial least squares). None tries thirteen and keeps the one under which most held-out pairs find each other,
        by five-fold cross-validation: advised. :meth:`partial_fit`, which keeps no pairs, wants a number.
    power : every coordinate of both sides counts with its share of the largest singular value of the whitened
        cross-covariance (without shrinkage: of the largest correlation) to this power. 0 counts all alike, and calls
        for few components; 1 lets weak ones fade.
    random_state : seed of the folds.

    Attributes
    ----------
    matrix_, other_matrix_ : (n_components_, d_x) and (n_components_, d_y), powers included.
    offset_, other_offset_ : means of the two sides.
    correlations_ : (n_components_,) of both sides' coordinates over the pairs it was fitted to, and so too large where
        pairs are few; they fall where nothing is shrunk.
    shrinkage_ : what was used.
    score_ : mean reciprocal rank of held-out pairs among each other at ``shrinkage_``; NaN where it was given.
    n_components_, n_pairs_, n_features_in_ : counts.

    Notes
    -----
    Source: Hotelling, Relations between two sets of variates, 1936; shrunk covariances: Vinod's canonical ridge, 1976;
    powers of the correlations: Gong et al., A multi-view embedding space for modeling internet images, tags, and
    their semantics, 2014; between encoders that never saw each other: Hadgi et al., Escaping Plato's cave (CVPR 2025),
    who fit an affine map between the two projections, which for canonical coordinates is the multiplication with their
    correlations (``power=1`` on one side). The coordinate of largest size in each of the first side's directions is
    positive. Linear algebra runs on one thread: the same input gives the same bytes. In parts it is solved from sums of
    squares, which leave half of the digits to the directions in which a side varies least.

    Examples
    --------
    Two spaces of twenty dimensions that share three:

    >>> rng = np.random.default_rng(0)
    >>> shared = rng.standard_normal((600, 3))
    >>> X, Y = ((np.hstack([shared, 2 * rng.standard_normal((600, 17))]) @ rng.standard_normal((20, 20))) for _ in "xy")
    >>> fitted = CanonicalCorrelation(3).fit(X[:500], Y[:500])
    >>> x, y = fitted.transform(X[500:]), fitted.transform_other(Y[500:])
    >>> [round(float(np.corrcoef(x[:, i], y[:, i])[0, 1]), 1) for i in range(3)]
    [1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        shrinkage: float | None = None,
        power: float = 1.0,
        random_state: int = 0,
    ):
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.power = power
        self.random_state = random_state

    def transform_other(self, Y: Any) -> np.ndarray:
        """Rows (n, d_y) of the second space in the shared one: (n, n_components_)."""
        check_is_fitted(self)
        Y = check_array(Y, dtype=FLOATS, input_name="Y")
        if Y.shape[1] != len(self.other_offset_):
            raise ValueError(f"Y: expected {len(self.other_offset_)} dimensions, got {Y.shape[1]}")
        if Y.dtype != np.float64:
            return self.export_other().transform(Y)
        return np.asarray((Y - self.other_offset_) @ self.other_matrix_.T)

    def export_other(self, *, unit: bool = False) -> VectorMap:
        """The map of the second space as plain float32 arrays, as :meth:`export` gives that of the first."""
        check_is_fitted(self)
        return VectorMap(self.other_matrix_, self.other_offset_, unit=unit)

    def _check_parameters(self, d_out: int) -> None:
        kept, most = self.n_components, min(self.n_features_in_, d_out)
        whole = isinstance(kept, Integral) and not isinstance(kept, bool)
        if kept is not None and not (whole and 1 <= kept <= most):
            raise ValueError(
                f"n_components: expected None or an integer from 1 to {most} (dimensions of the smaller space), got "
                f"{kept!r}"
            )
        if self.shrinkage is not None:
            check_real(self.shrinkage, "shrinkage", 0.0, 1.0)
        check_real(self.power, "power", 0.0, 16.0)
        check_random_state(self.random_state)

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        given = self.shrinkage is not None
        self.shrinkage_, self.score_ = (float(self.shrinkage or 0.0), np.nan) if given else self._chosen(X, Y)
        first, second, self.offset_, self.other_offset_ = _sides(X, Y)
        self._keep(_directions(first, second, self.shrinkage_, self.n_components, self.power))

    def _check_in_parts(self) -> None:
        if self.shrinkage is None:
            raise ValueError(
                "shrinkage: expected a number to be fitted in parts, got None, which holds pairs out to choose it; "
                "give the shrinkage_ that fit found on some of the pairs"
            )

    def _new_sums(self, dim: int, other_dim: int) -> PairedMoments:
        return PairedMoments(dim, other_dim, both=True)

    def _solve_sums(self, sums: PairedMoments) -> None:
        assert self.shrinkage is not None
        self.shrinkage_, self.score_ = float(self.shrinkage), np.nan
        self.offset_, self.other_offset_ = sums.mean, sums.other_mean
        first, second = (
            _Whitened(*_spread(scatter, sums.count), self.shrinkage_) for scatter in (sums.scatter, sums.other_scatter)
        )
        between = first.back @ sums.cross @ second.back.T
        self._keep(_leading(between, first, second, sums.count, self.n_components, self.power))

    def _keep(self, found: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
        self.matrix_, self.other_matrix_, self.correlations_ = found
        self.n_components_ = len(self.matrix_)
        self.shift_ = np.zeros(self.n_components_)

    def _chosen(self, X: np.ndarray, Y: np.ndarray) -> tuple[float, float]:
        """The shrinkage under which most held-out pairs find each other, and how many; the strongest for ties."""
        n = len(X)
        if n < 2 * _FOLDS:
            return 0.5, np.nan
        order = np.random.default_rng(self.random_state).permutation(n)
        scores = np.zeros(len(_SHRINKAGES))
        for fold in range(_FOLDS):
            held = np.sort(order[fold::_FOLDS][:_JUDGED])
            kept = np.ones(n, bool)
            kept[order[fold::_FOLDS]] = False
            first, second, offset, other_offset = _sides(X[kept], Y[kept])
            for place, shrinkage in enumerate(_SHRINKAGES):
                matrix, other, _ = _directions(first, second, shrinkage, self.n_components, self.power)
                scores[place] += _found((X[held] - offset) @ matrix.T, (Y[held] - other_offset) @ other.T)
        best = len(scores) - 1 - int(np.argmax(scores[::-1]))
        return _SHRINKAGES[best], float(scores[best] / _FOLDS)


_Side = tuple[np.ndarray, np.ndarray, np.ndarray]


def _sides(X: np.ndarray, Y: np.ndarray) -> tuple[_Side, _Side, np.ndarray, np.ndarray]:
    """Thin singular value decompositions of the centred rows, rank and no more, and the two means."""
    found = []
    for rows, offset in (centred(X, True), centred(Y, True)):
        left, values, right = linalg.svd(rows, full_matrices=False)
        rank = max(1, int((values > values[0] * 1e-9).sum()))
        found.append(((left[:, :rank], values[:rank], right[:rank]), offset))
    return found[0][0], found[1][0], found[0][1], found[1][1]


def _spread(scatter: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The values and directions of :func:`_sides` from the scatter of ``count`` rows."""
    squares, right = leading_here(scatter, len(scatter))
    kept = squares[: max(count - 1, 1)] > squares[0] * np.finfo(np.float64).eps * max(count, len(scatter))
    rank = max(1, int(kept.sum()))
    return np.sqrt(squares[:rank]), right[:rank]


class _Whitened:
    """A side divided along each of its directions by its shrunk spread: by ``back``, after which ``left`` is left."""

    def __init__(self, values: np.ndarray, right: np.ndarray, shrinkage: float):
        level = float(np.square(values).sum()) / right.shape[1]
        spread = np.sqrt((1 - shrinkage) * np.square(values) + shrinkage * level)
        spread = np.where(spread > 0, spread, 1.0)
        self.left, self.back = values / spread, right / spread[:, None]


def _directions(
    first: _Side, second: _Side, shrinkage: float, count: int | None, power: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """:func:`_leading` of the rows themselves."""
    one, other = (_Whitened(values, right, shrinkage) for _, values, right in (first, second))
    between = (first[0] * one.left).T @ (second[0] * other.left)
    return _leading(between, one, other, len(first[0]), count, power)


def _leading(
    between: np.ndarray, first: _Whitened, second: _Whitened, pairs: int, count: int | None, power: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``(matrix, other matrix, correlations)``: singular vectors of the cross-covariance of the whitened sides."""
    turned, values, other_turned = linalg.svd(between, full_matrices=False)
    kept = len(values) if count is None else min(count, len(values))
    turned, values, other_turned = turned[:, :kept], values[:kept], other_turned[:kept].T
    matrix, other = turned.T @ first.back, other_turned.T @ second.back
    largest = np.abs(matrix).argmax(axis=1)
    signs = np.where(matrix[np.arange(kept), largest] < 0, -1.0, 1.0)
    # Lengths of order one rather than of one over the root of the number of pairs.
    weights = (signs * (values / (values[0] or 1.0)) ** power * np.sqrt(pairs))[:, None]
    size = np.linalg.norm(first.left[:, None] * turned, axis=0)
    size *= np.linalg.norm(second.left[:, None] * other_turned, axis=0)
    correlations = np.clip(values / np.where(size > 0, size, 1.0), 0.0, 1.0)  # zero where one does not vary
    return matrix * weights, other * weights, correlations


def _found(rows: np.ndarray, others: np.ndarray) -> float:
    """Mean reciprocal rank of each row's partner by cosine, both ways."""
    with np.errstate(invalid="ignore", divide="ignore"):
        cosines = (rows / np.linalg.norm(rows, axis=1, keepdims=True)) @ (
            others / np.linalg.norm(others, axis=1, keepdims=True)
        ).T
    cosines = np.nan_to_num(cosines, nan=-1.0)
    own = np.diagonal(cosines)
    return float(np.mean([1 / (cosines >= own[:, None]).sum(axis=1), 1 / (cosines >= own[None, :]).sum(axis=0)]))
