"""Searching with the queries of both models while a store is moved from the one to the other.

Each model nominates candidates in its own space; every candidate is then scored in both. A score counts in standard
deviations of the query's scores in that space, by a sample of the items, and the two are added with the weights of a
:class:`.mixture.Mixture`: those that :mod:`.learning` measured for a mapped row and a fixed one for an encoded row, or
what judged questions made of them (:mod:`.weighing`). An item that is not encoded keeps the old model's opinion in full
view. Where the new model has no weight, the answer is the old one's.
"""

from __future__ import annotations

import numpy as np

from ..metric import get_metric
from .filters import Filter
from .mixture import Mixture
from .next_space import EncodedPart
from .rows import Queries
from .search import Nearest, nearest, scores_of
from .snapshot import View

_LEAST, _WIDER = 100, 4


def nearest_both(
    view: View,
    queries: np.ndarray,
    old_queries: np.ndarray,
    k: int,
    *,
    condition: Filter | None = None,
    beam: int | None = None,
    mixture: Mixture | None = None,
) -> Nearest:
    """The ``k`` best by both models; parts and rows are those of the old space, distances on the scale of the new.

    Where the new model has no weight they are those of the old model alone, distances as well. ``mixture`` is in place
    of the one that the move goes by.
    """
    newer, following = view.newer, view.next
    assert following is not None
    mixture = mixture or Mixture.of(following.meta)
    if mixture.old_alone:
        return nearest(view, view.shape.metric, old_queries, k, condition=condition, beam=beam)
    keys, allowed = nominated(view, queries, old_queries, k, condition=condition, beam=beam)
    places = [space.locate(keys.ravel()) for space in (view, newer)]
    before, after = ([column.reshape(keys.shape) for column in found] for found in places)
    known, _, _ = standing(view, Queries(old_queries, view.shape.metric), before)
    own, mean, spread = standing(newer, Queries(queries, newer.shape.metric), after)
    encoded = np.array([isinstance(live.part, EncodedPart) for live in newer.parts] + [False])[after[0]]
    both = mixture.scores(known, own, encoded)
    both[keys < 0] = np.inf
    order = np.lexsort((keys, both), axis=1)[:, :k]
    both, keys, parts, rows = (np.take_along_axis(column, order, axis=1) for column in (both, keys, *before))
    scores = mean + spread * both
    if get_metric(newer.shape.metric).native == "l2":
        scores = np.maximum(scores, 0.0)
    distances = get_metric(newer.shape.metric).distances_from_scores(scores.astype(np.float32))
    out = Nearest.none(len(keys), k, allowed)
    for column, found in zip(
        (out.distances, out.keys, out.parts, out.rows), (distances, keys, parts, rows), strict=True
    ):
        column[:, : found.shape[1]] = found
    return out


def nominated(
    view: View,
    queries: np.ndarray,
    old_queries: np.ndarray,
    k: int,
    *,
    condition: Filter | None = None,
    beam: int | None = None,
) -> tuple[np.ndarray, int]:
    """The keys that either model names for each query, ascending behind -1; and how many items it could name."""
    newer = view.newer
    width = min(max(_WIDER * k, _LEAST), max(1, view.items))
    old = nearest(view, view.shape.metric, old_queries, width, condition=condition, beam=beam)
    new = nearest(newer, newer.shape.metric, queries, width, condition=condition, beam=beam)
    return _united(old.keys, new.keys), old.allowed


def _united(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The keys of both, each once, ascending behind those that are missing (-1)."""
    keys = np.sort(np.concatenate([one, other], axis=1), axis=1)
    keys[:, 1:][keys[:, 1:] == keys[:, :-1]] = -1
    return keys


def standing(view: View, asked: Queries, places: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores at ``(part, row)`` in standard deviations of each query's; and the mean and the deviation of those."""
    where, rows = view.sample
    count = len(asked)
    shape = (count, len(where))
    usual = scores_of(view, asked, slice(None), np.broadcast_to(where, shape), np.broadcast_to(rows, shape))
    mean = usual.mean(axis=1, keepdims=True, dtype=np.float64) if len(where) else np.zeros((count, 1))
    spread = usual.std(axis=1, keepdims=True, dtype=np.float64) if len(where) else np.ones((count, 1))
    spread = np.where(spread > 0, spread, 1.0)
    found = scores_of(view, asked, slice(None), *places).astype(np.float64)
    return np.where(np.isfinite(found), (found - mean) / spread, 0.0), mean, spread
