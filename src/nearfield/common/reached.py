"""How much of what is nearest a search found, judged by distances: of equally far rows any will do."""

from __future__ import annotations

import numpy as np

# Distances come from the same vectors, but not always from the same kernel: equal up to rounding.
_TIES = 1e-6


def share_reached(found: np.ndarray, kth: float, k: int) -> float:
    """The recall of one answer: how many of its distances are within that of the true ``k``-th nearest, over ``k``.

    Examples
    --------
    >>> share_reached(np.array([0.1, 0.3, 0.9]), kth=0.3, k=4)
    0.5
    """
    return min(1.0, int((found <= kth + _TIES * max(1.0, abs(kth))).sum()) / k)
