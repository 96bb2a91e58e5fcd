"""Fewer vectors a bag, by pooling those alike or dropping those that seldom win, and what that loses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from ...common.checks import check_int, check_random_state, check_real
from ...encode.bags import Bags
from ...encode.base import unit_rows
from .encoding import check_bags
from .exact import exact_maxsim

_TOGETHER = 1024  # vectors clustered at once: a tree takes memory by their square
_SAMPLE = 512


def pool_tokens(bags: Bags, factor: float = 2.0) -> Bags:
    """Each bag with about a ``factor``-th of its vectors: those alike are replaced by their mean, of length one.

    The first thing to try when bytes matter, before fewer bits: text has many vectors that say the same. Works without
    any queries; :func:`prune_tokens` uses them. :func:`reduction_loss` states what it costs.

    Parameters
    ----------
    bags : vectors of length one (see ``Bags.unit``), none of them empty.
    factor : 2 halves the bytes; from 4 on the losses grow. A bag of t vectors keeps ``ceil(t / factor)``.

    Notes
    -----
    Source: Clavié, Chaffin and Adams, Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact
    via Token Pooling, 2024: Ward's clustering within each document, means. Departures: bags of more than 1,024 vectors
    are clustered in consecutive parts; no vector (such as the first) is spared.

    Examples
    --------
    >>> bags = Bags.from_list([np.float32([[1, 0], [1, 0.01], [0, 1], [0.01, 1]])]).unit()
    >>> pool_tokens(bags).vectors.round(1)
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    check_bags(bags)
    factor = check_real(factor, "factor", 1.0, 1e6)
    pooled = []
    for bag in bags:
        rows = bag.astype(np.float32)
        parts = [rows[start : start + _TOGETHER] for start in range(0, len(rows), _TOGETHER)]
        means = np.concatenate([_cluster_means(part, int(np.ceil(len(part) / factor))) for part in parts])
        pooled.append(unit_rows(means).astype(bag.dtype))
    return Bags.from_list(pooled, dim=bags.dim)


def _cluster_means(rows: np.ndarray, wanted: int) -> np.ndarray:
    if wanted >= len(rows):
        return rows.copy()
    labels = fcluster(linkage(rows, method="ward"), wanted, criterion="maxclust")
    _, first, own = np.unique(labels, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[own]  # clusters in the order of their first vectors
    counts = np.bincount(place)
    sums = np.zeros((len(counts), rows.shape[1]), np.float32)
    np.add.at(sums, place, rows)
    return sums / counts[:, None].astype(np.float32)


def prune_tokens(bags: Bags, share: float = 0.5, *, queries: Bags | None = None, random_state: int = 0) -> Bags:
    """Each bag with the ``share`` of its vectors that MaxSim would miss most; they stay as they are, in their order.

    A vector is worth what its absence costs: over sampled query vectors that it is the best for, the sum of its lead
    over the second best. Choose it over :func:`pool_tokens` where there are sample queries, or where vectors must
    remain those of tokens.

    Parameters
    ----------
    bags : none of them empty; each keeps at least one vector.
    share : kept, over 0 to 1.
    queries : a sample of those to come, whose vectors are drawn from; None draws from the bags themselves.
    random_state : seed of the draw of 512 vectors.

    Notes
    -----
    A Monte Carlo estimate of the loss that removing one vector causes, the region where it wins being its Voronoi cell;
    vectors are judged one by one, not again after each removal, so two equal ones are both worth nothing: of each such
    group the first is spared.

    Examples
    --------
    >>> bags = Bags.from_list([np.float32([[1, 0], [0.9, 0.1], [0, 1]])])
    >>> prune_tokens(bags, 0.6).vectors
    array([[1., 0.],
           [0., 1.]], dtype=float32)
    """
    check_bags(bags)
    share = check_real(share, "share", 0.0, 1.0, open_low=True)
    source = bags if queries is None else check_bags(queries, "queries", bags.dim)
    rng = np.random.default_rng(check_random_state(random_state))
    drawn = np.sort(rng.permutation(len(source.vectors))[:_SAMPLE])
    sample = source.vectors[drawn].astype(np.float32)
    kept = []
    for start, bag in zip(bags.offsets[:-1], bags, strict=True):
        wanted = max(1, round(share * len(bag)))
        if wanted < len(bag):
            kept.append(start + np.sort(np.argsort(-_worth(bag.astype(np.float32), sample), kind="stable")[:wanted]))
        else:
            kept.append(start + np.arange(len(bag)))
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in kept])])
    return Bags(bags.vectors[np.concatenate(kept)] if kept else bags.vectors[:0], offsets)


def _worth(bag: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """What MaxSim with the sample would lose without each vector."""
    products = sample @ bag.T
    winner = products.argmax(axis=1)
    each = np.arange(len(sample))
    best = products[each, winner].copy()
    products[each, winner] = -np.inf
    lead = best - products.max(axis=1)
    # Wins count a little, so that the first of two equal vectors is worth more than one that never wins.
    return np.bincount(winner, weights=lead.astype(np.float64) + 1e-6, minlength=len(bag))


class ReductionLoss(NamedTuple):
    """What smaller bags lose: ``recall`` of the exact ``k`` best, ``score``, the mean share of the best document's
    MaxSim that is gone, and ``vectors``, the share of the vectors that are left.

    Examples
    --------
    >>> print(ReductionLoss(0.97, 0.012, 0.5, 10))
    50% of the vectors keep 97.0% of the 10 best; the best document's score falls by 1.2%
    """

    recall: float
    score: float
    vectors: float
    k: int

    def __str__(self) -> str:
        kept = f"{self.vectors:.0%} of the vectors keep {self.recall:.1%} of the {self.k} best"
        return f"{kept}; the best document's score falls by {self.score:.1%}"


def reduction_loss(bags: Bags, reduced: Bags, queries: Bags, k: int = 10) -> ReductionLoss:
    """What ``reduced`` bags, as many as ``bags``, lose for these ``queries``: :class:`ReductionLoss`.

    Two exact searches: give it some thousand bags and some dozen queries.

    Examples
    --------
    >>> bags = Bags.from_list([np.eye(4, dtype=np.float32)[:2], np.eye(4, dtype=np.float32)[2:]])
    >>> reduction_loss(bags, bags, bags, k=1).recall
    1.0
    """
    check_int(k, "k", 1)
    if not len(bags) or not len(check_bags(queries, "queries", bags.dim)):
        raise ValueError("bags, queries: expected at least one of each")
    if len(reduced) != len(bags):
        raise ValueError(f"reduced: expected {len(bags)} bags as before, got {len(reduced)}")
    k = min(k, len(bags))
    before, after = exact_maxsim(bags, queries, k), exact_maxsim(reduced, queries, len(bags))
    recall = float(np.mean([np.isin(a, b).mean() for a, b in zip(before.rows, after.rows[:, :k], strict=True)]))
    places = (after.rows == before.rows[:, :1]).argmax(axis=1)
    best = -before.distances[:, 0].astype(np.float64)
    now = -after.distances[np.arange(len(queries)), places].astype(np.float64)
    left = len(reduced.vectors) / len(bags.vectors)
    return ReductionLoss(recall, float(np.mean((best - now) / np.abs(best))), left, k)
