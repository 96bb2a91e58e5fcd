"""Bags of vectors as a store keeps them: for every row how many vectors it has, and the code rows of all of them.

Codes are bytes here: what they stand for, the codec knows that the store keeps (:mod:`.bags`). A row may have no bag.
In a segment they are a file of their own, ``NNNNNN.bags.nfa``, an array container of kind ``store.bags``:

===========  ======  ===========  =====================================================================================
array        dtype   shape        holds
===========  ======  ===========  =====================================================================================
``offsets``  int64   (rows + 1,)  where the vectors of each row begin; a row without a bag has none
``codes``    uint8   (t, bytes)   the code rows of all vectors, bag after bag
``centers``  uint8   (m, bytes)   the code row of the mean of each bag that there is; of width 0 where none are kept
===========  ======  ===========  =====================================================================================

Pending rows have theirs beside them in the catalogue, as one string of bytes: how many vectors, the bytes of a code row
and of a mean (int64 each), the vectors of each row (int64), then the codes and the means.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..common.container import Pieces, container_bytes, read_container, root_of, write_container
from ..common.decoding import decoding, expect
from ..common.errors import CorruptFileError
from ..common.growing import GrowingArray

KIND = "store.bags"
VERSION = 1
# The core numbers the vectors of a segment by 32 bits.
MOST_VECTORS = 1 << 31
_HEAD = struct.Struct("<qqq")
_PIECE = 4 << 20

# The bags of some part, or None where it has none, and rows of it.
Source = tuple["CodedBags | None", np.ndarray]


@dataclass(frozen=True, eq=False)
class CodedBags:
    """The bags of the rows of one part; never changed.

    Attributes
    ----------
    offsets : int64 (rows + 1,), from 0.
    codes : uint8 (t, bytes of a code row).
    centers : uint8 (m, bytes of a mean), of the m rows that have a bag.
    """

    offsets: np.ndarray
    codes: np.ndarray
    centers: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def filled(self) -> np.ndarray:
        """The rows that have a bag, ascending."""
        return np.flatnonzero(np.diff(self.offsets))

    @cached_property
    def missing(self) -> np.ndarray:
        """Those that have none."""
        return np.flatnonzero(np.diff(self.offsets) == 0)

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the vectors of each bag that there is begin, and where the last ends: int64 (m + 1,)."""
        return self.offsets if len(self.filled) == len(self) else np.append(self.offsets[self.filled], self.offsets[-1])

    def slots(self, rows: np.ndarray) -> np.ndarray:
        """The number of each row's bag among those that there are; -1 for rows without, and for row -1."""
        if len(self.filled) == len(self):
            return rows
        if not len(self.filled):
            return np.full(rows.shape, -1)
        found = np.minimum(np.searchsorted(self.filled, rows), len(self.filled) - 1)
        return np.where(self.filled[found] == rows, found, -1)

    def take(self, rows: np.ndarray) -> CodedBags:
        """The bags of these rows, in this order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        slots = self.slots(rows)
        return CodedBags(offsets, self.codes[places], self.centers[slots[slots >= 0]])

    def sizes(self) -> np.ndarray:
        """Bytes of each row's bag."""
        lengths = np.diff(self.offsets)
        return lengths * self.codes.shape[1] + (lengths > 0) * self.centers.shape[1]

    def one(self, row: int) -> bytes | None:
        """One row's bag as bytes, the mean before the codes; None where there is none."""
        (slot,) = self.slots(np.array([row]))
        codes = self.codes[self.offsets[row] : self.offsets[row + 1]]
        return None if slot < 0 else self.centers[slot].tobytes() + codes.tobytes()

    @property
    def nbytes(self) -> int:
        """Bytes of everything."""
        return self.offsets.nbytes + self.codes.nbytes + self.centers.nbytes

    def to_bytes(self) -> bytes:
        """As the catalogue keeps them."""
        head = _HEAD.pack(len(self.codes), self.codes.shape[1], self.centers.shape[1])
        lengths = np.diff(self.offsets).astype("<i8")
        return b"".join([head, lengths.tobytes(), self.codes.tobytes(), self.centers.tobytes()])

    @classmethod
    def from_bytes(cls, blob: bytes, rows: int) -> CodedBags:
        """The inverse, of so many rows; ValueError when it is not that."""
        expect(len(blob) >= _HEAD.size + 8 * rows, f"bags in {len(blob)} bytes")
        vectors, width, mean = _HEAD.unpack_from(blob)
        lengths = np.frombuffer(blob, "<i8", rows, _HEAD.size).astype(np.int64)
        expect(vectors > 0 and width > 0 and mean >= 0 and bool((lengths >= 0).all()), "bags of no sensible size")
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        bags, start = int((lengths > 0).sum()), _HEAD.size + 8 * rows
        sized = int(offsets[-1]) == vectors and len(blob) == start + vectors * width + bags * mean
        expect(sized, f"{vectors} vectors in {len(blob)} bytes")
        codes = np.frombuffer(blob, np.uint8, vectors * width, start).reshape(vectors, width)
        centers = np.frombuffer(blob, np.uint8, bags * mean, start + vectors * width).reshape(bags, mean)
        return cls(offsets, codes, centers)

    @classmethod
    def from_rows(cls, blobs: Sequence[bytes | None], width: int, mean: int) -> CodedBags:
        """Of what :meth:`one` gave for each row; ValueError for bytes that are no whole number of vectors."""
        lengths = np.zeros(len(blobs), np.int64)
        codes, centers = [np.zeros((0, width), np.uint8)], [np.zeros((0, mean), np.uint8)]
        for row, blob in enumerate(blobs):
            if blob is None:
                continue
            expect(len(blob) > mean and (len(blob) - mean) % width == 0, f"a bag of {len(blob)} bytes")
            found = np.frombuffer(blob, np.uint8)
            lengths[row] = (len(blob) - mean) // width
            centers.append(found[None, :mean])
            codes.append(found[mean:].reshape(-1, width))
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(offsets, np.concatenate(codes), np.concatenate(centers))


class BagBuffer:
    """Bags that grow at their end; the bags it gives of the first so many rows never change."""

    def __init__(self, rows: int, like: CodedBags):
        """``rows`` without a bag come first; ``like`` says how many bytes codes take."""
        self._offsets = GrowingArray(np.zeros(rows + 1, np.int64))
        self._codes, self._centers = GrowingArray(like.codes[:0]), GrowingArray(like.centers[:0])

    def append(self, rows: int, bags: CodedBags | None) -> None:
        """The bags of so many more rows."""
        ends = np.zeros(rows, np.int64) if bags is None else bags.offsets[1:]
        self._offsets.append(ends + len(self._codes))
        if bags is not None:
            self._codes.append(bags.codes)
            self._centers.append(bags.centers)

    def bags(self) -> CodedBags:
        """What is here now."""
        return CodedBags(self._offsets.rows, self._codes.rows, self._centers.rows)


@dataclass(frozen=True)
class GatheredBags:
    """The bags of a segment to be, not held in memory at once."""

    offsets: np.ndarray
    codes: Pieces
    centers: Pieces


def gather_bags(sources: Sequence[Source]) -> GatheredBags | None:
    """The bags of these rows, one source after another; None where none has any."""
    like = next((bags for bags, rows in sources if bags is not None and len(rows)), None)
    if like is None:
        return None
    lengths = [np.zeros(len(rows), np.int64) if bags is None else np.diff(bags.offsets)[rows] for bags, rows in sources]
    offsets = np.concatenate([np.zeros(1, np.int64), *lengths]).cumsum()
    total = int(offsets[-1])
    if not total:
        return None
    if total >= MOST_VECTORS:
        raise ValueError(f"bags: expected fewer than 2**31 vectors in all bags of a segment, got {total}")
    filled = sum(int((one > 0).sum()) for one in lengths)
    width, mean = like.codes.shape[1], like.centers.shape[1]

    def codes() -> Iterator[np.ndarray]:
        step = max(1, _PIECE // width)
        for bags, first, last in _runs(sources):
            for start in range(bags.offsets[first], bags.offsets[last], step):
                yield bags.codes[start : min(start + step, bags.offsets[last])]

    def centers() -> Iterator[np.ndarray]:
        for bags, first, last in _runs(sources):
            begin, end = np.searchsorted(bags.filled, (first, last))
            yield bags.centers[begin:end]

    kind = np.dtype(np.uint8)
    return GatheredBags(offsets, Pieces(kind, (total, width), codes), Pieces(kind, (filled, mean), centers))


def _runs(sources: Sequence[Source]) -> Iterator[tuple[CodedBags, int, int]]:
    """First row and end of every run of rows that follow each other."""
    for bags, rows in sources:
        if bags is not None and len(rows):
            breaks = np.flatnonzero(np.diff(rows) != 1) + 1
            starts, ends = np.append(0, breaks), np.append(breaks, len(rows)) - 1
            yield from ((bags, first, last + 1) for first, last in zip(rows[starts], rows[ends], strict=True))


def write_bags(path: Path, bags: GatheredBags) -> int:
    """Write a segment's file; returns the bytes."""
    arrays: dict[str, np.ndarray | Pieces] = {"offsets": bags.offsets, "codes": bags.codes, "centers": bags.centers}
    return write_container(path, KIND, VERSION, {}, arrays)


def bags_file(bags: GatheredBags) -> int:
    """Bytes that this file will have."""
    arrays = {"offsets": ("<i8", bags.offsets.shape), "codes": ("|u1", bags.codes.shape)}
    return container_bytes(KIND, VERSION, {}, arrays | {"centers": ("|u1", bags.centers.shape)})


def read_bags(path: Path, mapped: Any, root: str, rows: int) -> CodedBags:
    """A segment's file, every byte verified. Raises CorruptFileError or FormatVersionError."""
    if root_of(mapped) != root:
        raise CorruptFileError(path, "not the file the catalogue names: its digest differs")
    arrays = read_container(path, KIND, VERSION, mapped=mapped).arrays
    with decoding(path, "the bags of a segment"):
        offsets, codes, centers = (arrays[name] for name in ("offsets", "codes", "centers"))
        expect(offsets.dtype == np.int64 and offsets.shape == (rows + 1,), f"offsets of {offsets.shape}")
        rises = offsets[0] == 0 and bool((np.diff(offsets) >= 0).all()) and offsets[-1] == len(codes)
        expect(rises, f"offsets that do not rise from 0 to {len(codes)}")
        expect(codes.dtype == np.uint8 == centers.dtype and codes.ndim == 2 == centers.ndim, "codes that are no bytes")
        found = CodedBags(offsets, codes, centers)
        expect(len(centers) == len(found.filled), f"{len(centers)} means of {len(found.filled)} bags")
    return found
