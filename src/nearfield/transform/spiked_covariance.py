"""Spiked-covariance filtering: keep the directions that stand out of the noise and hold up under disturbance."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from ..common.checks import check_real
from ..common.noise_edge import noise_edge
from .estimator import FLOATS, MomentsEstimator
from .moments import Moments, leading
from .subspace import span_matrix


class SpikedCovarianceFilter(OneToOneFeatureMixin, MomentsEstimator):
    """Project rows onto the directions above the noise of their covariance, the least robust of them left out.

    Choose it before a classifier or a threshold when rows may be disturbed, by noise or on purpose, in directions that
    real rows hardly use, and when you cannot say how many directions are real: the spectrum says it. Rows keep their d
    dimensions. Where you can say it, or tune it, :class:`PCA` or ``Subspace(k, action="keep")`` do the same work.

    Parameters
    ----------
    keep : share of the spikes that is kept, in (0, 1]: those with the smallest scores. 1 keeps all; 0.2 to 0.3 with
        labels is a good start against an attack. Take the smallest that loses little on clean held-out rows.
    noise : variance of the noise in one direction; None takes it from the median eigenvalue, which is right where less
        than half of the directions are real.
    alpha : chance that rows of pure noise show a spike, where ``noise`` is known; where it is not, two to three times.
    center : whether the mean is subtracted, and the covariance taken around it.

    Attributes
    ----------
    components_ : (n_directions_, d) orthonormal directions kept, by falling variance.
    spikes_ : (n_spikes_, d) all directions above the edge, by falling variance.
    explained_variance_ : (n_spikes_,) the variance along each.
    scores_ : (n_spikes_,) how little each is to be trusted: disturbance over signal. The disturbance is the mean square
        change along the direction where ``perturbed`` rows were given, else its variance; the signal is the variance
        between classes where labels were given, else its variance; with neither the score is the noise variance over
        the variance, and keeping some is keeping the first.
    threshold_ : the score up to which spikes are kept.
    edge_, noise_variance_ : see :func:`nearfield.common.noise_edge.noise_edge`.
    mean_ : (d,) mean of the rows; subtracted only when ``center``.
    n_directions_, n_spikes_, n_samples_seen_, n_features_in_ : counts.

    Notes
    -----
    Source: EigenShield (Darabi et al., 2025), which keeps the eigenvectors above ``noise (1 + sqrt(d/n))^2``, scores
    each for robustness, and calls those below a quantile of the scores causal. Its score compares similarities to
    harmful and harmless texts of one model; the one here is its likeness for rows with labels or disturbed copies. Of
    the paper the abstract could be read, not the formula of the score: take this filter for its idea, not for its
    numbers.
    Departures: the edge allows for the chance fluctuation of the largest eigenvalue, so that pure noise has no spikes;
    the quantile is the conformal one, the ``ceil(keep (m + 1))``-th smallest of m scores. An attacker who knows the
    filter attacks within the span: against that it helps far less (``nearfield evidence eigenshield``). Where nothing
    stands out, every row becomes zero.

    Examples
    --------
    Two classes along the first two of forty directions, and noise:

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(600) % 2
    >>> X = rng.standard_normal((600, 40))
    >>> X[:, 0] += 6 * y
    >>> X[:, 1] *= 5
    >>> SpikedCovarianceFilter().fit(X, y).n_directions_
    2
    >>> alone = SpikedCovarianceFilter(keep=0.3).fit(X, y)
    >>> alone.n_directions_, bool(abs(alone.components_[0, 0]) > 0.99)
    (1, True)
    """

    def __init__(self, *, keep: float = 1.0, noise: float | None = None, alpha: float = 0.001, center: bool = True):
        self.keep = keep
        self.noise = noise
        self.alpha = alpha
        self.center = center

    def fit(self, X: Any, y: Any = None, *, perturbed: Any = None) -> Self:
        """Fit to the rows of ``X`` (n, d), float16, float32 or float64.

        Parameters
        ----------
        y : (n,) labels; without them every direction that varies counts as signal.
        perturbed : (n, d), the same rows disturbed as you expect it.
        """
        self._forget()
        return self.partial_fit(X, y, perturbed=perturbed)

    def partial_fit(self, X: Any, y: Any = None, *, perturbed: Any = None) -> Self:
        """Add rows to those seen; the same as :meth:`fit` on all of them, up to rounding.

        ``y`` and ``perturbed`` come with every part or with none.
        """
        first = not hasattr(self, "n_samples_seen_")
        rows, labels, change = self._checked(X, y, perturbed)
        if first:
            self._classes: dict[Any, tuple[int, np.ndarray]] = {}
            self._change = None if change is None else Moments(rows.shape[1])
        elif bool(self._classes) != (labels is not None) or (self._change is None) != (change is None):
            raise ValueError("y, perturbed: expected with every part or with none, got them with some")
        self._see(rows, ensure_min_samples=2 if first and self.center else 1)
        if labels is not None:
            for label in np.unique(labels):
                part = rows[labels == label].astype(np.float64)
                count, total = self._classes.get(label, (0, 0.0))
                self._classes[label] = (count + len(part), total + part.sum(axis=0))
        if change is not None and self._change is not None:
            self._change.add(change)
        self._solve()
        return self

    def _checked(self, X: Any, y: Any, perturbed: Any) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        first = not hasattr(self, "n_samples_seen_")
        labels = change = None
        if y is None:
            rows = validate_data(self, X, dtype=FLOATS, reset=first)
        else:
            rows, labels = validate_data(self, X, y, dtype=FLOATS, reset=first)
            check_classification_targets(labels)
        if perturbed is not None:
            disturbed = validate_data(self, perturbed, dtype=FLOATS, reset=False)
            if disturbed.shape != rows.shape:
                raise ValueError(f"perturbed: expected the shape of X, {rows.shape}, got {disturbed.shape}")
            change = disturbed.astype(np.float64) - rows
        return rows, labels, change

    def _forget(self) -> None:
        super()._forget()
        self._classes, self._change = {}, None

    def _check_parameters(self) -> None:
        check_real(self.keep, "keep", 0.0, 1.0, open_low=True)
        if self.noise is not None:
            check_real(self.noise, "noise", 0.0, np.inf)
        check_real(self.alpha, "alpha", 0.0, 1.0, open_low=True, open_high=True)

    def _solve(self) -> None:
        values, directions = leading(self._second_moments(), self.n_features_in_)
        rows = self.n_samples_seen_ - (1 if self.center else 0)
        found = noise_edge(values, max(rows, 1), variance=self.noise, alpha=self.alpha)
        self.noise_variance_, self.edge_, self.n_spikes_ = found.variance, found.edge, found.spikes
        self.spikes_, self.explained_variance_ = directions[: found.spikes], values[: found.spikes]
        self.scores_ = self._scored()
        last = min(int(np.ceil(self.keep * (found.spikes + 1))), found.spikes)
        order = np.argsort(self.scores_, kind="stable")[:last]
        self.threshold_ = float(self.scores_[order[-1]]) if last else 0.0
        self.components_ = self.spikes_[np.sort(order)]
        self.n_directions_ = last

    def _scored(self) -> np.ndarray:
        signal = disturbance = self.explained_variance_
        if self._change is not None:
            square = self._change.square
            disturbance = np.einsum("ij,ij->i", self.spikes_ @ square, self.spikes_)
        elif not self._classes:
            disturbance = np.full(self.n_spikes_, self.noise_variance_)
        if self._classes:
            if len(self._classes) < 2:
                raise ValueError("y: expected at least 2 classes, got 1 class")
            counts = np.array([count for count, _ in self._classes.values()])
            means = np.stack([total / count for count, total in self._classes.values()])
            along = (means - self.mean_) @ self.spikes_.T
            signal = (along**2 * counts[:, None]).sum(axis=0) / counts.sum()
        return np.divide(disturbance, signal, out=np.full(self.n_spikes_, np.inf), where=signal > 0)

    def _map(self) -> tuple[np.ndarray, np.ndarray | None]:
        return span_matrix(self.components_, 1.0, 0.0), self._offset

    def _inverse(self) -> np.ndarray:
        return self._map()[0]
