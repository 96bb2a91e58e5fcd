"""From items encoded by both models: the map, its stated loss, and how distances to mapped rows compare with others.

Mapped rows are compared with rows that the new model encoded. A map blurs: the nearest mapped rows are less near than
the nearest encoded ones, and a mapped row that seems fairly near may be very near. Both are measured. Every pair is
mapped by a map that did not see it; some are then taken as encoded and the others as mapped, at random, and the line
over the mapped scores is chosen by which the mixed answers come nearest to those of the new model alone.

Where the old model can still be called too, both similarities of an item are known, each counted in standard deviations
of its space, and added with weights. Those of mapped rows are chosen in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from ..metric import Metric, get_metric
from ..transform import Procrustes, RidgeMap
from ..tune import MapChoice, choose_map
from ..tune.maps import CANDIDATES
from .calibration import Calibration
from .next_space import ENCODED_WEIGHT

_FOLDS = 5
_QUERIES, _ROWS = 400, 2000
_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
_BONUSES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
_LIFTS = (0.0, 0.25, 0.5, 0.75)
_FEW = 50  # sample queries; fewer tell less than items do
_PAIRS_LEARNT = 5_000
_LESS = 0.5  # share of the mean of the old rows taken from a query asked there: rows near it would answer everything
_K = 10
_FAR = 1e30  # of a query from its own row
_ALIKE = 1e-6
_STRETCH = 100.0


@dataclass(frozen=True)
class Learned:
    """What pairs tell.

    Attributes
    ----------
    choice : the map from the old space to the new one, its loss, and what else was tried.
    back : the map from the new space to the old one, for items that only the new model encoded.
    asking : from the new space to the old one, for queries: where to look there for mapped rows.
    calibration : of distances to mapped rows.
    weight, lift : of a mapped row's new similarity beside its old one, and what is added to both together, in standard
        deviations.
    """

    choice: MapChoice
    back: Any
    asking: Any
    calibration: Calibration
    weight: float
    lift: float


def learn(
    old: np.ndarray,
    new: np.ndarray,
    old_metric: str,
    new_metric: str,
    random_state: int,
    queries: Mapping[str, np.ndarray] | None = None,
    *,
    rows: int | None = None,
) -> Learned:
    """Learn everything from pairs, row i of ``old`` and ``new`` the same item; at least 20 of them.

    ``queries`` are sample queries, ``"new"`` and perhaps ``"old"``, row by row the same: the scores of real questions
    differ from those of items asked for by items, which are taken where there are few. Those of both models are pairs
    as well. ``rows`` is the number of items for which the loss is stated; None means as many as there are pairs.
    """
    before, after = get_metric(old_metric), get_metric(new_metric)
    given = {name: ready(asked, after if name == "new" else before) for name, asked in (queries or {}).items()}
    many, paired = len(given.get("new", ())) >= _FEW, _paired(given)
    rng = np.random.default_rng(random_state)
    drawn = np.sort(rng.permutation(len(old))[: most_pairs(given)])
    old, new = old[drawn], new[drawn]
    choice = choose_map(
        old,
        new,
        metric=new_metric,
        old_metric=old_metric,
        queries=given["new"] if many else None,
        old_queries=given["old"] if paired else None,
        rows=rows,
        random_state=random_state,
    )
    old, new = ready(old, before), ready(new, after)
    back = RidgeMap().fit(new, old).export(unit=after.nonzero)
    asking = Procrustes(center=False).fit(new, old).export(unit=after.nonzero)
    if before.native == "ip":
        asking = asking.moved(np.float32(-_LESS) * old.mean(axis=0))
    # Half of the sample queries are pairs here, and the others are asked: nothing is asked of a map that knew it.
    known = (old[:0], new[:0])
    if choice.candidates[0].queries:
        known = given["old"][::2], given["new"][::2]
    if paired:
        given = {name: asked[1::2] for name, asked in given.items()}
    some = np.sort(rng.permutation(len(old))[:_ROWS])
    mapped = ready(_crossed(choice.name, old, new, known, before, rng)[some], after)
    own, theirs = new[some], old[some]

    def scores(asked: np.ndarray, beside: np.ndarray | None, itself: Any) -> list[np.ndarray]:
        found = [_scores(asked, rows, after, itself) for rows in (own, mapped)]
        return found if beside is None else [*found, _scores(beside, theirs, before, itself)]

    asked = np.sort(rng.permutation(len(some))[:_QUERIES])
    itself = (np.arange(len(asked)), asked)
    if paired:
        native, blurred, other = scores(given["new"][:_QUERIES], given["old"][:_QUERIES], None)
    else:
        native, blurred, other = scores(own[asked], theirs[asked], itself)
    beside = native, blurred, other
    if many and not paired:
        native, blurred = scores(given["new"][:_QUERIES], None, None)
    calibration = _line(native, blurred, rng)
    weight, lift = _beside(*beside, rng)
    return Learned(choice, back, asking, calibration, weight, lift)


def most_pairs(queries: Mapping[str, np.ndarray]) -> int:
    """How many pairs are learnt from at most, beside these sample queries: with more a map has fewer centres."""
    return _PAIRS_LEARNT - (len(queries["new"]) if _paired(queries) else 0)


def _paired(queries: Mapping[str, np.ndarray]) -> bool:
    return len(queries.get("new", ())) == len(queries.get("old", ())) >= _FEW


def ready(vectors: Any, metric: Metric) -> np.ndarray:
    """Rows as the metric compares them: of length one for cosine."""
    rows = np.asarray(vectors, np.float32)
    if not metric.nonzero:
        return rows
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _crossed(
    name: str,
    old: np.ndarray,
    new: np.ndarray,
    known: tuple[np.ndarray, np.ndarray],
    metric: Metric,
    rng: np.random.Generator,
) -> np.ndarray:
    """Every row of ``old`` mapped by what the rows of the other folds taught, and these pairs that are ``known``."""
    mapped = np.empty_like(new)
    folds = np.array_split(rng.permutation(len(old)), _FOLDS)
    for number, fold in enumerate(folds):
        rest = np.concatenate([other for place, other in enumerate(folds) if place != number])
        taught = [np.concatenate([rows[rest], more]) for rows, more in zip((old, new), known, strict=True)]
        mapped[fold] = clone(CANDIDATES[name]).fit(*taught).export(unit=metric.nonzero).transform(old[fold])
    return mapped


def _scores(queries: np.ndarray, rows: np.ndarray, metric: Metric, itself: Any) -> np.ndarray:
    """Native scores, smaller is nearer; a query is far from its own row, if it has one."""
    scores = -(queries @ rows.T)
    if metric.native == "l2":
        scores = 2 * scores + np.square(queries).sum(axis=1)[:, None] + np.square(rows).sum(axis=1)
    if itself is not None:
        scores[itself] = _FAR
    return scores


def _spread(scores: np.ndarray) -> tuple[float, float]:
    known = scores[scores < _FAR / 10].astype(np.float64)
    mean, spread = float(known.mean()), float(known.std())
    return mean, spread if spread > _ALIKE * max(1.0, abs(mean)) else 1.0  # all alike: nothing to go by


def _line(native: np.ndarray, blurred: np.ndarray, rng: np.random.Generator) -> Calibration:
    """The line over scores of mapped rows: the spread and the mean of the others, and a bonus for what is unknown.

    Of bonuses that do as well the largest: too small a one costs most while little is encoded, where a move begins.
    """
    (mean, spread), (shown, width) = _spread(native), _spread(blurred)
    gain = float(np.clip(spread / width, 1 / _STRETCH, _STRETCH))
    masks = list(_masks(native.shape[1], rng))

    def mixed(bonus: float) -> Iterator[np.ndarray]:
        moved = gain * blurred + (mean - gain * shown - bonus * spread)
        return (np.where(mask, native, moved) for mask in masks)

    bonus = _as_good([(bonus, _agreement(native, mixed(bonus))) for bonus in reversed(_BONUSES)])
    return Calibration(gain, mean - gain * shown - bonus * spread)


def _beside(
    native: np.ndarray, blurred: np.ndarray, known: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Weight and lift of mapped rows beside the old model's scores, all of them in standard deviations.

    Of those that do as well the least weight and the most lift: they stay nearest to what the old model says.
    """
    native, blurred, known = (_standing(scores) for scores in (native, blurred, known))
    whole = (1 - ENCODED_WEIGHT) * known + ENCODED_WEIGHT * native
    masks = list(_masks(native.shape[1], rng))

    def mixed(weight: float, lift: float) -> Iterator[np.ndarray]:
        rest = (1 - weight) * known + weight * blurred - lift
        return (np.where(mask, whole, rest) for mask in masks)

    grid = [(weight, lift) for weight in _WEIGHTS for lift in reversed(_LIFTS)]
    return _as_good([(one, _agreement(whole, mixed(*one))) for one in grid])


def _standing(scores: np.ndarray) -> np.ndarray:
    mean, spread = _spread(scores)
    return np.where(scores < _FAR / 10, (scores.astype(np.float64) - mean) / spread, _FAR)


def _as_good(tried: list[tuple[Any, np.ndarray]]) -> Any:
    """The first that is not worse than the best by more than the standard error of their difference."""
    best = max((gains for _, gains in tried), key=np.mean)
    for one, gains in tried:
        less = best - gains
        if less.mean() <= less.std() / np.sqrt(len(less)):
            return one
    raise AssertionError("the best is as good as itself")


def _masks(rows: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    for share in _SHARES:
        yield rng.random(rows) < share


def _agreement(truth: np.ndarray, mixed: Any) -> np.ndarray:
    """For each query, how high its nearest row by ``truth`` stands among the first ten of the mixed answers: nDCG."""
    nearest = truth.argmin(axis=1)
    gains = []
    for scores in mixed:
        own = scores[np.arange(len(scores)), nearest]
        place = (scores < own[:, None]).sum(axis=1)
        gains.append(np.where(place < _K, 1 / np.log2(place + 2), 0.0))
    return np.asarray(np.mean(gains, axis=0))
