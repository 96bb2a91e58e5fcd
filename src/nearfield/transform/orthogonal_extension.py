"""A new space turned, in more dimensions than it has, until its first coordinates are the old space."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from ..common.checks import check_int
from .moments import PairedMoments
from .paired import SummedPairedMap
from .ridge import RidgeMap


class OrthogonalExtension(SummedPairedMap):
    """An orthogonal matrix for a new model's vectors: whole, they keep its geometry; their first part is the old space.

    Choose it to change models without touching what is stored: from then on new items are stored turned, all their
    inner products among themselves unchanged, and the first ``d_old`` coordinates of a turned query, brought to length
    one, are compared with old vectors. A map without the rest (:class:`RidgeMap` from new to old) answers old rows
    alike, but loses what the old space has no room for.

    Parameters
    ----------
    extra : dimensions added to the new space, from 0 (at least ``d_old - d_new``). None adds ``d_old``: the first part
        is then the best linear map, up to a common factor. With fewer, ``d_old - extra`` of its singular values are
        made equal; with 0 all are.
    alpha : penalty of that linear map, as in :class:`RidgeMap`; None chooses it.

    Attributes
    ----------
    matrix_ : (d_new + extra, d_new) with orthonormal columns; ``X @ matrix_.T`` turns.
    rotation_ : (D, D) the whole orthogonal matrix, of which ``matrix_`` is the first ``d_new`` columns.
    n_old_ : how many of the first coordinates are the old space's.
    n_pairs_, n_features_in_ : counts.

    Notes
    -----
    Source: OCA (Biondi et al., Backward-compatible aligned representations via an orthogonal transformation layer,
    2024), which learns the orthogonal layer by gradient together with the new network. Here the network is frozen, and
    the layer has a closed form: a least-squares map from new to old, divided by its largest singular value, is a
    contraction, and every contraction is a corner of an orthogonal matrix with that many more dimensions (Halmos,
    Normal dilations and extensions of operators, 1950). Nothing is subtracted or added: only turning keeps all inner
    products.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> new = rng.standard_normal((300, 8))
    >>> old = new @ rng.standard_normal((8, 4))
    >>> fitted = OrthogonalExtension().fit(new, old)
    >>> turned = fitted.transform(new)
    >>> turned.shape, bool(np.allclose(turned @ turned.T, new @ new.T))
    ((300, 12), True)
    >>> part = turned[:, : fitted.n_old_]
    >>> cosines = (part * old).sum(axis=1) / np.linalg.norm(part, axis=1) / np.linalg.norm(old, axis=1)
    >>> bool(cosines.min() > 0.999)
    True
    """

    def __init__(self, *, extra: int | None = None, alpha: float | None = None):
        self.extra = extra
        self.alpha = alpha

    def _check_parameters(self, d_out: int) -> None:
        RidgeMap(self.alpha)._check_parameters(d_out)
        if self.extra is not None:
            check_int(self.extra, "extra", max(0, d_out - self.n_features_in_))

    def _solve(self, X: np.ndarray, Y: np.ndarray) -> None:
        # Mirrored pairs have mean zero, so that nothing is centred.
        self._extend(RidgeMap(self.alpha).fit(np.concatenate([X, -X]), np.concatenate([Y, -Y])).matrix_)

    def _solve_sums(self, sums: PairedMoments) -> None:
        ridge = RidgeMap(self.alpha)
        ridge._solve_sums(sums.mirrored())
        self._extend(ridge.matrix_)

    def _extend(self, linear: np.ndarray) -> None:
        self.n_old_, d_new = linear.shape
        extra = self.n_old_ if self.extra is None else int(self.extra)
        left, values, right = linalg.svd(linear, full_matrices=self.n_old_ > d_new)
        right, values = right[: len(values)], values / (values[0] or 1.0)
        # Old directions beyond the new dimensions have singular value 0, which takes an added dimension each.
        free = extra - (self.n_old_ - len(values))
        whole = len(values) - min(free, len(values))
        if whole:
            least = values[whole - 1]
            values = (
                np.minimum(values / least, 1.0) if least > 0 else np.where(np.arange(len(values)) < whole, 1.0, 0.0)
            )
        self._complete(left, np.concatenate([values, np.zeros(self.n_old_ - len(values))]), right, d_new + extra)

    def _complete(self, left: np.ndarray, values: np.ndarray, right: np.ndarray, size: int) -> None:
        """The first rows from ``left @ diag(values) @ right``, a dimension for each value below 1, and the others."""
        d_new = right.shape[1]
        first = np.zeros((self.n_old_, size))
        first[:, :d_new] = (left[:, : len(right)] * values[: len(right)]) @ right
        order = np.argsort(values, kind="stable")[: size - d_new]
        first[:, d_new : d_new + len(order)] = left[:, order] * np.sqrt(np.maximum(1 - values[order] ** 2, 0.0))
        rest = linalg.qr(first.T)[0][:, self.n_old_ :].T
        self.rotation_ = np.concatenate([first, rest])
        self.matrix_ = np.ascontiguousarray(self.rotation_[:, :d_new])
        self.offset_, self.shift_ = np.zeros(d_new), np.zeros(size)

    def transform(self, X: Any) -> np.ndarray:
        """The rows turned, (n, d_new + extra); the first ``n_old_`` coordinates are in the old space."""
        return super().transform(X)
