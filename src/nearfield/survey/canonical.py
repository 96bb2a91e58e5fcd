"""Canonical correlations: how much of the one space a linear map can read out of the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_real
from .measure import Measure, undefined
from .moments import ROWS, PairMoments, as_pair, bounds, leading, other_partners

_SOURCE = (
    "Hotelling (1936), Biometrika 28; Raghu, Gilmer, Yosinski & Sohl-Dickstein (2017), SVCCA, NeurIPS (principal "
    "directions first); bias taken out by the expectation of Pillai's trace"
)
_ROWS_FOR_EACH = 10


def canonical_correlation(
    first: Any,
    second: Any = None,
    *,
    variance: float = 0.99,
    ridge: float = 0.0,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = ROWS,
    random_state: int = 0,
) -> Measure:
    """Mean squared canonical correlation (CCA; SVCCA at ``variance`` below 1), corrected for chance.

    1 when all that the smaller of the two spaces says can be read linearly out of the other, 0 when nothing can. Strong
    and weak directions count alike, unlike in :func:`cka`; lengths and angles do not matter, unlike in
    :func:`procrustes_residual`. High here with a low CKA: the same content, weighted differently, so a map can be
    learnt.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    variance : share of each space's variance whose principal directions are compared, in (0, 1]. 0.99 is that of
        SVCCA; 1 is plain CCA, where noise directions count like any other. There are never more directions than a
        tenth of the pairs, since with fewer pairs than directions everything correlates perfectly.
    ridge : added to the variance of every direction, as a share of the largest; 0.01 damps weak directions.
    metric, ids, sample, random_state : as in :func:`cka`.

    Returns
    -------
    Measure
        Few rows make correlations too large. Without a ridge that bias is taken out as it is for Gaussian rows to first
        order: with p and q directions and n rows a sum T of squared correlations is seen as T + (p - T)(q - T)/(n - 1),
        which is exact for unrelated rows (Pillai's trace). With a ridge, what one shuffle gives is taken out.
        ``parts``: ``by_chance`` (the value with partners shuffled), ``uncorrected``,
        ``directions_first`` and ``_second``, ``mean_correlation``. ``arrays``: ``correlations`` and
        ``by_chance``. The interval is analytic (influence of each row, and the spread of chance agreement).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((2000, 10)).astype(np.float32)
    >>> mixed = (x @ rng.standard_normal((10, 10))).astype(np.float32)  # any invertible map
    >>> round(canonical_correlation(x, mixed, metric="l2", variance=1.0).value, 3)
    1.0
    """
    title = "Canonical correlation"
    check_real(variance, "variance", 0, 1, open_low=True)
    check_real(ridge, "ridge", 0, 1e6)
    found = PairMoments.of(as_pair(first, second, metric, ids, random_state), sample, random_state)
    if found.why:
        return undefined("canonical_correlation", title, found.why, source=_SOURCE)
    count = len(found.x)
    most = max(1, count // _ROWS_FOR_EACH)
    u, v = (
        _whitened(rows, covariance, variance, most, ridge)
        for rows, covariance in zip((found.x, found.y), found.covariances, strict=False)
    )
    small, large = sorted((u.shape[1], v.shape[1]))
    between = u.T @ v / count
    raw = float(np.square(between).sum()) / small
    mixed = v[other_partners(count, random_state)]
    chance_between = u.T @ mixed / count
    chance_raw = float(np.square(chance_between).sum()) / small
    if ridge == 0:
        value, slope = _without_bias(raw, small, large, count - 1)
        chance, _ = _without_bias(chance_raw, small, large, count - 1)
    else:
        value, slope = (raw - chance_raw) / (1 - chance_raw), 1 / (1 - chance_raw)
        chance = 0.0
    towards = u @ between
    forms = 2 * np.einsum("ij,ij->i", towards, v) - np.square(towards).sum(1) - np.square(v @ between.T).sum(1)
    error = math.hypot(
        float(forms.std(ddof=1)) / math.sqrt(count) / small, math.sqrt(2 * large / small) / count * (1 - min(raw, 1.0))
    )
    correlations = np.minimum(np.linalg.svd(between, compute_uv=False), 1.0)
    if value >= 0.8:
        verdict, meaning = "good", "Nearly all of the smaller space can be read linearly out of the other"
    elif value >= 0.4:
        verdict, meaning = "fair", "A good part of the smaller space can be read linearly out of the other"
    else:
        verdict, meaning = "poor", "Little of the one space can be read linearly out of the other"
    parts = {
        "by_chance": chance,
        "uncorrected": raw,
        "directions_first": u.shape[1],
        "directions_second": v.shape[1],
        "mean_correlation": float(correlations.mean()),
    }
    return Measure(
        "canonical_correlation",
        value,
        *bounds(value, error * slope),
        f"{meaning}: {max(value, 0):.0%} of what its {small} directions say, more than chance would give.",
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From {found.scope}; {u.shape[1]} principal directions of the first and {v.shape[1]} of the second "
        f"(of {found.pair.dims[0]} and {found.pair.dims[1]}), at most one for each {_ROWS_FOR_EACH} pairs. "
        f"Uncorrected it is {raw:.3f}. The interval is analytic (influence of each row).",
        source=_SOURCE,
        parts=parts,
        arrays={
            "correlations": correlations,
            "by_chance": np.minimum(np.linalg.svd(chance_between, compute_uv=False), 1.0),
        },
    )


def _without_bias(raw: float, small: int, large: int, rows: int) -> tuple[float, float]:
    """The mean squared correlation without the bias of few rows, and its derivative by the one that was seen."""
    # T + (p - T)(q - T) / rows = seen, solved for T: between unrelated rows p q / rows is seen, between equal ones q.
    linear = 1 - (small + large) / rows
    root = math.sqrt(max(linear**2 - 4 * (small * large / rows - raw * small) / rows, 0.0))
    total = rows * (root - linear) / 2
    return min(total / small, 1.0), 1 / max(root, 1e-6)


def _whitened(rows: np.ndarray, covariance: np.ndarray, variance: float, most: int, ridge: float) -> np.ndarray:
    directions, levels = leading(covariance, variance, most)
    return np.asarray(rows @ (directions / np.sqrt(levels + ridge * levels[0])))
