"""Checks of what a cross-encoder index is given."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_int, check_vectors
from .base import MAX_ROWS


def is_number(items: Any) -> bool:
    """Whether ``items`` is their number, not they themselves."""
    return isinstance(items, int | np.integer) and not isinstance(items, bool)


def count_items(items: Any) -> int:
    """How many items there are; TypeError or ValueError for what has no items."""
    if is_number(items):
        count = check_int(items, "items", 1, MAX_ROWS - 1)
    elif isinstance(items, str | bytes) or not hasattr(items, "__len__") or not hasattr(items, "__getitem__"):
        raise TypeError(f"items: expected a sequence of items or their number, got {type(items).__name__}")
    else:
        count = len(items)
    if count < 1:
        raise ValueError(f"items: expected at least 1, got {count}")
    return count


def as_list(queries: Any, name: str) -> list[Any]:
    """Queries as a list; a str is a single one."""
    if isinstance(queries, str):
        return [queries]
    try:
        return list(queries)
    except TypeError:
        raise TypeError(f"{name}: expected a sequence of queries, got {type(queries).__name__}") from None


def as_vectors(value: Any, name: str, count: int, dim: int | None) -> np.ndarray:
    """Checked float32 vectors, ``count`` of them."""
    array, _ = check_vectors(value, name, dim=dim)
    if len(array) != count:
        raise ValueError(f"{name}: expected {count} rows, got {len(array)}")
    return array


def as_leading(first: Any, count: int, n: int) -> np.ndarray:
    """Checked rows of another search, int64 ``(count, m)``."""
    rows = np.asarray(first)
    rows = rows[None, :] if rows.ndim == 1 and count == 1 else rows
    if rows.ndim != 2 or rows.dtype.kind not in "iu" or len(rows) != count:
        raise ValueError(f"first: expected ints of shape ({count}, m), got {rows.dtype} {rows.shape}")
    if rows.size and (rows.max() >= n or rows.min() < -1):
        raise ValueError(f"first: expected rows from 0 to {n - 1}, or -1, got {rows.min()} to {rows.max()}")
    return rows.astype(np.int64)


def mask_of(words: np.ndarray, n: int) -> np.ndarray:
    """Packed words as bools."""
    return np.unpackbits(words.view(np.uint8), bitorder="little")[:n].view(bool)
