"""Sensitivity to the order of insertion: how far it moves the recall of a graph that is built row by row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state
from ..native import NO_LINK, exact_search, make_space, search_graph
from .collection import METRICS, Collection
from .measure import Measure, undefined

_K, _LOCAL = 10, 50
_DEGREE, _CANDIDATES = 16, 64
_QUERIES = 500
_ROUND = 0.02
_FEWEST = 200
_SEEDS = 2
_Z = 1.96
_ORDERS = ("stored", "rising", "falling", "random")
_SOURCE = (
    "Elliott & Clark (2024), The impacts of data, ordering and intrinsic dimensionality on recall in HNSW, ICTIR; "
    "the graph is a navigable small world (Malkov et al., 2014) with diverse links"
)


def order_sensitivity(
    vectors: Any, *, metric: str = "cosine", sample: int = 3000, beam: int = 10, random_state: int = 0
) -> Measure:
    """Order sensitivity: how far the order of insertion moves recall@10 of a graph built row by row.

    Matters to indexes that link each row to those before it (HNSW and its kin in most libraries). A
    :class:`nearfield.index.Graph` is linked in an order of its own, and the order of the rows does not reach it.

    Parameters
    ----------
    vectors : (n, d), in the order they would be inserted.
    metric : "cosine" measures directions, "l2" and "ip" the vectors themselves (Euclidean distance).
    sample : rows in the graph; sample^2 distances are kept. Differences grow with the number of rows.
    beam : width of the search. The default is the narrowest there is for ten results, where differences show most.
    random_state : chooses the sample and the random orders.

    Returns
    -------
    Measure
        The value is the gap, as a share of the results, between the best and the worst of four orders (as stored,
        by rising and by falling local dimension, at random), each the mean of two graphs whose order is shuffled
        within hundredths. The interval is that of the paired difference over queries. ``parts``: ``stored``,
        ``rising``, ``falling`` and ``random``: recall; ``spread`` of local dimension, from which the effect comes; and
        ``seeds``, the gap that chance alone makes between random orders. ``arrays``: ``recall`` in that order.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((1200, 8)).astype(np.float32)
    >>> order_sensitivity(x, metric="l2").verdict
    'good'
    """
    check_choice(metric, "metric", METRICS)
    check_int(sample, "sample", _FEWEST)
    check_int(beam, "beam", _K)
    title = "Order sensitivity"
    space = Collection.of(vectors, "l2" if metric == "ip" else metric)
    distinct = np.flatnonzero(~space.repeats)
    if len(distinct) < _FEWEST:
        why = f"Unknown: needs at least {_FEWEST} different rows, and there are {len(distinct)}."
        return undefined("order_sensitivity", title, why, source=_SOURCE)
    rng = np.random.default_rng([check_random_state(random_state), 120])
    chosen = rng.choice(distinct, min(sample + _QUERIES, len(distinct)), replace=False)
    asked = min(_QUERIES, len(chosen) // 5)
    base, queries = (space.take(part) * space.shrink for part in (np.sort(chosen[asked:]), chosen[:asked]))
    squared = _squared(base)
    local = _local_dimension(squared)
    orders = {
        "stored": np.arange(len(base)),
        "rising": np.argsort(local, kind="stable"),
        "falling": np.argsort(-local, kind="stable"),
    }
    truth = exact_search(base, queries, _K, metric="l2").rows
    entries = rng.choice(len(base), min(8, len(base)), replace=False)
    rows = make_space("f32", base, base.shape[1])
    shares: dict[str, list[np.ndarray]] = {}
    for _ in range(_SEEDS):
        for name, order in (orders | {"random": rng.permutation(len(base))}).items():
            place = np.argsort(np.arange(len(order)) + rng.uniform(0, len(order) / 100, len(order)), kind="stable")
            links = _link(squared, order[place])
            found = search_graph(
                rows, links, entries.astype(np.uint32), queries, _K, metric="l2", beam=beam, threads=1
            ).rows
            share = (found[:, :, None] == truth[:, None, :]).any(axis=1).mean(axis=1)
            shares.setdefault(name, []).append(share)
    means = {name: float(np.mean(part)) for name, part in shares.items()}
    best, worst = (pick(_ORDERS, key=means.__getitem__) for pick in (max, min))
    gap = np.mean(shares[best], axis=0) - np.mean(shares[worst], axis=0)
    value = max(float(gap.mean()), 0.0)
    error = float(gap.std(ddof=1)) / math.sqrt(len(gap))
    randoms = [float(share.mean()) for share in shares["random"]]
    spread = float(np.log(local).std())
    return Measure(
        "order_sensitivity",
        value,
        max(value - _Z * error, 0.0),
        min(value + _Z * error, 1.0),
        _meaning(value, best, worst, means),
        title=title,
        unit="share",
        verdict="good" if value < 0.02 else "fair" if value < 0.05 else "poor",
        detail=f"Graphs of {len(base):,} rows, {_DEGREE} links, beam {beam}, {len(queries)} queries; the gap between "
        "the best and the worst of four orders, so chance makes it a little too large (the random orders lie "
        f"{max(randoms) - min(randoms):.3f} apart). The interval is that of the paired difference over queries.",
        source=_SOURCE,
        parts=means | {"spread": spread, "seeds": max(randoms) - min(randoms)},
        arrays={"recall": np.array([means[name] for name in _ORDERS])},
    )


def _squared(rows: np.ndarray) -> np.ndarray:
    """Squared distances between all rows, infinite to itself."""
    squares = np.einsum("ij,ij->i", rows, rows)
    out = rows @ rows.T
    out *= -2
    out += squares
    out += squares[:, None]
    np.maximum(out, 0, out=out)
    np.fill_diagonal(out, np.inf)
    return np.asarray(out)


def _local_dimension(squared: np.ndarray) -> np.ndarray:
    """The maximum-likelihood estimate at each row, rows without a distance getting the least."""
    k = min(_LOCAL, len(squared) - 1)
    near = np.sort(np.partition(squared, k - 1, axis=1)[:, :k], axis=1).astype(np.float64)
    near = np.maximum(near, max(float(near.max()), 1e-300) * 1e-12)
    inverse = np.log(near[:, -1:] / near[:, :-1]).mean(axis=1) / 2
    return np.asarray(1 / np.maximum(inverse, 1e-3))


def _link(squared: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Link the rows in their order, each to diverse ones among the nearest before it: uint32 (n, degree).

    Neighbours are those an exact search would find, so that what is measured is the order and nothing else. Links back
    are added in rounds of a fiftieth of the rows.
    """
    count = len(order)
    links = np.full((count, _DEGREE), -1)
    first = min(_DEGREE + 1, count)
    for row in order[:first]:
        others = order[:first][order[:first] != row]
        links[row, : len(others)] = others
    done = first
    while done < count:
        new = order[done : done + max(1, min(done, int(_ROUND * count)))]
        before = order[: done + len(new)]
        near = squared[new[:, None], before[None]]
        near[:, done:][np.triu_indices(len(new))] = np.inf  # a row sees those before it, in its own round too
        width = min(_CANDIDATES, done)
        picked = np.argpartition(near, width - 1, axis=1)[:, :width]
        links[new] = _prune(squared, new, before[picked])
        _link_back(squared, links, new)
        done += len(new)
    return np.where(links < 0, NO_LINK, links).astype(np.uint32)


def _link_back(squared: np.ndarray, links: np.ndarray, new: np.ndarray) -> None:
    """Links from the rows that ``new`` ones chose back to them, the full lists pruned."""
    sources, targets = np.repeat(new, _DEGREE), links[new].ravel()
    sources, targets = sources[targets >= 0], targets[targets >= 0]
    by_target = np.argsort(targets, kind="stable")
    sources, targets = sources[by_target], targets[by_target]
    rows, starts, counts = np.unique(targets, return_index=True, return_counts=True)
    extra = np.full((len(rows), counts.max()), -1)
    extra[np.repeat(np.arange(len(rows)), counts), np.arange(len(targets)) - np.repeat(starts, counts)] = sources
    links[rows] = _prune(squared, rows, np.concatenate([links[rows], extra], axis=1))


def _prune(squared: np.ndarray, rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """The nearest candidates (-1: none), each nearer to its row than to any chosen before; all where they fit."""
    to_row = np.where(candidates >= 0, squared[rows[:, None], candidates], np.inf)
    order = np.argsort(to_row, axis=1, kind="stable")
    candidates, to_row = np.take_along_axis(candidates, order, 1), np.take_along_axis(to_row, order, 1)
    fits = np.isfinite(to_row).sum(axis=1) <= _DEGREE
    chosen = np.full((len(rows), _DEGREE), -1)
    width = min(_DEGREE, candidates.shape[1])
    chosen[fits, :width] = np.where(np.isfinite(to_row), candidates, -1)[fits, :width]
    full = np.flatnonzero(~fits)
    candidates, left = candidates[full], to_row[full]
    for slot in range(_DEGREE):
        pick = np.isfinite(left).argmax(axis=1)
        there = np.isfinite(left[np.arange(len(full)), pick])
        taken = candidates[np.arange(len(full)), pick]
        chosen[full[there], slot] = taken[there]
        crowded = squared[taken[:, None], candidates] < to_row[full]
        left = np.where(crowded, np.inf, left)
        left[np.arange(len(full)), pick] = np.inf
    return chosen


def _meaning(value: float, best: str, worst: str, means: dict[str, float]) -> str:
    if value < 0.02:
        return "The order of insertion hardly moves recall, so any index may take the rows as they come."
    names = {"stored": "as stored", "rising": "by rising local dimension", "falling": "by falling local dimension"}
    found, lost = (f"{means[name]:.0%} {names.get(name, 'at random')}" for name in (best, worst))
    return (
        f"The order of insertion moves the recall of an index built row by row: {found}, {lost}. Use an index that "
        f"does not depend on it, as nearfield's graph, or insert the rows {names.get(best, 'at random')}."
    )
