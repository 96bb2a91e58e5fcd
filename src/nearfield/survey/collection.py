"""A collection looked at once: checked, with the length of every row and the rows that repeat another one exactly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_vectors

METRICS = ("cosine", "ip", "l2")
_BLOCK = 16_384


@dataclass(frozen=True)
class Collection:
    """Checked vectors as the measures see them; float16 and mapped arrays stay where they are.

    ``norms`` are the Euclidean lengths, float64. Under cosine, search sees the rows at length one.
    """

    vectors: np.ndarray
    norms: np.ndarray
    metric: str

    @classmethod
    def of(cls, vectors: Any, metric: str | None = None) -> Collection:
        """Check ``vectors`` (or pass a collection through, under ``metric`` if one is named)."""
        if metric is not None:
            check_choice(metric, "metric", METRICS)
        if isinstance(vectors, Collection):
            if metric is None or metric == vectors.metric:
                return vectors
            if metric == "cosine":
                _refuse_zero(vectors.norms)
            return cls(vectors.vectors, vectors.norms, metric)
        array = np.asarray(vectors)
        if array.ndim != 2:
            raise ValueError(f"vectors: expected shape (n, d), got {array.shape}")
        if len(array) == 0:
            raise ValueError("vectors: expected at least 1 row, got 0")
        if array.shape[1] == 0:
            raise ValueError("vectors: expected at least 1 dimension, got 0")
        if array.dtype not in (np.float16, np.float32) or not array.flags.c_contiguous:
            array, _ = check_vectors(array)
        norms = np.empty(len(array))
        for start in range(0, len(array), _BLOCK):
            block = np.asarray(array[start : start + _BLOCK], np.float32)
            squares = np.einsum("ij,ij->i", block, block, dtype=np.float64)
            if not np.isfinite(squares).all():
                row = start + int(np.flatnonzero(~np.isfinite(squares))[0])
                raise ValueError(f"vectors: expected finite values, got NaN or infinity in row {row}")
            norms[start : start + _BLOCK] = np.sqrt(squares)
        metric = metric or "l2"
        if metric == "cosine":
            _refuse_zero(norms)
        return cls(array, norms, metric)

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])

    @property
    def ambient(self) -> int:
        """How many dimensions the rows can fill: one less under cosine, where only the direction is left."""
        return max(self.dim - 1, 1) if self.metric == "cosine" else self.dim

    def take(self, rows: np.ndarray | slice) -> np.ndarray:
        """Some rows as search sees them, float32: at length one under cosine."""
        taken = np.ascontiguousarray(self.vectors[rows], dtype=np.float32)
        return (taken / self.norms[rows, None]).astype(np.float32) if self.metric == "cosine" else taken

    @property
    def shrink(self) -> np.float32:
        """A factor for what :meth:`take` gives, so that squares of very long or very short rows fit in float32."""
        longest = 1.0 if self.metric == "cosine" else float(self.norms.max())
        return np.float32(min(1 / longest, 1e37) if longest > 0 else 1.0)

    @cached_property
    def representative(self) -> np.ndarray:
        """For each row, the first row with exactly the same numbers (itself when there is none before it)."""
        keys = _row_keys(self.vectors)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.r_[True, keys[order][1:] != keys[order][:-1]])
        ends = np.r_[starts[1:], len(order)]
        first = np.arange(len(keys))
        for group in np.flatnonzero(ends - starts > 1):
            # Equal keys are a hint, not a proof: the rows themselves decide.
            members = order[starts[group] : ends[group]]
            same = (self.vectors[members] == self.vectors[members[0]]).all(axis=1)
            first[members[same]] = members[0]
        return first

    @property
    def repeats(self) -> np.ndarray:
        """True for every row that repeats an earlier one."""
        return self.representative != np.arange(len(self))


def _refuse_zero(norms: np.ndarray) -> None:
    zero = np.flatnonzero(norms == 0)
    if zero.size:
        raise ValueError(
            "vectors: expected nonzero vectors (cosine has no direction for zero), "
            f"got zeros in {zero.size} row(s), the first is row {int(zero[0])}"
        )


def _row_keys(vectors: np.ndarray) -> np.ndarray:
    """A 64-bit key per row: the bits of its numbers times fixed odd numbers, summed; equal rows have equal keys."""
    whole = np.uint16 if vectors.dtype == np.float16 else np.uint32
    factors = np.random.default_rng(0x9E3779B97F4A7C15).integers(0, 2**63, vectors.shape[1], dtype=np.uint64)
    factors = factors * np.uint64(2) + np.uint64(1)
    keys = np.empty(len(vectors), np.uint64)
    block = max(1, (1 << 22) // vectors.shape[1])
    for start in range(0, len(vectors), block):
        rows = np.ascontiguousarray(vectors[start : start + block] + vectors.dtype.type(0))  # -0.0 becomes 0.0
        bits = rows.view(whole).astype(np.uint64)
        bits *= bits >> np.uint64(7) | np.uint64(1)
        keys[start : start + block] = (bits * factors).sum(axis=1, dtype=np.uint64)
    return keys
