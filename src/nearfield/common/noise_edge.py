"""Where noise ends in a spectrum: the Marchenko-Pastur law for the bulk, Tracy-Widom's for its largest value.

Rows of pure noise with equal variance in all directions do not show equal eigenvalues: with n rows of d dimensions they
spread between ``variance * (1 - sqrt(d/n))^2`` and ``variance * (1 + sqrt(d/n))^2``. What lies above is signal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .checks import check_int, check_real

# Tracy and Widom's law for real rows as a shifted gamma distribution (Chiani 2014, table 1): shape, scale, shift.
_TRACY_WIDOM = (46.446, 0.186054, 9.84801)
_GRID = 4001


@dataclass(frozen=True)
class NoiseEdge:
    """What of a spectrum could be noise.

    Attributes
    ----------
    variance : of the noise in one direction.
    edge : eigenvalues of noise alone stay below it, but for a chance of ``alpha``.
    spikes : how many eigenvalues lie above.

    Examples
    --------
    >>> NoiseEdge(1.0, 2.0, 3).spikes
    3
    """

    variance: float
    edge: float
    spikes: int


def noise_edge(eigenvalues: Any, rows: int, *, variance: float | None = None, alpha: float = 0.001) -> NoiseEdge:
    """The noise in the spectrum of a sample covariance, and how many of its eigenvalues exceed what noise can reach.

    Parameters
    ----------
    eigenvalues : (d,) of the sample covariance, in any order; those below zero by rounding count as zero.
    rows : how many rows it was taken from; one less where their mean was subtracted.
    variance : of the noise in one direction where known; None takes it from the median eigenvalue, which is right where
        less than half of the directions hold signal (Gavish and Donoho, The optimal hard threshold for singular values
        is 4/sqrt(3), 2014). Real spectra that fall like a power law have no flat floor: the edge then is one threshold
        among many, near the median.
    alpha : the chance that pure Gaussian noise of known variance shows a spike, in (0, 1). With the variance taken from
        the median it is two to three times as large (of 1,500 samples of 2000 x 100, 0.0033 for 0.001).

    Notes
    -----
    The edge is Marchenko and Pastur's (1967) with the fluctuation of the largest eigenvalue added, centred and scaled
    as in Johnstone, On the distribution of the largest eigenvalue in principal components analysis (2001).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.standard_normal((2000, 100))
    >>> signal = noise + rng.standard_normal((2000, 1)) * rng.standard_normal(100)
    >>> [noise_edge(np.linalg.eigvalsh(np.cov(X.T)), 1999).spikes for X in (noise, signal)]
    [0, 1]
    """
    values = np.sort(np.maximum(np.asarray(eigenvalues, np.float64), 0.0))[::-1]
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"eigenvalues: expected finite values of shape (d,), got shape {values.shape}")
    n = check_int(rows, "rows", 1)
    values, d = _alive(values, n)
    check_real(alpha, "alpha", 0.0, 1.0, open_low=True, open_high=True)
    if variance is None:
        variance = float(np.median(values)) / bulk_median(d, n) if d else 0.0
    else:
        variance = check_real(variance, "variance", 0.0, np.inf)
    edge = variance * largest_noise(d, n, alpha) if d else 0.0
    return NoiseEdge(variance, edge, int((values > edge).sum()))


def _alive(values: np.ndarray, rows: int) -> tuple[np.ndarray, int]:
    """The eigenvalues that are not zero, and in how many dimensions: dead ones hold no noise.

    With fewer rows than dimensions most eigenvalues are zero though the dimensions are not dead.
    """
    alive = values[values > values[0] * len(values) * np.finfo(np.float64).eps]
    return alive, len(values) if len(alive) >= min(rows, len(values)) else len(alive)


def largest_noise(dim: int, rows: int, alpha: float) -> float:
    """What the largest eigenvalue of noise of variance one, ``rows`` in ``dim`` dimensions, exceeds by ``alpha``.

    Examples
    --------
    >>> round(largest_noise(100, 2000, 0.01), 2), round((1 + (100 / 2000) ** 0.5) ** 2, 2)
    (1.52, 1.5)
    """
    from scipy import special

    shape, scale, shift = _TRACY_WIDOM
    quantile = scale * special.gammaincinv(shape, 1 - alpha) - shift
    n, d = np.sqrt(rows - 0.5), np.sqrt(dim - 0.5)
    width = (n + d) * (1 / n + 1 / d) ** (1 / 3)
    return float(((n + d) ** 2 + width * quantile) / rows)


def bulk_median(dim: int, rows: int) -> float:
    """Median of the positive eigenvalues of noise of variance one, by the Marchenko-Pastur law.

    Examples
    --------
    >>> round(bulk_median(100, 2000), 2)
    0.98
    """
    ratio = dim / rows
    low, high = (1 - np.sqrt(ratio)) ** 2, (1 + np.sqrt(ratio)) ** 2
    angle = (np.arange(_GRID) + 0.5) * (np.pi / _GRID)  # even in the angle, where the density has no corners
    value = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
    mass = np.cumsum(np.sin(angle) ** 2 / value)
    return float(np.interp(mass[-1] / 2, mass, value))
