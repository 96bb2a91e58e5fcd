"""Modality gap: whether two spaces that should be one lie apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from .measure import Measure, format_number, undefined
from .moments import ROWS, other_partners
from .pair import FEWEST, Pair, collection_of, metrics_of

_SOURCE = "Liang, Zhang, Kwon, Yeung & Zou (2022), Mind the gap, NeurIPS; squared distance without bias"
_Z = 1.96


def modality_gap(
    first: Any,
    second: Any = None,
    *,
    paired: bool = True,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    sample: int | None = ROWS,
    random_state: int = 0,
) -> Measure:
    """Modality gap: the distance between the means of two sets of vectors that are to be searched together.

    Images and texts of one model, or an old and a new model of one dimension, often lie in two separate clouds: then
    the kind of a row decides its distance before its meaning does. Choose it before rows of two kinds go into one
    index.

    Parameters
    ----------
    first, second : (n1, d) and (n2, d): one dimension, else there is no value; or a :class:`Pair` as ``first``.
    paired : True when row i of the one belongs to row i of the other (or ``ids`` pairs them), which adds how far
        partners lie apart; False for two sets of any size.
    metric : "cosine" takes the rows at length one, as the paper does; one for each is allowed.
    ids, sample, random_state : as in :func:`cka`.

    Returns
    -------
    Measure
        ``value``: distance between the means, the spread of the means taken out. ``parts``: ``by_chance`` (rows dealt
        to the two at random), ``separable`` (how often the direction of the gap tells, on rows held out, which of two
        rows comes from the second: 0.5 not at all, 1 always), ``share`` (of all variance) and, for pairs,
        ``partners`` and ``strangers``, the mean cosine (or distance) across of rows that belong together and that do
        not. ``arrays``: ``first`` and ``second``, places along the gap. The interval is analytic.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32)
    >>> moved = x[1000:] + np.float32([0.5, 0, 0, 0, 0, 0, 0, 0])
    >>> round(modality_gap(x[:1000], moved, metric="l2", paired=False).value, 1)
    0.5
    """
    title = "Modality gap"
    check_random_state(random_state)
    if sample is not None:
        check_int(sample, "sample", 2)
    if paired or isinstance(first, Pair):
        pair = Pair.of(first, second, metric=metric, ids=ids, random_state=random_state)
        spaces, paired = (pair.first, pair.second), True
        chosen = pair.draw(sample, random_state, 76)
        places = [chosen, chosen]
    else:
        if ids is not None:
            raise ValueError("ids: expected None when paired=False")
        both = metrics_of(metric)
        spaces = collection_of(first, "first", both[0]), collection_of(second, "second", both[1])
        rng = np.random.default_rng([random_state, 76])
        places = [np.sort(rng.choice(len(s), min(sample or len(s), len(s)), replace=False)) for s in spaces]
    if spaces[0].dim != spaces[1].dim:
        why = f"Unknown: with {spaces[0].dim} and {spaces[1].dim} dimensions the two have no common space."
        return undefined("modality_gap", title, why, source=_SOURCE)
    if min(map(len, places)) < FEWEST:
        why = f"Unknown: needs at least {FEWEST} rows of each, and there are {len(places[0])} and {len(places[1])}."
        return undefined("modality_gap", title, why, source=_SOURCE)
    x, y = (space.take(rows).astype(np.float64) for space, rows in zip(spaces, places, strict=True))
    unit = max(float(np.abs(x).max()), float(np.abs(y).max()))
    if not unit > 0:
        return undefined("modality_gap", title, "Unknown: every row is zero.", source=_SOURCE)
    x, y = x / unit, y / unit
    square, error = _squared(x, y, paired)
    value, low, high = (unit * math.sqrt(max(s, 0.0)) for s in (square, square - _Z * error, square + _Z * error))
    rng = np.random.default_rng([random_state, 77])
    parts = {
        "by_chance": unit * math.sqrt(max(_squared(*_dealt(x, y, paired, rng), paired)[0], 0.0)),
        "separable": _separable(x, y, rng),
        "share": _share(x, y, square),
    }
    cosine = (spaces[0].metric, spaces[1].metric) == ("cosine", "cosine")
    if paired:
        for name, other in (("partners", y), ("strangers", y[other_partners(len(y), random_state)])):
            gap = np.square(x - other).sum(axis=1)
            parts[name] = float((1 - unit**2 * gap / 2).mean()) if cosine else unit * float(np.sqrt(gap).mean())
    apart = parts["separable"]
    if apart < 0.6:
        verdict, tail = "good", "the two fill the same region and can share an index"
    elif apart < 0.9:
        verdict, tail = "fair", "the kind of a row shifts its distances"
    else:
        verdict, tail = "poor", "the two are separate clouds, so in one index rows would find their own kind first"
    line = y.mean(axis=0) - x.mean(axis=0)
    line /= max(float(np.linalg.norm(line)), 1e-300)
    return Measure(
        "modality_gap",
        value,
        min(low, value),
        max(high, value),
        f"The means lie {format_number(value)} apart; along that line a row of the second is told from one of the "
        f"first {apart:.0%} of the time (50% is chance): {tail}.",
        title=title,
        verdict=verdict,
        detail=f"From {len(x):,} rows of the first and {len(y):,} of the second, "
        f"{'paired' if paired else 'not paired'}{', at length one' if cosine else ''}. The interval is analytic.",
        source=_SOURCE,
        parts=parts,
        arrays={"first": unit * (x @ line), "second": unit * (y @ line)},
    )


def _squared(x: np.ndarray, y: np.ndarray, paired: bool) -> tuple[float, float]:
    """The squared distance of the means without bias, and its standard error."""
    apart = y.mean(axis=0) - x.mean(axis=0)
    clouds = [(y - x, len(x))] if paired else [(x, len(x)), (y, len(y))]
    bias = along = noise = 0.0
    for cloud, count in clouds:
        cloud = cloud - cloud.mean(axis=0)
        bias += float(np.square(cloud).sum()) / ((count - 1) * count)
        along += 4 * float(np.square(cloud @ apart).sum()) / ((count - 1) * count)
        # The smaller of the two Gram matrices: its squares are those of the covariance.
        gram = cloud.T @ cloud if cloud.shape[1] <= count else cloud @ cloud.T
        noise += 2 * float(np.square(gram).sum()) / ((count - 1) * count) ** 2
    return float(apart @ apart) - bias, math.sqrt(along + noise)


def _dealt(x: np.ndarray, y: np.ndarray, paired: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    if paired:
        swap = rng.random(len(x))[:, None] < 0.5
        return np.where(swap, y, x), np.where(swap, x, y)
    both = np.concatenate([x, y])[rng.permutation(len(x) + len(y))]
    return both[: len(x)], both[len(x) :]


def _separable(x: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> float:
    """How often a held-out row of ``y`` lies further along the gap than one of ``x`` (the area under the ROC curve)."""
    from scipy.stats import rankdata

    (a, b), (c, d) = (np.array_split(part[rng.permutation(len(part))], 2) for part in (x, y))
    line = c.mean(axis=0) - a.mean(axis=0)
    ranks = rankdata(np.concatenate([b @ line, d @ line]))
    return float((ranks[len(b) :].sum() - len(d) * (len(d) + 1) / 2) / (len(b) * len(d)))


def _share(x: np.ndarray, y: np.ndarray, square: float) -> float:
    whole = np.concatenate([x, y])
    total = float(np.square(whole - whole.mean(axis=0)).sum()) / len(whole)
    weight = len(x) * len(y) / len(whole) ** 2
    return min(max(weight * square / total, 0.0), 1.0) if total > 0 else 0.0
