"""Delete-a-group jackknife over the rows of a labelled sample, and the interval it gives."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..common.interval import t_quantile

GROUPS = 20


def deal(codes: np.ndarray, random_state: int, groups: int = GROUPS) -> np.ndarray:
    """A group for each row, classes spread evenly over the groups."""
    rng = np.random.default_rng([random_state, 71])
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    group = np.empty(len(codes), np.int64)
    group[order] = (np.arange(len(codes)) + rng.integers(groups)) % groups
    return group


def margin(values: Iterable[float]) -> float:
    """Half the width of a 95% interval from the statistic without each group in turn; 0 when it cannot be had."""
    kept = np.array([value for value in values if math.isfinite(value)])
    count = len(kept)
    if count < 2:
        return 0.0
    error = math.sqrt((count - 1) / count * float(((kept - kept.mean()) ** 2).sum()))
    return t_quantile(count - 1) * error
