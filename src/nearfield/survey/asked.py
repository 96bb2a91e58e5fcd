"""Rows asked of a stored set as queries: what is truly nearest, and how much of it an index or a codec finds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..common.reached import share_reached
from .collection import Collection
from .neighbors import without_own

_STEP = 1 << 22


class Asked(NamedTuple):
    """Queries ``(q, d)`` as they came, their true nearest stored rows and distances ``(q, k)``, ascending.

    ``own`` are the stored rows that the queries are themselves, which do not count, or None.
    """

    stored: Collection
    queries: np.ndarray
    rows: np.ndarray
    distances: np.ndarray
    own: np.ndarray | None


def nearest_stored(stored: Collection, asked: Collection, chosen: np.ndarray, k: int, *, drop: bool = False) -> Asked:
    """The ``k`` nearest stored rows of some rows of ``asked``; ``drop``: these are stored rows, their own does not
    count."""
    from ..native import exact_search

    queries = np.ascontiguousarray(asked.vectors[chosen], np.float32)
    scale = (1 / stored.norms).astype(np.float32) if stored.metric == "cosine" else None
    sought = asked.take(chosen)
    metric = "l2" if stored.metric == "l2" else "ip"
    width = min(k + drop, len(stored))
    rows = exact_search(stored.vectors, sought, width, metric=metric, scale=scale).rows
    own = chosen if drop else None
    if own is not None:
        rows = without_own(rows, own, rows.shape[1] - 1)
    distances = true_distances(stored, sought, rows)
    order = np.argsort(distances, axis=1, kind="stable")
    rows, distances = np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)
    return Asked(stored, queries, rows, distances, own)


def true_distances(stored: Collection, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Distances of queries, as the metric sees them, to the rows named in each line; +inf where there is none (-1)."""
    found = np.full(rows.shape, np.inf)
    step = max(1, _STEP // (max(rows.shape[1], 1) * stored.dim))
    for start in range(0, len(rows), step):
        here = slice(start, start + step)
        other = stored.take(np.maximum(rows[here], 0).ravel()).reshape(*rows[here].shape, stored.dim)
        sought = queries[here].astype(np.float64)
        if stored.metric == "ip":
            values = -np.einsum("qd,qkd->qk", sought, other)
        else:
            gap = other - sought[:, None, :]
            squares = np.einsum("qkd,qkd->qk", gap, gap)
            values = squares / 2 if stored.metric == "cosine" else np.sqrt(squares)
        found[here] = np.where(rows[here] >= 0, values, np.inf)
    return found


def recall_of_index(index: Any, asked: Asked, k: int) -> np.ndarray:
    """The recall of each query when ``index``, built on the stored rows, is searched."""
    found = np.asarray(index.search(asked.queries, k + (asked.own is not None)).rows)
    if int(found.max(initial=-1)) >= len(asked.stored):
        raise ValueError(f"index: expected one built on the {len(asked.stored):,} rows of old, got row {found.max()}")
    if asked.own is not None:
        found = without_own(found, asked.own, found.shape[1] - 1)
    sought = asked.queries
    if asked.stored.metric == "cosine":
        sought = sought / np.linalg.norm(sought, axis=1, keepdims=True)
    return _reached(asked, true_distances(asked.stored, sought, found), k)


def recall_of_codec(codec: Any, space: Collection, k: int, asked: int, random_state: int) -> np.ndarray:
    """The recall of some rows asked of the others when these are kept as codes and not scored again."""
    rng = np.random.default_rng([random_state, 84])
    order = rng.permutation(len(space))
    count = min(asked, len(space) // 5)
    kept = space.take(np.sort(order[count:]))
    coded = np.asarray(codec.decode(codec.encode(kept)), np.float32)
    if space.metric == "cosine":
        coded /= np.maximum(np.linalg.norm(coded, axis=1, keepdims=True), np.float32(1e-30))
    base = Collection.of(kept, space.metric)
    found = nearest_stored(base, space, np.sort(order[:count]), k)
    coarse = nearest_stored(Collection.of(coded, space.metric), space, np.sort(order[:count]), k)
    sought = space.take(np.sort(order[:count]))
    return _reached(found, true_distances(base, sought, coarse.rows), k)


def _reached(asked: Asked, distances: np.ndarray, k: int) -> np.ndarray:
    k = min(k, asked.distances.shape[1])
    kth = asked.distances[:, k - 1]
    return np.array([share_reached(line, far, k) for line, far in zip(distances, kth, strict=True)])
