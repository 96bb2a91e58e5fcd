"""How much each level of a match counts, learnt from linked examples, with probabilities and a place to cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .classifier import FOLDS, fit_temperature
from .conditional_logistic import fit_conditional_logistic
from .match_levels import COLUMNS

PLAIN_TEMPERATURE = 0.05  # of a cosine that no example has calibrated, as of names in open_vocabulary.py


@dataclass(frozen=True)
class Example:
    """Features (k, 8) of one mention and its candidates, and which of those are right (k,)."""

    features: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class Ranking:
    """A weighted sum of some columns of the features; ``support`` holds the best scores of held-out linked mentions.

    Examples
    --------
    >>> features = np.full((2, 8), np.nan)
    >>> features[:, 0] = 0.2, 0.7
    >>> Ranking.plain((0, 3)).score(features).tolist()
    [0.2, 0.7]
    """

    columns: tuple[int, ...]
    weights: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    temperature: float = 1.0
    support: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def plain(cls, columns: tuple[int, ...]) -> Ranking:
        """The global cosine alone, or without it the mean of the columns: what no example vouches for may be noise."""
        count, first = len(columns), COLUMNS.index("global")
        weights = np.array([column == first for column in columns], float) if first in columns else np.ones(count)
        return cls(columns, weights / weights.sum(), np.zeros(count), np.ones(count), PLAIN_TEMPERATURE)

    def parts(self, features: np.ndarray) -> np.ndarray:
        """(k, len(columns)): what each column adds to the score."""
        return (_filled(features[:, self.columns], self.mean) - self.mean) / self.scale * self.weights

    def score(self, features: np.ndarray) -> np.ndarray:
        """(k,): larger where the candidate fits better."""
        return np.asarray(self.parts(features).sum(axis=1))


def learn_ranking(examples: Sequence[Example], columns: tuple[int, ...], penalty: float, seed: int) -> Ranking:
    """Weights of the columns from all examples; temperature and support from twins that saw four fifths of them.

    Only examples that have all columns are learnt from, where there are any. Columns that none has are dropped. The
    global cosine where no example has a right and a wrong candidate.
    """
    seen = tuple(column for column in columns if any(np.isfinite(e.features[:, column]).any() for e in examples))
    whole = [e for e in examples if np.isfinite(e.features[:, seen]).any(axis=0).all()]
    used = whole or list(examples)
    found = _weighted(used, seen, penalty)
    fold = np.random.default_rng(seed).permutation(len(used)) % FOLDS
    scores: list[np.ndarray] = []
    right: list[np.ndarray] = []
    for number in range(min(FOLDS, len(used))):
        rest = [e for e, own in zip(used, fold, strict=True) if own != number]
        twin = _weighted(rest, seen, penalty) if rest else found
        out = [e for e, own in zip(used, fold, strict=True) if own == number]
        scores += [twin.score(e.features) for e in out]
        right += [e.right for e in out]
    return calibrated(found, scores, right)


def calibrated(ranking: Ranking, scores: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> Ranking:
    """The ranking with temperature and support from scores of mentions it was not learnt from."""
    temperature = ranking.temperature
    several = [place for place, own in enumerate(scores) if len(own) > 1]
    if several:
        table = np.full((len(several), max(len(scores[place]) for place in several)), -np.inf)
        for row, place in enumerate(several):
            table[row, : len(scores[place])] = scores[place]
        temperature = fit_temperature(table, np.array([right[place].argmax() for place in several]))
    support = np.sort([own.max() for own in scores])
    return Ranking(ranking.columns, ranking.weights, ranking.mean, ranking.scale, temperature, support)


def present(features: np.ndarray, columns: Sequence[int]) -> tuple[int, ...]:
    """Those of the columns that at least one candidate has; the global cosine where it has none of them."""
    there = np.isfinite(features).any(axis=0)
    return tuple(column for column in columns if there[column]) or (COLUMNS.index("global"),)


def _weighted(examples: Sequence[Example], columns: tuple[int, ...], penalty: float) -> Ranking:
    """Columns are scaled by how much they differ within a mention's candidates, so the penalty treats all alike."""
    groups = [e.features[:, columns] for e in examples]
    telling = [place for place, e in enumerate(examples) if e.right.any() and not e.right.all()]
    if not telling:
        return Ranking.plain(columns)
    every = np.concatenate(groups)
    mean = np.array([own[np.isfinite(own)].mean() if np.isfinite(own).any() else 0.0 for own in every.T])
    filled = np.concatenate([_centred(groups[place]) for place in telling])
    spread = np.sqrt(np.square(filled).mean(axis=0))
    differs = spread > 1e-12
    scale = np.where(differs, spread, 1.0)
    sizes = [len(groups[place]) for place in telling]
    right = np.concatenate([examples[place].right for place in telling])
    starts = np.cumsum([0, *sizes[:-1]])
    weights = np.zeros(len(columns))
    weights[differs] = fit_conditional_logistic((filled / scale)[:, differs], starts, right, penalty)
    return Ranking(columns, weights, mean, scale)


def _centred(group: np.ndarray) -> np.ndarray:
    filled = _filled(group, np.zeros(group.shape[1]))
    return filled - filled.mean(axis=0)


def _filled(group: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """What one candidate lacks is what the others have on average, so that it speaks neither for nor against it."""
    there = np.isfinite(group)
    counts = there.sum(axis=0)
    means = np.where(counts > 0, np.where(there, group, 0.0).sum(axis=0) / np.maximum(counts, 1), otherwise)
    return np.where(there, group, means)
