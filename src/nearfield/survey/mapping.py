"""The linear map from one space to another that the measures of replacement rest on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .collection import Collection
from .moments import halves
from .pair import Pair

TRAIN = 4000
_RIDGES = (1e-6, 1e-4, 1e-3, 1e-2, 0.1, 1.0)
Map = Callable[[np.ndarray], np.ndarray]


def ridge(gram: np.ndarray, moment: np.ndarray, strength: float) -> np.ndarray:
    """Weights of a ridge regression from sums of products."""
    from scipy.linalg import solve

    return np.asarray(solve(gram + strength * np.eye(len(gram)), moment, assume_a="pos"))


def linear_map(source: np.ndarray, target: np.ndarray) -> Map:
    """Least squares with an offset, from paired rows; the ridge is chosen on every fifth of them and all are used."""
    middle, center = source.mean(axis=0, dtype=np.float64), target.mean(axis=0, dtype=np.float64)
    x, y = source - middle, target - center
    size, aim = (max(float(np.abs(part).max()), 1e-300) for part in (x, y))
    x, y = x / size, y / aim
    level = max(float(np.square(x).sum()) / x.shape[1], 1e-12)
    held = np.arange(len(x)) % 5 == 0
    gram, moment = x.T @ x, x.T @ y
    inner, towards = gram - x[held].T @ x[held], moment - x[held].T @ y[held]
    errors = {share: _error(x[held], y[held], ridge(inner, towards, share * level)) for share in _RIDGES}
    weights = ridge(gram, moment, min(errors, key=lambda share: errors[share]) * level)

    def apply(rows: np.ndarray) -> np.ndarray:
        return np.asarray(((rows - middle) / size) @ weights * aim + center)

    return apply


def _error(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> float:
    return float(np.square(y - x @ weights).sum())


def cross_mapped(
    pair: Pair, backward: bool, rows: np.ndarray, random_state: int, shuffled: bool = False
) -> tuple[np.ndarray, int]:
    """Rows mapped into the other space by maps that were fitted without them, and how many pairs each map saw.

    ``backward`` maps the second into the first. ``shuffled`` fits on rows paired at random: what a map is worth that
    learnt nothing but the mean.
    """
    source, target = (pair.second, pair.first) if backward else (pair.first, pair.second)
    made = np.empty((len(rows), target.dim))
    side = np.zeros(len(pair), bool)
    side[halves(len(pair), random_state)[1]] = True
    seen = 0
    for half in (False, True):
        asked = side[rows] == half
        chosen = training_rows(np.flatnonzero(side != half), random_state)
        seen = max(seen, len(chosen))
        if asked.any():
            made[asked] = _fitted(source, target, chosen, shuffled, random_state)(source.take(rows[asked]))
    return made, seen


def training_rows(candidates: np.ndarray, random_state: int) -> np.ndarray:
    """At most :data:`TRAIN` of the candidates at random, rising."""
    rng = np.random.default_rng([random_state, 81])
    return np.sort(rng.permutation(candidates)[:TRAIN])


def whole_map(pair: Pair, backward: bool, random_state: int) -> tuple[Map, int]:
    """The map for vectors from outside the pair, and how many pairs it saw."""
    source, target = (pair.second, pair.first) if backward else (pair.first, pair.second)
    chosen = training_rows(np.arange(len(pair)), random_state)
    return _fitted(source, target, chosen, False, random_state), len(chosen)


def _fitted(source: Collection, target: Collection, chosen: np.ndarray, shuffled: bool, random_state: int) -> Map:
    aim = chosen
    if shuffled:
        aim = np.random.default_rng([random_state, 82]).permutation(chosen)
    return linear_map(source.take(chosen), target.take(aim))


def as_asked(vectors: np.ndarray, metric: str) -> np.ndarray:
    """Mapped vectors as search sees them: at length one under cosine, float32."""
    if metric == "cosine":
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors / np.where(lengths > 0, lengths, 1.0)
    return np.ascontiguousarray(vectors, np.float32)
