"""Fitting a relevance judge from the store alone: its items ask about their own neighbourhood.

The judge wants to know how dense the store is around a neighbour: the neighbour's *local scale*, its distance to its
fifth nearest other item. It is kept in the catalogue, one number an item, by key, so that it outlives compaction; items
that came after the judge have none yet, and the judge takes a typical one for them.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_vectors
from ..common.decoding import decoding, expect
from ..common.progress import Progress
from ..metric import get_metric
from .catalogue import Catalogue
from .crossing import Crossing, Probe, Recoding, item_vectors, itself, unblurred
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
SAMPLE, BACKGROUND = 3000, 1024


@dataclass(frozen=True)
class Fit:
    """How a judge was fitted, to fit it again: items sampled, and labelled queries (none: (0, d) and (0,))."""

    sample: int
    background: int
    queries: np.ndarray
    labels: np.ndarray
    text: list[str] | None = None
    probe: Probe | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; :func:`fit_of` reads it."""
        return {
            "sample": self.sample,
            "background": self.background,
            "queries": packed(self.queries),
            "labels": self.labels.astype(int).tolist(),
            "text": self.text,
        }

    def crossed(self, crossing: Crossing | Recoding) -> Fit:
        """The same with its queries in the space that the store is moved to."""
        found = crossing.queries(self.queries, self.text, self.labels.tolist())
        if found is None:
            return self
        text = None if self.text is None else [self.text[row] for row in found.rows.tolist()]
        return replace(self, queries=found.queries, labels=self.labels[found.rows], text=text, probe=found.probe)


def packed(queries: np.ndarray) -> str:
    """Vectors as text."""
    return base64.b64encode(queries.astype("<f4").tobytes()).decode()


def unpacked(text: str, count: int, dim: int) -> np.ndarray:
    """So many vectors from their text; ValueError unless there are."""
    queries = np.frombuffer(base64.b64decode(text, validate=True), "<f4").reshape(count, -1 if count else dim)
    expect(not count or queries.shape[1] == dim, f"labelled queries of {queries.shape[1:]} dimensions")
    return queries.astype(np.float32)


def fit_of(stored: Mapping[str, Any], shape: Shape, path: Any) -> Fit:
    """How the stored judge was fitted. Judges stored before their labels were kept have none."""
    kept = stored.get("fit")
    if kept is None:
        return Fit(SAMPLE, BACKGROUND, np.empty((0, shape.dim), np.float32), np.empty(0, bool))
    with decoding(path, "how the judge was fitted"):
        labels = np.array(kept["labels"], bool)
        queries = unpacked(kept["queries"], len(labels), shape.dim)
        return Fit(
            int(kept["sample"]), int(kept["background"]), queries, labels, check_texts(kept.get("text"), len(labels))
        )


def check_texts(text: Any, count: int) -> list[str] | None:
    """The texts of so many queries, or None."""
    if text is None:
        return None
    if isinstance(text, str) or not isinstance(text, Sequence) or not all(isinstance(one, str) for one in text):
        raise TypeError(f"text: expected a list of one text per query, got {type(text).__name__}")
    if len(text) != count:
        raise ValueError(f"text: expected {count} texts, one per query, got {len(text)}")
    return list(text)


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
    distances = unblurred(found.distances, view, shape, how.probe)
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


def publish(judge: Any, view: View, catalogue: Catalogue, scales: Scales | None, how: Any) -> None:
    """Make the judge and the scales the store's, in one transaction."""
    step = 1 << 16
    with catalogue.writing() as connection:
        said = {"judge": judge.to_dict(), "items": view.items, "changes": view.changes, "fit": how.to_dict()}
        set_meta(connection, "judge", said)
        connection.execute("DELETE FROM scales")
        if scales is None:
            return
        for start in range(0, len(scales.keys), step):
            keys = scales.keys[start : start + step].astype("<i8").tobytes()
            values = scales.values[start : start + step].astype("<f4").tobytes()
            connection.execute("INSERT INTO scales VALUES (?, ?, ?, ?)", (start, keys, values, digest(keys, values)))


def freshness(stored: Mapping[str, Any], view: View) -> dict[str, Any]:
    """How far the store moved since something was fitted to it, and whether it promises rates (``max_false``)."""
    changed = (view.changes - stored["changes"]) / max(1, stored["items"])
    return {
        "fitted_on_items": stored["items"],
        "changed_since": round(changed, 4),
        "stale": changed > STALE_SHARE,
        "promises": not (stored.get("fit") or {}).get("mapped", False),
    }
