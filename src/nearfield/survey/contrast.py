"""Relative contrast: how much nearer the nearest neighbour is than a random row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice
from ..common.interval import t_quantile
from .collection import METRICS, Collection
from .measure import Measure, undefined
from .neighbors import GROUPS, Neighborhood, list_length, sample_neighbors

_PAIRS = 16
_FEWEST = 10
_SOURCE = "He, Kumar & Chang (2012), On the difficulty of nearest neighbor search, ICML"


def random_distances(space: Collection, rows: np.ndarray, random_state: int, pairs: int = _PAIRS) -> np.ndarray:
    """Euclidean distance from each of ``rows`` to ``pairs`` other rows chosen at random: (q, pairs) float64."""
    rng = np.random.default_rng([random_state, 50])
    other = rng.integers(0, len(space) - 1, (len(rows), pairs))
    other += other >= rows[:, None]
    queries = space.take(rows)
    found = np.empty(other.shape)
    step = max(1, (1 << 22) // (pairs * space.dim))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        gap = space.take(other[part].ravel()).reshape(-1, pairs, space.dim) - queries[part, None, :]
        found[part] = np.sqrt(np.einsum("qkd,qkd->qk", gap, gap, dtype=np.float64))
    return found


def contrast(
    vectors: Any,
    *,
    metric: str = "cosine",
    sample: int | None = 2000,
    random_state: int = 0,
    neighbors: Neighborhood | None = None,
) -> Measure:
    """Relative contrast: the mean distance to a random row over the mean distance to the nearest one.

    The plainest sign of whether "nearest" means anything: near 1, the nearest row is hardly nearer than any other, and
    neither exact nor approximate search gives answers worth much.

    Parameters
    ----------
    vectors : (n, d).
    metric : "cosine" measures directions (by the chord between unit vectors), "l2" and "ip" the vectors themselves.
    sample : rows whose neighbours are looked up; None for every row.
    random_state : chooses the sample and the random pairs.
    neighbors : a search to share, from :func:`sample_neighbors` with ``distinct=True``.

    Returns
    -------
    Measure
        The interval is a delete-a-group jackknife over rows. Rows that repeat another one exactly are left out.
        ``arrays``: ``nearest`` and ``random`` distances.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1000, 64)).astype(np.float32)
    >>> round(contrast(x).value, 1), round(contrast(x[:, :2].copy(), metric="l2").value > 20)
    (1.3, 1)
    """
    title = "Contrast"
    check_choice(metric, "metric", METRICS)
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    found = neighbors
    if found is None:
        found = sample_neighbors(space, list_length(1), metric=space.metric, sample=sample, random_state=random_state)
    lists = found.nearest(1)
    if len(lists.rows) < _FEWEST:
        count = len(lists.rows)
        why = f"Unknown: needs at least {_FEWEST} different rows, and there {'is' if count == 1 else 'are'} {count}."
        return undefined("contrast", title, why, source=_SOURCE)
    nearest = lists.distances[:, 0]
    at_random = random_distances(space, lists.rows, random_state)
    if nearest.mean() <= 1e-9 * at_random.mean():
        return undefined("contrast", title, "Unknown: nearest rows coincide, up to scale.", source=_SOURCE)
    value = float(at_random.mean() / nearest.mean())
    by_row = np.full(len(space), np.nan)
    by_row[lists.rows] = at_random.mean(axis=1)

    def statistic(part: Neighborhood) -> float:
        below = float(part.distances[:, 0].mean()) if len(part.rows) else 0.0
        return float(np.nanmean(by_row[part.rows])) / below if below > 0 else math.nan

    error = found.jackknife(1, statistic, random_state)
    margin = t_quantile(GROUPS - 1) * error if math.isfinite(error) else 0.0
    near, far = float(np.median(nearest)), float(np.median(at_random))
    shown = (
        f"cosine {1 - near**2 / 2:.2f} against {1 - far**2 / 2:.2f}"
        if space.metric == "cosine"
        else f"distance {near:.3g} against {far:.3g}"
    )
    if value >= 1.5:
        verdict, tail = "good", "neighbours stand out clearly"
    elif value >= 1.15:
        verdict, tail = "fair", "neighbours stand out, with many close competitors"
    else:
        verdict, tail = "poor", "the nearest row is hardly nearer than any other, so results will look arbitrary"
    return Measure(
        "contrast",
        value,
        value - min(margin, value),
        value + margin,
        f"A row's nearest neighbour is {value:.3g} times nearer than a random row ({shown} at the median): {tail}.",
        title=title,
        unit="",
        verdict=verdict,
        detail=f"From the {found.nearest(1).scope}, and {_PAIRS} random rows each. "
        "The interval is a delete-a-group jackknife over rows.",
        source=_SOURCE,
        parts={"nearest": near, "random": far},
        arrays={"nearest": nearest, "random": at_random.ravel()},
    )
