"""Hubness: whether some rows turn up in the results of many queries while others never do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int
from ..common.interval import t_quantile
from .collection import METRICS, Collection
from .measure import Measure, undefined
from .neighbors import GROUPS, Neighborhood, sample_neighbors

ROWS = 10_000
_UPWARD = 1.75
_SOURCE = (
    "Radovanovic, Nanopoulos & Ivanovic (2010), JMLR 11 (skewness of k-occurrence, anti-hubs); "
    "Feldbauer, Leodolter, Plant & Flexer (2018), ICBK (Robin Hood index)"
)


def hubness(
    vectors: Any,
    *,
    k: int = 10,
    metric: str = "cosine",
    sample: int | None = ROWS,
    random_state: int = 0,
) -> Measure:
    """Hubness: the skewness of how often each row is among the ``k`` nearest of the others.

    0 means every row has its turn. Large values mean that a few rows (hubs) fill many results and some (anti-hubs)
    appear in none, whatever is asked.

    Parameters
    ----------
    vectors : (n, d).
    k : length of the result lists; use the k that search will use.
    metric : "cosine", "l2" or "ip". Under "ip" long rows are hubs.
    sample : the measure needs every row's neighbours, so a larger collection is replaced by so many of its rows,
        which then are both queries and base. In high dimensions hubness grows with the number of rows;
        ``parts["at_half"]`` shows whether it does here. None: all rows, n^2 distances.
    random_state : chooses the sample.

    Returns
    -------
    Measure
        ``parts``: ``anti_hubs`` (share of rows in no list) with ``anti_hubs_low`` and ``_high``, ``top_share`` (share
        of all places taken by the most frequent hundredth of the rows), ``robin_hood`` (share of places to move
        for all rows to be equal), ``maximum``, ``at_half`` (skewness with half of the rows). The intervals are a
        delete-a-group jackknife, lists made anew without the group; that of the skewness leans upward, because a
        sample lacks the rarest hubs. ``arrays``: ``occurrences`` per row.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> few = hubness(rng.standard_normal((1000, 3)).astype(np.float32), metric="l2")
    >>> many = hubness(rng.standard_normal((1000, 100)).astype(np.float32), metric="l2")
    >>> few.value < 1 < 3 < many.value
    True
    """
    check_int(k, "k", 1)
    check_choice(metric, "metric", METRICS)
    if sample is not None:
        check_int(sample, "sample", 2)
    title = "Hubness"
    space = Collection.of(vectors, metric)
    if len(space) < k + 2:
        why = f"Unknown: needs at least {k + 2} rows for lists of {k}, and there {_are(len(space))}."
        return undefined("hubness", title, why, source=_SOURCE)
    length = min(3 * k + 10, len(space) - 1)
    found = sample_neighbors(
        space,
        length,
        metric=metric,
        sample=None,
        base=len(space) if sample is None else sample,
        distinct=False,
        random_state=random_state,
    )
    if tied_share(found, k, space) > 0.5:
        why = f"Unknown: most rows have more than {k} equally near neighbours, so which are listed is arbitrary."
        return undefined("hubness", title, why, source=_SOURCE)
    counts = _occurrences(found.nearest(k))
    value = _skewness(counts)
    if not math.isfinite(value):
        why = "Unknown: every row appears in as many lists as every other, so there is no skewness to measure."
        return undefined("hubness", title, why, source=_SOURCE)
    quantile = t_quantile(GROUPS - 1)

    def margin(statistic: Any) -> float:
        error = found.jackknife(k, lambda lists: statistic(_occurrences(lists)), random_state)
        return quantile * error if math.isfinite(error) else 0.0

    around, anti, anti_margin = margin(_skewness), _never(counts), margin(_never)
    # Skewness hangs on the largest counts, and a sample lacks the rarest of them: the interval is symmetric on the
    # scale of asinh (which is log for large values) and leans upward by the factor that 95% of clouds need.
    scaled = around / math.sqrt(1 + value**2)
    low, high = (math.sinh(math.asinh(value) + side * min(scaled, 5.0)) for side in (-1, _UPWARD))
    half = np.zeros(len(space), bool)
    half[np.random.default_rng([random_state, 60]).permutation(found.searched)[: len(found.searched) // 2]] = True
    at_half = _skewness(_occurrences(found.without(half, k))) if len(found.searched) >= 4 * k else math.nan
    top = np.sort(counts)[::-1][: max(1, round(len(counts) / 100))].sum() / counts.sum()
    parts = {
        "k": k,
        "rows": len(counts),
        "anti_hubs": anti,
        "anti_hubs_low": max(anti - anti_margin, 0.0),
        "anti_hubs_high": min(anti + anti_margin, 1.0),
        "top_share": float(top),
        "robin_hood": float(np.abs(counts - counts.mean()).sum() / (2 * counts.sum())),
        "maximum": int(counts.max()),
        "at_half": at_half,
    }
    frequent = f"the most frequent 1% of the rows take {top:.0%} of all places in top-{k} results"
    places = f"{frequent}, and {anti:.1%} appear in none"
    if value < 1.5:
        verdict, meaning = "good", f"Nearly every row has its turn: {places}."
    elif value < 4:
        verdict, meaning = "fair", f"Some rows turn up often: {places}."
    else:
        verdict, meaning = "poor", f"Hubs crowd the results: {places}; centring the vectors or cosine often helps."
    detail = f"From the {k} nearest {found.scope}"
    if len(found.searched) < len(space):
        detail += "; the whole collection may have more of it"
        if math.isfinite(at_half):
            detail += f" (it was {at_half:.2f} with half as many rows)"
    return Measure(
        "hubness",
        value,
        min(low, value),
        max(high, value),
        meaning,
        title=title,
        unit="",
        verdict=verdict,
        detail=detail + ". The interval is a delete-a-group jackknife, lists made anew without each group, "
        "leaning upward because a sample lacks the rarest hubs.",
        source=_SOURCE,
        parts=parts,
        arrays={"occurrences": counts},
    )


def _occurrences(lists: Neighborhood) -> np.ndarray:
    """In how many lists each searched row appears."""
    counts = np.bincount(lists.ids.ravel(), minlength=lists.total)
    return counts[lists.searched]


def tied_share(found: Neighborhood, k: int, space: Collection) -> float:
    """Share of the lists whose last place could as well have gone to the next row."""
    if found.k <= k:
        return 0.0
    length = 1.0 if space.metric == "cosine" else float(np.median(space.norms))
    tolerance = 1e-6 * (length**2 if space.metric == "ip" else length)
    return float((found.distances[:, k] - found.distances[:, k - 1] <= tolerance).mean())


def _skewness(counts: np.ndarray) -> float:
    gap = counts - counts.mean()
    variance = float((gap**2).mean())
    return float((gap**3).mean()) / variance**1.5 if variance > 0 else math.nan


def _never(counts: np.ndarray) -> float:
    return float((counts == 0).mean())


def _are(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} {count}"
