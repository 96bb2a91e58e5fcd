"""The second moments of paired rows, shared by the measures of two spaces that rest on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from .pair import Pair

ROWS = 10_000


@dataclass(frozen=True)
class PairMoments:
    """Paired rows of a sample, float64, each space about its mean and scaled to a mean squared length of one.

    With fewer rows than dimensions the rows are coordinates in a basis of their own span: inner products, and with
    them every measure here, stay the same, at a cost that does not grow with the cube of the dimensions.
    """

    x: np.ndarray
    y: np.ndarray
    pair: Pair
    chosen: np.ndarray
    flat: tuple[bool, bool]

    @classmethod
    def of(cls, pair: Pair, sample: int | None, random_state: int) -> PairMoments:
        """Take ``sample`` pairs, each space as search sees it."""
        check_random_state(random_state)
        if sample is not None:
            check_int(sample, "sample", 2)
        chosen = pair.draw(sample, random_state, 71)
        (x, flat_x), (y, flat_y) = (_centred(space.take(chosen)) for space in (pair.first, pair.second))
        return cls(x, y, pair, chosen, (flat_x, flat_y))

    @property
    def why(self) -> str:
        """Why nothing can be measured; empty when it can."""
        if self.pair.few:
            return self.pair.few
        for flat, name in zip(self.flat, ("first", "second"), strict=True):
            if flat:
                return f"Unknown: all rows of the {name} space are equal, so there is nothing to compare."
        return ""

    @property
    def scope(self) -> str:
        """A phrase that says how many pairs were used."""
        return self.pair.scope(len(self.x))

    @cached_property
    def covariances(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the first, of the second, and between them, each divided by the number of rows."""
        count = len(self.x)
        return self.x.T @ self.x / count, self.y.T @ self.y / count, self.x.T @ self.y / count

    def shuffled(self, random_state: int) -> np.ndarray:
        """The second space with its rows dealt to other partners: what agrees now agrees by chance."""
        return self.y[other_partners(len(self.y), random_state)]


def _centred(rows: np.ndarray) -> tuple[np.ndarray, bool]:
    rows = rows.astype(np.float64)
    largest = float(np.abs(rows).max()) if rows.size else 0.0
    if largest > 0:
        rows /= largest  # squares of huge or tiny numbers then fit
    mean = rows.mean(axis=0)
    rows -= mean
    level = float(np.einsum("ij,ij->", rows, rows)) / max(len(rows), 1)
    # Rows that are equal up to rounding have nothing to say.
    if len(rows) < 2 or level <= 1e-12 * float(mean @ mean):
        return rows, True
    if len(rows) < rows.shape[1]:
        rows = np.asarray(np.linalg.qr(rows.T, mode="r")).T
    return rows / math.sqrt(level), False


def other_partners(count: int, random_state: int) -> np.ndarray:
    """A permutation without a fixed place: every row gets a partner that is not its own."""
    order = np.random.default_rng([random_state, 72]).permutation(count)
    partner = np.empty(count, np.int64)
    partner[order] = np.roll(order, 1)
    return partner


def ratio(parts: np.ndarray, wholes: np.ndarray) -> tuple[float, float]:
    """``sum(parts) / sum(wholes)`` over rows and its standard error (linearised)."""
    whole = float(wholes.sum())
    value = float(parts.sum()) / whole
    error = float(np.sqrt(np.square(parts - value * wholes).sum())) / whole
    return value, error * math.sqrt(len(parts) / max(len(parts) - 1, 1))


def bounds(value: float, error: float, low: float = -1.0, high: float = 1.0) -> tuple[float, float]:
    """The 95% interval of a value with a standard error, within its range and never finer than float32 rounding."""
    margin = max(1.96 * error, 5e-5)
    return min(max(value - margin, low), value), max(min(value + margin, high), value)


def halves(count: int, random_state: int, split: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves: what is fitted on the one is judged on the other; another ``split``, other halves."""
    order = np.random.default_rng([random_state, 73, split]).permutation(count)
    return np.sort(order[: count // 2]), np.sort(order[count // 2 :])


def leading(covariance: np.ndarray, variance: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal directions (d, k) that hold a share of the variance, at most ``most``, and their variances, falling."""
    levels, directions = np.linalg.eigh(covariance)
    levels, directions = levels[::-1], directions[:, ::-1]
    real = int((levels > levels[0] * 1e-10).sum())
    held = np.cumsum(levels[:real])
    count = int(np.searchsorted(held, variance * held[-1] * (1 - 1e-12))) + 1
    count = max(1, min(count, real, most))
    return directions[:, :count], levels[:count]


def as_pair(first: Any, second: Any, metric: Any, ids: Any, random_state: int) -> Pair:
    """What every measure of two spaces does first with its arguments."""
    return Pair.of(first, second, metric=metric, ids=ids, random_state=check_random_state(random_state))
