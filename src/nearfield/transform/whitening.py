"""Whitening: every direction made to vary alike, from a covariance that is shrunk where rows are few."""

from __future__ import annotations

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from ..common.blas import one_blas_thread
from ..common.checks import check_choice, check_real
from .estimator import MomentsEstimator
from .moments import LengthMoments, Moments, leading

METHODS = ("zca", "pca")
SHRINKAGES = ("ledoit-wolf", "oas")


class Whitening(OneToOneFeatureMixin, MomentsEstimator):
    """Scale directions so that all vary alike: ``y = C^(-strength/2) (x - mean)``, with ``C`` the shrunk covariance.

    It changes what is near: directions in which rows hardly differ count as much as those in which they differ most.
    Choose it before what takes all directions for alike (a linear classifier, k-means, a threshold on cosine), or
    where a few directions drown the rest; measure it before choosing it for search (docs/concepts-transform.md has
    figures: part of it may help cosine, all of it rarely does). To drop directions instead, :class:`PCA`; to take out
    a few and leave the rest as they are, :class:`Subspace`.

    Parameters
    ----------
    method : "zca" scales along the principal directions and turns back, the whitening that moves rows least; "pca"
        leaves the rows in principal coordinates, by falling variance. Distances and angles are the same.
    strength : the power of the scaling, from 0, which does nothing but subtract the mean and turn, to 1, which makes
        every variance equal. Under cosine 0.25 without ``center`` is a good start.
    shrinkage : share of the covariance that is replaced by a multiple of the identity, so that directions the sample
        hardly shows are not blown up. "ledoit-wolf" and "oas" find it from the rows ("oas" takes them for Gaussian);
        a number from 0, none, to 1, which leaves only a scale.
    center : whether the mean is subtracted, and the covariance taken around it. Without it the mean square is
        whitened, which damps the mean direction most of all.

    Attributes
    ----------
    components_ : (d, d), the matrix that rows are multiplied with.
    variances_ : (d,) variances along the principal directions, falling, once shrunk.
    shrinkage_ : the share used, in [0, 1].
    mean_ : (d,) mean of the rows; subtracted only when ``center``.
    n_samples_seen_, n_features_in_ : counts.

    Notes
    -----
    Sources: Kessy, Lewin and Strimmer, Optimal whitening and decorrelation (2018) for "zca" and "pca"; Ledoit and Wolf,
    A well-conditioned estimator for large-dimensional covariance matrices (2004), lemma 3.2 to theorem 3.2; Chen et
    al., Shrinkage algorithms for MMSE covariance estimation (2010), equation 23, as scikit-learn has them, here from
    sums that are gathered in parts. The inverse is exact for every strength. Directions in which the rows do not vary
    at all, without shrinkage, keep their scale. Linear algebra runs on one thread: the same rows give the same bytes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((2000, 3)) * [9, 3, 1]
    >>> def spread(rows):
    ...     return np.round(rows.std(axis=0), 1)
    >>> spread(Whitening().fit_transform(X)), spread(Whitening(strength=0.5).fit_transform(X))
    (array([1., 1., 1.]), array([3. , 1.7, 1. ]))
    >>> whitening = Whitening().fit(X)
    >>> bool(np.allclose(whitening.inverse_transform(whitening.transform(X)), X))
    True
    """

    def __init__(
        self,
        *,
        method: str = "zca",
        strength: float = 1.0,
        shrinkage: float | str = "ledoit-wolf",
        center: bool = True,
    ):
        self.method = method
        self.strength = strength
        self.shrinkage = shrinkage
        self.center = center

    def _check_parameters(self) -> None:
        check_choice(self.method, "method", METHODS)
        check_real(self.strength, "strength", 0.0, 1.0)
        if isinstance(self.shrinkage, str):
            check_choice(self.shrinkage, "shrinkage", SHRINKAGES)
        else:
            check_real(self.shrinkage, "shrinkage", 0.0, 1.0)

    def _new_moments(self, X: np.ndarray) -> Moments:
        return (LengthMoments if self.shrinkage == "ledoit-wolf" else Moments)(X.shape[1])

    def _solve(self) -> None:
        d = self.n_features_in_
        moments = self._second_moments()
        self.shrinkage_ = self._found_shrinkage()
        values, self._directions = leading(moments, d)
        self.variances_ = (1 - self.shrinkage_) * values + self.shrinkage_ * values.mean()
        empty = self.variances_ <= self.variances_[0] * d * np.finfo(np.float64).eps
        self._scale = np.where(empty, 1.0, self.variances_) ** (-float(self.strength) / 2)
        self.components_ = self._turned(self._scale)

    def _found_shrinkage(self) -> float:
        if not isinstance(self.shrinkage, str):
            return float(self.shrinkage)
        n, d, m = self.n_samples_seen_, self.n_features_in_, self._moments
        spread = m.scatter / n if self.center else m.square
        squares, mean = float((spread**2).sum()), float(np.trace(spread)) / d
        apart = squares - d * mean**2  # squared distance from a multiple of the identity
        if apart <= squares * d * np.finfo(np.float64).eps:
            return 1.0
        if isinstance(m, LengthMoments):
            return float(np.clip((m.fourth(center=self.center) - squares) / n / apart, 0.0, 1.0))
        return float(np.clip((squares / d**2 + mean**2) * d**2 / ((n + 1) * apart), 0.0, 1.0))

    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        return self.components_, self._offset

    def _inverse(self) -> np.ndarray:
        return np.asarray(self._turned(1 / self._scale).T if self.method == "zca" else self._directions.T / self._scale)

    def _turned(self, scale: np.ndarray) -> np.ndarray:
        scaled = self._directions * scale[:, None]
        if self.method == "pca":
            return scaled
        with one_blas_thread():
            return np.asarray(self._directions.T @ scaled)
