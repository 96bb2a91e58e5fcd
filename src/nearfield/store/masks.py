"""Remembered answers of filters: one bitset a predicate, the oldest forgotten first."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np

MASKS_KEPT = 64
MASK_BYTES = 16 << 20


class Masks:
    """The last masks of one part, bounded in number and in bytes; safe to use from many threads.

    At most ``MASK_BYTES`` are held, or one mask where a single one is larger. Whole predicates are remembered and not
    their parts: on codes a part takes a millisecond or two for ten million rows, and a search of so many takes longer.
    """

    def __init__(self) -> None:
        self._masks: OrderedDict[str, np.ndarray] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._masks)

    def __contains__(self, key: str) -> bool:
        return key in self._masks

    @property
    def nbytes(self) -> int:
        """Bytes of the bitsets held."""
        return self._bytes

    def get(self, key: str) -> np.ndarray | None:
        """The mask of a predicate, or None."""
        with self._lock:
            words = self._masks.get(key)
            if words is not None:
                self._masks.move_to_end(key)
            return words

    def put(self, key: str, words: np.ndarray) -> None:
        """Remember a mask, which nobody may change from now on."""
        words.flags.writeable = False
        with self._lock:
            before = self._masks.pop(key, None)
            self._bytes += words.nbytes - (0 if before is None else before.nbytes)
            self._masks[key] = words
            while len(self._masks) > MASKS_KEPT or (self._bytes > MASK_BYTES and len(self._masks) > 1):
                self._bytes -= self._masks.popitem(last=False)[1].nbytes
