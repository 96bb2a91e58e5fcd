"""Trials that no other beats in everything."""

from __future__ import annotations

from collections.abc import Sequence

from .plan import Trial


def front(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that none other equals or beats in recall, queries per second and memory at once; by recall.

    Only trials that were timed can be compared; of equals the first stays.
    """
    timed = [trial for trial in trials if trial.timed]
    kept = [timed[at] for at in undominated([_merits(trial) for trial in timed])]
    return sorted(kept, key=lambda trial: (trial.recall, -trial.memory))


def undominated(merits: Sequence[tuple[float, ...]]) -> list[int]:
    """The places of those that none other equals or beats in every merit (more is better); of equals the first stays.

    Examples
    --------
    >>> undominated([(1, 5), (2, 4), (1, 4), (2, 4)])
    [0, 1]
    """
    kept = []
    for at, mine in enumerate(merits):
        others = [(other, before) for before, other in enumerate(merits) if before != at]
        if not any(all(o >= m for o, m in zip(x, mine, strict=True)) and (x != mine or b < at) for x, b in others):
            kept.append(at)
    return kept


def _merits(trial: Trial) -> tuple[float, float, float]:
    return trial.recall, trial.queries_per_second or 0.0, -trial.memory
