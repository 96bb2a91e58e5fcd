"""Whether fusing pays: every leg, every way of fusing, on judgements that were held out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from ..common.ndcg import discounts
from .fusion import MIN_QUERIES, Fusion, checked
from .rank_fusion import normalized_sum, reciprocal_rank_fusion

_RESAMPLED = 2000
_RANKS = (5, 10, 20, 60)
_FEW = 10

Interval = tuple[float, float, float]


@dataclass(frozen=True)
class FusionReport:
    """What :func:`compare_fusion` measured, all of it on queries that were held out.

    Attributes
    ----------
    legs : name of a leg -> its nDCG, as (value, low, high) at 95%.
    fused : nDCG of :class:`Fusion`.
    baselines : name -> nDCG of the other ways of fusing, each tuned on the queries that were not held out.
    gains : name of a leg or a baseline -> how much more nDCG :class:`Fusion` has, of the same queries.
    calibration_error : mean difference between relevance and the share that was relevant, by tenths of relevance.
    brier : mean squared error of relevance; ``brier_base`` that of telling everyone the mean.
    false_answers : ``max_false`` -> share of queries that got an answer although their relevant items were hidden.
    k, queries : of nDCG@k; how many queries.

    Examples
    --------
    >>> report = FusionReport({"vector": (0.6, 0.5, 0.7)}, (0.5, 0.4, 0.6), {}, {"vector": (-0.1, -0.2, -0.05)},
    ...                       0.01, 0.02, 0.03, {}, 10, 80)
    >>> report.loses_to, print(report.verdict)
    fusing loses to vector alone by 0.100 nDCG@10 (0.050 to 0.200): search by that leg
    (['vector'], None)
    """

    legs: dict[str, Interval]
    fused: Interval
    baselines: dict[str, Interval]
    gains: dict[str, Interval]
    calibration_error: float
    brier: float
    brier_base: float
    false_answers: dict[float, Interval]
    k: int
    queries: int

    @property
    def loses_to(self) -> list[str]:
        """Legs that are better alone, beyond doubt: the whole interval of the gain is below 0."""
        return [name for name in self.legs if self.gains[name][2] < 0]

    @property
    def verdict(self) -> str:
        """One sentence: fuse, do not, or it is not known."""
        best = max(self.legs, key=lambda name: self.legs[name][0])
        if self.loses_to:
            name = min(self.loses_to, key=lambda leg: self.gains[leg][0])
            value, low, high = self.gains[name]
            return (
                f"fusing loses to {name} alone by {-value:.3f} nDCG@{self.k} ({-high:.3f} to {-low:.3f}): search by "
                "that leg"
            )
        value, low, high = self.gains[best]
        span = f"{value:+.3f} nDCG@{self.k} over {best} alone ({low:+.3f} to {high:+.3f})"
        return f"fusing gains: {span}" if low > 0 else f"whether fusing gains is not known from these queries: {span}"

    def __str__(self) -> str:
        rows = [*self.legs.items(), *self.baselines.items(), ("fused", self.fused)]
        lines = [f"nDCG@{self.k} of {self.queries} held-out queries:"]
        lines += [f"  {name:24} {value:.3f} ({low:.3f} to {high:.3f})" for name, (value, low, high) in rows]
        lines.append(f"relevance is off by {self.calibration_error:.3f} on average; {self.verdict}")
        return "\n".join(lines)


def compare_fusion(
    scores: Any,
    standing: Any,
    grades: Any,
    queries: Any,
    *,
    names: Sequence[str] | None = None,
    ideal: Any = None,
    k: int = 10,
    penalty: float = 1.0,
    folds: int = 5,
    max_false: Sequence[float] = (0.05, 0.1, 0.2),
    random_state: int = 0,
) -> FusionReport:
    """Hold every leg and every way of fusing against judgements, by cross-validation over queries.

    Parameters
    ----------
    scores : (m, legs) of every candidate, larger is better; NaN where a leg did not name it.
    standing : (m, legs), the same as :class:`Fusion` takes them.
    grades : (m,) numbers, above 0 where the candidate is relevant to its query.
    queries : (m,) ints, the query of each candidate.
    names : of the legs.
    ideal : dict of query -> grades of all that is relevant to it, where candidates may lack some; a query without any
        relevant candidate must be among ``queries`` all the same to be counted.
    k : of nDCG.
    penalty : of :class:`Fusion`.
    folds : each fold's queries are answered by what was fitted and tuned on the others.
    max_false : rates at which the cut is tried.
    random_state : draws the folds and the bootstrap.

    Raises
    ------
    ValueError : fewer than 20 queries in the smallest fit, wrong shapes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> queries = np.repeat(np.arange(60), 50)
    >>> relevant = rng.random(3000) < 0.04
    >>> scores = rng.normal(size=(3000, 2)) + 2.0 * relevant[:, None]
    >>> report = compare_fusion(scores, scores, relevant, queries)
    >>> report.loses_to, report.gains["leg 0"][1] > 0
    ([], True)
    """
    check_int(k, "k", 1)
    check_int(folds, "folds", 2)
    check_random_state(random_state)
    values, groups = checked(scores, queries)
    levels = checked(standing, queries, "standing")[0]
    if levels.shape != values.shape:
        raise ValueError(f"standing: expected shape {values.shape}, as scores, got {levels.shape}")
    gain = np.asarray(grades, np.float64)
    if gain.shape != (len(values),) or not np.isfinite(gain).all():
        raise ValueError(f"grades: expected {len(values)} finite numbers, got shape {gain.shape}")
    legs = [f"leg {number}" for number in range(values.shape[1])] if names is None else list(names)
    if len(legs) != values.shape[1]:
        raise ValueError(f"names: expected {values.shape[1]} names, got {len(legs)}")
    best = _ideals(np.unique(np.asarray(queries)), groups, gain, ideal, k)
    count = len(best)
    if count - -(-count // folds) < MIN_QUERIES:
        raise ValueError(f"queries: expected enough for {MIN_QUERIES} beside the largest of {folds} folds, got {count}")
    fold = np.random.default_rng(random_state).permutation(count) % folds
    measure = _Measure(groups, gain, best, k)
    answerable = best > 0
    relevance, hidden = _cross_validated(levels, gain > 0, groups, fold, penalty, max_false)
    found = {"fused": measure(relevance)}
    alone = {name: measure(np.nan_to_num(column, nan=-np.inf)) for name, column in zip(legs, values.T, strict=True)}
    tuned = {
        "reciprocal ranks": [_ranks(values, groups, number) for number in _RANKS],
        "sum of minmax": [_sums(values, groups, "minmax", weights) for weights in _grid(len(legs))],
        "sum of zscore": [_sums(values, groups, "zscore", weights) for weights in _grid(len(legs))],
    }
    plain = {"reciprocal ranks, k=60": measure(_ranks(values, groups, 60)())}
    plain["sum of standings"] = measure(np.nan_to_num(levels).sum(axis=1))
    others = plain | {f"{name}, tuned": _tuned(made, measure, fold[answerable]) for name, made in tuned.items()}
    dice = np.random.default_rng(random_state)
    error, brier, base = _calibration(relevance, gain > 0)
    return FusionReport(
        {name: _bootstrap(column, dice) for name, column in alone.items()},
        _bootstrap(found["fused"], dice),
        {name: _bootstrap(column, dice) for name, column in others.items()},
        {name: _bootstrap(found["fused"] - column, dice) for name, column in (alone | others).items()},
        error,
        brier,
        base,
        {rate: _bootstrap(column, dice) for rate, column in hidden.items()},
        k,
        int(answerable.sum()),
    )


class _Measure:
    """nDCG@k, by a score of the candidates, of every query that has an answer; equal scores keep the given order."""

    def __init__(self, groups: np.ndarray, gain: np.ndarray, best: np.ndarray, k: int):
        self.groups, self.gain, self.best, self.k = groups, gain, best, k

    def __call__(self, score: np.ndarray) -> np.ndarray:
        order = np.lexsort((-score, self.groups))
        groups = self.groups[order]
        begins = np.searchsorted(groups, np.arange(len(self.best)))
        place = np.arange(len(order)) - begins[groups]
        value = np.where(place < self.k, self.gain[order] / np.log2(place + 2.0), 0.0)
        total = np.bincount(groups, np.where(np.isfinite(score[order]), value, 0.0), len(self.best))
        return total[self.best > 0] / self.best[self.best > 0]


def _ideals(numbers: np.ndarray, groups: np.ndarray, gain: np.ndarray, ideal: Any, k: int) -> np.ndarray:
    discount = discounts(k)
    best = np.empty(len(numbers))
    for place, number in enumerate(numbers.tolist()):
        known = gain[groups == place] if ideal is None else np.asarray(ideal[number], np.float64)
        first = np.sort(known[known > 0])[::-1][:k]
        best[place] = (first * discount[: len(first)]).sum()
    return best


def _cross_validated(
    levels: np.ndarray,
    truth: np.ndarray,
    groups: np.ndarray,
    fold: np.ndarray,
    penalty: float,
    max_false: Sequence[float],
) -> tuple[np.ndarray, dict[float, np.ndarray]]:
    """Relevance by what was fitted to the other folds; and who gets an answer when what is relevant is hidden."""
    relevance = np.empty(len(levels))
    hidden: dict[float, list[np.ndarray]] = {rate: [] for rate in max_false}
    for number in np.unique(fold):
        out = fold[groups] == number
        fusion = Fusion(penalty=penalty).fit(levels[~out], truth[~out], groups[~out])
        relevance[out] = fusion.relevance(levels[out], groups[out])
        away = out & ~truth
        rest = fusion.relevance(levels[away], groups[away])
        for rate, answered in hidden.items():
            kept = np.zeros(len(fold), bool)
            kept[groups[away][rest >= fusion.threshold(rate)]] = True
            answered.append(kept[fold == number].astype(float))
    return relevance, {rate: np.concatenate(answered) for rate, answered in hidden.items()}


def _grid(legs: int) -> list[tuple[float, ...]]:
    steps = 10 if legs == 2 else 4
    return [
        tuple(number / steps for number in weights)
        for weights in itertools.product(range(steps + 1), repeat=legs)
        if sum(weights) == steps
    ]


def _ranks(values: np.ndarray, groups: np.ndarray, k: int) -> Callable[[], np.ndarray]:
    return lambda: reciprocal_rank_fusion(values, groups, k=k)


def _sums(values: np.ndarray, groups: np.ndarray, how: str, weights: tuple[float, ...]) -> Callable[[], np.ndarray]:
    return lambda: normalized_sum(values, groups, how=how, weights=weights)


def _tuned(made: list[Callable[[], np.ndarray]], measure: _Measure, fold: np.ndarray) -> np.ndarray:
    """For each fold, the setting that is best on the others."""
    every = np.stack([measure(make()) for make in made])
    found = np.empty(len(fold))
    for number in np.unique(fold):
        out = fold == number
        found[out] = every[int(every[:, ~out].mean(axis=1).argmax()), out]
    return found


def _calibration(relevance: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
    tenth = np.minimum((relevance * _FEW).astype(int), _FEW - 1)
    size = np.bincount(tenth, minlength=_FEW)
    told, was = np.bincount(tenth, relevance, _FEW), np.bincount(tenth, truth, _FEW)
    mean = truth.mean()
    error = float(np.abs(told - was).sum() / max(1, size.sum()))
    return error, float(((relevance - truth) ** 2).mean()), float(mean * (1 - mean))


def _bootstrap(values: np.ndarray, dice: np.random.Generator) -> Interval:
    drawn = dice.integers(0, len(values), (_RESAMPLED, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(values.mean()), float(low), float(high)
