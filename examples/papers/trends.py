"""What grew: a topic's share of the recent papers against its share of the earlier ones, with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from topics import Topic


@dataclass(frozen=True)
class Trend:
    """A topic's share before and now, and the interval of the difference; ``rows`` are its recent papers."""

    topic: Topic
    before: float
    now: float
    low: float
    high: float
    rows: np.ndarray

    @property
    def change(self) -> float:
        """Of the share, in [-1, 1]."""
        return self.now - self.before


def trends(topics: Sequence[Topic], earlier: np.ndarray, recent: np.ndarray, confidence: float = 0.95) -> list[Trend]:
    """Every topic's change, the largest certain growth first.

    ``earlier`` and ``recent`` are bool (n,). With so many topics some seem to grow by chance; so each interval is wide
    enough that with probability ``confidence`` all of them hold together (Bonferroni). One whose ``low`` is above zero
    has grown, one whose ``high`` is below zero has shrunk, and of the others nothing is known.

    The interval is Newcombe's (1998, method 10): Wilson's score intervals of the two shares, squared and added. It is
    sound for small counts and for shares of zero, which "mean plus or minus two standard errors" is not.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, got {confidence!r}")
    counts = int(earlier.sum()), int(recent.sum())
    if min(counts) == 0:
        raise ValueError(f"expected papers on both sides, got {counts[0]} earlier and {counts[1]} recent ones")
    z = NormalDist().inv_cdf(1 - (1 - confidence) / 2 / max(len(topics), 1))
    found = []
    for topic in topics:
        rows = np.flatnonzero(topic.members & recent)
        before, before_low, before_high = share(int((topic.members & earlier).sum()), counts[0], z)
        now, now_low, now_high = share(len(rows), counts[1], z)
        low = now - before - math.hypot(now - now_low, before_high - before)
        high = now - before + math.hypot(now_high - now, before - before_low)
        found.append(Trend(topic, before, now, low, high, rows))
    return sorted(found, key=lambda trend: (-trend.low, trend.topic.kind, trend.topic.name))


def share(count: int, of: int, z: float) -> tuple[float, float, float]:
    """``(share, low, high)``, Wilson's score interval."""
    p = count / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return p, min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half))
