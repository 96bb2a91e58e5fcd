"""Procrustes residual: what is left of the one space when the other is turned onto it as well as can be."""

from __future__ import annotations

from typing import Any

import numpy as np

from .measure import Measure, undefined
from .moments import ROWS, PairMoments, as_pair, bounds, halves, ratio

_SOURCE = "Schoenemann (1966), Psychometrika 31; Gower (1975), Psychometrika 40; judged on rows left out of the fit"


def procrustes_residual(
    first: Any,
    second: Any = None,
    *,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = ROWS,
    random_state: int = 0,
) -> Measure:
    """Procrustes residual: the share of the second space that no rotation, shift and scale of the first explains.

    0 when the two are the same space in other coordinates, so that distances, codes and thresholds carry over; near 1
    when turning does not help. Choose :func:`canonical_correlation` to know whether *any* linear map would do, and
    :func:`functional_equivalence` for what that means in results.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``. With unequal dimensions the smaller is
        placed in the larger.
    metric, ids, sample, random_state : as in :func:`cka`.

    Returns
    -------
    Measure
        The rotation is fitted on one half of the pairs and judged on the other, both ways, so few pairs give a large
        residual rather than a flattering one. ``parts``: ``by_chance`` (partners
        shuffled), ``in_sample`` (the textbook number, fitted and judged on the same rows), ``cosine`` (mean cosine
        of a turned row and its partner, about the means). ``arrays``: ``per_row``, the residual of each row, and
        ``by_chance``. The interval is analytic, over the rows judged.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 12)).astype(np.float32)
    >>> turned = (3 * x @ np.linalg.qr(rng.standard_normal((12, 12)))[0] + 1).astype(np.float32)
    >>> round(procrustes_residual(x, turned, metric="l2").value, 4)
    0.0
    """
    title = "Procrustes residual"
    found = PairMoments.of(as_pair(first, second, metric, ids, random_state), sample, random_state)
    if found.why:
        return undefined("procrustes_residual", title, found.why, source=_SOURCE)
    left, whole, cosines = _held_out(found.x, found.y, random_state)
    value, error = ratio(left, whole)
    by_chance = _held_out(found.x, found.shuffled(random_state), random_state)
    nuclear = float(np.linalg.svd(found.covariances[2], compute_uv=False).sum())
    levels = np.trace(found.covariances[0]) * np.trace(found.covariances[1])
    parts = {
        "by_chance": ratio(*by_chance[:2])[0],
        "in_sample": max(1 - nuclear**2 / float(levels), 0.0),
        "cosine": float(cosines.mean()),
    }
    if value <= 0.1:
        verdict, meaning = "good", "the one is nearly the other in other coordinates, so distances carry over"
    elif value <= 0.5:
        verdict, meaning = "fair", "near in shape, but distances change"
    else:
        verdict, meaning = "poor", "the shapes differ, so old distances and thresholds say little of the new space"
    return Measure(
        "procrustes_residual",
        value,
        *bounds(value, error, low=0.0),
        f"Turned onto the second, the first leaves {value:.0%} of it unexplained: {meaning}.",
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From {found.scope}: fitted on one half, judged on the other, both ways; fitted and judged on the same "
        f"rows it is {parts['in_sample']:.3f}. The interval is analytic, over the rows judged; it leaves out that the "
        "rotation would differ with other rows.",
        source=_SOURCE,
        parts=parts,
        arrays={"per_row": left / whole.mean(), "by_chance": by_chance[0] / by_chance[1].mean()},
    )


def _held_out(x: np.ndarray, y: np.ndarray, random_state: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Squared residual and squared length of each row of ``y``, and the cosine with the turned row of ``x``."""
    left, whole, cosines = (np.empty(len(x)) for _ in range(3))
    one, other = halves(len(x), random_state)
    for fitted, judged in ((one, other), (other, one)):
        a, b = x[fitted], y[fitted]
        middle, center = a.mean(axis=0), b.mean(axis=0)
        a, b = a - middle, b - center
        u, _, v = np.linalg.svd(a.T @ b, full_matrices=False)
        turned, aim = ((x[judged] - middle) @ u) @ v, y[judged] - center
        # One number, so it may be fitted where it is judged; fitted on few rows it would be far too large.
        power = float(np.square(turned).sum())
        turned *= max(float((turned * aim).sum()), 0.0) / power if power > 0 else 0.0
        left[judged] = np.square(aim - turned).sum(axis=1)
        whole[judged] = np.square(aim).sum(axis=1)
        lengths = np.sqrt(np.square(turned).sum(axis=1) * whole[judged])
        cosines[judged] = np.einsum("ij,ij->i", turned, aim) / np.where(lengths > 0, lengths, 1.0)
    return left, whole, cosines
