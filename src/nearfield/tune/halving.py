"""Successive halving over samples: how many rows each round takes, and who goes on."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2

from .plan import Trial

_FEWEST = 4000
FINALISTS = 4


def rungs(rows: int, k: int, candidates: int) -> list[int]:
    """Sizes of the rounds, the last of all ``rows``; one round where there are no more candidates than finalists.

    A sixteenth and a quarter, but no less than 4,000 rows or eight times ``k``, and each at most half of the next.

    Examples
    --------
    >>> rungs(115_659, 10, 9), rungs(12_000, 10, 9), rungs(115_659, 10, 2)
    ([7228, 28914, 115659], [4000, 12000], [115659])
    """
    sizes = [rows]
    if candidates > FINALISTS:
        for part in (4, 16):
            size = max(rows // part, _FEWEST, 8 * k)
            if 2 * size <= sizes[0]:
                sizes.insert(0, size)
    return sizes


def survivors(
    trials: Sequence[Trial], target: float, criterion: str, memory: int | None, *, last: bool = False
) -> list[Trial]:
    """Those that go on: the better half, and the best of each class of memory; before the ``last`` round four.

    Better is who meets the target and reads fewer bytes a query; among those that miss it, who finds more. What is
    larger than ``memory`` goes out, unless nothing is within it: then the leanest are better. A class of memory is a
    factor of two.
    """
    pool = [trial for trial in trials if memory is None or trial.memory <= memory]
    if pool:
        ranked = sorted(pool, key=lambda trial: _rank(trial, target, criterion))
    else:
        ranked = sorted(trials, key=lambda trial: (trial.recall < target, trial.memory))
    best: dict[int, Trial] = {}
    for trial in ranked:
        best.setdefault(int(log2(max(1, trial.memory))), trial)
    if last:
        diverse = [ranked[0], *(trial for trial in best.values() if trial is not ranked[0])]
        return [*diverse, *(trial for trial in ranked if trial not in diverse)][:FINALISTS]
    half = ranked[: ceil(len(ranked) / 2)]
    return [*half, *(trial for trial in best.values() if trial not in half)]


def _rank(trial: Trial, target: float, criterion: str) -> tuple[int, float]:
    if criterion == "bound" and trial.recall_low >= target:
        return (0, trial.bytes_read)
    if trial.recall >= target:
        return (1 if criterion == "bound" else 0, trial.bytes_read)
    return (2, -trial.recall)
