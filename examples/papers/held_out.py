"""Whether an aspect is worth having: measured on papers it was not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nearfield.transform import Aspects

_FOLDS, _NEAREST, _MOST, _FEWEST = 5, 3, 2000, 30


@dataclass(frozen=True)
class Agreement:
    """Of a paper's three nearest, the share that has its label: by the whole vector, and in the aspect's space.

    ``low`` and ``high`` are the 95% interval of the difference.
    """

    whole: float
    aspect: float
    low: float
    high: float

    def __str__(self) -> str:
        gain = 100 * (self.aspect - self.whole)
        return (
            f"of the nearest of unseen papers {self.aspect:.0%} have the same, {self.whole:.0%} by the whole vector "
            f"({gain:+.0f} points, {100 * self.low:+.0f} to {100 * self.high:+.0f})"
        )


def agreement(vectors: np.ndarray, labels: Sequence[str | None], shrinkage: float) -> Agreement | None:
    """Fitted to four fifths of the labelled papers, asked among the last fifth, for each fifth in turn.

    2000 papers at most, drawn at random. None with fewer than 30, or where a fifth leaves no two labels to learn from.
    """
    rng = np.random.default_rng(0)
    rows = rng.permutation([row for row, name in enumerate(labels) if name is not None])[:_MOST]
    if len(rows) < _FEWEST:
        return None
    names = np.array(labels, object)[rows]
    x = vectors[rows] / np.linalg.norm(vectors[rows], axis=1, keepdims=True)
    pairs = []
    for fold in range(_FOLDS):
        unseen = np.arange(len(rows)) % _FOLDS == fold
        try:
            fitted = Aspects(shrinkage=shrinkage).fit(x[~unseen], {"it": names[~unseen].tolist()})
        except ValueError:
            return None
        asked = names[unseen]
        shares = [_shares(space, asked) for space in (x[unseen], fitted.transform(x[unseen]))]
        pairs.append(np.stack(shares, axis=1))
    both = np.concatenate(pairs)
    gain = both[:, 1] - both[:, 0]
    half = 1.96 * float(gain.std(ddof=1)) / len(gain) ** 0.5
    whole, aspect = both.mean(axis=0)
    return Agreement(float(whole), float(aspect), float(gain.mean()) - half, float(gain.mean()) + half)


def _shares(space: np.ndarray, names: np.ndarray) -> np.ndarray:
    near = space @ space.T
    np.fill_diagonal(near, -np.inf)
    best = np.argsort(-near, axis=1, kind="stable")[:, :_NEAREST]
    return (names[best] == names[:, None]).mean(axis=1)
