"""The single coordinates of two spaces, made comparable: what the measures of convergent features share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..common.checks import check_int, check_random_state
from .mapping import ridge
from .moments import halves, other_partners
from .pair import Pair

ROWS = 10_000
FEWEST = 40
SOURCE = "Li, Yosinski, Clune, Lipson & Hopcroft (2016), Convergent learning, ICLR"


@dataclass(frozen=True)
class PairFeatures:
    """Paired rows of a sample, each coordinate at mean 0 and standard deviation 1; constant ones left out.

    Coordinates, not rotations of them: with fewer rows than dimensions nothing is reduced. The rows fall in two
    halves, one to fit and one to judge.

    Attributes
    ----------
    fit, judge : (first, second), standardised over both halves, as a rare feature may show in one of them only.
    kept : which coordinates of each space vary, as column numbers.
    why : why nothing can be measured; empty when it can.
    """

    pair: Pair
    fit: tuple[np.ndarray, np.ndarray]
    judge: tuple[np.ndarray, np.ndarray]
    kept: tuple[np.ndarray, np.ndarray]
    why: str
    count: int

    @classmethod
    def of(cls, pair: Pair, sample: int | None, random_state: int, split: int = 0) -> PairFeatures:
        """Take ``sample`` pairs and halve them; splits 2i and 2i + 1 are the same halves with their parts changed."""
        check_random_state(random_state)
        if sample is not None:
            check_int(sample, "sample", 2)
        chosen = pair.draw(sample, random_state, 78)
        if len(chosen) < FEWEST:
            are = f"{'is' if len(chosen) == 1 else 'are'} {len(chosen)}"
            why = f"Unknown: needs at least {FEWEST} paired rows, and there {are}."
            none = np.empty((0, 0)), np.empty((0, 0))
            return cls(pair, none, none, (np.arange(0), np.arange(0)), why, len(chosen))
        one, other = halves(len(chosen), random_state, split // 2)
        if split % 2:
            one, other = other, one
        made = []
        for space in (pair.first, pair.second):
            rows = space.take(chosen).astype(np.float64)
            rows /= max(float(np.abs(rows).max()), 1e-300)
            mean, spread = rows.mean(axis=0), rows.std(axis=0)
            # A rare feature may show in one half only: there is nothing to fit it on, or nothing to judge it by.
            least = np.minimum(rows[one].std(axis=0), rows[other].std(axis=0))
            kept = np.flatnonzero((least > 1e-6 * np.abs(mean)) & (least > 1e-12))
            rows = (rows[:, kept] - mean[kept]) / spread[kept]
            made.append((rows[one], rows[other], kept))
        why = ""
        for (_, _, kept), name in zip(made, ("first", "second"), strict=True):
            if not why and not len(kept):
                why = f"Unknown: every coordinate of the {name} space is constant."
        (a, c, left), (b, d, right) = made
        return cls(pair, (a, b), (c, d), (left, right), why, len(chosen))

    @property
    def scope(self) -> str:
        """A phrase that says how many pairs were used."""
        dropped = [dim - len(kept) for dim, kept in zip(self.pair.dims, self.kept, strict=True)]
        more = f"; constant coordinates left out: {dropped[0]} and {dropped[1]}" if any(dropped) else ""
        return f"{self.pair.scope(self.count)}, one half to fit and the other to judge{more}"

    def shuffled(self, random_state: int) -> PairFeatures:
        """The same with the rows of the second dealt to other partners, within each half."""
        parts = [rows[other_partners(len(rows), random_state)] for rows in (self.fit[1], self.judge[1])]
        both = (self.fit[0], parts[0]), (self.judge[0], parts[1])
        return PairFeatures(self.pair, *both, self.kept, self.why, self.count)


def correlations(rows: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(d1, d2) correlations between the coordinates of two spaces."""
    return _scaled(rows[0]).T @ _scaled(rows[1])


def _scaled(rows: np.ndarray) -> np.ndarray:
    rows = rows - rows.mean(axis=0)
    lengths = np.sqrt(np.square(rows).sum(axis=0))
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def ridge_fit(gram: np.ndarray, moment: np.ndarray, count: int) -> np.ndarray:
    """Least squares on standardised columns, with a ridge that matters only when rows are few."""
    return ridge(gram, moment, count * (1e-9 + 0.1 * (len(gram) / count) ** 2))


def explained(residual: np.ndarray, aim: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squared residual and squared size of every judged row: for :func:`ratio`."""
    return np.square(residual).sum(axis=1), np.square(aim - aim.mean(axis=0)).sum(axis=1)
