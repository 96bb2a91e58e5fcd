"""STS benchmark: how alike are two sentences?"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np

from .sources import Source, damage_named, obtain, read_bytes

_HOME = (
    "https://raw.githubusercontent.com/PhilipMay/stsb-multi-mt/30de0dec4ee199b7f42351d3f1a0b19592955385/data/stsb-en-"
)
_SHA256 = {
    "train": "e1e84fec60bbb598735552f54a35f4949904a484750fd2cb11e2720e49f63da6",
    "dev": "d29586e96558c4eb52cf5ea5d14e9c24d3bf0e44f111b017caba43a5adc33226",
    "test": "11523b625219e94e9ca05d2816b5f02cac1614c5894fe657376fa0806378d053",
}


@dataclass(frozen=True)
class ScoredPairs:
    """Pairs of sentences; ``score`` is float32 from 0 (nothing in common) to 5 (the same meaning).

    Examples
    --------
    >>> import numpy as np
    >>> from nearfield.datasets import ScoredPairs
    >>> len(ScoredPairs(["a plane lands"], ["an airplane is landing"], np.array([5.0], np.float32)))
    1
    """

    first: list[str]
    second: list[str]
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class STSB:
    """The English STS benchmark: 5,749 training, 1,500 development and 1,379 test pairs with human scores.

    Source: Cer et al. 2017, *SemEval-2017 Task 1*; the copy of https://github.com/PhilipMay/stsb-multi-mt.

    Examples
    --------
    >>> from nearfield.datasets import load
    >>> len(load("stsb").test)    # doctest: +SKIP
    1379
    """

    train: ScoredPairs
    dev: ScoredPairs
    test: ScoredPairs


def _read(part: str) -> ScoredPairs:
    path = obtain(Source(f"stsb/{part}.csv", f"{_HOME}{part}.csv", _SHA256[part]))
    content = read_bytes(path)
    with damage_named(path):
        rows = [(first, second, float(score)) for first, second, score in csv.reader(io.StringIO(content.decode()))]
        return ScoredPairs(
            [row[0] for row in rows], [row[1] for row in rows], np.array([row[2] for row in rows], np.float32)
        )


def load() -> STSB:
    """All three parts."""
    return STSB(_read("train"), _read("dev"), _read("test"))
