"""A fitted map from one space into another as plain arrays: what a store keeps and applies without the estimator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from .. import native
from ..common.checks import check_real, check_vectors
from .linear import LinearMap, _frozen

_ARRAYS = ("matrix", "offset", "shift", "unit", "gamma")
_HIDDEN = ("hidden", "hidden_shift", "outer")


class VectorMap:
    """``y = matrix @ z + shift + outer @ f(z)`` with ``z = x - offset``; ``f``, one hidden layer, is optional.

    Obtained from the ``export()`` of an estimator of maps (:class:`Procrustes`, :class:`RidgeMap` and their
    neighbours). Choose it over :class:`LinearMap` where the result lies in another space, with a mean of its own;
    an index takes a :class:`LinearMap`.

    Parameters
    ----------
    matrix : (d_out, d_in) float32.
    offset : (d_in,) float32, subtracted first; None means zero.
    shift : (d_out,) float32, added last; None means zero.
    hidden, hidden_shift, outer : (h, d_in), (h,) and (d_out, h) float32, one hidden layer of ``h`` units beside the
        linear part; all three or none.
    gamma : 0 makes the units rectified, ``max(0, hidden @ z + hidden_shift)``. Above 0 they are Gaussian:
        ``exp(-gamma |z - c|**2)`` for centres ``c``, with ``hidden = 2 gamma c`` and ``hidden_shift = -gamma |c|**2``.
    unit : whether every ``x`` is brought to length one before anything else, for spaces under cosine; a zero vector is
        then refused.

    Notes
    -----
    Products are the core's, so that a row gives the same bytes alone or in a batch, on any number of threads.

    Examples
    --------
    >>> moved = VectorMap(np.float32([[0, 2], [2, 0], [0, 0]]), shift=np.float32([0, 0, 1]))
    >>> moved.transform(np.float32([3, 7]))
    array([14.,  6.,  1.], dtype=float32)
    >>> bool((VectorMap.from_arrays(moved.to_arrays()).transform([3, 7]) == [14, 6, 1]).all())
    True
    """

    def __init__(
        self,
        matrix: Any,
        offset: Any = None,
        shift: Any = None,
        *,
        hidden: Any = None,
        hidden_shift: Any = None,
        outer: Any = None,
        gamma: float = 0.0,
        unit: bool = False,
    ):
        self.linear = LinearMap(matrix, offset)
        d_out, d_in = self.linear.matrix.shape
        self.shift = _frozen(np.zeros(d_out) if shift is None else shift, "shift", 1)
        if len(self.shift) != d_out:
            raise ValueError(f"shift: expected {d_out} values, one a row of matrix, got {len(self.shift)}")
        layer = [part for part in (hidden, hidden_shift, outer) if part is not None]
        if len(layer) not in (0, 3):
            raise ValueError("hidden: expected hidden, hidden_shift and outer together, or none of them")
        self.hidden = self.outer = None
        if layer:
            self.hidden = LinearMap(hidden)
            self.hidden_shift = _frozen(hidden_shift, "hidden_shift", 1)
            self.outer = LinearMap(outer)
            found = (self.hidden.matrix.shape, self.hidden_shift.shape, self.outer.matrix.shape)
            units = len(self.hidden.matrix)
            if found != ((units, d_in), (units,), (d_out, units)):
                raise ValueError(
                    f"hidden: expected shapes (h, {d_in}), (h,) and ({d_out}, h) for hidden, hidden_shift and outer, "
                    f"got {', '.join(map(str, found))}"
                )
        self.gamma = check_real(gamma, "gamma", 0.0, np.inf, open_high=True)
        self.unit = bool(unit)

    @property
    def n_features_in(self) -> int:
        """Dimensions of the vectors it takes."""
        return self.linear.n_features_in

    @property
    def n_features_out(self) -> int:
        """Dimensions of the vectors it gives."""
        return self.linear.n_features_out

    def transform(self, x: Any) -> np.ndarray:
        """Map ``x`` (n, d_in) to float32 (n, d_out); a single vector is answered in kind."""
        vectors, single = check_vectors(x, "x", dim=self.n_features_in, nonzero=self.unit)
        if self.unit:
            vectors = native.unit(vectors)
        result = self.linear.transform(vectors)
        if self.hidden is not None and self.outer is not None:
            result += self.outer.transform(self._units(vectors - self.linear.offset))
        result += self.shift
        return result[0] if single else result

    def _units(self, rows: np.ndarray) -> np.ndarray:
        assert self.hidden is not None
        units = self.hidden.transform(rows)
        units += self.hidden_shift
        if self.gamma == 0.0:
            return np.maximum(units, 0.0, out=units)
        units -= np.float32(self.gamma) * np.einsum("ij,ij->i", rows, rows)[:, None]
        return np.exp(np.minimum(units, 0.0, out=units), out=units)

    def inverse_transform(self, y: Any) -> np.ndarray:
        """The nearest vectors (n, d_in) that map to ``y`` (n, d_out): exact where the matrix is invertible.

        Lengths that ``unit`` took away do not come back. ValueError where there is a hidden layer: it has no inverse.
        """
        if self.hidden is not None:
            raise ValueError("hidden: expected a linear map to invert, got one with a hidden layer")
        vectors, single = check_vectors(y, "y", dim=self.n_features_out)
        result = self.linear.inverse_transform(vectors - self.shift)
        return result[0] if single else result

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"matrix": self.linear.matrix, "offset": self.linear.offset, "shift": self.shift}
        arrays |= {"unit": np.array([self.unit], np.uint8), "gamma": np.array([self.gamma])}
        if self.hidden is not None and self.outer is not None:
            arrays |= zip(_HIDDEN, (self.hidden.matrix, self.hidden_shift, self.outer.matrix), strict=True)
        return arrays

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The map as named arrays of numbers, for an array container."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> VectorMap:
        """The map that :meth:`to_arrays` described."""
        if not isinstance(arrays, Mapping):
            raise TypeError(f"arrays: expected a dict of arrays, got {type(arrays).__name__}")
        if missing := [name for name in _ARRAYS if name not in arrays]:
            raise ValueError(f"arrays: expected {', '.join(_ARRAYS)}, got none of the name {', '.join(missing)}")
        layer = {name: arrays.get(name) for name in _HIDDEN}
        settings = {"gamma": float(np.asarray(arrays["gamma"]).max()), "unit": bool(np.asarray(arrays["unit"]).any())}
        return cls(arrays["matrix"], arrays["offset"], arrays["shift"], **layer, **settings)

    def __reduce__(self) -> tuple[Any, tuple[dict[str, np.ndarray]]]:
        return type(self).from_arrays, (self.to_arrays(),)

    def __repr__(self) -> str:
        units = "" if self.hidden is None else f", {len(self.hidden.matrix)} hidden units"
        return f"VectorMap({self.n_features_in} -> {self.n_features_out}{units})"
