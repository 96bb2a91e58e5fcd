"""The variance of rows, split into that between classes and that within them (one-way analysis of variance)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """Sums over all coordinates: mean square within classes, and what of the total is between them.

    ``within`` and ``between`` are the unbiased components of variance of a row's place in its class and of a class's
    place; ``share`` is the share of the total variance of these rows that their classes explain, without what as many
    random classes would (epsilon squared).
    """

    within: float
    between: float
    share: float

    @property
    def ratio(self) -> float:
        """Between over within; infinite when the rows of each class coincide, NaN when all rows do."""
        if self.within > 0:
            return max(self.between, 0.0) / self.within
        return math.inf if self.between > 0 else math.nan


class Sums(NamedTuple):
    """What of the rows the split needs: by class, and in all. Sums of disjoint rows can be taken away."""

    counts: np.ndarray
    totals: np.ndarray
    squares: float

    @classmethod
    def of(cls, rows: np.ndarray, codes: np.ndarray, classes: int) -> Sums:
        """From rows (n, d) in float64, best near the origin, and their classes."""
        totals = np.zeros((classes, rows.shape[1]))
        order = np.argsort(codes, kind="stable")
        there, starts = np.unique(codes[order], return_index=True)
        if len(rows):
            totals[there] = np.add.reduceat(rows[order], starts, axis=0)
        return cls(np.bincount(codes, minlength=classes), totals, float(np.einsum("ij,ij->", rows, rows)))

    def without(self, other: Sums) -> Sums:
        """The sums of the rows that are not in ``other``."""
        return Sums(self.counts - other.counts, self.totals - other.totals, self.squares - other.squares)

    def spread(self) -> Spread:
        """The split."""
        there = self.counts > 0
        counts, totals = self.counts[there].astype(float), self.totals[there]
        n, classes = float(counts.sum()), len(counts)
        if classes < 2 or n <= classes:
            return Spread(math.nan, math.nan, math.nan)
        centre = totals.sum(axis=0)
        in_classes = float((np.einsum("ij,ij->i", totals, totals) / counts).sum())
        explained = max(in_classes - float(centre @ centre) / n, 0.0)
        left = self.squares - in_classes
        # What rounding leaves of rows that coincide within their classes is nothing.
        left = left if left > 1e-10 * self.squares else 0.0
        within = left / (n - classes)
        size = (n - float(counts @ counts) / n) / (classes - 1)
        total = explained + left
        share = (explained - (classes - 1) * within) / total if total > 0 else math.nan
        return Spread(within, (explained / (classes - 1) - within) / size, share)
