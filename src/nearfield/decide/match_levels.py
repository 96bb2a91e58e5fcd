"""How well a mention fits an entity, on several levels: global, global to local, local, second view, across views."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise

import numpy as np

from .texts import blocks, unit_rows
from .views import Views

LEVELS = ("global", "attention", "local", "second", "cross")
# The level that each column of :meth:`Matcher.features` belongs to. Of two of a level, the first goes from the mention.
COLUMNS = ("global", "attention", "attention", "local", "local", "second", "cross", "cross")
_ROWS = 20_000  # that the map across views is learnt from, at most
_RIDGE = 0.1  # of the mean variance of the inputs


def attended(queries: np.ndarray, tokens: np.ndarray, starts: np.ndarray, temperature: float) -> np.ndarray:
    """(q, g): cosine of each unit vector to the mean of each bag of unit tokens, weighted by its attention to them.

    The weights are the softmax of the cosines: near the cosine of the one nearest token where ``temperature`` is small,
    that of the plain mean where it is large. Bags lie one after another, each from its place in ``starts`` (g,).

    Examples
    --------
    >>> near, bag = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> [attended(near, bag, np.array([0]), temperature).round(2).item() for temperature in (0.1, 1.0, 1e6)]
    [1.0, 0.94, 0.71]
    """
    cosines = queries @ tokens.T
    top = np.maximum.reduceat(cosines, starts, axis=1)
    below = cosines - np.repeat(top, np.diff(starts, append=len(tokens)), axis=1)
    with np.errstate(over="ignore"):
        weights = np.exp(below / temperature)
    lengths = np.zeros_like(top)
    for number, (start, end) in enumerate(pairwise([*starts.tolist(), len(tokens)])):
        lengths[:, number] = np.linalg.norm(weights[:, start:end] @ tokens[start:end], axis=1)
    return np.asarray(np.add.reduceat(weights * cosines, starts, axis=1) / np.maximum(lengths, 1e-300))


def max_similarity(own: np.ndarray, theirs: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each bag of ``theirs`` (g,) the largest products with ``own``, averaged over own and over its rows.

    This is MaxSim, both ways. Bags lie one after another, each from its place in ``starts``; in blocks, as they may be
    large.

    Examples
    --------
    >>> forth, back = max_similarity(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]]), np.array([0]))
    >>> forth.tolist(), back.tolist()
    ([0.5], [1.0])
    """
    forth, back = np.zeros(len(starts)), np.full(len(theirs), -np.inf)
    for block in blocks(len(own), len(theirs)):
        products = own[block] @ theirs.T
        forth += np.maximum.reduceat(products, starts, axis=1).sum(axis=0)
        np.maximum(back, products.max(axis=0), out=back)
    return forth / len(own), np.add.reduceat(back, starts) / np.diff(starts, append=len(theirs))


class Matcher:
    """Features of pairs of a mention and an entity, each a cosine or a mean of cosines; NaN where a side lacks it.

    Tokens are compared only where one of the ``levels`` is of them.

    ``global``: cosine of the vectors. ``attention``: each vector attends the other side's tokens. ``local``: for each
    token of one side the largest cosine to a token of the other, averaged (MaxSim), in both directions. ``second``:
    cosine of the second views, less the entities' mean. ``cross``: the mention's vector, led to the second view by a
    ridge regression learnt on the entities, against the entity's second view; and the other way round.
    """

    def __init__(self, entities: Views, temperature: float, levels: Collection[str] = LEVELS):
        self._entities, self._temperature, self._levels = entities, temperature, levels
        if entities.second is not None:
            self._learn_map(entities.vectors, entities.second, np.flatnonzero(entities.has_second))

    def _learn_map(self, vectors: np.ndarray, second: np.ndarray, rows: np.ndarray) -> None:
        rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _ROWS)).astype(int)]
        self._middle = unit_rows(second[rows]).mean(axis=0)
        x, y = unit_rows(vectors[rows]), self._centred(second[rows])
        self._start = x.mean(axis=0)
        x = x - self._start
        gram = x.T @ x / len(x)
        ridge = _RIDGE * np.trace(gram) / len(gram) + 1e-12
        self._map = np.linalg.solve(gram + ridge * np.eye(len(gram)), x.T @ y / len(x))

    def _centred(self, second: np.ndarray) -> np.ndarray:
        return unit_rows(unit_rows(second) - self._middle)

    def lead(self, vectors: np.ndarray) -> np.ndarray:
        """Where unit vectors are expected in the second view."""
        return unit_rows((vectors - self._start) @ self._map)

    def prepared(self, mentions: Views) -> Prepared:
        """What is needed of the mentions, computed once."""
        return Prepared(self, mentions)

    def features(self, prepared: Prepared, number: int, rows: np.ndarray) -> np.ndarray:
        """(k, 8): how mention ``number`` fits the entities ``rows`` (k,)."""
        entities = self._entities
        found = np.full((len(rows), len(COLUMNS)), np.nan)
        query = prepared.vectors[number]
        vectors = unit_rows(entities.vectors[rows])
        found[:, 0] = vectors @ query
        if "attention" in self._levels or "local" in self._levels:
            self._add_tokens(found, query, prepared.tokens(number), vectors, rows)
        if entities.second is not None:
            there = np.flatnonzero(entities.has_second[rows])
            second = self._centred(entities.second[rows[there]])
            found[there, 6] = second @ prepared.led[number]
            if prepared.has_second[number]:
                found[there, 5] = second @ prepared.second[number]
                found[:, 7] = self.lead(vectors) @ prepared.second[number]
        return found

    def _add_tokens(
        self, found: np.ndarray, query: np.ndarray, own: np.ndarray | None, vectors: np.ndarray, rows: np.ndarray
    ) -> None:
        """Columns 1 to 4; the tokens of all candidates are compared at once."""
        every = self._entities.tokens
        theirs = [None if every is None else every[row] for row in rows]
        there = np.array([place for place, tokens in enumerate(theirs) if tokens is not None], np.int64)
        if own is not None:
            found[:, 2] = attended(vectors, own, np.zeros(1, np.int64), self._temperature)[:, 0]
        if not len(there):
            return
        sizes = [len(tokens) for tokens in theirs if tokens is not None]
        starts = np.cumsum([0, *sizes[:-1]])
        tokens = unit_rows(np.concatenate([tokens for tokens in theirs if tokens is not None]))
        found[there, 1] = attended(query[None], tokens, starts, self._temperature)[0]
        if own is not None:
            found[there, 3], found[there, 4] = max_similarity(own, tokens, starts)


class Prepared:
    """Mentions in the form in which a :class:`Matcher` compares them."""

    led: np.ndarray  # only where the entities have a second view
    second: np.ndarray  # and the mentions as well

    def __init__(self, matcher: Matcher, mentions: Views):
        self._mentions = mentions
        self.vectors = unit_rows(mentions.vectors)
        self.has_second = mentions.has_second
        if matcher._entities.second is not None:
            self.led = matcher.lead(self.vectors)
            if mentions.second is not None:
                self.second = matcher._centred(mentions.second)

    def tokens(self, number: int) -> np.ndarray | None:
        """Unit tokens of one mention."""
        own = None if self._mentions.tokens is None else self._mentions.tokens[number]
        return None if own is None else unit_rows(own)
