"""From vectors of the same things by two models to the map that loses least of the new model's answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_random_state, check_real
from ..common.interval import mean_interval
from ..common.progress import Progress
from ..metric import Metric
from ..transform import AffineMap, KernelMap, LowRankMap, Procrustes, ResidualMap, RidgeMap
from ..transform.vector_map import VectorMap
from .map_choice import NEW_TO_OLD, OLD_TO_NEW, TELLING, MapCandidate, MapChoice, MapLoss
from .map_growth import grown
from .map_pairs import MapPairs

CANDIDATES: Mapping[str, Any] = {
    "procrustes": Procrustes(center=False),
    "ridge": RidgeMap(),
    "low-rank": LowRankMap(),
    "kernel": KernelMap(),
    "affine": AffineMap(),
    "residual": ResidualMap(),
}
# The other two are tried by name alone: without a penalty a map is no better than ridge, and a network of some thousand
# pairs is worse and takes minutes.
_TRIED = ("procrustes", "ridge", "low-rank", "kernel")
_FOLDS, _INNER = 5, 4
_SIZES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
# Shares of the mean of the old rows taken from a query mapped to them: rows near the mean would answer everything.
_LESS = (0.0, 0.5, 0.8)
# A further doubling of the pairs that gains less than this share of all answers is no gain.
_FLAT = 0.01


def choose_map(
    old: Any,
    new: Any,
    *,
    metric: str | Metric = "cosine",
    old_metric: str | Metric | None = None,
    direction: str | None = OLD_TO_NEW,
    parts: tuple[Any, Any, Any] | None = None,
    queries: Any = None,
    old_queries: Any = None,
    rows: int | None = None,
    candidates: Mapping[str, Any] | Sequence[str] | None = None,
    k: int = 10,
    confidence: float = 0.95,
    random_state: int = 0,
    progress: bool | None = None,
) -> MapChoice:
    """Learn from things encoded by both models the map that loses least when the new model's queries are asked.

    Choose it over fitting a map of your own: what fits best is not what loses least, and the loss it states is measured
    on pairs that neither the fit nor the choice saw.

    Parameters
    ----------
    old, new : (n, d_old) and (n, d_new), row i the same thing by the old and by the new model; at least 20 rows, a
        random sample of the collection. A thousand is a good start; fewer than dimensions will do.
    metric : "cosine", "ip" or "l2", of the new space.
    old_metric : of the old space; None means the same.
    direction : "old-to-new" maps stored vectors to the new space; "new-to-old" maps queries to the old space and
        leaves what is stored; None tries both and keeps the better.
    parts : ``(old vectors, new vectors, row numbers)`` of pieces of the same things by both models, such as their
        sentences, with the row that each is a piece of. They are fitted to as well and, without ``queries``, asked.
        Worth it where texts are long: encoding the sentences of a text costs as much as the text.
    queries : (q, d_new) queries as they will come, by the new model; up to 2,000 are used. They decide what is lost and
        chosen: the loss is stated for them. None asks the parts, or the new rows themselves, each against the other
        things.
    old_queries : (q, d_old), 20 at least, the same queries by the old model. They are pairs too, often those that help
        most; each candidate is tried with and without them. No query is asked of a map that knew it.
    rows : of the collection, for which the loss is stated; None means as many as there are pairs. The loss grows with
        it: more rows are nearly as near.
    candidates : "procrustes", "ridge", "low-rank", "kernel", "affine" and "residual", or estimators by name, with
        ``fit(X, Y)`` and ``export(unit=)`` as :class:`nearfield.transform.RidgeMap` has; None tries the first four.
    k : neighbours whose loss is measured; a twentieth of the pairs at most.
    confidence : of the interval of the loss, in (0, 1).
    random_state : seed of the order of the pairs and the queries drawn.
    progress : None shows a bar on a terminal; True or False decides.

    Returns
    -------
    MapChoice : the map, fitted to all pairs, its loss, the curve and what else was tried.

    Raises
    ------
    ValueError, TypeError : parameters that are not allowed, rows that are not paired.

    Notes
    -----
    A fifth of the pairs at a time is held out. On the others every candidate is fitted and compared by what it loses on
    a quarter held out again; the best is fitted to all of them, and the fifth is searched by it alone: a fit draws
    queries and rows it knows together, and rows mapped by several fits scatter more than those of one. The interval is
    that of the mean over queries; for more ``rows`` than were searched the loss is carried on, and the interval widened
    by what is not known of the way there. Where both directions are tried, each has an interval of
    half the doubt, so that the better one's still holds. The loss is of things that are not among the pairs: for those
    the new vector is known, and a store should keep it.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> things = rng.standard_normal((300, 6))
    >>> old, new = (np.float32(things @ rng.standard_normal((6, d))) for d in (8, 12))
    >>> choice = choose_map(old, new, candidates=["procrustes", "ridge"])
    >>> choice.name, choice.map.transform(old).shape, choice.loss.value < 0.25
    ('ridge', (300, 12), True)
    """
    if direction is not None:
        check_choice(direction, "direction", (OLD_TO_NEW, NEW_TO_OLD))
    doubt = 1 - check_real(confidence, "confidence", 0.0, 1.0, open_low=True, open_high=True)
    seed = check_random_state(random_state)
    pairs = MapPairs.of(old, new, metric, old_metric, k, parts, queries, old_queries, seed)
    total = len(pairs.old) if rows is None else check_int(rows, "rows", 2)
    tried = _checked(candidates)
    order = np.random.default_rng(random_state).permutation(len(pairs.old))
    ways = [direction] if direction else [OLD_TO_NEW, NEW_TO_OLD]
    steps = _FOLDS * len(ways)
    folds = [np.sort(fold) for fold in np.array_split(order, _FOLDS)]
    with Progress("choosing a map", steps, unit="folds", enabled=progress) as bar:
        found = [_Trials(pairs, way, tried, folds, bar).outcome(1 - doubt / len(ways), total) for way in ways]
    best = min(found, key=lambda one: one.loss.value)
    listed = sorted((candidate for one in found for candidate in one.candidates), key=lambda one: one.loss)
    first = best.candidates[0]
    every = np.sort(order)
    known = np.arange(len(pairs.asked) if first.queries else 0)
    fitted = pairs.fitted(tried[first.name], first.direction, every, known)
    fitted = _less(pairs, fitted, first.less, every)
    return MapChoice(
        fitted,
        first.name,
        first.direction,
        best.loss,
        len(order),
        best.curve,
        _enough(best.curve) if best.loss.queries >= TELLING else None,
        listed,
    )


@dataclass(frozen=True)
class _Outcome:
    loss: MapLoss
    curve: list[tuple[int, float]]
    candidates: list[MapCandidate]


class _Trials:
    """One direction: choice within folds, loss between them."""

    def __init__(self, pairs: MapPairs, way: str, tried: Mapping[str, Any], folds: Sequence[np.ndarray], bar: Progress):
        self.pairs, self.way, self.folds = pairs, way, folds
        n = len(pairs.old)
        self.sizes = sorted({max(2, round(share * (n - len(folds[0])))) for share in _SIZES})
        fold_of = np.empty(n, np.int64)
        for number, fold in enumerate(folds):
            fold_of[fold] = number
        count = len(pairs.own)
        turn = np.arange(count) % len(folds)
        if pairs.asked_old is not None:  # neighbours together: in a list of questions they are often alike
            turn = np.arange(count) * len(folds) // count
        asked = np.where(pairs.own >= 0, fold_of[pairs.own], turn)
        self.asked = [np.flatnonzero(asked == number) for number in range(len(folds))]
        self.inner: dict[tuple[str, float, bool], list[float]] = {
            (name, less, with_queries): []
            for name in tried
            for with_queries in ((True, False) if pairs.asked_old is not None else (False,))
            for less in (_LESS if self._lessens else _LESS[:1])
        }
        self.outer: dict[int, list[np.ndarray]] = {size: [] for size in self.sizes}
        for number in range(len(folds)):
            self._fold(number, tried)
            bar.update(1)

    @property
    def _lessens(self) -> bool:
        return self.way == NEW_TO_OLD and self.pairs.old_metric.native == "ip"

    def _fold(self, number: int, tried: Mapping[str, Any]) -> None:
        pairs = self.pairs
        rest = np.concatenate([fold for other, fold in enumerate(self.folds) if other != number])
        held, kept = np.sort(rest[: len(rest) // _INNER]), rest[len(rest) // _INNER :]
        asked = np.flatnonzero(np.isin(pairs.own, held))
        others = known = np.setdiff1d(np.flatnonzero(pairs.own < 0), self.asked[number])
        if pairs.asked_old is not None:
            asked, known = np.split(others, [max(1, len(others) // _INNER)])
        elif not len(asked):  # queries of their own, those of this fold excepted
            asked = others
        none = others[:0]
        plain: dict[Any, VectorMap] = {}
        for name, less, taught in self.inner:
            if (name, taught) not in plain:
                plain = {(name, taught): pairs.fitted(tried[name], self.way, kept, known if taught else none)}
            fitted = _less(pairs, plain[name, taught], less, kept)
            mapped = self._mapped(fitted, asked, held)
            loss = pairs.lost(asked, held, mapped, self.way).mean() if len(asked) else 1.0
            self.inner[name, less, taught].append(float(loss))
        name, less, taught = min(self.inner, key=lambda key: self.inner[key][-1])
        known = others if taught else none
        for size in self.sizes:
            fitted = _less(pairs, pairs.fitted(tried[name], self.way, rest[:size], known), less, rest[:size])
            self.outer[size].append(self._mapped(fitted, self.asked[number], self.folds[number]))

    def _mapped(self, fitted: VectorMap, asked: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if self.way == OLD_TO_NEW:
            return self.pairs.mapped_rows(fitted, rows)
        return self.pairs.mapped_queries(fitted, asked)

    def outcome(self, confidence: float, total: int) -> _Outcome:
        """What was measured, between all folds."""
        everyone = np.arange(len(self.pairs.old))
        shares = {size: self._shares(size, everyone) for size in self.sizes}
        loss = mean_interval(shares[self.sizes[-1]], confidence)
        measured = len(everyone) // len(self.folds)
        if total != measured:
            halves = [np.sort(np.concatenate([fold[side::2] for fold in self.folds])) for side in (0, 1)]
            half = float(np.mean([self._shares(self.sizes[-1], part).mean() for part in halves]))
            loss = grown(loss, half, measured, total, self.pairs.k)
        curve = [(size, float(share.mean())) for size, share in shares.items()]
        listed = [
            MapCandidate(name, self.way, float(np.mean(losses)), less, taught)
            for (name, less, taught), losses in self.inner.items()
        ]
        stated = MapLoss(*loss, k=self.pairs.k, queries=len(self.pairs.asked), rows=total)
        return _Outcome(stated, curve, sorted(listed, key=lambda one: one.loss))

    def _shares(self, size: int, rows: np.ndarray) -> np.ndarray:
        """Per query, the share lost against rows that the fit had not seen, nor it the query.

        Each fold is searched alone: rows that several fits mapped scatter more than those of the one map that is
        returned. Searched together, those of five told a loss 0.064 too high on SciFact (ridge maps of 500 pairs, three
        draws; -0.010 alone).
        """
        pairs, mapped = self.pairs, self.outer[size]
        shares = []
        for fold, asked, vectors in zip(self.folds, self.asked, mapped, strict=True):
            inside = np.isin(fold, rows)
            there = np.ascontiguousarray(vectors[inside]) if self.way == OLD_TO_NEW else vectors
            shares.append(pairs.lost(asked, fold[inside], there, self.way))
        return np.concatenate(shares)


def _less(pairs: MapPairs, fitted: VectorMap, less: float, rows: np.ndarray) -> VectorMap:
    return fitted.moved(np.float32(-less) * pairs.old[rows].mean(axis=0)) if less else fitted


def _enough(curve: Iterable[tuple[int, float]]) -> int | None:
    """The first number of pairs whose doubling gained too little, if none after it gained more."""
    enough = None
    for (pairs, loss), (_, after) in pairwise(curve):
        if loss - after >= _FLAT:
            enough = None
        elif enough is None:
            enough = pairs
    return enough


def _checked(candidates: Any) -> Mapping[str, Any]:
    if candidates is None:
        candidates = _TRIED
    if not isinstance(candidates, Mapping):
        names = (candidates,) if isinstance(candidates, str) else candidates
        candidates = {check_choice(name, "candidates", tuple(CANDIDATES)): CANDIDATES[name] for name in names}
    if not candidates:
        raise ValueError("candidates: expected at least one, got none")
    for name, candidate in candidates.items():
        if not hasattr(candidate, "fit") or not hasattr(candidate, "export"):
            raise TypeError(f"candidates: expected estimators with fit and export, got {candidate!r} for {name!r}")
    return candidates
