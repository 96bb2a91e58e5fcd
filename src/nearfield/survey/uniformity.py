"""Uniformity and alignment: whether rows spread over the whole sphere, and whether given pairs lie together on it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state, check_real
from .collection import Collection
from .measure import Measure, undefined

ROWS = 4000
_FEWEST = 3
_RANDOM = 16
_Z = 1.96
_SOURCE = "Wang & Isola (2020), Understanding contrastive representation learning, ICML"


def uniformity(vectors: Any, *, t: float = 2.0, sample: int | None = ROWS, random_state: int = 0) -> Measure:
    """Uniformity: the log of the mean of ``exp(-t |x - y|^2)`` over pairs of rows at length one; lower is more even.

    Choose it over :func:`mean_cosine`, which is 0 for two opposite bundles as well: this one falls only where rows keep
    apart on the whole sphere. Contrastive training lowers it.

    Parameters
    ----------
    vectors : (n, d); rows are brought to length one, zero rows left out.
    t : how local "apart" is; the paper's 2.
    sample : rows of which all pairs are taken. None: all, n^2 products.
    random_state : chooses the sample.

    Returns
    -------
    Measure
        Over all pairs of different sampled rows; the interval is analytic (U-statistic). ``parts``: ``even``, the value
        of rows spread evenly over the sphere of so many dimensions, the least there is in the limit (``-2 t + 2 t^2/d``
        nearly), and ``excess`` over it.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
    >>> measure = uniformity(x)
    >>> round(measure.value, 2), round(measure.parts["even"], 2), uniformity(x + 2).verdict
    (-3.88, -3.88, 'poor')
    """
    t = check_real(t, "t", 0.0, 1e6, open_low=True)
    title = "Uniformity"
    space = Collection.of(vectors)
    if sample is not None:
        check_int(sample, "sample", 2)
    usable = np.flatnonzero(space.norms > 0)
    rng = np.random.default_rng([check_random_state(random_state), 100])
    if sample is not None and sample < len(usable):
        usable = np.sort(rng.choice(usable, sample, replace=False))
    count = len(usable)
    if count < _FEWEST:
        why = f"Unknown: needs at least 3 nonzero rows, and there {'is' if count == 1 else 'are'} {count}."
        return undefined("uniformity", title, why, source=_SOURCE)
    rows = _unit(space, usable)
    total = np.empty(count)
    for low in range(0, count, 1024):
        block = np.exp(np.minimum(-2 * t * (1 - rows[low : low + 1024] @ rows.T), 0.0), dtype=np.float64)
        block[np.arange(len(block)), low + np.arange(len(block))] = 0.0
        total[low : low + 1024] = block.sum(axis=1)
    by_row = total / (count - 1)
    mean = max(float(by_row.mean()), 1e-300)
    value = math.log(mean)
    error = 2 * float(by_row.std(ddof=1)) / math.sqrt(count) / mean
    even = _even(space.dim, t)
    excess = value - even
    low_end, high = value - _Z * error, min(value + _Z * error, 0.0)
    if excess < 0.25 * -even:
        verdict, meaning = "good", "Rows spread over nearly the whole sphere, so there is room to tell them apart."
    elif excess < 0.6 * -even:
        verdict = "fair"
        meaning = "Rows use a part of the sphere: usual for text encoders, and no fault if results are good."
    else:
        verdict = "poor"
        meaning = (
            "Rows crowd into a small part of the sphere: similarities all look high and codes of few bits lose more; "
            "subtract the mean vector, or whiten, and measure retrieval again."
        )
    return Measure(
        "uniformity",
        value,
        low_end,
        max(high, value),
        meaning,
        title=title,
        unit="",
        verdict=verdict,
        detail=f"Over all pairs of {count:,} rows (of {len(space):,}) at length one, t = {t:g}. Rows spread evenly "
        f"over the sphere would have {even:.2f}. The interval is analytic (U-statistic).",
        source=_SOURCE,
        parts={"even": even, "excess": excess},
    )


def alignment(vectors: Any, pairs: Any, *, random_state: int = 0) -> Measure:
    """Alignment: the mean squared distance, at length one, of rows that belong together; lower is better.

    Choose it beside :func:`uniformity` when pairs are known (question and answer, two views, two languages): a good
    encoder brings pairs together without drawing everything together.

    Parameters
    ----------
    vectors : (n, d); rows are brought to length one.
    pairs : (p, 2) row numbers that belong together. A few hundred are enough.
    random_state : chooses the random rows that partners are compared with.

    Returns
    -------
    Measure
        The interval is analytic and allows for rows that stand in several pairs. ``parts``: ``unrelated`` (mean squared
        distance to a random row), ``ratio`` of the two, ``partner_nearer`` (share of random rows, 16 for each
        pair, that are farther than the partner). ``arrays``: ``squared`` by pair and ``squared_random``.

    Raises
    ------
    ValueError
        For pairs that are not (p, 2) row numbers of ``vectors``, pair a row with itself, or name a zero row.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.float32([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    >>> measure = alignment(x, [(0, 1), (2, 3)])
    >>> round(measure.value, 3), measure.verdict
    (0.01, 'good')
    """
    title = "Alignment of pairs"
    space = Collection.of(vectors)
    numbers = check_pairs(pairs, len(space))
    if (space.norms[numbers] == 0).any():
        raise ValueError("pairs: expected rows with a direction, got a pair with a zero row")
    rng = np.random.default_rng([check_random_state(random_state), 110])
    left, right = (_unit(space, numbers[:, side]) for side in (0, 1))
    squared = _squared(left, right)
    usable = np.flatnonzero(space.norms > 0)
    if len(usable) < _FEWEST:
        why = f"Unknown: needs at least 3 nonzero rows, and there are {len(usable)}."
        return undefined("alignment", title, why, source=_SOURCE)
    other = rng.integers(0, len(usable) - 2, (len(numbers), _RANDOM))
    for place in np.searchsorted(usable, np.sort(numbers, axis=1)).T:  # neither of the pair
        other += other >= place[:, None]
    other = usable[other]
    farther = np.stack([_squared(left, _unit(space, column)) for column in other.T], axis=1)
    value, unrelated = float(squared.mean()), float(farther.mean())
    nearer = float(((farther > squared[:, None]) + 0.5 * (farther == squared[:, None])).mean())
    residual = squared - value
    # Products of residuals count where two pairs share a row, once where they share both (Aronow et al., 2015).
    by_row = np.bincount(numbers.ravel(), np.repeat(residual, 2))
    same = np.unique(np.sort(numbers, axis=1), axis=0, return_inverse=True)[1]
    by_pair = float(np.square(np.bincount(same.ravel(), residual)).sum())
    variance = max(float(np.square(by_row).sum()) - by_pair, by_pair)
    count = len(numbers)
    error = math.sqrt(variance / (count * max(count - 1, 1)))
    verdict = "good" if nearer >= 0.99 else "fair" if nearer >= 0.9 else "poor"
    tail = {
        "good": "pairs are found reliably",
        "fair": "most pairs are found, with other rows between",
        "poor": "the encoder does not know these pairs, and no index can find them",
    }[verdict]
    return Measure(
        "alignment",
        value,
        max(value - _Z * error, 0.0) if count > 1 else 0.0,
        min(value + _Z * error, 4.0) if count > 1 else 4.0,
        f"Rows that belong together have a cosine of {1 - value / 2:.2f}, unrelated rows {1 - unrelated / 2:.2f}; the "
        f"partner is nearer than a random row in {nearer:.1%} of cases: {tail}.",
        title=title,
        unit="",
        verdict=verdict,
        detail=f"Mean squared distance over {count:,} pairs at length one (2 - 2 cosine), and to {_RANDOM} random rows "
        "for each. The interval is analytic, and allows for rows in several pairs.",
        source=_SOURCE,
        parts={
            "unrelated": unrelated,
            "ratio": value / unrelated if unrelated > 0 else math.nan,
            "partner_nearer": nearer,
        },
        arrays={"squared": squared, "squared_random": farther.ravel()},
    )


def check_pairs(pairs: Any, rows: int) -> np.ndarray:
    """``pairs`` as int64 (p, 2), every number a row, no row with itself."""
    array = np.asarray(pairs)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) == 0:
        raise ValueError(f"pairs: expected shape (p, 2) with at least one pair, got {array.shape}")
    if array.dtype.kind not in "iu":
        raise TypeError(f"pairs: expected row numbers (integers), got {array.dtype}")
    if array.min() < 0 or array.max() >= rows:
        raise ValueError(f"pairs: expected row numbers from 0 to {rows - 1}, got {array.min()} to {array.max()}")
    same = np.flatnonzero(array[:, 0] == array[:, 1])
    if same.size:
        raise ValueError(f"pairs: expected two different rows in each, got row {array[same[0], 0]} with itself")
    return array.astype(np.int64)


def _unit(space: Collection, rows: np.ndarray) -> np.ndarray:
    """Rows at length one, float32, in the order asked."""
    return np.asarray((space.vectors[rows] / space.norms[rows, None]).astype(np.float32))


def _squared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    gap = left - right
    return np.asarray(np.einsum("ij,ij->i", gap, gap, dtype=np.float64))


def _even(dim: int, t: float) -> float:
    """The value of rows spread evenly over the sphere: log of the mean of exp(-2t (1 - u)), u a coordinate of one."""
    from scipy import special

    order, kappa = dim / 2 - 1, 2 * t
    scaled = float(special.ive(order, kappa))
    if not scaled > 0:  # too many dimensions for the Bessel function: its limit, with the next term of the series
        return -kappa + kappa**2 / (2 * dim)
    return float(special.gammaln(dim / 2)) + order * math.log(2 / kappa) + math.log(scaled)
