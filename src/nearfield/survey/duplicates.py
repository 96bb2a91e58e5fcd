"""Duplicates: rows that repeat another one exactly, and rows that nearly do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_real
from .collection import METRICS, Collection
from .contrast import random_distances
from .measure import Measure, format_number, undefined
from .neighbors import Neighborhood, sample_neighbors

_Z = 1.96
_SOURCE = "exact: bitwise comparison; near: Wilson (1927) interval of a sampled share"


def duplicates(
    vectors: Any,
    *,
    near: float = 0.1,
    metric: str = "cosine",
    sample: int | None = 2000,
    random_state: int = 0,
    neighbors: Neighborhood | None = None,
) -> Measure:
    """Share of rows that have a twin: another row that is equal, or nearer than a small part of a usual distance.

    Parameters
    ----------
    vectors : (n, d).
    near : how near is "near": this share of the median distance between two random rows. 0.1 is a cosine of about
        0.99 in most text spaces; ``parts["near_distance"]`` (and ``["near_cosine"]``) says what it is here. Data of
        three dimensions or fewer is dense enough for everything to be that near: take 0.01 there.
    metric : "cosine" measures directions (by the chord between unit vectors), "l2" and "ip" the vectors themselves.
    sample : rows whose nearest neighbour is looked up to count near twins; exact twins are counted over all rows.
    random_state : chooses the sample.
    neighbors : a search to share, from :func:`sample_neighbors` with ``distinct=True``.

    Returns
    -------
    Measure
        ``parts``: ``exact`` (share of rows that repeat an earlier one: deleting them loses nothing), ``exact_rows``,
        ``with_exact_twin`` (share), ``largest_group``, ``near`` (share of the rows without an exact twin that have a
        near one), ``near_distance``, ``near_share`` (the parameter ``near``), ``near_cosine``. ``arrays``: ``nearest``,
        how far the nearest other row of each sampled row is, in usual distances. The exact counts have no error; the
        interval is Wilson's for the sampled near share.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1000, 32)).astype(np.float32)
    >>> x[900:] = x[:100]
    >>> measure = duplicates(x)
    >>> measure.value, measure.parts["exact_rows"]
    (0.2, 100)
    """
    near = check_real(near, "near", 0.0, 1.0, open_high=True)
    check_choice(metric, "metric", METRICS)
    title = "Duplicates"
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    count = len(space)
    if count < 2:
        return undefined("duplicates", title, "Unknown: needs at least 2 rows, and there is 1.", source=_SOURCE)
    group = np.bincount(space.representative, minlength=count)
    twin = group[space.representative] > 1
    repeats = int(space.repeats.sum())
    with_twin = float(twin.mean())
    parts: dict[str, float] = {
        "exact": repeats / count,
        "exact_rows": repeats,
        "with_exact_twin": with_twin,
        "largest_group": int(group.max()),
    }
    found = neighbors
    if found is None:
        found = sample_neighbors(space, 1, metric=space.metric, sample=sample, random_state=random_state)
    share, low, high, scope = 0.0, 0.0, 0.0, "all rows"
    lists = found.nearest(1)
    single = ~twin[lists.rows]
    nearest = np.zeros(len(lists.rows))
    if single.any():
        usual = float(np.median(random_distances(space, lists.rows, random_state)))
        limit = near * usual
        parts["near_distance"], parts["near_share"] = limit, near
        nearest[single] = lists.distances[single, 0] / usual if usual > 0 else 0.0
        if space.metric == "cosine":
            parts["near_cosine"] = 1 - limit**2 / 2
        hits, tries = int((lists.distances[single, 0] <= limit).sum()), int(single.sum())
        share = hits / tries
        low, high = (
            (share, share)
            if tries == int((~twin).sum()) and len(found.searched) + repeats == count
            else _wilson(hits, tries)
        )
        scope = found.scope
    parts["near"] = share
    value = with_twin + (1 - with_twin) * share
    waste = parts["exact"]
    if value < 0.01:
        verdict, meaning = "good", "Hardly any row has a twin, so results will not repeat themselves."
    elif value < 0.1:
        verdict = "fair"
        meaning = f"{_percent(value)} of the rows have a twin: a few results will say the same thing twice."
    elif with_twin < 0.1 and share > 0.5:
        verdict = "fair"
        meaning = (
            f"Most rows ({_percent(value)}) have another one very near: either near copies, or data of so few "
            "dimensions that it is dense everywhere; look at a few pairs."
        )
    else:
        verdict = "poor"
        meaning = f"{_percent(value)} of the rows have a twin: top results will often say the same thing twice."
    if repeats:
        meaning += f" Dropping the exact repeats saves {_percent(waste)} of the memory and loses nothing."
    at = f"within {near:g} of the usual distance between rows"
    if "near_cosine" in parts:
        at += f", a cosine of at least {parts['near_cosine']:.4g}"
    missed = (
        " Near twins that were not among the rows searched are missed." if len(found.searched) + repeats < count else ""
    )
    return Measure(
        "duplicates",
        value,
        with_twin + (1 - with_twin) * low,
        max(with_twin + (1 - with_twin) * high, value),
        meaning,
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"Exact twins: all {count:,} rows compared. Near twins ({at}): from the {scope}.{missed} "
        "The interval is Wilson's for the near share.",
        source=_SOURCE,
        parts=parts,
        arrays={"nearest": nearest} if len(nearest) else {},
    )


def _wilson(hits: int, tries: int) -> tuple[float, float]:
    """The 95% interval of a share."""
    share, z2 = hits / tries, _Z**2
    middle = (share + z2 / (2 * tries)) / (1 + z2 / tries)
    half = _Z / (1 + z2 / tries) * math.sqrt(share * (1 - share) / tries + z2 / (4 * tries**2))
    return min(max(middle - half, 0.0), share), max(min(middle + half, 1.0), share)


def _percent(share: float) -> str:
    return format_number(share, "share")
