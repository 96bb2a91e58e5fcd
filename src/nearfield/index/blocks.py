"""Code rows of many vectors, made a block at a time: a block is all that is there beside the codes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..quantize.codec import Codec

# Numbers in a block of rows: small, since several copies of a block are there at a time.
_BLOCK = 1 << 17


def block_rows(dim: int) -> int:
    """How many rows are prepared, mapped and encoded together."""
    return max(_BLOCK // max(dim, 1), 16)


def encode_blocks(codec: Codec, blocks: Callable[[], Iterable[np.ndarray]], n: int, *, fit: bool = True) -> np.ndarray:
    """The code rows of the ``n`` rows in ``blocks()``, which are gone through twice when the codec is fitted first."""
    if fit:
        codec.fit_blocks(blocks())
    codes = np.empty((n, codec.bytes_per_vector // codec.dtype.itemsize), codec.dtype)
    fill_rows(codes, map(codec.encode, blocks()))
    return codes


def fill_rows(rows: np.ndarray, blocks: Iterable[np.ndarray]) -> None:
    """``rows`` become those of the ``blocks``, one after another."""
    start = 0
    for block in blocks:
        rows[start : start + len(block)] = block
        start += len(block)


def gather_rows(blocks: Iterable[np.ndarray], n: int) -> np.ndarray:
    """All ``n`` rows of float32 blocks as one array, without holding them twice."""
    iterator = iter(blocks)
    first = next(iterator)
    rows = np.empty((n, first.shape[1]), np.float32)
    rows[: len(first)] = first
    fill_rows(rows[len(first) :], iterator)
    return rows
