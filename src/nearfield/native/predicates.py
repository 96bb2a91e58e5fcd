"""Filters over coded columns, in the core: a program for a small stack machine whose values are bitsets.

Codes are uint8, uint16 or uint32, one a row. Every call pushes one bitset or changes the topmost ones; the last one
left is the answer. There is no third truth value here: the caller pushes NOT down to the leaves, and says of each where
it is true.
"""

from __future__ import annotations

import numpy as np

from . import _core
from .pool import thread_count

_BETWEEN, _AMONG, _BITS, _CONSTANT, _ALL, _ANY, _NONE, _WHOLE, _REAL, _CIRCLE, _BOX = range(11)
_SIGN = np.uint64(1 << 63)


class Program:
    """A predicate over ``n`` rows, put together step by step.

    Examples
    --------
    >>> program = Program(5)
    >>> program.between(np.array([0, 1, 2, 3, 4], np.uint8), 1, 3)
    >>> program.among(np.array([7, 7, 9, 9, 7], np.uint8), np.arange(256) == 9)
    >>> program.all()
    >>> program.evaluate()  # rows 2 and 3
    array([12], dtype=uint64)
    """

    def __init__(self, n: int):
        self.n = n
        self._arrays: list[np.ndarray] = []
        self._known: dict[int, int] = {}
        self._steps: list[tuple[int, ...]] = []

    def _array(self, array: np.ndarray) -> int:
        number = self._known.get(id(array))
        if number is None:
            number = self._known[id(array)] = len(self._arrays)
            self._arrays.append(array)
        return number

    def _step(self, kind: int, *arrays: np.ndarray, x: int = 0, y: int = 0) -> None:
        numbers = [self._array(array) for array in arrays]
        self._steps.append((kind, *numbers, *(0,) * (3 - len(numbers)), x, y))

    def between(self, codes: np.ndarray, low: int, high: int) -> None:
        """Push the rows whose code is in ``[low, high]``."""
        self._step(_BETWEEN, codes, x=low, y=high - low)

    def among(self, codes: np.ndarray, passing: np.ndarray) -> None:
        """Push the rows whose code is true in ``passing``, bool, indexed by code; codes beyond it must not occur."""
        size = max(256, -(-len(passing) // 32) * 32)
        table = np.zeros(size // 8, np.uint8)
        packed = np.packbits(passing, bitorder="little")
        table[: len(packed)] = packed
        self._step(_AMONG, codes, table.view(np.uint32))

    def bits(self, words: np.ndarray) -> None:
        """Push a bitset that is there already."""
        self._step(_BITS, words)

    def constant(self, value: bool) -> None:
        """Push all rows, or none."""
        self._step(_CONSTANT, x=int(value))

    def all(self) -> None:
        """Replace the two topmost bitsets by what is in both."""
        self._step(_ALL)

    def any(self) -> None:
        """Replace the two topmost bitsets by what is in either."""
        self._step(_ANY)

    def none(self) -> None:
        """Turn the topmost bitset round."""
        self._step(_NONE)

    def keep_numbers(self, values: np.ndarray, low: np.ndarray, high: np.ndarray, *, turned: bool = False) -> None:
        """Of the topmost bitset keep the rows whose raw value is in one of the closed intervals ``[low, high]``.

        Intervals ascend and are disjoint; ``values``, ``low`` and ``high`` are int64, or float64 without NaN in the
        rows asked for. Takes time for the rows in the bitset only. ``turned`` keeps the others instead.
        """
        bounds = np.stack([ordered(low), ordered(high)], axis=1).reshape(-1)
        self._step(_WHOLE if values.dtype == np.int64 else _REAL, values, bounds, x=int(turned))

    def keep_circle(
        self, lat: np.ndarray, lon: np.ndarray, center: tuple[float, float], angle: float, *, turned: bool = False
    ) -> None:
        """Of the topmost bitset keep the places, in degrees, within ``angle`` radians of ``center``."""
        limit = np.sin(min(angle, np.pi) / 2) ** 2 if angle < np.pi else np.inf
        self._step(_CIRCLE, lat, lon, np.array([*center, limit]), x=int(turned))

    def keep_box(
        self, lat: np.ndarray, lon: np.ndarray, box: tuple[float, float, float, float], *, turned: bool = False
    ) -> None:
        """Of the topmost bitset keep the places between south, west, north and east; west may lie east of east."""
        self._step(_BOX, lat, lon, np.array(box, np.float64), x=int(turned))

    def evaluate(self, *, threads: int | None = None) -> np.ndarray:
        """The answer: uint64 words, one bit a row, those beyond the last row zero."""
        out = np.empty(-(-self.n // 64), np.uint64)
        steps = np.array(self._steps, np.int64).reshape(-1, 6)
        _core.evaluate_predicate(self._arrays, steps, self.n, thread_count(threads), out)
        return out


def ordered(values: np.ndarray) -> np.ndarray:
    """int64 or float64 as uint64 in the same order; -0.0 is 0.0.

    Examples
    --------
    >>> ordered(np.array([-1.5, -0.0, 0.0, 2.0])).argsort(kind="stable")
    array([0, 1, 2, 3])
    """
    if values.dtype == np.int64:
        return values.view(np.uint64) ^ _SIGN
    bits = (values.astype(np.float64) + 0.0).view(np.uint64)
    return np.where(bits >> np.uint64(63), ~bits, bits | _SIGN)
