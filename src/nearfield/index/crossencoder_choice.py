"""How a cross-encoder index is searched, chosen on its anchor queries: their scores are known, so it costs no call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .crossencoder_model import ScoreModel

# What is tried, from plain re-ranking on. Of settings that do as well, the one with fewer rounds.
_NOISES = (0.0, 0.1, 1.0, 3.0)
_ROUNDS = (1, 3, 6)
STARTS = ("best", "mixed", "random")
# Anchor queries asked, and at most so many items: what is best hardly depends on either.
_ASKED = 25
_ITEMS = 20_000


@dataclass(frozen=True)
class Setting:
    """``noise``, ``rounds`` and ``start`` of :class:`~nearfield.index.CrossEncoder`; None is still to be chosen."""

    noise: Any
    rounds: Any
    start: Any


def sizes_of(rounds: int, budget: int) -> list[int]:
    """Items scored in each round: all in one, or a half first, and the rest in equal parts.

    The first round feeds the regression: with too few scores every later choice is a guess.
    """
    if rounds == 1 or budget < 2 * rounds:
        return [budget]
    first = budget // 2
    steps = np.linspace(first, budget, rounds).round().astype(int)
    return [first, *np.diff(steps).tolist()]


def choose(
    given: Setting,
    scores: np.ndarray,
    item_vectors: np.ndarray | None,
    anchor_vectors: np.ndarray | None,
    k: int,
    budget: int,
    random_state: int,
) -> tuple[Setting, list[dict[str, Any]]]:
    """The setting that finds most of the true best ``k``, and what was tried."""
    noises = _NOISES if given.noise is None else (given.noise,)
    rounds = _ROUNDS if given.rounds is None else (given.rounds,)
    # A bi-encoder's best beats any mixture with random items; without one, these may tell more than the average best.
    starts = (("best",) if item_vectors is not None else ("best", "mixed")) if given.start is None else (given.start,)
    if len(noises) * len(rounds) * len(starts) == 1:
        return given, []
    rng = np.random.default_rng(random_state)
    anchors, n = scores.shape
    order = rng.permutation(anchors)
    count = min(_ASKED, anchors // 3)
    if count < 1:
        return Setting(noises[-1], rounds[-1], starts[0]), []
    asked, known = order[:count], np.sort(order[count:])
    items = np.sort(rng.permutation(n)[:_ITEMS])
    share = len(items) / n
    k, budget = max(1, round(k * share)), max(2, round(budget * share))
    truth, rest = scores[np.ix_(asked, items)], scores[np.ix_(known, items)]
    beside = theirs = own = None
    if item_vectors is not None and anchor_vectors is not None:
        beside, theirs, own = item_vectors[items], anchor_vectors[known], anchor_vectors[asked]
    model, rows = ScoreModel.fit(rest, beside, theirs)
    trials: list[dict[str, Any]] = []
    for start in starts:
        for number in rounds:
            for noise in noises if number > 1 else noises[:1]:
                setting = Setting(noise, number, start)
                found = [
                    _found(setting, model, rows, scored, None if own is None else own[place], k, budget, place)
                    for place, scored in enumerate(truth)
                ]
                trials.append({"noise": noise, "rounds": number, "start": start, "recall": float(np.mean(found))})
    best = max(trials, key=lambda trial: (round(trial["recall"], 3), -trial["rounds"]))
    return Setting(best["noise"], best["rounds"], best["start"]), trials


def _found(
    setting: Setting,
    model: ScoreModel,
    rows: np.ndarray,
    scores: np.ndarray,
    vector: np.ndarray | None,
    k: int,
    budget: int,
    seed: int,
) -> float:
    """Share of the true best ``k`` that are scored within the budget."""
    if budget >= len(scores):
        return 1.0
    v = model.start(vector)
    scored = np.empty(0, np.int64)
    rng = np.random.default_rng(seed)
    for number, size in enumerate(sizes_of(setting.rounds, budget)):
        if number:
            v, _ = model.condition(rows[scored], scores[scored], vector, setting.noise)
        lead = size if number or setting.start == "best" else size // 2 if setting.start == "mixed" else 0
        estimate = rows @ v.astype(np.float32)
        estimate[scored] = -np.inf
        best = np.argpartition(-estimate, lead - 1)[:lead] if lead else np.empty(0, np.int64)
        scored = np.concatenate([scored, best])
        if lead < size:
            drawn = np.setdiff1d(np.arange(len(scores)), scored)
            scored = np.concatenate([scored, rng.permutation(drawn)[: size - lead]])
    true = np.argpartition(-scores, min(k, len(scores)) - 1)[:k]
    return float(np.isin(true, scored).mean())
