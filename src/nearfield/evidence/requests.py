"""CLINC150's requests as vectors of two encoders, a few for each intent, for the evidence on classifiers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..datasets import Utterances, load
from . import material
from .claims import Setting


class Requests(NamedTuple):
    """Vectors and intents to learn from and to be asked about, and vectors of requests about no intent."""

    train: np.ndarray
    labels: np.ndarray
    test: np.ndarray
    truth: np.ndarray
    outside: np.ndarray


def requests(
    setting: Setting, per_intent: int, tests: int = 10, outside: int = 500, step: int = 1
) -> dict[str, Requests]:
    """``encoder -> Requests`` by MiniLM and WordLlama, of every ``step``-th intent."""
    from ..encode import WordLlama

    found = load("clinc150")
    train, labels = _some(found.train, setting.pick(per_intent, min(per_intent, 6)), step)
    test, truth = _some(found.test, setting.pick(tests, 2), step)
    strange = found.oos_test.texts[: setting.pick(outside, 50)]
    encoders = {"WordLlama": WordLlama()} | ({} if setting.quick else {"MiniLM": material.minilm()})
    made = {}
    for name, encoder in encoders.items():
        rows = [material.unit(encoder.encode(texts, progress=False)) for texts in (train, test, strange)]
        made[name] = Requests(rows[0], labels, rows[1], truth, rows[2])
    return made


def _some(part: Utterances, per_intent: int, step: int) -> tuple[list[str], np.ndarray]:
    """The first texts of every ``step``-th intent."""
    intents = np.array(part.intents)
    rows = np.concatenate([np.flatnonzero(intents == kind)[:per_intent] for kind in np.unique(intents)[::step]])
    return [part.texts[row] for row in rows], intents[rows]


def shots(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Rows with ``count`` drawn for each label (all where there are fewer).

    Examples
    --------
    >>> shots(np.array(["a", "a", "b"]), 1, 0).tolist()
    [0, 2]
    """
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(np.flatnonzero(labels == kind))[:count] for kind in np.unique(labels)])
