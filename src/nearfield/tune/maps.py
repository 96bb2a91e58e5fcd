"""From vectors of the same things by two models to the map that loses least of the new model's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from ..common.checks import check_choice, check_int, check_random_state, check_real, check_vectors
from ..common.interval import mean_interval
from ..common.progress import Progress
from ..metric import Metric, get_metric
from ..transform import KernelMap, Procrustes, RidgeMap
from ..transform.paired import PairedMap
from .map_choice import NEW_TO_OLD, OLD_TO_NEW, MapCandidate, MapChoice, MapLoss
from .map_loss import lost, ready

CANDIDATES: Mapping[str, PairedMap] = {
    "procrustes": Procrustes(center=False),
    "ridge": RidgeMap(),
    "kernel": KernelMap(),
}
_FOLDS, _INNER, _FEWEST = 5, 4, 20
_SIZES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
# A further doubling of the pairs that gains less than this share of all answers is no gain.
_FLAT = 0.01


def choose_map(
    old: Any,
    new: Any,
    *,
    metric: str | Metric = "cosine",
    old_metric: str | Metric | None = None,
    direction: str | None = OLD_TO_NEW,
    candidates: Mapping[str, PairedMap] | Sequence[str] | None = None,
    k: int = 10,
    confidence: float = 0.95,
    random_state: int = 0,
    progress: bool | None = None,
) -> MapChoice:
    """Learn from things encoded by both models the map that loses least when the new model's queries are asked.

    Parameters
    ----------
    old, new : (n, d_old) and (n, d_new), row i the same thing by the old and by the new model; at least 20 rows. They
        should be a random sample of the collection.
    metric : "cosine", "ip" or "l2", of the new space.
    old_metric : of the old space; None means the same.
    direction : "old-to-new" maps stored vectors to the new space; "new-to-old" maps queries to the old space and
        leaves what is stored; None tries both and keeps the better.
    candidates : names out of the table, or estimators of your own by name; None tries the table.
    k : neighbours whose loss is measured.
    confidence : of the interval of the loss.
    random_state : seed of the order of the pairs.
    progress : None shows a bar on a terminal; True or False decides.

    Returns
    -------
    MapChoice : the map, its loss, the curve and what else was tried.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> things = rng.standard_normal((300, 6))
    >>> old, new = (np.float32(things @ rng.standard_normal((6, d))) for d in (8, 12))
    >>> choice = choose_map(old, new)
    >>> choice.name, choice.map.transform(old).shape
    ('ridge', (300, 12))
    """
    pairs = _Pairs.of(old, new, metric, old_metric, k)
    if direction is not None:
        check_choice(direction, "direction", (OLD_TO_NEW, NEW_TO_OLD))
    confidence = check_real(confidence, "confidence", 0.0, 1.0, open_low=True, open_high=True)
    order = np.random.default_rng(check_random_state(random_state)).permutation(len(pairs.old))
    tried = _checked(candidates)
    directions = [direction] if direction else [OLD_TO_NEW, NEW_TO_OLD]
    folds = np.array_split(order, _FOLDS)
    bar = Progress("choosing a map", _FOLDS * len(directions), unit="folds", enabled=bool(progress))
    found = []
    with bar:
        for way in directions:
            found.append(_crossed(pairs, way, tried, folds, 1 - (1 - confidence) / len(directions), bar))
    best = min(found, key=lambda one: one.loss.value)
    listed = sorted((c for one in found for c in one.candidates), key=lambda c: c.loss)
    name = best.candidates[0].name
    fitted = pairs.fitted(tried[name], best.direction, order)
    enough = next(
        (size for (size, loss), (_, after) in zip(best.curve, best.curve[1:], strict=False) if loss - after < _FLAT),
        None,
    )
    return MapChoice(fitted, name, best.direction, best.loss, len(order), best.curve, enough, listed)


@dataclass(frozen=True)
class _Pairs:
    old: np.ndarray
    new: np.ndarray
    metric: Metric
    old_metric: Metric
    k: int

    @classmethod
    def of(cls, old: Any, new: Any, metric: Any, old_metric: Any, k: int) -> _Pairs:
        measure = get_metric(metric)
        measure_old = measure if old_metric is None else get_metric(old_metric)
        before, _ = check_vectors(old, "old", nonzero=measure_old.nonzero, min_rows=_FEWEST)
        after, _ = check_vectors(new, "new", nonzero=measure.nonzero, min_rows=_FEWEST)
        if len(before) != len(after):
            raise ValueError(f"new: expected {len(before)} rows, one for each of old, got {len(after)}")
        most = len(before) // _FOLDS - 1
        k = min(check_int(k, "k", 1), most)
        return cls(ready(before, measure_old), ready(after, measure), measure, measure_old, k)

    def fitted(self, candidate: PairedMap, direction: str, rows: np.ndarray) -> Any:
        one = clone(candidate)
        if direction == OLD_TO_NEW:
            return one.fit(self.old[rows], self.new[rows]).export(unit=self.old_metric.nonzero)
        return one.fit(self.new[rows], self.old[rows]).export(unit=self.metric.nonzero)

    def mapped(self, fitted: Any, direction: str, rows: np.ndarray) -> np.ndarray:
        if direction == OLD_TO_NEW:
            return ready(fitted.transform(self.old[rows]), self.metric)
        return ready(fitted.transform(self.new[rows]), self.old_metric)

    def lost(self, mapped: np.ndarray, direction: str, rows: np.ndarray) -> np.ndarray:
        """Of the queries ``rows`` against each other, given their mapped vectors."""
        new, k = self.new[rows], min(self.k, len(rows) - 1)
        own = np.arange(len(rows))
        if direction == OLD_TO_NEW:
            return lost(new, new, new, mapped, k, self.metric, self.metric, own)
        return lost(new, new, mapped, self.old[rows], k, self.metric, self.old_metric, own)


@dataclass(frozen=True)
class _Crossed:
    direction: str
    loss: MapLoss
    curve: list[tuple[int, float]]
    candidates: list[MapCandidate]


def _crossed(
    pairs: _Pairs,
    way: str,
    tried: Mapping[str, PairedMap],
    folds: list[np.ndarray],
    confidence: float,
    bar: Progress,
) -> _Crossed:
    """Each fold's rows mapped by what the other folds chose and fitted; then all rows searched together."""
    sizes = sorted({round(share * (len(pairs.old) - len(folds[0]))) for share in _SIZES})
    sizes = [size for size in sizes if size >= _FEWEST // 2]
    outside: dict[int, list[np.ndarray]] = {size: [] for size in sizes}
    inner: dict[str, list[float]] = {name: [] for name in tried}
    for number in range(len(folds)):
        rest = np.concatenate([fold for other, fold in enumerate(folds) if other != number])
        held, kept = rest[: len(rest) // _INNER], rest[len(rest) // _INNER :]
        for name, candidate in tried.items():
            fitted = pairs.fitted(candidate, way, kept)
            inner[name].append(float(pairs.lost(pairs.mapped(fitted, way, held), way, held).mean()))
        chosen = tried[min(inner, key=lambda name: inner[name][-1])]
        for size in sizes:
            fitted = pairs.fitted(chosen, way, rest[:size])
            outside[size].append(pairs.mapped(fitted, way, folds[number]))
        bar.update(1)
    rows = np.concatenate(folds)
    shares = {size: pairs.lost(np.concatenate(parts), way, rows) for size, parts in outside.items()}
    loss = MapLoss(*mean_interval(shares[sizes[-1]], confidence), k=pairs.k, queries=len(rows))
    curve = [(size, float(share.mean())) for size, share in shares.items()]
    listed = [MapCandidate(name, way, float(np.mean(losses))) for name, losses in inner.items()]
    return _Crossed(way, loss, curve, sorted(listed, key=lambda c: c.loss))


def _checked(candidates: Any) -> Mapping[str, PairedMap]:
    if candidates is None:
        return CANDIDATES
    if isinstance(candidates, Mapping):
        if not candidates:
            raise ValueError("candidates: expected at least one, got none")
        return candidates
    return {check_choice(name, "candidates", tuple(CANDIDATES)): CANDIDATES[name] for name in candidates}
