"""Tables of buckets named by signs, and the order in which a query looks into them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from .. import native

MAX_BITS = 32
# Rows gathered at a time: what a block of queries may have in its buckets, with repetitions.
_GATHERED = 1 << 21
# Buckets named at a time.
_NAMED = 1 << 20

Mates = Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]


def hyperplanes(count: int, dim: int, seed: int) -> np.ndarray:
    """Float32 ``(count, dim)`` normals of length one, ``dim`` after ``dim`` of them perpendicular to each other."""
    seeds = np.random.default_rng(seed).integers(0, 1 << 62, -(-count // dim))
    parts = []
    for number, one in enumerate(seeds):
        axes = np.eye(min(dim, count - number * dim), dim, dtype=np.float32)
        parts.append(native.rotate(axes, int(one)))
    return np.concatenate(parts)


def hash_rows(signed: np.ndarray, tables: int) -> np.ndarray:
    """The buckets, uint32 ``(tables, n)``, of rows with signed distances ``(n, tables * bits)`` to the hyperplanes.

    Examples
    --------
    >>> hash_rows(np.float32([[1, -1, 2, 0]]), 2)
    array([[1],
           [3]], dtype=uint32)
    """
    shaped = signed.reshape(len(signed), tables, -1)
    keys = np.zeros((tables, len(signed)), np.uint32)
    for bit in range(shaped.shape[2]):
        keys |= (shaped[:, :, bit].T >= 0).astype(np.uint32) << np.uint32(bit)
    return keys


def probe(signed: np.ndarray, probes: int) -> np.ndarray:
    """The ``probes`` buckets, uint32 ``(..., probes)``, with the smallest scores for signed distances ``(..., bits)``.

    A bucket's score is the sum of the squared distances of those planes that part it from the query. Bits are
    considered one after another, the nearest plane first: what is among the best so far, with the bit turned or not.
    What is not among them cannot become so, since the same bits turned later would make others better by as much.

    Examples
    --------
    >>> probe(np.float32([3, 1, 2]), 5)
    array([7, 5, 3, 1, 6], dtype=uint32)
    """
    squares = np.square(signed, dtype=np.float64)
    order = np.argsort(squares, axis=-1, kind="stable")
    squares = np.take_along_axis(squares, order, axis=-1)
    turned = np.uint32(1) << order.astype(np.uint32)
    scores = np.zeros((*signed.shape[:-1], 1))
    masks = np.zeros(scores.shape, np.uint32)
    for bit in range(signed.shape[-1]):
        if scores.shape[-1] >= probes and (squares[..., bit] >= scores[..., probes - 1]).all():
            break  # nor will a plane farther away make a better one
        scores = np.concatenate([scores, scores + squares[..., bit : bit + 1]], axis=-1)
        masks = np.concatenate([masks, masks ^ turned[..., bit : bit + 1]], axis=-1)
        best = np.argsort(scores, axis=-1, kind="stable")[..., :probes]
        scores, masks = np.take_along_axis(scores, best, axis=-1), np.take_along_axis(masks, best, axis=-1)
    own = (signed >= 0).astype(np.uint32) << np.arange(signed.shape[-1], dtype=np.uint32)
    return masks ^ np.bitwise_or.reduce(own, axis=-1)[..., None]


class Tables(NamedTuple):
    """``order[t]`` names the rows by their bucket in table t, then by number; ``keys[t]`` are those buckets, sorted."""

    keys: np.ndarray
    order: np.ndarray
    bits: int

    @classmethod
    def of(cls, keys: np.ndarray, bits: int) -> Self:
        """The tables of rows whose buckets are ``keys``, uint32 (tables, n)."""
        order = np.empty(keys.shape, np.uint32)
        ordered = np.empty_like(keys)
        for table, own in enumerate(keys):
            order[table] = np.argsort(own, kind="stable")
            ordered[table] = own[order[table]]
        return cls(ordered, order, bits)

    @classmethod
    def checked(cls, keys: np.ndarray, order: np.ndarray, tables: int, n: int, bits: int) -> Self:
        """Of a file; ValueError when the arrays contradict themselves or the counts."""
        for name, array in (("keys", keys), ("an order", order)):
            if array.dtype != np.uint32 or array.shape != (tables, n):
                raise ValueError(f"{name} of {array.dtype} {array.shape}, expected uint32 {(tables, n)}")
        if (keys[:, 1:] < keys[:, :-1]).any() or int(keys.max()) >> bits:
            raise ValueError(f"keys that do not ascend, or have more than {bits} bits")
        for one in order:
            if one.max() >= n or not (np.bincount(one, minlength=n) == 1).all():
                raise ValueError("an order that is no permutation of the rows")
        return cls(keys, order, bits)

    @property
    def buckets(self) -> int:
        """How many a table can have."""
        return 1 << self.bits

    def most_pairs(self) -> int:
        """How many pairs share a bucket in the table that has most: no fewer do in all."""
        most = 0
        for keys in self.keys:
            ends = np.flatnonzero(np.append(keys[1:] != keys[:-1], True)) + 1
            sizes = np.diff(ends, prepend=0)
            most = max(most, int((sizes * (sizes - 1) // 2).sum()))
        return most

    def mates(self, signed: np.ndarray, probes: int) -> Mates:
        """Blocks of ``(queries, left, right)``: ``right`` is a row in a bucket of ``queries[left]``, each pair once.

        ``signed`` are the queries' signed distances (q, tables, bits); pairs ascend.
        """
        step = max(1, _NAMED // (len(self.keys) * probes))
        for start in range(0, len(signed), step):
            named = probe(signed[start : start + step], probes)
            for at, left, right in self._gathered(named):
                yield at + start, left, right

    def own_mates(self) -> Mates:
        """The same of the rows themselves, each with the rows of its own buckets, of which it is one."""
        tables, n = self.keys.shape
        step = max(1, _NAMED // tables)
        own = np.empty((n, tables, 1), np.uint32)
        for table in range(tables):
            own[self.order[table], table, 0] = self.keys[table]
        for start in range(0, n, step):
            for at, left, right in self._gathered(own[start : start + step]):
                yield at + start, left, right

    def _gathered(self, named: np.ndarray) -> Mates:
        """The rows in the ``named`` buckets, uint32 (q, tables, probes)."""
        first, last = np.empty(named.shape, np.int64), np.empty(named.shape, np.int64)
        for table, keys in enumerate(self.keys):
            first[:, table] = np.searchsorted(keys, named[:, table], "left")
            last[:, table] = np.searchsorted(keys, named[:, table], "right")
        sizes = last - first
        heavy = np.cumsum(sizes.sum(axis=(1, 2)))
        start = 0
        while start < len(named):
            before = heavy[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(heavy, before + _GATHERED, "right")))
            yield self._block(first[start:stop], sizes[start:stop], start)
            start = stop

    def _block(self, first: np.ndarray, sizes: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count, n = len(first), self.keys.shape[1]
        table = np.broadcast_to(np.arange(len(self.keys))[:, None], first.shape[1:])
        flat = (first + table * n).reshape(-1)  # where each bucket begins among all tables' rows
        each = sizes.reshape(-1)
        total = int(each.sum())
        places = np.repeat(flat - (np.cumsum(each) - each), each) + np.arange(total)
        left = np.repeat(np.arange(count), sizes.reshape(count, -1).sum(axis=1))
        both = np.sort(left << 32 | self.order.reshape(-1)[places])
        if total:
            both = both[np.concatenate([[True], both[1:] != both[:-1]])]
        return np.arange(start, start + count), both >> 32, both & 0xFFFFFFFF
