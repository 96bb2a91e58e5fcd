"""Bags of vectors: several vectors for each thing, as late-interaction encoders give them, kept in one array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..common.checks import check_vectors
from ..common.container import read_container, write_container
from ..common.decoding import decoding
from .base import unit_rows

_ROWS = 1 << 16  # checked at once
_VERSION = 1


class Bags:
    """A ragged collection: bag i holds the vectors ``vectors[offsets[i]:offsets[i + 1]]``, in their order.

    What a multi-vector encoder returns and :class:`~nearfield.index.MultiVector` takes. One array and one list of
    offsets, rather than a list of arrays, so that a million token vectors are one block of memory, which may be
    memory-mapped.

    Parameters
    ----------
    vectors : float32 or float16 (t, d), finite; kept as they are. Other numbers become float32 where no value changes.
    offsets : int64 (n + 1,), from 0 to t, never falling. Bags may be empty here; an index refuses them.

    Raises
    ------
    ValueError, TypeError
        NaN, infinity, a wrong shape; offsets that do not fit the vectors.

    Examples
    --------
    >>> bags = Bags.from_list([np.eye(3, dtype=np.float32), np.ones((2, 3), np.float32)])
    >>> len(bags), bags.dim, bags.lengths
    (2, 3, array([3, 2]))
    >>> bags[1].shape, bags[:1]
    ((2, 3), Bags(1 bag, 3 vectors of 3 dimensions, float32))
    """

    def __init__(self, vectors: Any, offsets: Any):
        array = np.asarray(vectors)
        if array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(f"vectors: expected shape (t, d) with d >= 1, got {array.shape}")
        if array.dtype not in (np.float32, np.float16):
            array = check_vectors(array, "vectors")[0]
        else:
            for start in range(0, len(array), _ROWS):
                check_vectors(array[start : start + _ROWS], "vectors", first_row=start)
        ends = np.asarray(offsets)
        if ends.ndim != 1 or not len(ends) or ends.dtype.kind not in "iu":
            raise ValueError(f"offsets: expected integers of shape (n + 1,), got {ends.dtype} {ends.shape}")
        ends = ends.astype(np.int64)
        if ends[0] != 0 or ends[-1] != len(array) or (np.diff(ends) < 0).any():
            raise ValueError(f"offsets: expected to rise from 0 to {len(array)}, got {ends[0]} to {ends[-1]}")
        self.vectors = np.ascontiguousarray(array)
        self.offsets = ends

    @classmethod
    def from_list(cls, arrays: Iterable[Any], dim: int | None = None) -> Self:
        """Bags of the ``arrays`` (t_i, d), one a bag; a single vector (d,) is a bag of one.

        ``dim`` is needed where there is no bag at all. ValueError when bags differ in their dimensions, naming which.
        """
        parts = [np.asarray(array) for array in arrays]
        parts = [part[None] if part.ndim == 1 and part.size else part for part in parts]
        for number, part in enumerate(parts):
            if part.ndim != 2:
                raise ValueError(f"arrays: expected shape (t, d) for each bag, got {part.shape} for bag {number}")
            if dim is None:
                dim = part.shape[1]
            if part.shape[1] != dim:
                raise ValueError(f"arrays: expected {dim} dimensions as before, got {part.shape[1]} in bag {number}")
        if dim is None:
            raise ValueError("arrays: expected at least one bag, or dim, got neither")
        offsets = np.cumsum([0] + [len(part) for part in parts])
        return cls(np.concatenate(parts) if parts else np.zeros((0, dim), np.float32), offsets)

    @classmethod
    def concatenate(cls, many: Sequence[Bags]) -> Self:
        """The bags of several collections, one after another; they agree in their dimensions."""
        if not many:
            raise ValueError("many: expected at least one collection of bags, got none")
        dims = {bags.dim for bags in many}
        if len(dims) > 1:
            raise ValueError(f"many: expected bags of the same dimensions, got {sorted(dims)}")
        ends = np.cumsum([0] + [len(bags.vectors) for bags in many])
        offsets = [bags.offsets[:-1] + start for bags, start in zip(many, ends[:-1], strict=True)]
        return cls(np.concatenate([bags.vectors for bags in many]), np.concatenate([*offsets, ends[-1:]]))

    @classmethod
    def _known(cls, vectors: np.ndarray, offsets: np.ndarray) -> Self:
        """Parts of bags that were checked before."""
        made = cls.__new__(cls)
        made.vectors, made.offsets = vectors, offsets
        return made

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return int(self.vectors.shape[1])

    @property
    def lengths(self) -> np.ndarray:
        """Vectors in each bag: int64 (n,)."""
        return np.diff(self.offsets)

    def __getitem__(self, key: Any) -> Any:
        """Bag ``key`` as an array (t_i, d), without a copy; of a slice, the Bags in it; of rows or a mask, likewise."""
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                return self.take(np.arange(start, stop, step))
            stop = max(start, stop)
            first, last = self.offsets[start], self.offsets[stop]
            return self._known(self.vectors[first:last], self.offsets[start : stop + 1] - first)
        if np.ndim(key):
            return self.take(key)
        row = int(key)
        if not -len(self) <= row < len(self):
            raise IndexError(f"bag {row} of {len(self)}")
        row %= len(self)
        return self.vectors[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self.vectors[a:b] for a, b in zip(self.offsets[:-1], self.offsets[1:], strict=True))

    def take(self, rows: Any) -> Self:
        """The bags of ``rows``, int (m,) or a mask bool (n,), in that order."""
        rows = np.asarray(rows)
        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise ValueError(f"rows: expected a mask of shape ({len(self)},), got {rows.shape}")
            rows = np.flatnonzero(rows)
        if rows.size == 0:
            rows = rows.astype(np.int64)
        if rows.ndim != 1 or rows.dtype.kind not in "iu":
            raise ValueError(f"rows: expected integers of shape (m,), got {rows.dtype} {rows.shape}")
        if rows.size and not (-len(self) <= rows.min() and rows.max() < len(self)):
            raise IndexError(f"rows: expected numbers of {len(self)} bags, got {rows.min()} to {rows.max()}")
        rows = rows % len(self) if rows.size else rows
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return self._known(self.vectors[places], offsets)

    def owners(self) -> np.ndarray:
        """The bag each vector is in: int64 (t,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def means(self, normalize: bool = False) -> np.ndarray:
        """The mean of each bag, float32 (n, d), of length one with ``normalize``. ValueError where a bag is empty."""
        self.require_filled()
        if not len(self):
            return np.zeros((0, self.dim), np.float32)
        sums = np.empty((len(self), self.dim), np.float32)
        for row, bag in enumerate(self):
            sums[row] = bag.sum(axis=0, dtype=np.float32)
        sums /= self.lengths[:, None].astype(np.float32)
        return unit_rows(sums) if normalize else sums

    def require_filled(self, name: str = "bags") -> None:
        """ValueError naming the first bag without any vector."""
        empty = np.flatnonzero(self.lengths == 0)
        if empty.size:
            raise ValueError(f"{name}: expected at least one vector in each bag, bag {empty[0]} has none")

    def unit(self) -> Self:
        """The same bags with every vector of length one; zeros stay. float16 stays float16."""
        scaled = np.empty_like(self.vectors)
        for start in range(0, len(scaled), _ROWS):
            scaled[start : start + _ROWS] = unit_rows(self.vectors[start : start + _ROWS].astype(np.float32))
        return self._known(scaled, self.offsets)

    def save(self, path: str | Path, **meta: Any) -> int:
        """Write them to one file (:mod:`nearfield.common.container`), atomically; returns the bytes.

        ``meta``, JSON, is kept beside them: what they were made of, for instance.
        """
        return write_container(Path(path), "bags", _VERSION, meta, {"vectors": self.vectors, "offsets": self.offsets})

    @classmethod
    def load(cls, path: str | Path, *, check: bool = True) -> Self:
        """Open saved bags, memory-mapped; ``check=False`` skips the checksums.

        Raises FileNotFoundError, CorruptFileError, FormatVersionError.
        """
        return cls._load(Path(path), check)[0]

    @classmethod
    def _load(cls, path: Path, check: bool) -> tuple[Self, dict[str, Any]]:
        found = read_container(path, "bags", _VERSION, check=check)
        with decoding(path, "bags"):
            return cls(found.arrays["vectors"], found.arrays["offsets"]), found.meta

    @property
    def nbytes(self) -> int:
        """Bytes of vectors and offsets."""
        return self.vectors.nbytes + self.offsets.nbytes

    def __repr__(self) -> str:
        bags = f"{len(self):,} bag{'s' * (len(self) != 1)}"
        return f"Bags({bags}, {len(self.vectors):,} vectors of {self.dim} dimensions, {self.vectors.dtype})"
