"""Second moments of rows, gathered block by block in float64, and the directions that hold most of them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from scipy import linalg

from ..common.blas import one_blas_thread

_ROWS = 4096


class Moments:
    """Mean and scatter of all rows added so far: ``d * d`` numbers, however many rows come.

    What the eigensolvers of this room stand on. The sums run on one thread, so that the same rows give the same bytes
    on any number of them.

    Parameters
    ----------
    dim : dimensions of a row.

    Attributes
    ----------
    count : rows added.
    mean : (dim,) their mean.
    scatter : (dim, dim) sum of the outer products of the rows less their mean.

    Examples
    --------
    >>> moments = Moments(2).add(np.array([[1.0, 0.0], [3.0, 2.0]]))
    >>> moments.square
    array([[5., 3.],
           [3., 2.]])
    """

    def __init__(self, dim: int):
        self.count = 0
        self.mean = np.zeros(dim)
        self.scatter = np.zeros((dim, dim))

    def add(self, X: Any) -> Self:
        """Add the rows of ``X`` (n, dim), of any float type, in memory or mapped from a file; returns self."""
        with one_blas_thread():
            for start in range(0, len(X), _ROWS):
                self._merge(np.asarray(X[start : start + _ROWS], np.float64))
        return self

    def _merge(self, block: np.ndarray) -> None:
        """Merge a block's mean and scatter with what was seen (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        n, seen = len(block), self.count
        mean = block.mean(axis=0)
        shift = mean - self.mean
        block = block - mean
        self.scatter += block.T @ block
        self.scatter += np.outer(shift, shift) * (seen * n / (seen + n))
        self.mean = self.mean + shift * (n / (seen + n))
        self.count = seen + n

    @property
    def square(self) -> np.ndarray:
        """(dim, dim) mean of the outer products of the rows with themselves, the mean not taken away."""
        return np.asarray(self.scatter / self.count + np.outer(self.mean, self.mean))


class PairedMoments:
    """What paired rows say of each other linearly: means, scatter of the one side, and its products with the other.

    Of the other side only the squares are summed, since a linear map needs no more of it; ``both`` asks for more.

    Parameters
    ----------
    dim, other_dim : dimensions of the two sides.
    both : whether the scatter of the other side is kept too.

    Attributes
    ----------
    count : pairs added.
    mean, other_mean : (dim,) and (other_dim,).
    scatter : (dim, dim), cross (dim, other_dim), total (a number): of the rows less their means.
    other_scatter : (other_dim, other_dim) where ``both``, else (0, 0).

    Examples
    --------
    >>> moments = PairedMoments(1, 1).add(np.float64([[1], [3]]), np.float64([[0], [4]]))
    >>> moments.count, moments.scatter.item(), moments.cross.item(), moments.total
    (2, 2.0, 4.0, 8.0)
    """

    def __init__(self, dim: int, other_dim: int, *, both: bool = False):
        self.count = 0
        self.both = both
        self.mean, self.other_mean = np.zeros(dim), np.zeros(other_dim)
        self.scatter, self.cross = np.zeros((dim, dim)), np.zeros((dim, other_dim))
        self.other_scatter = np.zeros((other_dim, other_dim) if both else (0, 0))
        self.total = 0.0

    def add(self, X: np.ndarray, Y: np.ndarray) -> Self:
        """Add pairs, float64; returns self."""
        for start in range(0, len(X), _ROWS):
            self._merge(X[start : start + _ROWS], Y[start : start + _ROWS])
        return self

    def _merge(self, block: np.ndarray, other: np.ndarray) -> None:
        n, seen = len(block), self.count
        mean, other_mean = block.mean(axis=0), other.mean(axis=0)
        shift, other_shift = mean - self.mean, other_mean - self.other_mean
        block, other = block - mean, other - other_mean
        weight = seen * n / (seen + n)
        self.scatter += block.T @ block + weight * np.outer(shift, shift)
        self.cross += block.T @ other + weight * np.outer(shift, other_shift)
        if self.both:
            self.other_scatter += other.T @ other + weight * np.outer(other_shift, other_shift)
        self.total += float(np.square(other).sum() + weight * (other_shift @ other_shift))
        self.mean = self.mean + shift * (n / (seen + n))
        self.other_mean = self.other_mean + other_shift * (n / (seen + n))
        self.count = seen + n

    def about_zero(self) -> PairedMoments:
        """The same pairs with nothing subtracted."""
        made = PairedMoments(len(self.mean), len(self.other_mean), both=self.both)
        made.count = self.count
        made.scatter = self.scatter + self.count * np.outer(self.mean, self.mean)
        made.cross = self.cross + self.count * np.outer(self.mean, self.other_mean)
        made.total = self.total + self.count * float(self.other_mean @ self.other_mean)
        if self.both:
            made.other_scatter = self.other_scatter + self.count * np.outer(self.other_mean, self.other_mean)
        return made

    def mirrored(self) -> PairedMoments:
        """The same pairs and their opposites, whose means are zero."""
        made = self.about_zero()
        made.count, made.total = 2 * made.count, 2 * made.total
        made.scatter, made.cross, made.other_scatter = 2 * made.scatter, 2 * made.cross, 2 * made.other_scatter
        return made


class LengthMoments(Moments):
    """Moments that also know the mean fourth power of the rows' lengths, which tells how sure the covariance is.

    Sums are kept around the mean of the first rows, so that a large offset does not eat them, and moved to the mean of
    all rows when asked for.

    Examples
    --------
    >>> moments = LengthMoments(2).add(np.array([[1.0, 0.0], [3.0, 0.0]]))
    >>> float(moments.fourth(center=True)), float(moments.fourth(center=False))
    (1.0, 41.0)
    """

    def __init__(self, dim: int):
        super().__init__(dim)
        self._origin = np.zeros(dim)
        self._fourth = 0.0
        self._third = np.zeros(dim)

    def _merge(self, block: np.ndarray) -> None:
        if not self.count:
            self._origin = block.mean(axis=0)
        shifted = block - self._origin
        squares = np.einsum("ij,ij->i", shifted, shifted)
        self._fourth += float(squares @ squares)
        self._third += squares @ shifted
        super()._merge(block)

    def fourth(self, *, center: bool) -> float:
        """Mean of ``|x - mean|^4`` over all rows; of ``|x|^4`` without ``center``."""
        mean = self.mean - self._origin
        shift = mean if center else -self._origin
        around = self.scatter / self.count + np.outer(mean, mean)
        length = float(shift @ shift)
        total = self._fourth / self.count + 4 * float(shift @ around @ shift) + length**2
        total += 2 * length * float(np.trace(around)) - 4 * float(shift @ self._third) / self.count
        return max(total - 4 * length * float(shift @ mean), 0.0)


def leading(moments: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The ``count`` largest eigenvalues, falling, and their orthonormal directions (count, d).

    The coordinate of largest size in each direction is positive: a sign is otherwise the solver's whim.

    Examples
    --------
    >>> values, directions = leading(np.diag([1.0, 4.0]), 1)
    >>> values, directions
    (array([4.]), array([[0., 1.]]))
    """
    with one_blas_thread():
        return leading_here(moments, count)


def leading_here(moments: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """:func:`leading` for loops that have already limited the threads: setting the limit takes a millisecond.

    Examples
    --------
    >>> leading_here(np.diag([1.0, 4.0]), 1)[0]
    array([4.])
    """
    d = len(moments)
    values, vectors = linalg.eigh(moments, subset_by_index=(d - count, d - 1), check_finite=False)
    directions = np.ascontiguousarray(vectors.T[::-1])
    largest = np.abs(directions).argmax(axis=1)
    directions *= np.sign(directions[np.arange(count), largest])[:, None]
    return np.maximum(values[::-1], 0.0), directions
