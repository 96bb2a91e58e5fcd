"""Trials that no other beats in everything."""

from __future__ import annotations

from collections.abc import Sequence

from .plan import Trial


def front(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that none other equals or beats in recall, queries per second and memory at once; by recall.

    Only trials that were timed can be compared; of equals the first stays.
    """
    timed = [trial for trial in trials if trial.timed]
    kept = []
    for at, trial in enumerate(timed):
        mine = _merits(trial)
        others = [(_merits(other), before) for before, other in enumerate(timed) if before != at]
        if not any(all(o >= m for o, m in zip(x, mine, strict=True)) and (x != mine or b < at) for x, b in others):
            kept.append(trial)
    return sorted(kept, key=lambda trial: (trial.recall, -trial.memory))


def _merits(trial: Trial) -> tuple[float, float, float]:
    return trial.recall, trial.queries_per_second or 0.0, -trial.memory
