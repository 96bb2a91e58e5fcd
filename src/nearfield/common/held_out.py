"""Rows kept back from a set, to be asked for as queries are."""

from __future__ import annotations

import numpy as np


def hold_out(rows: np.ndarray, random_state: int, most: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """``(asked, base)``: up to ``most`` rows, at most a fifth, drawn at random; and the others, in order.

    Examples
    --------
    >>> asked, base = hold_out(np.arange(100)[:, None], 0)
    >>> len(asked), len(base)
    (20, 80)
    """
    order = np.random.default_rng(random_state).permutation(len(rows))
    count = min(most, max(1, len(rows) // 5))
    return rows[np.sort(order[:count])], rows[np.sort(order[count:])]
