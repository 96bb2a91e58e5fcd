"""Labelled queries of the old model in the space of the new one, at the end of a move.

Where their texts are kept and the new model can be called, it encodes them. Of those that are among the questions given
to the move by both models, the new vectors are known. Otherwise they are mapped by what the items tell, of which both
vectors are known. A mapped query lies nearer to the items than a true one, for the map was fitted to items; how much
nearer is seen on items that the map did not learn from, and put right. That makes estimates better, and no promise: a
cut fitted to mapped claims of SciFact let 13% through at 5%.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..common.checks import check_vectors
from ..metric import get_metric
from .fusing import standing
from .rows import Queries
from .search import nearest
from .snapshot import Shape, View

if TYPE_CHECKING:
    from ..encode import Encoder
    from .weighing import Judged

# Items that the map is learnt from, and others that tell how it blurs.
_LEARNT, _PROBED = 4000, 1000
_NEAREST = 10
# So many labelled queries, and this share of either kind, must be known by both models to go on with these alone.
_KNOWN, _SHARE = 20, 0.5


class Probe(NamedTuple):
    """Items that a map did not learn from: their keys, and their vectors mapped as queries were."""

    keys: np.ndarray
    mapped: np.ndarray

    def living(self, view: View) -> Probe:
        """Those that were not deleted meanwhile."""
        there = view.locate(self.keys)[0] >= 0
        return Probe(self.keys[there], self.mapped[there])


class Crossed(NamedTuple):
    """Queries in the new space: which of the given ones, their vectors, and where they were mapped how that blurs."""

    rows: np.ndarray
    queries: np.ndarray
    probe: Probe | None = None

    @property
    def mapped(self) -> bool:
        """Whether they are no vectors of the new model."""
        return self.probe is not None


class Crossing:
    """From the old space to the new one, whose items are all encoded.

    ``encoder`` is the new model, where it runs; ``judged`` the questions of the move of which it is known what answers
    them. ``view.next.queries`` are its other sample queries.
    """

    def __init__(self, view: View, encoder: Encoder | None = None, judged: Judged | None = None):
        self.view, self.encoder, self.judged = view, encoder, judged

    def queries(self, queries: np.ndarray, text: Sequence[str] | None, kinds: Sequence[Any] | None = None) -> Crossed:
        """The queries in the new space; ``kinds`` says of what kind each is, where there are several."""
        newer = self.view.newer.shape
        every = np.arange(len(queries))
        if not len(queries):
            return Crossed(every, np.empty((0, newer.dim), np.float32))
        if self.encoder is not None and text is not None:
            return Crossed(every, encoded(self.encoder, text, newer.dim, newer.metric))
        known = [self._known.get(row.tobytes()) for row in np.ascontiguousarray(queries, np.float32)]
        there = np.array([vector is not None for vector in known])
        named = np.zeros(len(queries)) if kinds is None else np.asarray(kinds)
        much = there.sum() >= _KNOWN and all(there[named == kind].mean() >= _SHARE for kind in np.unique(named))
        if there.all() or much:
            return Crossed(np.flatnonzero(there), np.stack([vector for vector in known if vector is not None]))
        crossed, probe = self._map
        return Crossed(every, crossed.transform(get_metric(self.view.shape.metric).prepare_queries(queries)), probe)

    @cached_property
    def _known(self) -> dict[bytes, np.ndarray]:
        """New vectors of questions by their old ones, as bytes."""
        assert self.view.next is not None
        samples = self.view.next.queries
        found: dict[bytes, np.ndarray] = {}
        if len(samples.get("new", ())) == len(samples.get("old", ())) and samples:
            found = {old.tobytes(): new for old, new in zip(samples["old"], samples["new"], strict=True)}
        if self.judged is not None:
            pairs = zip(self.judged.old, self.judged.new, strict=True)
            found |= {old.tobytes(): new for old, new in pairs}
        return found

    @cached_property
    def _map(self) -> tuple[Any, Probe]:
        from ..transform import RidgeMap

        view, newer = self.view, self.view.newer
        keys = np.concatenate([live.part.keys[live.rows()] for live in view.parts])
        keys = np.random.default_rng(0).permutation(keys)[: _LEARNT + _PROBED]
        cut = len(keys) - max(1, min(_PROBED, len(keys) // 5))
        metric, after = get_metric(view.shape.metric), get_metric(newer.shape.metric)
        old = metric.prepare_queries(item_vectors(view, view.shape, keys))
        new = after.prepare_queries(item_vectors(newer, newer.shape, keys[:cut]))
        crossed = RidgeMap().fit(old[:cut], new).export(unit=after.nonzero)
        return crossed, Probe(keys[cut:], crossed.transform(old[cut:]))


class Recoding:
    """From a space to itself: queries whose texts are kept as the store's model encodes them."""

    judged = None

    def __init__(self, shape: Shape, encoder: Encoder):
        self.shape, self.encoder = shape, encoder

    def queries(
        self, queries: np.ndarray, text: Sequence[str] | None, kinds: Sequence[Any] | None = None
    ) -> Crossed | None:
        """As :meth:`Crossing.queries`; None where there are no texts, and all stays as it is."""
        if text is None or not len(queries):
            return None
        return Crossed(np.arange(len(queries)), encoded(self.encoder, text, self.shape.dim, self.shape.metric))


def encoded(encoder: Encoder, texts: Sequence[str], dim: int, metric: str) -> np.ndarray:
    """Texts as vectors of such a space; ValueError where the model gives others, or not one each."""
    if not len(texts):
        return np.empty((0, dim), np.float32)
    found = encoder.encode(list(texts), progress=False)
    vectors, _ = check_vectors(found, "encoder", dim=dim, nonzero=metric == "cosine")
    if len(vectors) != len(texts):
        raise ValueError(f"encoder: expected a vector for each of {len(texts)} texts, got {len(vectors)}")
    return vectors


def unblurred(distances: np.ndarray, view: View, shape: Shape, probe: Probe | None) -> np.ndarray:
    """Distances of mapped queries to their nearest as those of true ones: rank by rank with the mean and the spread
    that items have, asked for by their own vectors instead of mapped ones.

    Without this SciFact's claims, moved from WordLlama to MiniLM, would promise 5% lost and lose 20%.
    """
    if probe is None or not np.isfinite(distances).all():
        return distances
    keys, mapped = probe.living(view)
    if len(keys) < 2 or distances.shape[1] >= view.items:
        return distances
    found = []
    for vectors in (mapped, item_vectors(view, shape, keys)):
        near = nearest(view, shape.metric, vectors, distances.shape[1] + 1, exact=True)
        found.append(near.distances[~itself(near.keys, keys)].reshape(len(keys), -1).astype(np.float64))
    (shown, width), (mean, spread) = ((each.mean(axis=0), each.std(axis=0)) for each in found)
    gain = np.where(width > 0, spread / np.where(width > 0, width, 1.0), 1.0)
    return np.maximum.accumulate(mean + (distances - shown) * gain, axis=1)


def outstanding(view: View, probe: Probe | None) -> float:
    """How many times as far the nearest of a true query stand out among its scores as those of a mapped one."""
    if probe is None:
        return 1.0
    keys, mapped = probe.living(view)
    if len(keys) < 2:
        return 1.0
    means = []
    for vectors in (item_vectors(view, view.shape, keys), mapped):
        near = nearest(view, view.shape.metric, vectors, min(_NEAREST + 1, view.items), exact=True)
        stands = -standing(view, Queries(vectors, view.shape.metric), [near.parts, near.rows])[0]
        means.append(float(stands[~itself(near.keys, keys) & (near.keys >= 0)].mean()))
    return means[0] / means[1] if min(means) > 0 else 1.0


def item_vectors(view: View, shape: Shape, keys: np.ndarray) -> np.ndarray:
    """The vectors of the items with these keys, float32."""
    return np.ascontiguousarray(view.gather_vectors(*view.locate(keys), shape), np.float32)


def itself(keys: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Per row, the one column of the item itself, or the last where it is not found (it has many copies)."""
    found = keys == own[:, None]
    found[~found.any(axis=1), -1] = True
    return found
