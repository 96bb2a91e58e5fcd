"""Centred kernel alignment: whether two spaces hold the same pairs of rows to be alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.interval import t_quantile
from .measure import Measure, undefined
from .moments import ROWS, PairMoments, as_pair
from .neighbors import GROUPS

_SHOWN = 400
_SOURCE = (
    "Kornblith, Norouzi, Lee & Hinton (2019), Similarity of neural network representations revisited, ICML; without "
    "bias as in Song et al. (2012), JMLR 13"
)


def cka(
    first: Any,
    second: Any = None,
    *,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = ROWS,
    random_state: int = 0,
) -> Measure:
    """Linear centred kernel alignment (CKA): do the two spaces agree on which rows are alike?

    The correlation, over all pairs of rows, of their centred inner products in the two spaces. 1 when the one is the
    other turned, shifted and scaled; 0 when they have nothing to do with each other. It sees broad groups more than
    neighbours: choose :func:`mutual_neighbors` to know whether *results* stay the same, and
    :func:`canonical_correlation` when weak directions should count like strong ones.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), dimensions may differ; or a :class:`Pair` as ``first``.
    metric : "cosine", "ip" or "l2", or one for each; under cosine rows are taken at length one.
    ids : (first_ids, second_ids) pairs rows by id instead of by place.
    sample : pairs used at most. None: all.
    random_state : chooses the sample.

    Returns
    -------
    Measure
        Estimated from pairs of different rows only (debiased), so few rows do not make unrelated spaces look alike,
        and the value can fall a little below 0. The interval is a delete-a-group jackknife over rows.
        ``parts``: ``by_chance`` (the same with partners shuffled), ``biased`` (the plain formula). ``arrays``:
        centred similarity of some random pairs of rows in each space.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, noise = (rng.standard_normal((500, 20)).astype(np.float32) for _ in range(2))
    >>> turned = (x @ np.linalg.qr(rng.standard_normal((20, 20)))[0]).astype(np.float32)
    >>> round(cka(x, turned).value, 3), abs(cka(x, noise).value) < 0.05
    (1.0, True)
    """
    title = "Centred kernel alignment"
    found = PairMoments.of(as_pair(first, second, metric, ids, random_state), sample, random_state)
    if found.why:
        return undefined("cka", title, found.why, source=_SOURCE)
    value, values, biased = _jackknifed(found.x, found.y, random_state)
    if not math.isfinite(value):
        why = "Unknown: too few different rows to compare pairs of different rows."
        return undefined("cka", title, why, source=_SOURCE)
    value = min(value, 1.0)
    groups = len(values)
    error = math.sqrt((groups - 1) / groups * float(np.square(values - values.mean()).sum())) if groups > 1 else 0.0
    margin = t_quantile(groups - 1) * error if groups > 1 else 0.0
    if value >= 0.8:
        verdict, meaning = "good", "The two spaces agree on which rows are alike"
    elif value >= 0.4:
        verdict, meaning = "fair", "The two spaces share the broad groups but not the degree to which rows are alike"
    else:
        verdict, meaning = "poor", "The two spaces hold different rows to be alike"
    chance = _value(found.x, found.shuffled(random_state))
    parts = {"by_chance": chance, "biased": biased}
    return Measure(
        "cka",
        value,
        min(max(value - margin, -1.0), value),
        max(min(value + margin, 1.0), value),
        f"{meaning} (1: the same up to turning and scale, 0: nothing in common).",
        title=title,
        verdict=verdict,
        detail=f"From {found.scope}, without the bias that few rows bring; the plain formula gives {biased:.3f}. "
        "The interval is a delete-a-group jackknife over rows.",
        source=_SOURCE,
        parts=parts,
        arrays=_similarities(found, random_state),
    )


def _value(x: np.ndarray, y: np.ndarray) -> float:
    """CKA of rows that are centred already."""
    count = len(x)
    grams = [float(np.square(a.T @ b).sum()) for a, b in ((x, y), (x, x), (y, y))]
    squares = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    return _from_sums(grams, squares, count)


def _from_sums(grams: list[float], squares: tuple[np.ndarray, np.ndarray], count: int) -> float:
    if count < 4:
        return math.nan
    (xy, xx, yy), (a, b) = grams, squares

    def without_bias(gram: float, one: np.ndarray, other: np.ndarray) -> float:
        own = count / (count - 2) * float(one @ other)
        return gram - own + float(one.sum() * other.sum()) / ((count - 1) * (count - 2))

    scale = without_bias(xx, a, a) * without_bias(yy, b, b)
    # Rows in general position, fewer than dimensions: every two are equally alike, and nothing is left to compare.
    if not (scale > (1e-9 * xx * yy) and without_bias(xx, a, a) > 0):
        return math.nan
    return without_bias(xy, a, b) / math.sqrt(scale)


def _jackknifed(x: np.ndarray, y: np.ndarray, random_state: int) -> tuple[float, np.ndarray, float]:
    """The value, the values without each group of rows, and the plain formula's value."""
    count = len(x)
    whole = x.T @ y, x.T @ x, y.T @ y
    grams = [float(np.square(moment).sum()) for moment in whole]
    squares = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    value = _from_sums(grams, squares, count)
    groups = min(GROUPS, count // 2)
    group = np.random.default_rng([random_state, 74]).permutation(count) % groups
    values = []
    for g in range(groups):
        gone, left = group == g, int((group != g).sum())
        a, b = x[gone], y[gone]
        means = -a.sum(axis=0) / left, -b.sum(axis=0) / left  # of the rows that stay: all rows are about zero
        sums = whole[0] - a.T @ b, whole[1] - a.T @ a, whole[2] - b.T @ b
        shift = (means[0], means[1]), (means[0], means[0]), (means[1], means[1])
        grams = [float(np.square(total - left * np.outer(*two)).sum()) for total, two in zip(sums, shift, strict=True)]
        stay = ~gone
        around = tuple(
            square[stay] - 2 * (rows[stay] @ mean) + mean @ mean
            for square, rows, mean in zip(squares, (x, y), means, strict=True)
        )
        values.append(_from_sums(grams, (around[0], around[1]), left))
    kept = np.array(values)
    plain = [float(np.square(moment).sum()) for moment in whole]
    return value, kept[np.isfinite(kept)], plain[0] / math.sqrt(plain[1] * plain[2])


def _similarities(found: PairMoments, random_state: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([random_state, 75])
    count = len(found.x)
    one = rng.integers(0, count, _SHOWN)
    other = (one + rng.integers(1, count, _SHOWN)) % count
    return {
        name: np.einsum("ij,ij->i", rows[one], rows[other]) for name, rows in (("first", found.x), ("second", found.y))
    }
