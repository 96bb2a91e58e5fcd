"""Recall on all rows told from recall on samples of them."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log, log1p, sqrt

import numpy as np

_SAMPLES = 4
_Z = 1.96


def rising(fewest: int, most: int) -> list[int]:
    """Four sizes of nested samples, from ``fewest`` to ``most`` in even ratios.

    Examples
    --------
    >>> rising(1000, 16_000)
    [1000, 2519, 6349, 16000]
    """
    ratio = (most / fewest) ** (1 / (_SAMPLES - 1))
    return [*(int(fewest * ratio**step) for step in range(_SAMPLES - 1)), most]


def extrapolate(
    sizes: Sequence[int], intervals: Sequence[tuple[float, float, float]], rows: int, answers: int
) -> tuple[float, float, float]:
    """``(expected, low, high)`` recall at ``rows`` from ``(mean, low, high)`` at ``sizes``, three or more.

    ``answers`` is how many neighbours were looked for in all: half a miss among them is the least that can be told
    from none, and a forecast that near 1 counts as 1.

    The logit of recall is carried on along the logarithm of the number of rows. The interval reaches from that line to
    the level of the largest sample, widened at both ends by the error of so few queries and that of the fit (Student's
    t of its residuals), and down to where the last step alone leads; what is expected lies halfway between the line and
    the level.

    Examples
    --------
    >>> seen = [(0.90, 0.89, 0.91), (0.88, 0.87, 0.89), (0.86, 0.85, 0.87)]
    >>> expected, low, high = extrapolate([1000, 2000, 4000], seen, 16_000, 10_000)
    >>> low < 0.83 < expected < 0.86 < high
    True
    """
    from scipy.special import stdtrit

    least = 0.5 / answers
    means, lows, highs = (np.array([_logit(p, least) for p in column]) for column in zip(*intervals, strict=True))
    errors = np.maximum((highs - lows) / (2 * _Z), 1e-9)
    x = np.log(np.asarray(sizes, np.float64) / rows)  # so that the intercept is the forecast
    design = np.stack([np.ones_like(x), x], axis=1) / errors[:, None]
    inverse = np.linalg.inv(design.T @ design)
    line = inverse @ design.T @ (means / errors)
    freedom = len(sizes) - 2
    residual = means - line[0] - line[1] * x
    spread = sqrt(float(np.square(residual).sum()) / freedom)
    centred = x - x.mean()
    reach = sqrt(1 + 1 / len(x) + float(x.mean() ** 2 / np.square(centred).sum()))
    half = _Z * sqrt(float(inverse[0, 0])) + float(stdtrit(freedom, 0.975)) * spread * reach
    # Between the line and no decline beyond the largest sample: on dense sets recall levels off, and rises again where
    # duplicates appear. Where it falls faster towards the end (samples became dense enough to show what is within small
    # groups), the low end goes on as the last step went.
    level = max(float(means[-1]), float(line[0]))
    recent = float(means[-1] - x[-1] * (means[-1] - means[-2]) / (x[-1] - x[-2]))
    ends = ((float(line[0]) + level) / 2, min(float(line[0]) - half, recent), level + half)
    expected, low, high = (1.0 if end >= _logit(1.0, least) else 1 / (1 + exp(-max(end, -700.0))) for end in ends)
    return expected, low, high


def _logit(share: float, least: float) -> float:
    p = min(max(share, least), 1 - least)
    return log(p) - log1p(-p)
