"""Which items to encode next: those that the answers to real questions depend on most.

Sample queries are asked of the store as it is now. An item that is not encoded and stands high in many answers decides
what is shown, by a similarity that is a guess: it goes first. Asking again after every batch matters, for an item that
turns out to be far away makes room for the next guess. Stored items are asked for as well, which finds the items that
are near to many: the next queries are not the last ones. Both count alike.
"""

from __future__ import annotations

import numpy as np

from .fusing import nearest_both
from .next_space import EncodedPart
from .search import nearest
from .snapshot import View

_TOP = 20
_QUERIES = 500
_SCORES = 2.5e8  # two hundred and fifty queries of a million items
_STORED = 1000


def next_keys(view: View, count: int, random_state: int = 0) -> np.ndarray:
    """The keys of at most ``count`` items that are not encoded, those first whose encoding gains most."""
    assert view.next is not None
    newer = view.newer
    rest = [live for live in newer.parts if not isinstance(live.part, EncodedPart)]
    keys = np.sort(np.concatenate([np.empty(0, np.int64), *(live.part.keys[live.rows()] for live in rest)]))
    if count >= len(keys):
        return keys
    most = int(max(20, _SCORES / max(1, view.items)))
    rng = np.random.default_rng(random_state)
    asked = np.zeros(len(keys))
    for answers in _answers(view, min(most, _QUERIES), rng):
        _add(asked, keys, answers)
    near = np.zeros(len(keys))
    _add(near, keys, _near_stored(newer, rest, keys, min(most, _STORED), rng))
    gains = sum(found / max(found.sum(), 1.0) for found in (asked, near))
    chosen = np.argsort(-gains, kind="stable")[:count]
    return keys[chosen]


def _add(gains: np.ndarray, keys: np.ndarray, answers: np.ndarray) -> None:
    """A hit counts as much as its place: 1, 1/2, 1/3, ..."""
    places = np.minimum(np.searchsorted(keys, answers), len(keys) - 1)
    open_ = keys[places] == answers
    weights = np.broadcast_to(1 / np.arange(1, answers.shape[1] + 1), answers.shape)
    np.add.at(gains, places[open_], weights[open_])


def _answers(view: View, most: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The keys of the answers to the sample queries, by the model that asks, or by both where both do."""
    assert view.next is not None
    queries = {name: rows for name, rows in view.next.queries.items() if len(rows)}
    some = {name: np.sort(rng.permutation(len(rows))[:most]) for name, rows in queries.items()}
    new, old = queries.get("new"), queries.get("old")
    if new is not None and old is not None and len(new) == len(old):
        rows = some["new"]
        return [nearest_both(view, new[rows], old[rows], _TOP).keys]
    found = []
    for name, space in (("new", view.newer), ("old", view)):
        if name in queries:
            found.append(nearest(space, space.shape.metric, queries[name][some[name]], _TOP).keys)
    return found


def _near_stored(newer: View, rest: list, keys: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """The neighbours of some items that are not encoded, by their mapped vectors."""
    chosen = np.sort(keys[rng.permutation(len(keys))[:most]])
    parts, rows = newer.locate(chosen)
    vectors = newer.gather_vectors(parts, rows, newer.shape).astype(np.float32)
    vectors = vectors[vectors.any(axis=1)]
    found = nearest(newer, newer.shape.metric, vectors, _TOP + 1).keys
    return found[:, 1:]
