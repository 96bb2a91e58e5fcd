"""Exact distances in order of their lower bounds, until no bound can matter any more."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..common.checks import check_int, check_vectors
from ..quantize.variance import VarianceQuantizer

# Distances computed before bounds are looked at again, in multiples of k.
_STEP = 4


class Bounded(NamedTuple):
    """What :func:`rerank_bounded` found: squared ``distances`` float32 (k,) ascending, ``rows`` (k,), and how many
    candidates were ``compared`` exactly; missing rows are -1 with distance ``+inf``.

    Examples
    --------
    >>> Bounded(np.float32([0.5]), np.array([3]), 1).compared
    1
    """

    distances: np.ndarray
    rows: np.ndarray
    compared: int


def rerank_bounded(
    query: Any, candidates: np.ndarray, vectors: np.ndarray, codec: VarianceQuantizer, codes: np.ndarray, k: int
) -> Bounded:
    """The ``k`` candidates nearest to a query by Euclidean distance, without comparing all of them.

    Candidates are compared in the order of their lower bounds; as soon as the next bound lies above the k-th distance
    found, the rest is ruled out. The answer is exactly that of comparing all. Choose it over ``rescore="vectors"`` of
    an index where vectors are far away (a disk, another machine) and each one that is not fetched counts; in memory
    the plain way is faster. At least 2 bits a dimension make the bounds worth their cost.

    Parameters
    ----------
    query : float32 (d,).
    candidates : row numbers (m,), none twice; negative ones are passed over.
    vectors : (n, d), those that were encoded.
    codec, codes : a fitted codec and the codes of all ``vectors``.
    k : how many.

    Notes
    -----
    Source: SQUASH (Oakley and Ferhatosmanoglu, 2025), after the VA-file (Weber et al., VLDB 1998): bounds from a table
    of squared distances to the cells of each direction, then exact distances in their order.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((500, 8), np.float32)
    >>> codec = VarianceQuantizer(4).fit(rows)
    >>> found = rerank_bounded(rows[7], np.arange(500), rows, codec, codec.encode(rows), 2)
    >>> int(found.rows[0]), found.compared < 100
    (7, True)
    """
    check_int(k, "k", 1)
    array, single = check_vectors(query, "query", dim=vectors.shape[1])
    if not single:
        raise ValueError(f"query: expected one vector of shape (d,), got {np.shape(query)}")
    chosen = np.asarray(candidates)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
        raise ValueError(f"candidates: expected ints of shape (m,), got {chosen.dtype} {chosen.shape}")
    if len(codes) != len(vectors):
        raise ValueError(f"codes: expected those of {len(vectors)} vectors, got {len(codes)}")
    chosen = chosen[chosen >= 0]
    bounds = codec.lower_bounds(array[0], codes[chosen])
    order = np.argsort(bounds, kind="stable")
    chosen, bounds = chosen[order], bounds[order]
    distances = np.empty(0, np.float32)
    at = 0
    while at < len(chosen):
        kth = np.partition(distances, k - 1)[k - 1] if len(distances) >= k else np.inf
        if bounds[at] > kth:
            break
        some = chosen[at : at + _STEP * k]
        gaps = np.asarray(vectors[some], np.float32) - array[0]
        distances = np.concatenate([distances, np.einsum("ij,ij->i", gaps, gaps)])
        at += len(some)
    best = np.lexsort((chosen[:at], distances))[:k]
    found = Bounded(np.full(k, np.inf, np.float32), np.full(k, -1), at)
    found.distances[: len(best)], found.rows[: len(best)] = distances[best], chosen[best]
    return found
