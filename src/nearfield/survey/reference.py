"""What the estimators of intrinsic dimension answer on clouds of known dimension, computed, not simulated.

Both estimators assume that the density is constant out to the farthest neighbour used. In many dimensions it never is:
with 10,000 points of a 20-dimensional Gaussian they answer about 17. The answer can be foreseen. The j-th smallest of
n distances sits at the quantile Gamma(j)/n of the distance from the asking point, and the distribution of that distance
is known: for a standard Gaussian in d dimensions its square is non-central chi-squared (d degrees of freedom,
non-centrality the squared radius of the asking point, itself chi-squared); for a uniform ball the mass within r is the
intersection of two balls, two caps. So the expected answer is a quadrature over radius and quantile, and the d whose
expected answer is the one observed is the corrected estimate. The Gaussian gives the value; the ball, which has a hard
border, an idea of how far off a Gaussian can be: cubes, spheres and heavy tails lie between or close by.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Curves = list[tuple[np.ndarray, np.ndarray]]
_RADII = 16
_GRID = 100
_NODES = 10
_RATIOS = 64


def _nodes(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / count


def gaussian_curves(d: float) -> Curves:
    """Per radius of the asking point: log of the mass within a distance, and log of the distance, both rising."""
    from scipy import special

    curves = []
    for s2 in special.chdtri(d, 1 - _nodes(_RADII)):
        log_r = _grid(d, math.log(1.5 * math.sqrt(s2 + d)), 0.5 * math.log(d))
        with np.errstate(divide="ignore", under="ignore"):
            curves.append(_rising(np.log(special.chndtr(np.exp(2 * log_r), d, s2)), log_r))
    return curves


def ball_curves(d: float) -> Curves:
    """The same for points spread evenly in a ball."""
    from scipy import special

    def cap(height: np.ndarray) -> np.ndarray:
        """Share of the unit ball beyond a plane at this height."""
        height = np.clip(height, -1.0, 1.0)
        share = 0.5 * special.betainc(0.5 * (d + 1), 0.5, 1 - height**2)
        return np.where(height >= 0, share, 1 - share)

    curves = []
    for s in _nodes(_RADII) ** (1 / d):
        log_r = _grid(d, math.log(1 + s), 0.0)
        r = np.exp(log_r)
        with np.errstate(divide="ignore", under="ignore", over="ignore"):
            near_cap = np.exp(d * log_r + np.log(cap((s**2 + r**2 - 1) / (2 * s * r))))
            log_crossing = np.log(cap((1 + s**2 - r**2) / (2 * s)) + near_cap)
            log_mass = np.where(r <= 1 - s, d * log_r, np.where(r >= 1 + s, 0.0, log_crossing))
            curves.append(_rising(log_mass, log_r))
    return curves


def _grid(d: float, far: float, middle: float) -> np.ndarray:
    near = middle - 28 / d - 1
    return far - (far - near) * np.linspace(1, 0, _GRID) ** 2


def _rising(log_mass: np.ndarray, log_r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    usable = np.isfinite(log_mass) & (log_mass > -600)
    log_r, log_mass = log_r[usable], log_mass[usable]
    rising = np.r_[True, np.diff(np.maximum.accumulate(log_mass)) > 1e-12]
    return log_mass[rising], log_r[rising]


def expected_mle(curves: Curves, others: int, k: int) -> float:
    """What the maximum-likelihood estimate with ``k`` neighbours answers on ``others + 1`` points."""
    from scipy import special

    log_mass = np.log(special.gammaincinv(np.arange(1, k + 1)[:, None], _nodes(_NODES)[None]) / others)
    log_r = np.mean([np.interp(log_mass, *curve).mean(axis=1) for curve in curves], axis=0)
    return 1 / float(np.mean(log_r[-1] - log_r[:-1]))


def expected_twonn(curves: Curves, others: int, fit: Callable[[np.ndarray], float]) -> float:
    """What ``fit`` answers on the log ratios of second to first distance of ``others + 1`` points."""
    from scipy import special

    second = np.log(special.gammaincinv(2, _nodes(_NODES)) / others)[:, None]
    first = second + np.log(_nodes(_RATIOS))
    ratios = [(np.interp(second, *curve) - np.interp(first, *curve)).ravel() for curve in curves]
    return fit(np.concatenate(ratios))


def corrected(raw: float, expected: Callable[[float], float], ambient: int) -> float:
    """The dimension, at most ``ambient``, whose expected answer is ``raw``."""
    low, high = min(0.3, 0.5 * raw), float(ambient)
    if not math.isfinite(raw) or raw <= 0:
        return math.nan
    if high <= raw or expected(high) <= raw:
        return high
    guess = raw
    for _ in range(40):
        answer = expected(guess)
        if abs(answer - raw) < 2e-4 * raw:
            break
        low, high = (guess, high) if answer < raw else (low, guess)
        # The answer is nearly proportional to the dimension, so scaling is a good step as long as it stays inside.
        step = guess * raw / answer
        guess = step if low < step < high else 0.5 * (low + high)
    return guess
