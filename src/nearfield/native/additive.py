"""Additive codes in the core: rows of a squared length and one byte a book, which stand for a sum of words.

``words`` is float32 ``(rows, 256)``: every row holds one dimension of all 256 words of a book. ``layout`` is int32
``(books, 3)``: the first dimension that a book covers, how many, and its first row in ``words``. Books may share rows.
"""

from __future__ import annotations

import numpy as np

from . import _core, _threads, make_space

WORDS = 256


def row_bytes(books: int) -> int:
    """Bytes of one row: four of header and one a book, in fours."""
    return int(_core.additive_row_bytes(books))


def nearest(
    x: np.ndarray, words: np.ndarray, bias: np.ndarray, *, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """For every row of ``x`` (n, width) the word of least ``bias[w] - <x, w>``: uint8 codes (n,), and that score."""
    codes, scores = np.empty(len(x), np.uint8), np.empty(len(x), np.float32)
    _core.additive_nearest(np.ascontiguousarray(x), words, bias, _threads(threads), codes, scores)
    return codes, scores


def pack(
    codes: np.ndarray, words: np.ndarray, layout: np.ndarray, dim: int, *, threads: int | None = None
) -> np.ndarray:
    """Rows with headers, uint8 ``(n, row_bytes(books))``, from code bytes ``(n, books)``."""
    rows = np.empty((len(codes), row_bytes(len(layout))), np.uint8)
    _core.additive_pack(np.ascontiguousarray(codes), words, layout, dim, _threads(threads), rows)
    return rows


def unpack(rows: np.ndarray, words: np.ndarray, layout: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The float32 ``(n, d)`` vectors that rows stand for."""
    out = np.empty((len(rows), len(center)), np.float32)
    if len(rows):
        space = make_space("additive", rows, len(center), center=center, words=words, layout=layout)
        _core.additive_read(space, out)
    return out


def combine(x: np.ndarray, matrix: np.ndarray, *, threads: int | None = None) -> np.ndarray:
    """``x @ matrix`` with the same bits on every instruction level, for any number of threads and any batch."""
    out = np.empty((len(x), matrix.shape[1]), np.float32)
    _core.combine(np.ascontiguousarray(x), matrix, _threads(threads), out)
    return out
