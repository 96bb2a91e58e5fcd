"""Isotropy: whether the vectors point evenly in all directions; IsoScore, and the mean cosine of random pairs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .measure import Measure, undefined
from .rank import ROWS, Spectrum, shared_variance, why_no_variance

_Z = 1.96
_ISOSCORE = "Rudman, Gillman, Rayne & Eickhoff (2022), IsoScore, Findings of ACL"
_MEAN_COSINE = "Ethayarajh (2019), EMNLP: anisotropy as the mean cosine of random pairs"


def isotropy(vectors: Any, *, sample: int | None = ROWS, random_state: int = 0) -> Measure:
    """IsoScore: 1 when the variance is spread evenly over all dimensions, 0 when it lies in one.

    Choose it over :func:`mean_cosine` to see whether dimensions are wasted: it ignores a common offset of all vectors,
    which the mean cosine shows.

    Parameters
    ----------
    vectors : (n, d) with d at least 2, used as they are given.
    sample : rows used at most (never fewer than 8 d when there are as many). None: all.
    random_state : chooses the sample.

    Returns
    -------
    Measure
        The steps of the paper's algorithm come down to ``(participation ratio - 1) / (d - 1)``, which is how it
        is computed here, with the participation ratio free of its bias for few rows. The interval is analytic.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> round(isotropy(rng.standard_normal((4000, 10)).astype(np.float32)).value, 1)
    1.0
    >>> round(isotropy((rng.standard_normal((4000, 10)) * np.eye(10)[0]).astype(np.float32)).value, 2)
    0.0
    """
    title = "Isotropy (IsoScore)"
    spectrum = Spectrum.of(vectors, sample, random_state)
    if spectrum.dim < 2:
        return undefined(
            "isotropy", title, "Unknown: with one dimension there is only one direction.", source=_ISOSCORE
        )
    found = shared_variance(spectrum)
    if found is None:
        return undefined("isotropy", title, why_no_variance(spectrum), source=_ISOSCORE)
    ratio, error = found
    value = (ratio - 1) / (spectrum.dim - 1)
    margin = _Z * error / (spectrum.dim - 1)
    if value >= 0.3:
        verdict, meaning = "good", "The variance is spread over many directions, so distances tell vectors apart well."
    elif value >= 0.05:
        verdict = "fair"
        meaning = "Some directions are much stronger than others: usual for trained encoders, and PCA can save memory."
    else:
        verdict = "poor"
        meaning = (
            "A few directions hold nearly all the variance: most dimensions hardly change who is near whom; "
            "reduce them with PCA, or whiten and measure whether retrieval improves."
        )
    return Measure(
        "isotropy",
        value,
        max(value - margin, 0.0),
        min(value + margin, 1.0),
        meaning,
        title=title,
        unit="",
        verdict=verdict,
        detail=f"From {spectrum.scope}, about their mean. The interval is analytic (influence of each row).",
        source=_ISOSCORE,
        parts={"participation_ratio": ratio},
        arrays={"variances": spectrum.variances},
    )


def mean_cosine(
    vectors: Any, *, sample: int | None = ROWS, random_state: int = 0, metric: str | None = None
) -> Measure:
    """Mean cosine of random pairs: what a cosine of "nothing in common" is in this space.

    Choose it over :func:`isotropy` before setting any threshold on cosines: where unrelated pairs score 0.6, a 0.7
    says little.

    Parameters
    ----------
    vectors : (n, d), used as they are given; zero rows are left out.
    sample : rows used at most (never fewer than 8 d when there are as many). None: all.
    random_state : chooses the sample.
    metric : the metric search uses, which decides what the cosine means; None speaks of cosine search.

    Returns
    -------
    Measure
        Over all pairs of different sampled rows at once (a U-statistic, from the mean direction). The interval is
        analytic. ``parts``: ``standard_deviation`` of the cosine of a random pair. ``arrays``: ``cosines`` of some.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((4000, 20)) + 1  # offset as strong as the spread
    >>> round(mean_cosine(x.astype(np.float32)).value, 1)
    0.5
    """
    title = "Mean cosine of random pairs"
    spectrum = Spectrum.of(vectors, sample, random_state)
    rows = spectrum.rows.astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    rows = rows[norms > 0] / norms[norms > 0, None]
    count = len(rows)
    if count < 3:
        why = f"Unknown: needs at least 3 nonzero rows, and there {'is' if count == 1 else 'are'} {count}."
        return undefined("mean_cosine", title, why, source=_MEAN_COSINE)
    center = rows.mean(axis=0)
    value = (count * float(center @ center) - 1) / (count - 1)
    along = rows @ center
    moments = sum(half.gram for half in spectrum.halves) if spectrum.unit_length else rows.T @ rows
    second = float(np.square(moments).sum())
    mean_square = max((second - count) / (count * (count - 1)), 0.0)
    spread = math.sqrt(max(mean_square - value**2, 0.0))
    # The first-order term of the U-statistic; where the mean is nearly zero its estimate covers the second order too.
    error = 2 * float(along.std(ddof=1)) / math.sqrt(count)
    value = min(max(value, -1.0), 1.0)
    if metric == "l2":
        verdict = "good"
        meaning = f"Two unrelated rows have a cosine of about {value:.2f}, which Euclidean search does not use."
    elif abs(value) < 0.15:
        verdict = "good"
        meaning = (
            f"Two unrelated rows have a cosine of about {value:.2f}, give or take {spread:.2f}: a cosine well above "
            f"{max(value, 0) + 3 * spread:.2f} means something."
        )
    elif abs(value) < 0.5:
        verdict = "fair"
        meaning = (
            f"Unrelated rows already have a cosine of about {value:.2f}, give or take {spread:.2f}: "
            "do not read cosines as if unrelated meant 0."
        )
    else:
        verdict = "poor"
        meaning = (
            f"All rows point much the same way (unrelated ones have a cosine of {value:.2f}): cosine thresholds are "
            "unsafe and low-bit codes lose more; subtracting the mean vector before indexing usually helps."
        )
    return Measure(
        "mean_cosine",
        value,
        max(value - _Z * error, -1.0),
        min(value + _Z * error, 1.0),
        meaning,
        title=title,
        unit="",
        verdict=verdict,
        detail=f"Over all pairs of {count:,} rows (of {spectrum.total:,}). The interval is analytic (U-statistic).",
        source=_MEAN_COSINE,
        parts={"standard_deviation": spread},
        arrays={"cosines": _some_cosines(rows, random_state)},
    )


def _some_cosines(rows: np.ndarray, seed: int) -> np.ndarray:
    """Cosines of unit rows paired at random, each row twice: for a picture."""
    order = np.random.default_rng([seed, 96]).permutation(len(rows))
    return np.einsum("ij,ij->i", rows[order], rows[np.roll(order, 1)])
