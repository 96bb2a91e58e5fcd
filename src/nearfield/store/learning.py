"""From items encoded by both models: the map, its stated loss, and how distances to mapped rows compare with others.

Mapped rows are compared with rows that the new model encoded. A map blurs: the nearest mapped rows are less near than
the nearest encoded ones, and a mapped row that seems fairly near may be very near. Both are measured. Every pair is
mapped by a map that did not see it; some are then taken as encoded and the others as mapped, at random, and the line
over the mapped scores is chosen by which the mixed answers come nearest to those of the new model alone.

Where the old model can still be called too, both similarities of an item are known, each counted in standard deviations
of its space, and added with weights. Those of mapped rows are chosen in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from ..metric import Metric, get_metric
from ..transform import RidgeMap
from ..tune import MapChoice, choose_map
from ..tune.maps import CANDIDATES
from .calibration import Calibration
from .next_space import ENCODED_WEIGHT

_FOLDS = 5
_QUERIES, _ROWS = 400, 2000
_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
_BONUSES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
_LIFTS = (0.0, 0.25, 0.5)
_K = 10
_FAR = 1e30  # of a query from its own row


@dataclass(frozen=True)
class Learned:
    """What pairs tell.

    Attributes
    ----------
    choice : the map from the old space to the new one, its loss, and what else was tried.
    back : the map from the new space to the old one, for items that only the new model encoded.
    calibration : of distances to mapped rows.
    weight, lift : of a mapped row's new similarity beside its old one, and what is added to both together, in standard
        deviations.
    """

    choice: MapChoice
    back: Any
    calibration: Calibration
    weight: float
    lift: float


def learn(old: np.ndarray, new: np.ndarray, old_metric: str, new_metric: str, random_state: int) -> Learned:
    """Learn everything from pairs, row i of ``old`` and ``new`` the same item; at least 20 of them."""
    before, after = get_metric(old_metric), get_metric(new_metric)
    choice = choose_map(old, new, metric=new_metric, old_metric=old_metric, random_state=random_state)
    old, new = _ready(old, before), _ready(new, after)
    back = RidgeMap().fit(new, old).export(unit=after.nonzero)
    rng = np.random.default_rng(random_state)
    some = np.sort(rng.permutation(len(old))[:_ROWS])
    mapped = _crossed(choice.name, old, new, before, rng)[some]
    asked = np.sort(rng.permutation(len(some))[:_QUERIES])
    itself = (np.arange(len(asked)), asked)
    own, theirs = new[some], old[some]
    native = _scores(own[asked], own, after, itself)
    blurred = _scores(own[asked], _ready(mapped, after), after, itself)
    calibration, spread = _line(native, blurred, rng)
    moved = calibration.gain * blurred + calibration.shift
    known = _scores(theirs[asked], theirs, before, itself)
    weight, lift = _beside(native / spread, moved / spread, known, rng)
    return Learned(choice, back, calibration, weight, lift)


def _ready(vectors: Any, metric: Metric) -> np.ndarray:
    """Rows as the metric compares them: of length one for cosine."""
    rows = np.asarray(vectors, np.float32)
    if not metric.nonzero:
        return rows
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _crossed(name: str, old: np.ndarray, new: np.ndarray, metric: Metric, rng: np.random.Generator) -> np.ndarray:
    """Every row of ``old`` mapped by what the rows of the other folds taught."""
    mapped = np.empty_like(new)
    folds = np.array_split(rng.permutation(len(old)), _FOLDS)
    for number, fold in enumerate(folds):
        rest = np.concatenate([other for place, other in enumerate(folds) if place != number])
        mapped[fold] = (
            clone(CANDIDATES[name]).fit(old[rest], new[rest]).export(unit=metric.nonzero).transform(old[fold])
        )
    return mapped


def _scores(queries: np.ndarray, rows: np.ndarray, metric: Metric, itself: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Native scores, smaller is nearer; a query is far from its own row."""
    scores = -(queries @ rows.T)
    if metric.native == "l2":
        scores = 2 * scores + np.square(queries).sum(axis=1)[:, None] + np.square(rows).sum(axis=1)
    scores[itself] = _FAR
    return scores


def _spread(scores: np.ndarray) -> tuple[float, float]:
    known = scores[scores < _FAR / 10].astype(np.float64)
    return float(known.mean()), max(float(known.std()), 1e-12)


def _line(native: np.ndarray, blurred: np.ndarray, rng: np.random.Generator) -> tuple[Calibration, float]:
    """The line over scores of mapped rows, and the standard deviation of the others."""
    (mean, spread), (shown, width) = _spread(native), _spread(blurred)
    gain = spread / width
    masks = list(_masks(native.shape[1], rng))

    def mixed(bonus: float) -> Iterator[np.ndarray]:
        moved = gain * blurred + (mean - gain * shown - bonus * spread)
        return (np.where(mask, native, moved) for mask in masks)

    bonus = max(_BONUSES, key=lambda bonus: _agreement(native, mixed(bonus)))
    return Calibration(gain, mean - gain * shown - bonus * spread), spread


def _beside(native: np.ndarray, moved: np.ndarray, known: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Weight and lift of mapped rows beside the old model's scores, which are brought to the same spread."""
    known = known / _spread(known)[1]
    known = known - _spread(known)[0] + _spread(native)[0]
    whole = (1 - ENCODED_WEIGHT) * known + ENCODED_WEIGHT * native
    masks = list(_masks(native.shape[1], rng))

    def mixed(weight: float, lift: float) -> Iterator[np.ndarray]:
        rest = (1 - weight) * known + weight * moved - lift
        return (np.where(mask, whole, rest) for mask in masks)

    grid = [(weight, lift) for weight in _WEIGHTS for lift in _LIFTS]
    return max(grid, key=lambda one: _agreement(whole, mixed(*one)))


def _masks(rows: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for share in _SHARES:
        yield rng.random(rows) < share


def _agreement(truth: np.ndarray, mixed: Any) -> float:
    """How high the nearest row by ``truth`` stands among the first ten of the mixed answers: the mean nDCG."""
    nearest = truth.argmin(axis=1)
    gains = []
    for scores in mixed:
        own = scores[np.arange(len(scores)), nearest]
        place = (scores < own[:, None]).sum(axis=1)
        gains.append(np.where(place < _K, 1 / np.log2(place + 2), 0.0).mean())
    return float(np.mean(gains))
