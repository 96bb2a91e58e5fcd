"""Whether two spaces give the same results: the share of neighbours in common, and rank-biased overlap."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..common.checks import check_int, check_real
from ..common.interval import mean_interval
from .measure import Measure, undefined
from .moments import as_pair
from .pair_lists import DEPTH, QUERIES, PairLists, common, shared

_MUTUAL = (
    "Huh, Cheung, Wang & Isola (2024), The platonic representation hypothesis, ICML (mutual nearest-neighbour metric)"
)
_RBO = "Webber, Moffat & Zobel (2010), A similarity measure for indefinite rankings, TOIS 28 (eq. 32, extrapolated)"


def mutual_neighbors(
    first: Any,
    second: Any = None,
    *,
    k: int = 10,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    queries: tuple[Any, Any] | None = None,
    sample: int | None = QUERIES,
    random_state: int = 0,
    neighbors: PairLists | None = None,
) -> Measure:
    """Mutual k-nearest neighbours: the share of a row's ``k`` nearest that is the same in both spaces.

    The plainest answer to "would results change?". Choose it before :func:`cka`, which sees broad groups; choose
    :func:`rank_biased_overlap` when the first places matter most.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    k : length of the result lists; use the k that search uses. At most the number of pairs less one.
    metric, ids : as in :func:`cka`. Each space is searched under its own metric.
    queries : (first_queries, second_queries), the same questions encoded by both models. None: rows of the spaces ask,
        each left out of its own list.
    sample : rows that ask. None: every row.
    random_state : chooses them.
    neighbors : lists to share with :func:`rank_biased_overlap`.

    Returns
    -------
    Measure
        The interval is Wilson's for shares, over the questions; it takes the collection as it is. The value falls
        as collections grow, in any two spaces that differ: nearest of a million is a finer thing than nearest of a
        thousand. ``parts``: ``by_chance`` (k over the other rows), ``none`` (share of questions without one
        common result). ``arrays``: ``per_row``, the number in common.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    >>> mutual_neighbors(x, -x).value  # the same distances
    1.0
    """
    title = "Results in common"
    check_int(k, "k", 1)
    pair = as_pair(first, second, metric, ids, random_state)
    lists = PairLists.of(pair, k + 1, sample, random_state, queries, neighbors)
    if lists.why:
        return undefined("mutual_neighbors", title, lists.why, source=_MUTUAL)
    k = min(k, lists.depth)
    counts = common(lists.first[:, :k], lists.second[:, :k])
    value, low, high = mean_interval(counts / k)
    among = len(pair) - (lists.rows is not None)
    if value >= 0.8:
        verdict, tail = "good", "people will hardly notice which of the two answers"
    elif value >= 0.4:
        verdict, tail = "fair", "results change visibly"
    else:
        verdict, tail = "poor", "most results change"
    return Measure(
        "mutual_neighbors",
        value,
        low,
        high,
        f"Of the {k} nearest, {k * value:.1f} are the same in both spaces on average: {tail}.",
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From {lists.scope}. The interval is Wilson's for shares, over what was asked.",
        source=_MUTUAL,
        parts={"by_chance": k / among, "k": k, "none": float((counts == 0).mean())},
        arrays={"per_row": counts},
    )


def rank_biased_overlap(
    first: Any,
    second: Any = None,
    *,
    persistence: float = 0.9,
    depth: int = DEPTH,
    metric: str | tuple[str, str] = "cosine",
    ids: tuple[Any, Any] | None = None,
    queries: tuple[Any, Any] | None = None,
    sample: int | None = QUERIES,
    random_state: int = 0,
    neighbors: PairLists | None = None,
) -> Measure:
    """Rank-biased overlap (RBO) of the two result lists: agreement in which the first places count most.

    The agreement that a reader sees who goes on to the next result with probability ``persistence``. Choose it over
    :func:`mutual_neighbors` when the order within the first results matters.

    Parameters
    ----------
    first, second : (n, d1) and (n, d2), or a :class:`Pair` as ``first``.
    persistence : in (0, 1): 0.9 puts 86% of the weight on the first ten, 0.5 nearly all on the first three.
    depth : how far the lists are read; agreement at the last place is taken to go on (extrapolated RBO).
    metric, ids, queries, sample, random_state, neighbors : as in :func:`mutual_neighbors`.

    Returns
    -------
    Measure
        ``parts``: ``by_chance``. ``arrays``: ``agreement``, the mean share in common among the first 1, 2, ... places,
        and ``by_chance`` for each. The interval is Wilson's for shares, over the questions.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    >>> round(rank_biased_overlap(x, x).value, 6)
    1.0
    """
    title = "Rank-biased overlap"
    check_real(persistence, "persistence", 0, 1, open_low=True, open_high=True)
    check_int(depth, "depth", 1)
    pair = as_pair(first, second, metric, ids, random_state)
    lists = PairLists.of(pair, depth, sample, random_state, queries, neighbors)
    if lists.why:
        return undefined("rank_biased_overlap", title, lists.why, source=_RBO)
    depth = min(depth, lists.depth)
    agreement = shared(lists.first[:, :depth], lists.second[:, :depth]) / np.arange(1, depth + 1)
    value, low, high = mean_interval(np.clip(_extrapolated(agreement, persistence), 0, 1))
    chance = np.arange(1, depth + 1) / (len(pair) - (lists.rows is not None))
    if value >= 0.8:
        verdict, tail = "good", "the same rows come first"
    elif value >= 0.4:
        verdict, tail = "fair", "the first places often differ"
    else:
        verdict, tail = "poor", "the first places are mostly others"
    return Measure(
        "rank_biased_overlap",
        value,
        low,
        high,
        f"Read from the top, the two result lists agree by {value:.0%}: {tail}.",
        title=title,
        unit="share",
        verdict=verdict,
        detail=f"From {lists.scope}, to depth {depth} with persistence {persistence:g}. The interval is Wilson's for "
        "shares, over what was asked.",
        source=_RBO,
        parts={"by_chance": float(_extrapolated(chance[None], persistence)[0]), "depth": depth},
        arrays={"agreement": agreement.mean(axis=0), "by_chance": chance},
    )


def _extrapolated(agreement: np.ndarray, p: float) -> np.ndarray:
    """RBO of each row of agreements (q, depth), the last one taken to go on for ever."""
    depth = agreement.shape[1]
    weights = (1 - p) / p * p ** np.arange(1, depth + 1)
    return np.asarray(agreement @ weights + agreement[:, -1] * p**depth)
