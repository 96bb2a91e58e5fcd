"""Hard debiasing: take the direction in which defining pairs differ out of all that should not know of it."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..common.blas import one_blas_thread
from ..common.lengths import unit_rows
from .estimator import Transformer
from .linear import LinearMap
from .moments import leading

_FLOATS = [np.float64, np.float32]


class HardDebias(OneToOneFeatureMixin, Transformer):
    """Find the directions in which the members of defining sets differ, and remove them from neutral rows.

    Choose it when a few pairs say what the unwanted difference is (*she* and *he*, a product in two packagings) and
    rows that should not know of it must end up equally far from both members of each pair. For directions known
    otherwise use :class:`Subspace`, and for a strength between nothing and all ``Subspace(HardDebias(),
    strength=0.5)``; for a shift toward or away from a concept, :class:`Steering`. What it removes is linear: other
    directions that go along with the concept stay, and a classifier may still find it in them (Gonen and Goldberg,
    2019).

    Parameters
    ----------
    n_components : dimensions of the bias subspace, from 1 to d. 1 for a contrast of two; more only where
        ``explained_variance_ratio_`` says that the sets differ in more than one way.
    normalize : bring what is left to length one, as the paper does. False keeps its shortened length and makes the map
        linear; cosine does not see the difference.

    Attributes
    ----------
    components_ : (n_components_, d) orthonormal basis of the bias subspace, by falling share.
    explained_variance_ratio_ : (n_components_,) share of the differences within sets along each. Ten pairs at random
        have a first share of about 0.2; far more says that the sets agree about one direction.
    n_components_, n_features_in_ : counts.

    Notes
    -----
    Source: Bolukbasi et al., Man is to Computer Programmer as Woman is to Homemaker? Debiasing Word Embeddings, 2016,
    section 6: the subspace is the leading eigenvectors of the sets' covariances around their own means, each divided
    by the size of its set; steps 2a *neutralize* and *equalize*. The paper's soft variant, a semidefinite program, is
    not here. The authors' code equalizes pairs alone; this follows the paper's formula for sets of any size.

    Examples
    --------
    >>> import numpy as np
    >>> pairs = np.array([[1.0, 0, 1], [-1, 0, 1], [1, 1, 0], [-1, 1, 0]])
    >>> gender = HardDebias().fit(pairs, [0, 0, 1, 1])
    >>> gender.components_
    array([[1., 0., 0.]])
    >>> gender.transform(np.array([[3.0, 0, 4]]))
    array([[0., 0., 1.]])
    """

    components_: np.ndarray
    explained_variance_ratio_: np.ndarray

    def __init__(self, n_components: int = 1, *, normalize: bool = True):
        self.n_components = n_components
        self.normalize = normalize

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the bias subspace from defining sets.

        Parameters
        ----------
        X : (n, d) the rows of all defining sets.
        y : (n,) which set each row belongs to, numbers or texts; a set of one row says nothing. None takes all rows
            for one set.
        """
        X = validate_data(self, X, dtype=_FLOATS, ensure_min_samples=2)
        d = self.n_features_in_
        count = self.n_components
        if not isinstance(count, Integral) or isinstance(count, bool) or not 1 <= count <= d:
            raise ValueError(f"n_components: expected an integer from 1 to {d} (dimensions of X), got {count!r}")
        if not isinstance(self.normalize, bool | np.bool_):
            raise ValueError(f"normalize: expected True or False, got {self.normalize!r}")
        sets = np.zeros(len(X)) if y is None else np.asarray(y)
        if sets.shape != (len(X),):
            raise ValueError(f"y: expected a set for each of {len(X)} rows, got shape {sets.shape}")
        wide = X.astype(np.float64)
        _, members, sizes = np.unique(sets, return_inverse=True, return_counts=True)
        means = np.zeros((len(sizes), d))
        np.add.at(means, members, wide)
        means /= sizes[:, None]
        apart = (wide - means[members]) / np.sqrt(sizes[members])[:, None]
        with one_blas_thread():
            values, self.components_ = leading(apart.T @ apart, int(count))
        total = float(np.square(apart).sum())
        if total <= 1e-24 * max(float(np.square(wide).mean()), np.finfo(np.float64).tiny):
            raise ValueError("y: expected a set of at least two different rows, got sets that do not differ within")
        self.explained_variance_ratio_ = values / total
        self.n_components_ = int(count)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Neutralize: the rows without their part in the bias subspace, (n, d), of the type of ``X``.

        A row that lies in the subspace becomes zero.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        wide = X.astype(np.float64)
        left = self._without(wide)
        # What rounding leaves of a row inside the subspace is no direction.
        left[np.linalg.norm(left, axis=1) <= 1e-12 * np.linalg.norm(wide, axis=1)] = 0.0
        return (unit_rows(left) if self.normalize else left).astype(X.dtype)

    def equalize(self, X: Any) -> np.ndarray:
        """One equality set: its rows (m, d) at length one, alike in all but the bias subspace, of the type of ``X``.

        Every neutral row is then equally near to all of them. Raises ValueError for rows whose parts in the bias
        subspace are the same, which it would have to tell apart by chance.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False, ensure_min_samples=2)
        rows = unit_rows(X.astype(np.float64))
        common = self._without(rows.mean(axis=0, keepdims=True))
        inside = (rows - rows.mean(axis=0)) @ self.components_.T
        lengths = np.linalg.norm(inside, axis=1, keepdims=True)
        if (lengths <= 1e-12).any():
            row = int(np.flatnonzero(lengths[:, 0] <= 1e-12)[0])
            raise ValueError(
                f"X: expected rows that differ in the bias subspace, got the set's mean there in row {row}"
            )
        reach = np.sqrt(max(0.0, 1 - float(np.square(common).sum())))
        return np.asarray(common + reach * (inside / lengths) @ self.components_, X.dtype)

    def debias(self, X: Any, *, specific: Any = (), equalize: Sequence[Any] = ()) -> np.ndarray:
        """The whole procedure on a table of rows: neutralize all that are not specific, then equalize some sets.

        Parameters
        ----------
        X : (n, d), such as the vectors of a vocabulary.
        specific : numbers of the rows that are about the contrast by their meaning and keep it; brought to length one
            where ``normalize``.
        equalize : equality sets, each the numbers of its rows.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=_FLOATS, reset=False)
        kept = _row_numbers(specific, "specific", len(X))
        made = self.transform(X)
        made[kept] = unit_rows(X[kept].astype(np.float64)) if self.normalize else X[kept]
        for rows in equalize:
            members = _row_numbers(rows, "equalize", len(X))
            made[members] = self.equalize(X[members])
        return made

    def export(self) -> LinearMap:
        """The removal as a linear map, for an index or a file; lengths stay as they fall."""
        check_is_fitted(self)
        return LinearMap(np.eye(self.n_features_in_) - self.components_.T @ self.components_)

    def _without(self, rows: np.ndarray) -> np.ndarray:
        with one_blas_thread():
            left = rows - (rows @ self.components_.T) @ self.components_
            # Once more: a row that lay almost within the subspace leaves rounding errors as large as itself.
            return np.asarray(left - (left @ self.components_.T) @ self.components_)


def _row_numbers(rows: Any, name: str, count: int) -> np.ndarray:
    numbers = np.asarray(rows if len(rows) else np.zeros(0, np.int64))
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(f"{name}: expected numbers of rows, got dtype {numbers.dtype} of shape {numbers.shape}")
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= count):
        raise ValueError(f"{name}: expected row numbers from 0 to {count - 1}, got {numbers.min()} to {numbers.max()}")
    return numbers
