"""Rows grouped around centroids by k-means, for indexes that read only some groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import native

# The rounds of training, each by how many rows a list it looks at, at most. On 115,659 sentence vectors and 1,360 lists
# they find as much as six rounds over all rows (0.948 of ten neighbours in 48 lists), in less than half of the time.
ROUNDS = (16, 16, 32, 64, 128)
# Numbers looked at together: beside the rows there is only what a few blocks take.
_BLOCK = 1 << 18


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
        sample = np.sort(drawn[: size * lists])
        centroids = _at_unit_length(_means(rows, sample, centroids), unit)
    nearest, _ = _nearest(rows, np.arange(len(rows)), centroids, progress)
    offsets = np.zeros(lists + 1, np.uint32)
    offsets[1:] = np.cumsum(np.bincount(nearest, minlength=lists))
    return Partition(centroids, offsets, np.argsort(nearest, kind="stable").astype(np.uint32))


def _nearest(
    rows: np.ndarray, sample: np.ndarray, centroids: np.ndarray, progress: Callable[[int], Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Of each row named by ``sample``, the number of the nearest centroid and its score; a block at a time."""
    nearest, scores = np.empty(len(sample), np.int64), np.empty(len(sample), np.float32)
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(sample), step):
        if progress is not None:
            progress(start)
        here = slice(start, start + step)
        found = native.exact_search(centroids, rows[sample[here]], 1, metric="l2")
        nearest[here], scores[here] = found.rows[:, 0], found.scores[:, 0]
    return nearest, scores


def _sums(rows: np.ndarray, starts: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The sum of the rows ``order[starts[i]:starts[i + 1]]`` for every i, in double precision; some lists at a time."""
    sums = np.empty((len(starts), rows.shape[1]))
    ends = np.append(starts[1:], len(order))
    step, first = max(1, _BLOCK // rows.shape[1]), 0
    while first < len(starts):
        last = max(first + 1, int(np.searchsorted(ends, starts[first] + step, side="right")))
        some = rows[order[starts[first] : ends[last - 1]]]
        sums[first:last] = np.add.reduceat(some, starts[first:last] - starts[first], axis=0, dtype=np.float64)
        first = last
    return sums


def _means(rows: np.ndarray, sample: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The mean of the rows named by ``sample`` that are nearest to each centroid.

    A centroid without any moves to the farthest row of another's, the widest first, one from each: several rows of one
    list may be copies.
    """
    nearest, scores = _nearest(rows, sample, centroids)
    counts = np.bincount(nearest, minlength=len(centroids))
    taken = np.flatnonzero(counts)
    starts = (np.cumsum(counts) - counts)[taken]
    moved = centroids.copy()
    order = sample[np.argsort(nearest, kind="stable")]
    moved[taken] = _sums(rows, starts, order) / counts[taken, None]
    free = np.flatnonzero(counts == 0)
    if len(free):
        far = np.lexsort((-scores, nearest))[starts]
        far = far[np.argsort(-scores[far], kind="stable")][: len(free)]
        far = far[scores[far] > 0]
        moved[free[: len(far)]] = rows[sample[far]]
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
