"""Confidence intervals of means: of shares, such as the recall of many queries, and of values without bounds."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

# Half a query's worth of the greatest possible variance is added to what was seen. Without it the interval shrinks to
# nothing when every query scores alike; the tests hold its coverage by simulation.
_PRIOR = 0.5


def t_quantile(freedom: int) -> float:
    """The factor of a 95% interval by Student's t with so many degrees of freedom.

    Examples
    --------
    >>> round(t_quantile(19), 3)
    2.093
    """
    from scipy import special

    return float(special.stdtrit(freedom, 0.975))


def mean_interval(shares: Any, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return ``(mean, low, high)`` of independent values in [0, 1]; sound near 0 and 1, where variance vanishes.

    Wilson's score interval with an effective number of trials: the spread of the values is compared with that of
    all-or-nothing values of the same mean, the largest possible. A thousand queries that each find 9 of
    10 tell more than a thousand of which every tenth finds nothing. When all values are 1, nothing is known of the
    spread, and the interval is that of ``n`` all-or-nothing trials. Source: Wilson, Probable inference, the law of
    succession, and statistical inference, JASA 1927; the effective number is the design effect of Kish, 1965.

    Examples
    --------
    >>> mean, low, high = mean_interval([1.0] * 500)
    >>> round(mean, 4), round(low, 4), round(high, 4)
    (1.0, 0.9924, 1.0)
    """
    values = np.asarray(shares, np.float64)
    n = values.size
    if values.ndim != 1 or n == 0:
        raise ValueError(f"shares: expected a list of at least one value, got shape {values.shape}")
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("shares: expected values in [0, 1]")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number in (0, 1), got {confidence!r}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    mean = float(values.mean())
    seen = float(np.square(values - mean).sum()) * (n / (n - 1) if n > 1 else 1.0)
    share_of_largest = min(1.0, (seen + _PRIOR) / (n * mean * (1 - mean) + _PRIOR))
    trials = n / share_of_largest
    centre = (mean + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * (mean * (1 - mean) / trials + z * z / (4 * trials * trials)) ** 0.5
    return mean, min(mean, max(0.0, centre - half)), max(mean, min(1.0, centre + half))


def student_interval(values: np.ndarray) -> tuple[float, float, float]:
    """``(mean, low, high)``, 95% by Student's t; NaN are left out, and without two values the interval is open.

    For values without bounds; :func:`mean_interval` is for shares.

    Examples
    --------
    >>> student_interval(np.array([1.0, 2.0, 3.0]))[0]
    2.0
    """
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    if len(values) == 1:
        return mean, -math.inf, math.inf
    margin = t_quantile(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    return mean, mean - margin, mean + margin


def recall_interval(truth: np.ndarray, found: np.ndarray) -> tuple[float, float, float]:
    """:func:`mean_interval` of the share of each query's ``truth`` (q, k) that is among what was ``found`` (q, k).

    Examples
    --------
    >>> recall_interval(np.array([[4, 7]] * 100), np.array([[7, 3]] * 100))[0]
    0.5
    """
    return mean_interval([len(np.intersect1d(a, b)) / len(a) for a, b in zip(truth, found, strict=True)])


def difference_interval(
    first: tuple[float, float, float], second: tuple[float, float, float]
) -> tuple[float, float, float]:
    """``(first - second, low, high)`` of two independent means that come with their intervals.

    Square-and-add: Newcombe, Interval estimation for the difference between independent proportions, Statistics in
    Medicine 1998, method 10.

    Examples
    --------
    >>> difference_interval((0.75, 0.5, 1.0), (0.5, 0.5, 0.5))
    (0.25, 0.0, 0.5)
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    low = float(np.hypot(a - a_low, b_high - b))
    return a - b, a - b - low, a - b + float(np.hypot(a_high - a, b - b_low))
