"""Rows grouped around centroids by k-means, for indexes that read only some groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import native

# The rounds of training, each by how many rows a list it looks at, at most. On 115,659 sentence vectors and 1,360 lists
# they find as much as six rounds over all rows (0.948 of ten neighbours in 48 lists), in less than half of the time.
ROUNDS = (16, 16, 32, 64, 128)
_BLOCK = 1 << 14


class Partition(NamedTuple):
    """``centroids`` float32 (lists, d); rows ``order[offsets[i]:offsets[i + 1]]`` make list i, ascending."""

    centroids: np.ndarray
    offsets: np.ndarray
    order: np.ndarray


def partition(
    rows: np.ndarray, lists: int, *, unit: bool, seed: int, progress: Callable[[int], Any] | None = None
) -> Partition:
    """Lloyd's k-means from random rows, on samples that grow; then every row goes to its nearest centroid.

    The result depends on rows and seed alone, not on the number of threads. With ``unit`` the centroids are kept at
    unit length, as the rows are. Lists may stay empty where there are fewer distinct rows than lists.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(len(rows))
    centroids = _at_unit_length(rows[drawn[:lists]], unit)
    for size in ROUNDS if lists < len(rows) else ():  # where every row has a list, there is nothing to train
        sample = rows[np.sort(drawn[: size * lists])] if size * lists < len(rows) else rows
        centroids = _at_unit_length(_means(sample, centroids), unit)
    nearest = np.empty(len(rows), np.int64)
    for start in range(0, len(rows), _BLOCK):
        if progress is not None:
            progress(start)
        block = rows[start : start + _BLOCK]
        nearest[start : start + _BLOCK] = native.exact_search(centroids, block, 1, metric="l2").rows[:, 0]
    offsets = np.zeros(lists + 1, np.uint32)
    offsets[1:] = np.cumsum(np.bincount(nearest, minlength=lists))
    return Partition(centroids, offsets, np.argsort(nearest, kind="stable").astype(np.uint32))


def _means(sample: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The mean of the sample rows nearest to each centroid.

    A centroid without any moves to the farthest row of another's, the widest first, one from each: several rows of one
    list may be copies.
    """
    found = native.exact_search(centroids, sample, 1, metric="l2")
    nearest = found.rows[:, 0]
    counts = np.bincount(nearest, minlength=len(centroids))
    taken = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[taken]
    moved = centroids.copy()
    sums = np.add.reduceat(sample[np.argsort(nearest, kind="stable")], starts, axis=0, dtype=np.float64)
    moved[taken] = sums / counts[taken, None]
    free = np.flatnonzero(counts == 0)
    if len(free):
        far = np.lexsort((-found.scores[:, 0], nearest))[starts]
        far = far[np.argsort(-found.scores[far, 0], kind="stable")][: len(free)]
        far = far[found.scores[far, 0] > 0]
        moved[free[: len(far)]] = sample[far]
    return moved


def _at_unit_length(centroids: np.ndarray, unit: bool) -> np.ndarray:
    if not unit:
        return centroids
    lengths = np.sqrt(np.einsum("ij,ij->i", centroids, centroids))
    return centroids / np.where(lengths > 0, lengths, np.float32(1))[:, None]


def partition_within(
    rows: np.ndarray,
    labels: np.ndarray,
    lists: int,
    *,
    unit: bool,
    seed: int,
    progress: Callable[[int], Any] | None = None,
) -> Partition:
    """Like :func:`partition`, with no list that holds rows of two labels; labels have lists by their share of rows.

    Every label has one list at least, so there may be more than ``lists`` in all.
    """
    centroids, sizes, order = [], [], []
    done = 0
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        count = min(len(own), max(1, round(lists * len(own) / len(rows))))
        part = partition(np.ascontiguousarray(rows[own]), count, unit=unit, seed=seed)
        centroids.append(part.centroids)
        sizes.append(np.diff(part.offsets))
        order.append(own[part.order])
        done += len(own)
        if progress is not None:
            progress(done)
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(sizes))]).astype(np.uint32)
    return Partition(np.concatenate(centroids), offsets, np.concatenate(order).astype(np.uint32))
