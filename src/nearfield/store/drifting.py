"""Drift of a batch against a store: the survey's measures, from searches of the store itself."""

from __future__ import annotations

import numpy as np

from ..common.reached import share_reached
from ..metric import get_metric
from ..survey.costs import recall_loss, relevance_change
from ..survey.drift import Drift, asked_for
from ..survey.shift import distribution_shift
from .crossing import item_vectors, itself
from .search import nearest
from .snapshot import Shape, View

# Fewer items than this have no neighbourhood to speak of.
LEAST = 50


def measure(
    view: View, shape: Shape, batch: np.ndarray, *, k: int, level: float, sample: int, random_state: int
) -> Drift:
    """Items drawn at random are asked as queries, their own row not counting, and so are rows of the batch."""
    if view.items < LEAST:
        raise ValueError(f"drift: expected a store of at least {LEAST} items to compare with, found {view.items}")
    rng = np.random.default_rng([random_state, 91])
    keys = np.concatenate([live.part.keys[live.rows()] for live in view.parts])
    drawn = keys[np.sort(rng.permutation(len(keys))[:sample])]
    items = item_vectors(view, shape, drawn)
    shift = distribution_shift(items, batch, metric=shape.metric, level=level, sample=sample, random_state=random_state)
    count = asked_for(view.items, shape.dim)
    some = np.sort(rng.permutation(len(drawn))[:count])
    others = batch[np.sort(rng.permutation(len(batch))[:count])]
    width = min(max(k, view.judge.k if view.judge is not None else 1), view.items - 1)
    sides = [_asked(view, shape, items[some], drawn[some], k, width), _asked(view, shape, others, None, k, width)]
    (then, far, relevance), (now, new_far, new_relevance) = sides
    lost = recall_loss(then, now, what="the store", k=k)
    answered = relevance_change(far, new_far, then_relevance=relevance, now_relevance=new_relevance)
    measures = {found.name: found for found in (shift, lost, answered)}
    return Drift(measures, view.items, len(batch), shape.dim, shape.metric)


def _asked(
    view: View, shape: Shape, queries: np.ndarray, own: np.ndarray | None, k: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Of each query: its recall, the true distance of its nearest, and how relevant the judge takes that to be."""
    extra = own is not None
    k = min(k, width)
    found = nearest(view, shape.metric, queries, k + extra)
    truth = nearest(view, shape.metric, queries, width + extra, exact=True)
    distances, exact, keys = found.distances, truth.distances, truth.keys
    if own is not None:
        distances = distances[~itself(found.keys, own)].reshape(len(queries), k)
        kept = ~itself(keys, own)
        exact, keys = exact[kept].reshape(len(queries), width), keys[kept].reshape(len(queries), width)
    recall = np.array([share_reached(a, b[k - 1], k) for a, b in zip(distances, exact, strict=True)])
    judge = view.judge
    if judge is None or view.scales is None or width < judge.k:
        return recall, exact[:, 0].astype(float), None
    asked = get_metric(shape.metric).prepare_queries(queries) if judge.uses_queries_ else None
    return recall, exact[:, 0].astype(float), judge.relevance(exact, view.scales.of(keys), queries=asked)[:, 0]
