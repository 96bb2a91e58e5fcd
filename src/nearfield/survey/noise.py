"""Which directions stand out from noise: the spectrum against the edge that pure noise would reach."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.noise_edge import bulk_median
from .measure import Measure, format_number, undefined
from .rank import FEWEST, ROWS, Spectrum, why_no_variance

# The Tracy-Widom law (real) is exceeded above this with a chance of 0.5%, as in Kritchman & Nadler.
_TRACY_WIDOM = 2.42
# With fewer directions left there is no bulk whose middle could tell a level of noise.
_BULK = 8
_HALVES_ONLY = 1024
# A floor of noise that holds less of the variance than this is not worth a word.
_HARDLY = 0.01
_SOURCE = (
    "Marchenko & Pastur (1967) for the edge, Johnstone (2001) for its fluctuation; the noise level from the median "
    "as in Gavish & Donoho (2014), what stands out taken away in turn as in Kritchman & Nadler (2008)"
)


def real_directions(vectors: Any, *, sample: int | None = ROWS, random_state: int = 0) -> Measure:
    """How many principal directions vary more than noise of equal strength in all directions could.

    Choose it over :func:`effective_rank` to see where to cut a PCA when the vectors carry noise (averaged, denoised,
    dithered or measured data). Trained encoders usually have no such floor, and then it says so.

    Parameters
    ----------
    vectors : (n, d), used as they are given.
    sample : rows used at most (never fewer than 8 d when there are as many). None: all. More rows show weaker
        directions.
    random_state : chooses the sample.

    Returns
    -------
    Measure
        The noise level is the median of the variances that do not stand out over the median of the Marchenko-Pastur
        law, found anew until no further direction stands out; single dead or odd directions do not move it. A
        direction stands out above the upper edge of that law plus 2.42 of its Tracy-Widom widths (a chance of 0.5% in
        noise). Where fewer than eight directions would be left as noise there is no floor, and all that vary
        count. The interval spans the counts of resamples: each tenth of the rows left out, and both halves.
        ``parts``: ``noise`` (standard deviation a direction; NaN without a floor), ``edge`` (variance),
        ``noise_share`` (of the variance), ``dead`` (directions without variance). ``arrays``: ``variances``.

    Notes
    -----
    A direction is seen when its variance exceeds that of the noise by ``(1 + sqrt(d/n))`` times (Baik, Ben Arous &
    Péché, 2005). Noise that is stronger in some dimensions than in others counts, there, as real.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((4000, 3)) @ np.eye(3, 40) * 3 + rng.standard_normal((4000, 40))
    >>> measure = real_directions(x.astype(np.float32))
    >>> measure.value, round(measure.parts["noise"], 1)
    (3.0, 1.0)
    """
    title = "Directions above noise"
    spectrum = Spectrum.of(vectors, sample, random_state)
    count, dim = len(spectrum.rows), spectrum.dim
    levels = spectrum.variances
    if count < FEWEST or levels[0] <= 1e-12 * float(spectrum.mean @ spectrum.mean):
        return undefined("real_directions", title, why_no_variance(spectrum), source=_SOURCE)
    found, noise, edge = standing_out(levels, count, dim)
    resamples = [*spectrum.halves, *(spectrum.without_a_group() if dim <= _HALVES_ONLY else [])]
    counts = [found] + [_count(part.covariance, part.count, dim) for part in resamples if part.count >= FEWEST]
    live = int((levels > _dead(levels)).sum())
    floor = math.isfinite(noise)
    share = float(levels[found:].sum() / levels.sum()) if floor else 0.0
    verdict, meaning = _meaning(found, live, dim, share, floor, count)
    return Measure(
        "real_directions",
        float(found),
        float(min(counts)),
        float(max(counts)),
        meaning,
        title=title,
        unit="directions",
        verdict=verdict,
        detail=f"From {spectrum.scope}, about their mean. The interval spans the counts found in {len(counts) - 1} "
        "resamples (each tenth of the rows left out, where that is cheap, and two halves, which see less).",
        source=_SOURCE,
        parts={
            "noise": math.sqrt(noise) if floor else math.nan,
            "edge": edge,
            "noise_share": share,
            "dead": max(min(dim, count - 1) - live, 0),
        },
        arrays={"variances": levels},
    )


def standing_out(levels: np.ndarray, rows: int, dim: int) -> tuple[int, float, float]:
    """``(how many stand out, variance of the noise, edge)`` of variances that fall; NaN where there is no noise."""
    levels = levels[levels > _dead(levels)]
    free = rows - 1
    full = len(levels) >= min(free, dim) - 1
    found = 0
    while True:
        rest = levels[found:]
        if len(rest) < _BULK:
            return len(levels), math.nan, math.nan
        # With fewer rows than dimensions most variances are zero and not listed, but the dimensions are there.
        width = (dim if full else len(levels)) - found
        noise = float(np.median(rest)) / bulk_median(width, free)
        root = math.sqrt(free) + math.sqrt(width)
        spread = root * (1 / math.sqrt(free) + 1 / math.sqrt(width)) ** (1 / 3)
        edge = noise * (root**2 + _TRACY_WIDOM * spread) / free
        above = int((levels > edge).sum())
        if above <= found:
            return found, noise, edge
        found = above


def _dead(levels: np.ndarray) -> float:
    """Variances up to this are rounding: float32 rows give no better."""
    return float(levels[0]) * 1e-9 if len(levels) else 0.0


def _count(covariance: np.ndarray, rows: int, dim: int) -> int:
    return standing_out(np.maximum(np.linalg.eigvalsh(covariance)[::-1], 0.0), rows, dim)[0]


def _meaning(found: int, live: int, dim: int, share: float, floor: bool, rows: int) -> tuple[str, str]:
    if not floor or (found and share < _HARDLY):
        number = f"All {live}" if not floor else f"{found} of {live}"
        return "good", (
            f"{number} directions that vary do so unlike noise: there is no floor of noise worth cutting away, so "
            "leaving out dimensions always costs something; let the measured loss decide."
        )
    if found == 0:
        return "fair", (
            "No direction stands out: the rows vary alike in all directions, as random numbers do, so PCA has nothing "
            "to keep; compress by fewer bits instead."
        )
    held = format_number(share, "share")
    many = f"{found} direction{'s' if found != 1 else ''} of {dim} stand{'s' if found == 1 else ''} out"
    more = " More rows would show weaker ones." if rows < 4 * dim else ""
    verdict = "good" if share < 0.2 else "fair" if share < 0.5 else "poor"
    return verdict, (
        f"{many} above a floor of noise that holds {held} of the variance: a PCA to {found} keeps what can be told "
        f"from noise, and may even improve results.{more}"
    )
