"""Linkers of several levels on the same words and senses, in folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..decide import EntityLinker, Views
from .senses import Senses

EVERY = ("global", "attention", "local", "second", "cross")
_FOLDS = 3


class SenseTrial:
    """Tokens of sentences, and of texts of the senses, with second views where there are any."""

    def __init__(
        self,
        senses: Senses,
        mentions: list[np.ndarray],
        entities: list[np.ndarray],
        their_second: Sequence[Any] | None = None,
        own_second: Any = None,
    ):
        self._senses = senses
        self._mentions, self._entities = _views(mentions, own_second), _views(entities, their_second)
        self._fold = np.arange(len(mentions)) % _FOLDS

    def right(
        self, levels: Sequence[str], *, second: bool = True, mentions_second: bool = True, links: int | None = None
    ) -> float:
        """Hits@1 over all folds, learnt from the other folds, or from the first ``links`` of them.

        ``second`` is whether senses have a second view when the linker meets them, ``mentions_second`` whether words
        have one; what the linker learnt from had both. Of few links the mean over three choices.
        """
        hits = []
        for fold in range(_FOLDS):
            train, test = np.flatnonzero(self._fold != fold), np.flatnonzero(self._fold == fold)
            met = _chosen(self._mentions, second and mentions_second)[test]
            for seed in range(1 if links is None else 3):
                taken = train if links is None else np.random.default_rng(seed).permutation(train)[:links]
                linker = self._fit(levels, np.sort(taken), second)
                hits.append(linker.predict(met, self._candidates(test)) == self._senses.truth[test])
        return float(np.concatenate(hits).mean())

    def rejected(self) -> tuple[float, float]:
        """Share of words that are rejected, with and without the right sense among their candidates."""
        shares: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for fold in range(_FOLDS):
            train, test = np.flatnonzero(self._fold != fold), np.flatnonzero(self._fold == fold)
            linker = self._fit(EVERY, train, True)
            met, given = _chosen(self._mentions, True)[test], self._candidates(test)
            others = [
                [row for row in own if row != truth] for own, truth in zip(given, self._senses.truth[test], strict=True)
            ]
            for share, candidates in zip(shares, (given, others), strict=True):
                share.append(linker.reject(met, candidates))
        return float(np.concatenate(shares[0]).mean()), float(np.concatenate(shares[1]).mean())

    def shares(self) -> dict[str, float]:
        """What each level weighs."""
        return self._fit(EVERY, np.arange(len(self._fold)), True).weights_

    def _fit(self, levels: Sequence[str], train: np.ndarray, second: bool) -> EntityLinker:
        linker = EntityLinker(levels)
        entities = _chosen(self._entities, second)
        seen = _chosen(self._mentions, second)[train]
        links = self._senses.truth[train]
        return linker.fit(entities, self._senses.rows, mentions=seen, links=links, candidates=self._candidates(train))

    def _candidates(self, rows: np.ndarray) -> list[list[int]]:
        return [self._senses.candidates[row] for row in rows]


def _views(tokens: list[np.ndarray], second: Any) -> tuple[Views, Views]:
    """Without and with the second view, where there is one."""
    inner = [own[1:-1] for own in tokens]  # without the special tokens at both ends
    bare = Views(text_vectors(tokens), inner)
    return bare, bare if second is None else Views(text_vectors(tokens), inner, list(second))


def _chosen(side: tuple[Views, Views], second: bool) -> Views:
    return side[int(second)]


def text_vectors(tokens: list[np.ndarray]) -> np.ndarray:
    """The encoder's own vectors: what it was trained for."""
    return np.array([own.mean(axis=0) for own in tokens])
