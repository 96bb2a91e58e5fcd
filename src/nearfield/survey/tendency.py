"""Cluster tendency: whether rows gather in some parts of the space more than one even cloud of its shape would."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from ..native import exact_search
from .collection import METRICS, Collection
from .measure import Measure, format_number, undefined
from .rank import Spectrum

ROWS = 50_000
_ASKED = 1000
_FEWEST = 20
_Z = 1.96
_SOURCE = (
    "Hopkins & Skellam (1954) in rank form, the reference drawn from a Gaussian of the rows' covariance as Sarle's "
    "null for cubic clustering is from their axes"
)


def cluster_tendency(vectors: Any, *, metric: str = "cosine", sample: int = ROWS, random_state: int = 0) -> Measure:
    """Chance that a row has a nearer neighbour than a made-up row has: 0.5 is one even cloud, 1 is tight groups.

    Made-up rows come from a Gaussian with the mean and covariance of the rows (at length one under cosine): one cloud
    that spreads as the rows do, with nothing in it but that. The classical statistic of Hopkins draws them evenly from
    a box instead, which in tens of dimensions is empty of everything, so that any data looks clustered; and it raises
    distances to the power of the dimension, which is not known. Comparing ranks needs no power: any gives the same.

    Parameters
    ----------
    vectors : (n, d).
    metric : "cosine" measures directions, "l2" and "ip" the vectors themselves (Euclidean distance).
    sample : rows searched at most, and as many again whose covariance is taken; half of the rows each where there are
        fewer. Groups of fewer rows than n / sample are not seen: in a sample their rows are alone.
    random_state : chooses the samples and makes the reference rows.

    Returns
    -------
    Measure
        Rows that repeat another one exactly are left out. A thin curved sheet looks as clustered as separate
        groups: both leave most of their surroundings empty, and both suit an index of lists. The interval is DeLong's
        for a chance over pairs. ``parts``: ``nearer``: how many times nearer, at the median. ``arrays``: ``nearest``
        distances of rows, and ``reference``, those of made-up rows.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> cloud = rng.standard_normal((2000, 20)).astype(np.float32)
    >>> groups = cloud + 9 * rng.standard_normal((30, 20)).astype(np.float32)[np.arange(2000) % 30]
    >>> round(cluster_tendency(cloud, metric="l2").value, 1), cluster_tendency(groups, metric="l2").value > 0.99
    (0.5, True)
    """
    check_choice(metric, "metric", METRICS)
    check_int(sample, "sample", 2)
    title = "Cluster tendency"
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    distinct = np.flatnonzero(~space.repeats)
    count = len(distinct)
    if count < _FEWEST:
        why = f"Unknown: needs at least {_FEWEST} different rows, and there {'is' if count == 1 else 'are'} {count}."
        return undefined("cluster_tendency", title, why, source=_SOURCE)
    rng = np.random.default_rng([check_random_state(random_state), 90])
    # The covariance is that of other rows than those searched: made-up rows lie too near the rows they are made from.
    drawn = rng.choice(distinct, min(2 * sample, count), replace=False)
    base, others = (space.take(np.sort(part)) * space.shrink for part in np.array_split(drawn, 2))
    reference = _reference(others, min(_ASKED, len(base)), space.metric == "cosine", rng)
    asked = rng.permutation(len(base))[: len(reference)]
    own = _nearest(base, base[asked], asked)
    made = _nearest(base, reference, None)
    if not made.max() > 0:
        return undefined("cluster_tendency", title, "Unknown: nearest rows coincide, up to scale.", source=_SOURCE)
    value, error = _chance(own, made)
    near = float(np.median(own))
    nearer = float(np.median(made)) / near if near > 0 else math.inf
    if value >= 0.8:
        meaning = (
            f"Rows gather: in {format_number(value, 'share')} of cases a row has a nearer neighbour than a place "
            "picked at random in the same cloud. Lists (IVF) and partitions fit such data well; a query between the "
            "groups finds little."
        )
        verdict = "good"
    elif value >= 0.6:
        meaning, verdict = (
            "Rows gather somewhat: lists (IVF) will work, though many queries touch several of them.",
            "good",
        )
    elif value >= 0.4:
        meaning = (
            "Rows fill their space as one even cloud: there are no groups for lists or partitions to use, so prefer "
            "a graph index."
        )
        verdict = "fair"
    else:
        meaning = "Rows keep apart more evenly than chance would place them, as on a grid: prefer a graph index."
        verdict = "fair"
    return Measure(
        "cluster_tendency",
        value,
        max(value - _Z * error, 0.0),
        min(value + _Z * error, 1.0),
        meaning,
        title=title,
        unit="",
        verdict=verdict,
        detail=f"Nearest of {len(asked):,} rows and of {len(reference):,} made-up ones among {len(base):,} distinct "
        f"rows (of {len(space):,} rows). The interval is DeLong's.",
        source=_SOURCE,
        parts={"nearer": nearer, "searched": len(base)},
        arrays={"nearest": own, "reference": made},
    )


def _reference(rows: np.ndarray, count: int, unit: bool, rng: np.random.Generator) -> np.ndarray:
    """Rows of a Gaussian with the moments of ``rows``; at length one if ``unit``."""
    spectrum = Spectrum.of(rows, None, 0, "l2")
    levels, axes = np.linalg.eigh(spectrum.covariance)
    made = rng.standard_normal((count, len(levels))) * np.sqrt(np.maximum(levels, 0.0)) @ axes.T + spectrum.mean
    if spectrum.basis is not None:
        made = made @ spectrum.basis.T
    if unit:
        made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-30)
    return np.ascontiguousarray(made, dtype=np.float32)


def _nearest(base: np.ndarray, queries: np.ndarray, own: np.ndarray | None) -> np.ndarray:
    """Distance to the nearest row; with ``own``, the numbers of the queries themselves, to the nearest other."""
    rows = exact_search(base, queries, 2, metric="l2").rows
    if own is not None:
        rows = np.where(rows[:, :1] == own[:, None], rows[:, 1:], rows[:, :1])
    gap = base[rows[:, 0]].astype(np.float64) - queries
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", gap, gap)))


def _chance(own: np.ndarray, made: np.ndarray) -> tuple[float, float]:
    """The chance that a made-up row's distance is the larger, ties halved, and its standard error (DeLong)."""
    ordered_own, ordered_made = np.sort(own), np.sort(made)

    def below(ordered: np.ndarray, at: np.ndarray) -> np.ndarray:
        both = np.searchsorted(ordered, at, "left") + np.searchsorted(ordered, at, "right")
        return np.asarray(both / (2 * len(ordered)))

    by_made, by_own = below(ordered_own, made), 1 - below(ordered_made, own)
    variance = by_made.var(ddof=1) / len(made) + by_own.var(ddof=1) / len(own)
    return float(by_made.mean()), math.sqrt(float(variance))
