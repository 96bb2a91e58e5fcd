"""Float rows in the core: brought to unit length, or turned."""

from __future__ import annotations

import numpy as np

from . import _core
from .pool import thread_count


def unit(vectors: np.ndarray, *, threads: int | None = None) -> np.ndarray:
    """Float32 ``(n, d)`` rows, none of them zero, divided by their length: float32 ``(n, d)``.

    Lengths are summed in double precision, in one order for any number of threads.

    Examples
    --------
    >>> unit(np.float32([[3, 4]]))
    array([[0.6, 0.8]], dtype=float32)
    """
    out = np.empty(vectors.shape, np.float32)
    _core.unit(vectors, thread_count(threads), out)
    return out


def rotate(vectors: np.ndarray, seed: int, *, inverse: bool = False, threads: int | None = None) -> np.ndarray:
    """Float32 ``(n, d)`` rows turned by the pseudo-random rotation of that seed; ``inverse`` turns them back.

    Lengths and inner products stay, up to rounding. Takes d log d steps a row, for any d; the same bits on every
    instruction level and for any number of threads. With d = 1 it is a sign.

    Examples
    --------
    >>> turned = rotate(np.eye(3, dtype=np.float32), 7)
    >>> bool(np.allclose(turned @ turned.T, np.eye(3), atol=1e-6))
    True
    """
    out = np.array(vectors, np.float32, order="C", copy=True)
    _core.rotate(out, seed, inverse, thread_count(threads))
    return out
