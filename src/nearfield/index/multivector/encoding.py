"""What all reductions of a bag to one vector share: fitted on bags, different for documents and for queries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from ...common.checks import check_choice
from ...encode.bags import Bags

# Name in files -> module and class, loaded when asked for.
ENCODINGS = {
    "mean": (".mean", "MeanEncoding"),
    "fixed": (".fixed", "FixedDimensionalEncoding"),
    "learned": (".learned", "LearnedEncoding"),
    "joined": (".joined", "JoinedEncoding"),
}


class BagEncoding(ABC):
    """One vector for a bag, such that the inner product of a query's and a document's ranks as their MaxSim does.

    :class:`MeanEncoding` needs nothing, :class:`FixedDimensionalEncoding` nothing but dimensions,
    :class:`LearnedEncoding` looks at the bags and at sample queries; :class:`JoinedEncoding` puts several one after
    another. :func:`choose_encoding` measures which serves your encoder best.

    Attributes
    ----------
    dim_ : dimensions of the vectors in the bags it was fitted on.
    dimensions_ : of the vectors it gives.

    Examples
    --------
    >>> from nearfield.index import MeanEncoding
    >>> bags = Bags.from_list([np.eye(4, dtype=np.float32)])
    >>> isinstance(MeanEncoding(), BagEncoding), MeanEncoding().fit(bags).documents(bags)
    (True, array([[0.5, 0.5, 0.5, 0.5]], dtype=float32))
    """

    name: ClassVar[str]
    dim_: int
    dimensions_: int

    def fit(self, bags: Bags, queries: Bags | None = None) -> Self:
        """Learn what is needed from documents, and from sample queries where there are some; returns self."""
        check_bags(bags)
        if not len(bags):
            raise ValueError("bags: expected at least one bag, got none")
        if queries is not None:
            check_bags(queries, "queries", bags.dim)
        self.dim_ = bags.dim
        self._fit(bags, queries if queries is not None and len(queries) else None)
        return self

    def documents(self, bags: Bags) -> np.ndarray:
        """One vector for each document: float32 (n, dimensions_)."""
        check_bags(bags, dim=self._fitted())
        return self._documents(bags)

    def queries(self, bags: Bags) -> np.ndarray:
        """One vector for each query: float32 (q, dimensions_)."""
        check_bags(bags, "queries", self._fitted())
        return self._queries(bags)

    def to_dict(self) -> dict[str, Any]:
        """Name and parameters as JSON; what was fitted comes from :meth:`to_arrays`."""
        return {"encoding": self.name, **self._parameters()}

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What was fitted, as named arrays."""
        return {}

    def nbytes(self) -> int:
        """Bytes of what was fitted."""
        return sum(array.nbytes for array in self.to_arrays().values())

    def _fitted(self) -> int:
        if not hasattr(self, "dim_"):
            raise ValueError(f"{type(self).__name__} is not fitted; call fit first")
        return self.dim_

    def _restore(self, dim: int, arrays: dict[str, np.ndarray]) -> None:
        """Take what :meth:`to_arrays` gave; ValueError when it does not fit the parameters."""
        self.dim_ = dim

    @abstractmethod
    def _parameters(self) -> dict[str, Any]: ...

    @abstractmethod
    def _fit(self, bags: Bags, queries: Bags | None) -> None: ...

    @abstractmethod
    def _documents(self, bags: Bags) -> np.ndarray: ...

    @abstractmethod
    def _queries(self, bags: Bags) -> np.ndarray: ...

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self._parameters().items())
        return f"{type(self).__name__}({arguments})"


def encoding_from_dict(
    description: dict[str, Any], dim: int | None = None, arrays: dict[str, np.ndarray] | None = None
) -> BagEncoding:
    """The encoding that :meth:`BagEncoding.to_dict` described; fitted when ``dim`` and ``arrays`` are given."""
    parameters = dict(description)
    module, name = ENCODINGS[check_choice(parameters.pop("encoding", None), "encoding", tuple(ENCODINGS))]
    kind = getattr(import_module(module, __package__), name)
    made: BagEncoding = kind._from_parameters(parameters) if hasattr(kind, "_from_parameters") else kind(**parameters)
    if dim is not None:
        made._restore(dim, arrays or {})
    return made


def check_bags(value: Any, name: str = "bags", dim: int | None = None) -> Bags:
    """``value``, if it is :class:`Bags` of ``dim`` dimensions none of which is empty."""
    if not isinstance(value, Bags):
        raise TypeError(f"{name}: expected Bags (see Bags.from_list), got {type(value).__name__}")
    if dim is not None and value.dim != dim:
        raise ValueError(f"{name}: expected {dim} dimensions, got {value.dim}")
    value.require_filled(name)
    return value


def blocks(bags: Bags, rows: int = 1 << 16) -> list[Bags]:
    """The bags in parts of about so many vectors, at least one bag each."""
    parts, start = [], 0
    while start < len(bags):
        stop = int(np.searchsorted(bags.offsets, bags.offsets[start] + rows, side="right")) - 1
        stop = max(stop, start + 1)
        parts.append(bags[start:stop])
        start = stop
    return parts


def restored(arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 array of a file; ValueError unless it is finite and of that shape."""
    array = np.ascontiguousarray(arrays[name])
    if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite float32 {shape}, got {array.dtype} {array.shape}")
    return array
