"""Codes of two levels in the core: rows of kind ``"sq4"``, and rows that divide each of their cells further.

A row of the second level begins with the squared length of what both levels stand for, four bytes. The rest comes from
the first level's header and codes, so that it has no meaning without them.
"""

from __future__ import annotations

import numpy as np

from . import Space, _core, _threads, make_space


def row_bytes(bits: int, dim: int) -> int:
    """Bytes of one row of the second level, in fours; ``bits``: 1, 2, 4 or 8 a dimension."""
    return int(_core.level_row_bytes(bits, dim))


def encode(
    bits: int, vectors: np.ndarray, center: np.ndarray, *, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Both levels of float32 ``(n, d)`` rows: uint8 ``(n, code_row_bytes("sq4", d))`` and ``(n, row_bytes)``."""
    n, dim = vectors.shape
    first = np.empty((n, int(_core.code_row_bytes("sq4", dim))), np.uint8)
    second = np.empty((n, row_bytes(bits, dim)), np.uint8)
    _core.encode_levels(bits, np.ascontiguousarray(vectors), center, _threads(threads), first, second)
    return first, second


def space(bits: int, first: np.ndarray, second: np.ndarray, dim: int, center: np.ndarray) -> Space:
    """Rows of both levels as the core takes them; its scores are those of both together."""
    return make_space(f"levels{bits}", second, dim, center=center, first=first)


def decode(bits: int, first: np.ndarray, second: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The float32 ``(n, d)`` vectors that both levels together stand for."""
    out = np.empty((len(first), len(center)), np.float32)
    if len(first):
        _core.read_levels(space(bits, first, second, len(center), center), out)
    return out
