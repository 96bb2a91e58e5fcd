"""Fitting a relevance judge from the store alone: its items ask about their own neighbourhood.

The judge wants to know how dense the store is around a neighbour: the neighbour's *local scale*, its distance to its
fifth nearest other item. It is kept in the catalogue, one number an item, by key, so that it outlives compaction; items
that came after the judge have none yet, and the judge takes a typical one for them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_vectors
from ..common.decoding import decoding, expect
from ..common.progress import Progress
from ..metric import get_metric
from .catalogue import Catalogue
from .search import nearest
from .snapshot import Scales, Shape, View
from .tables import digest, set_meta

if TYPE_CHECKING:
    from ..decide import Judge
    from .maintenance import Maintenance

# A store that changed by more than this share of the items it had when the judge was fitted is another store.
STALE_SHARE = 0.2

_NEIGHBOR = 5
_QUERIES = 1024
# Items that the map of labelled queries is learnt from at the end of a move, and others that tell how it blurs.
_LEARNT, _PROBED = 4000, 1000
SAMPLE, BACKGROUND = 3000, 1024


@dataclass(frozen=True)
class Fit:
    """How a judge was fitted, to fit it again: items sampled, and labelled queries (none: (0, d) and (0,))."""

    sample: int
    background: int
    queries: np.ndarray
    labels: np.ndarray
    probe: tuple[np.ndarray, np.ndarray] | None = None  # keys of items, and their vectors mapped as the queries were

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; :func:`fit_of` reads it."""
        return {
            "sample": self.sample,
            "background": self.background,
            "queries": base64.b64encode(self.queries.astype("<f4").tobytes()).decode(),
            "labels": self.labels.astype(int).tolist(),
        }


def fit_of(stored: Mapping[str, Any], view: View, shape: Shape, path: Any) -> Fit:
    """How the stored judge was fitted, its labelled queries in the next space where the store is being moved.

    Judges stored before their labels were kept have none.
    """
    kept = stored.get("fit")
    if kept is None:
        return Fit(SAMPLE, BACKGROUND, np.empty((0, shape.dim), np.float32), np.empty(0, bool))
    with decoding(path, "how the judge was fitted"):
        labels = np.array(kept["labels"], bool)
        width = -1 if len(labels) else shape.dim  # of nothing at all NumPy cannot tell how wide it is
        queries = np.frombuffer(base64.b64decode(kept["queries"], validate=True), "<f4").reshape(len(labels), width)
        expect(queries.shape[1] == shape.dim, f"labelled queries of {queries.shape[1:]} dimensions")
        fit = Fit(int(kept["sample"]), int(kept["background"]), queries.astype(np.float32), labels)
    return fit if view.next is None else _moved(fit, view)


def _moved(fit: Fit, view: View) -> Fit:
    """The same with its queries in the next space, whose items are all encoded."""
    from ..transform import RidgeMap

    newer = view.newer
    if not len(fit.labels):
        return replace(fit, queries=np.empty((0, newer.shape.dim), np.float32))
    keys = np.concatenate([live.part.keys[live.rows()] for live in view.parts])
    keys = np.random.default_rng(0).permutation(keys)[: _LEARNT + _PROBED]
    cut = len(keys) - max(1, min(_PROBED, len(keys) // 5))
    metric, after = get_metric(view.shape.metric), get_metric(newer.shape.metric)
    old = metric.prepare_queries(item_vectors(view, view.shape, keys))
    new = after.prepare_queries(item_vectors(newer, newer.shape, keys[:cut]))
    crossed = RidgeMap().fit(old[:cut], new).export(unit=after.nonzero)
    mapped = crossed.transform(metric.prepare_queries(fit.queries))
    return replace(fit, queries=mapped, probe=(keys[cut:], crossed.transform(old[cut:])))


def _unblurred(distances: np.ndarray, view: View, shape: Shape, probe: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Distances of mapped queries to their nearest as those of true ones: rank by rank with the mean and the spread
    that items have, asked for by their own vectors instead of mapped ones.

    A mapped query lies nearer to the items than a true one, for the map was fitted to items: without this SciFact's
    claims, moved from WordLlama to MiniLM, would promise 5% lost and lose 20%.
    """
    there = view.locate(probe[0])[0] >= 0  # not deleted meanwhile
    keys, mapped = probe[0][there], probe[1][there]
    if len(keys) < 2:
        return distances
    found = []
    for vectors in (mapped, item_vectors(view, shape, keys)):
        near = nearest(view, shape.metric, vectors, distances.shape[1] + 1, exact=True)
        found.append(near.distances[~itself(near.keys, keys)].reshape(len(keys), -1).astype(np.float64))
    (shown, width), (mean, spread) = ((each.mean(axis=0), each.std(axis=0)) for each in found)
    gain = np.where(width > 0, spread / np.where(width > 0, width, 1.0), 1.0)
    return np.maximum.accumulate(mean + (distances - shown) * gain, axis=1)


def fit_and_publish(judge: Judge, maintenance: Maintenance, shape: Shape, how: Fit) -> None:
    """Fit ``judge`` to the store as it is now, let the labelled queries refine it, and keep it."""
    with maintenance.lock:
        maintenance.writer.purge()
        view = maintenance.viewer.current()
        asked = len(how.labels) > 0
        scales = fit(judge, view, shape, sample=how.sample, background=how.background, vectors=asked)
        if asked:
            refine(judge, view, shape, scales, how)
        publish(judge, view, maintenance.catalogue, scales, how)


def fit(judge: Judge, view: View, shape: Shape, *, sample: int, background: int, vectors: bool) -> Scales:
    """Fit ``judge`` to the view's items; returns their local scales.

    ``vectors`` gives it the sampled items themselves as well, which it needs to learn from labelled queries.

    Leave-one-out: a sample of the items, each with its neighbours other than itself and its distances to random items.
    """
    from ..decide.judge import MIN_ITEMS

    if view.items < MIN_ITEMS:
        raise ValueError(f"a judge needs at least {MIN_ITEMS} items to learn from, the store has {view.items}")
    scales = local_scales(view, shape)
    order = np.random.default_rng(judge.random_state).permutation(view.items)
    asked, others = np.sort(order[:sample]), np.sort(np.roll(order, -sample)[:background])
    width = min(judge.k + 1, view.items - 2)
    queries, theirs = (item_vectors(view, shape, scales.keys[chosen]) for chosen in (asked, others))
    found = nearest(view, shape.metric, queries, width + 1, exact=True)
    drop = itself(found.keys, scales.keys[asked])
    chance = get_metric(shape.metric).pairwise(queries, theirs)
    chance[scales.keys[asked][:, None] == scales.keys[others]] = np.nan
    judge.fit(
        found.distances[~drop].reshape(len(asked), width),
        chance,
        n_items=view.items,
        neighbor_scales=scales.of(found.keys[~drop]).reshape(len(asked), width),
        background_scales=scales.of(scales.keys[others]),
        vectors=get_metric(shape.metric).prepare_queries(queries) if vectors else None,
    )
    return scales


def refine(judge: Judge, view: View, shape: Shape, scales: Scales, how: Fit) -> None:
    """Let a few queries of known answer move the judge."""
    found = nearest(view, shape.metric, how.queries, judge.k)
    distances = found.distances
    if how.probe is not None and np.isfinite(distances).all():
        distances = _unblurred(distances, view, shape, how.probe)
    prepared = get_metric(shape.metric).prepare_queries(how.queries)
    judge.refine(distances, how.labels, scales=scales.of(found.keys), queries=prepared)


def check_labelled(queries: Any, labels: Any, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Queries and ``labels``, True where the store holds an answer; None: in all."""
    array, _ = check_vectors(queries, "queries", dim=shape.dim, nonzero=shape.metric == "cosine", min_rows=1)
    truth = np.ones(len(array), bool) if labels is None else np.asarray(labels)
    if truth.shape != (len(array),) or truth.dtype != np.bool_:
        raise ValueError(f"labels: expected {len(array)} bools, one per query, got {truth.dtype} of {truth.shape}")
    return array, truth


def local_scales(view: View, shape: Shape) -> Scales:
    """The distance of every living item to its fifth nearest other, found as any search would find it."""
    keys = np.concatenate([live.part.keys[live.rows()] for live in view.parts])
    values = np.full(len(keys), np.nan, np.float32)
    wanted = min(_NEIGHBOR + 1, view.items)
    with Progress("measuring the neighbourhoods", len(keys), unit="items") as bar:
        for start in range(0, len(keys), _QUERIES):
            some = keys[start : start + _QUERIES]
            found = nearest(view, shape.metric, item_vectors(view, shape, some), wanted)
            others = found.distances[~itself(found.keys, some)].reshape(len(some), -1)
            values[start : start + len(some)] = others[:, -1]
            bar.update(len(some))
    return Scales(keys, values)


def publish(judge: Judge, view: View, catalogue: Catalogue, scales: Scales, how: Fit) -> None:
    """Make the judge and the scales the store's, in one transaction."""
    step = 1 << 16
    with catalogue.writing() as connection:
        said = {"judge": judge.to_dict(), "items": view.items, "changes": view.changes, "fit": how.to_dict()}
        set_meta(connection, "judge", said)
        connection.execute("DELETE FROM scales")
        for start in range(0, len(scales.keys), step):
            keys = scales.keys[start : start + step].astype("<i8").tobytes()
            values = scales.values[start : start + step].astype("<f4").tobytes()
            connection.execute("INSERT INTO scales VALUES (?, ?, ?, ?)", (start, keys, values, digest(keys, values)))


def freshness(stored: Mapping[str, Any], view: View) -> dict[str, Any]:
    """How far the store moved since its judge was fitted."""
    changed = (view.changes - stored["changes"]) / max(1, stored["items"])
    return {"fitted_on_items": stored["items"], "changed_since": round(changed, 4), "stale": changed > STALE_SHARE}


def item_vectors(view: View, shape: Shape, keys: np.ndarray) -> np.ndarray:
    """The vectors of the items with these keys, float32."""
    return np.ascontiguousarray(view.gather_vectors(*view.locate(keys), shape), np.float32)


def itself(keys: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Per row, the one column of the item itself, or the last where it is not found (it has many copies)."""
    found = keys == own[:, None]
    found[~found.any(axis=1), -1] = True
    return found
