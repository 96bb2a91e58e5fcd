"""From similarities with examples to one score: recommend, discover, context, relevance feedback, and what fuses lists.

The formulas are those of Qdrant's query API; larger is better in all of them.

Sources: reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009), with ranks from zero and k = 2 as Qdrant
has it; maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .point_ids import PointId

_EPSILON = np.float32(np.finfo(np.float32).eps)
_CONSTANT = 2


class Hit(NamedTuple):
    """One point of an answer, with the payload that it had when it was found.

    ``value`` is what it was ordered by, where that was a payload.
    """

    id: PointId
    score: float
    payload: dict[str, Any]
    value: float | None = None


def largest(values: np.ndarray, count: int) -> np.ndarray:
    """Places of the ``count`` largest values, best first, and among equal ones by place."""
    if 8 * count < len(values):  # sorting all of them would take as long as making them
        least = np.partition(values, len(values) - count)[len(values) - count] if count else np.inf
        some = np.flatnonzero(values >= least)
        if len(some) >= count:  # else there are values that are no numbers
            return some[np.argsort(-values[some], kind="stable")[:count]]
    return np.argsort(-values, kind="stable")[:count]


def squash(values: np.ndarray) -> np.ndarray:
    """x / (1 + |x|): from -1 to 1, and it keeps the order; infinities stay."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(values), values / (1.0 + np.abs(values)), values).astype(np.float32)


def _half(values: np.ndarray) -> np.ndarray:
    return np.float32(0.5) * (squash(values) + np.float32(1.0))


def best_score(positive: Sequence[np.ndarray], negative: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """The best positive similarity, or minus the best negative one where that is better."""
    low = np.full(rows, -np.inf, np.float32)
    good = np.maximum.reduce([low, *positive])
    poor = np.maximum.reduce([low, *negative])
    return np.where(good > poor, _half(good), -_half(poor))


def sum_scores(positive: Sequence[np.ndarray], negative: Sequence[np.ndarray], rows: int) -> np.ndarray:
    """The sum of the positive similarities less that of the negative."""
    zero = np.zeros(rows, np.float32)
    return sum(positive, zero) - sum(negative, zero)


def discover(target: np.ndarray, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """How many pairs are on the positive side less those on the other; within that, near the target."""
    ranks = sum((np.sign(good - poor) for good, poor in pairs), np.zeros(len(target), np.float32))
    return ranks + _half(target)


def context(pairs: Sequence[tuple[np.ndarray, np.ndarray]], rows: int) -> np.ndarray:
    """Zero where every pair is on the positive side, and below by how far it is not."""
    found = np.zeros(rows, np.float32)
    for good, poor in pairs:
        found += squash(np.minimum(good - poor - _EPSILON, np.float32(0.0)))
    return found


def feedback(
    target: np.ndarray, examples: Sequence[np.ndarray], grades: Sequence[float], a: float, b: float, c: float
) -> np.ndarray:
    """The similarity with the target, moved by every pair of examples of which one was graded higher."""
    found = np.float32(a) * target
    for first, second in itertools.permutations(range(len(examples)), 2):
        apart = grades[first] - grades[second]
        if apart > 0:
            found = found + np.float32(apart**b * c) * (examples[first] - examples[second])
    return found


def reciprocal_ranks(
    sources: Sequence[Sequence[Hit]], constant: int | None = None, weights: Sequence[float] | None = None
) -> list[Hit]:
    """Lists fused by the ranks that points have in them."""
    k = _CONSTANT if constant is None else constant
    scores: dict[PointId, float] = {}
    for source, weight in zip(sources, weights or [1.0] * len(sources), strict=True):
        for rank, hit in enumerate(source):
            share = 0.0 if weight <= 0 else 1.0 / ((rank + 1.0) / weight + k - 1.0)
            scores[hit.id] = scores.get(hit.id, 0.0) + share
    return _sorted(scores, sources)


def distributions(sources: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Lists fused by their scores, each list from three deviations below its mean to three above."""
    scores: dict[PointId, float] = {}
    for source in sources:
        given = [hit.score for hit in source]
        mean = sum(given) / max(1, len(given))
        spread = sum((score - mean) ** 2 for score in given) / max(1, len(given) - 1)
        for hit in source:
            share = 0.5 if spread == 0 else (hit.score - mean + 3 * spread**0.5) / (6 * spread**0.5)
            scores[hit.id] = scores.get(hit.id, 0.0) + share
    return _sorted(scores, sources)


def _sorted(scores: dict[PointId, float], sources: Sequence[Sequence[Hit]]) -> list[Hit]:
    payloads = {hit.id: hit.payload for source in sources for hit in source}
    best = sorted(scores.items(), key=lambda item: -item[1])
    return [Hit(identifier, score, payloads[identifier]) for identifier, score in best]


def marginal_relevance(relevance: np.ndarray, likeness: np.ndarray, diversity: float, count: int) -> list[int]:
    """Places of up to ``count`` candidates, each relevant and unlike those before it; of equals the last."""
    pending = list(range(len(relevance)))
    chosen: list[int] = []
    while pending and len(chosen) < count:
        if chosen:
            against = likeness[np.ix_(pending, chosen)].max(axis=1)
            values = (1.0 - diversity) * relevance[pending] - diversity * against
        else:
            values = relevance[pending]
        best = len(pending) - 1 - int(np.argmax(values[::-1]))
        chosen.append(pending[best])
        pending[best] = pending[-1]
        pending.pop()
    return chosen
