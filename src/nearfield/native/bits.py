"""Which rows may be answered: one bit a row, in words of 64."""

from __future__ import annotations

import numpy as np


def pack_bits(mask: np.ndarray) -> np.ndarray:
    """Pack a bool array ``(n,)`` into ``uint64`` words, one bit a row, least significant first.

    Examples
    --------
    >>> pack_bits(np.array([True, False, True]))
    array([5], dtype=uint64)
    """
    packed = np.packbits(np.asarray(mask, dtype=bool), bitorder="little")
    words = np.zeros(-(-len(mask) // 64) * 8, np.uint8)
    words[: len(packed)] = packed
    return words.view(np.uint64)


def unpack_bits(words: np.ndarray, n: int) -> np.ndarray:
    """The first ``n`` bits as a bool array: what :func:`pack_bits` packed.

    Examples
    --------
    >>> unpack_bits(np.array([5], np.uint64), 3)
    array([ True, False,  True])
    """
    return np.unpackbits(words.view(np.uint8), count=n, bitorder="little").view(bool)


def count_bits(words: np.ndarray) -> int:
    """How many bits are set.

    Examples
    --------
    >>> count_bits(pack_bits(np.array([True, False, True])))
    2
    """
    return (
        int(np.bitwise_count(words).sum())
        if hasattr(np, "bitwise_count")
        else int(np.unpackbits(words.view(np.uint8)).sum())
    )


def allow_words(allow: np.ndarray, n: int) -> np.ndarray:
    """The packed words of ``allow``, a bool ``(n,)`` array or such words already; bits beyond row ``n`` are cleared."""
    allow = np.asarray(allow)
    if allow.dtype == bool:
        if allow.shape != (n,):
            raise ValueError(f"allow: expected a bool array of shape ({n},), got {allow.shape}")
        return pack_bits(allow)
    if allow.dtype != np.uint64 or allow.shape != (-(-n // 64),):
        raise ValueError(
            f"allow: expected bool ({n},) or packed uint64 ({-(-n // 64)},), got {allow.dtype} {allow.shape}"
        )
    words = np.ascontiguousarray(allow)
    if n % 64 and words[-1] >> np.uint64(n % 64):
        words = words.copy()
        words[-1] &= np.uint64((1 << n % 64) - 1)
    return words
