"""Recall against speed: the points of a sweep, and the rate read off the curve at a given recall."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Point:
    """One search setting: ``beam`` (ef, window, probes: what the sweep varies), its recall, its queries per second."""

    beam: int
    recall: float
    rate: float


def tie_aware_hits(distances: np.ndarray, kth: np.ndarray, rows: np.ndarray, tolerance: float = 1e-6) -> np.ndarray:
    """How many of each query's answers are right: no farther than the exact k-th neighbour, up to rounding.

    Parameters
    ----------
    distances : exact distances (q, k) of the rows that were returned.
    kth : exact distance (q,) of the k-th neighbour.
    rows : the returned rows (q, k); -1 is missing, and a row returned twice counts once.
    tolerance : relative to ``max(1, |kth|)``; covers float32 rounding, not quantization.

    Examples
    --------
    >>> tie_aware_hits(np.array([[0.1, 0.2, 0.2]]), np.array([0.2]), np.array([[4, 7, 7]]))
    array([2])
    """
    limit = kth + tolerance * np.maximum(1.0, np.abs(kth))
    right = (distances <= limit[:, None]) & (rows >= 0)
    ordered = np.argsort(rows, axis=1, kind="stable")
    sorted_rows = np.take_along_axis(rows, ordered, axis=1)
    repeated = np.zeros_like(right)
    np.put_along_axis(repeated, ordered[:, 1:], sorted_rows[:, 1:] == sorted_rows[:, :-1], axis=1)
    return (right & ~repeated).sum(axis=1)


def frontier(points: Iterable[Point]) -> list[Point]:
    """The points that no other beats in both recall and rate, by rising recall.

    Examples
    --------
    >>> [p.beam for p in frontier([Point(10, 0.8, 900), Point(20, 0.9, 700), Point(30, 0.85, 600)])]
    [10, 20]
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.recall, -p.rate)):
        if not kept or point.rate > kept[-1].rate:
            kept.append(point)
    return kept[::-1]


def rate_at(points: Sequence[Point], recall: float) -> float | None:
    """Queries per second at ``recall``, read off the curve: log of the rate, linear in recall, between two points.

    A curve that starts above ``recall`` gives its fastest point (that setting meets the target; nothing is
    extrapolated); one that never gets there gives None.

    Examples
    --------
    >>> curve = [Point(10, 0.80, 4000.0), Point(40, 0.90, 1000.0)]
    >>> round(rate_at(curve, 0.85))
    2000
    >>> rate_at(curve, 0.95) is None
    True
    """
    curve = frontier(points)
    if not curve or curve[-1].recall < recall:
        return None
    if curve[0].recall >= recall:
        return curve[0].rate
    for left, right in pairwise(curve):
        if left.recall < recall <= right.recall:
            share = (recall - left.recall) / (right.recall - left.recall)
            return math.exp((1 - share) * math.log(left.rate) + share * math.log(right.rate))
    raise AssertionError("a curve that spans the target has two points around it")


def wanted_beams(points: Sequence[Point], targets: Sequence[float]) -> list[int]:
    """The beams that later rounds must time: those on both sides of every target, as far as the sweep has them.

    Examples
    --------
    >>> wanted_beams([Point(8, 0.5, 9), Point(16, 0.8, 8), Point(32, 0.93, 7), Point(64, 0.99, 6)], [0.9])
    [16, 32]
    """
    by_beam = sorted(points, key=lambda p: p.beam)
    chosen = set()
    for target in targets:
        below = [p.beam for p in by_beam if p.recall < target]
        above = [p.beam for p in by_beam if p.recall >= target]
        chosen |= {max(below, default=by_beam[0].beam), min(above, default=by_beam[-1].beam)}
    return sorted(chosen)
