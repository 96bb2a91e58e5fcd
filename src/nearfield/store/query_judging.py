"""Fitting a judge to labelled queries, and keeping these beside it by the ids of the items, to fit it again.

Ids outlive what keys do not: an item that is replaced keeps its id, and so its labels. A query of which no named item
is left in the store tells nothing any more and is passed over until one comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_vectors
from ..common.decoding import decoding, expect
from ..metric import get_metric
from .crossing import Crossing, Probe, Recoding, unblurred
from .ids import Id, check_ids
from .judging import check_texts, packed, publish, unpacked
from .search import nearest
from .snapshot import Shape, View
from .tables import find_keys

if TYPE_CHECKING:
    from ..decide import QueryJudge
    from .maintenance import Maintenance


@dataclass(frozen=True)
class Labelled:
    """Queries (q, d), the ids of the items that answer each, and perhaps those that were shown, and the texts.

    ``mapped``: the queries are no vectors of the store's model, but mapped from another's; ``probe`` says how blurred.
    """

    queries: np.ndarray
    relevant: list[list[Id]]
    shown: list[list[Id]] | None = None
    text: list[str] | None = None
    mapped: bool = False
    probe: Probe | None = None

    @classmethod
    def check(cls, queries: Any, relevant: Any, shown: Any, text: Any, shape: Shape) -> Labelled:
        """What a caller gave; ValueError or TypeError names the parameter."""
        nonzero = shape.metric == "cosine"
        array = check_vectors(queries, "queries", dim=shape.dim, nonzero=nonzero, min_rows=1)[0]
        named = check_lists(relevant, "relevant", len(array))
        seen = None if shown is None else check_lists(shown, "shown", len(array))
        return cls(array, named, seen, check_texts(text, len(array)))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; :meth:`of` reads it."""
        lists = {"relevant": self.relevant, "shown": self.shown, "text": self.text}
        return {"queries": packed(self.queries), **lists, "mapped": self.mapped}

    @classmethod
    def of(cls, kept: Mapping[str, Any], shape: Shape, path: Any) -> Labelled:
        """Those that the store keeps."""
        with decoding(path, "the labelled queries of the judge"):
            relevant, shown = kept["relevant"], kept["shown"]
            queries = unpacked(kept["queries"], len(relevant), shape.dim)
            for lists in (relevant, shown):
                expect(lists is None or all(isinstance(one, list) for one in lists), "expected lists of ids")
            expect(shown is None or len(shown) == len(relevant), "expected as many lists shown as queries")
            text, mapped = check_texts(kept["text"], len(queries)), bool(kept.get("mapped", False))
            return cls(queries, relevant, shown, text, mapped)

    def crossed(self, crossing: Crossing | Recoding, *, instead: bool = False) -> Labelled:
        """The same with its queries in the space that the store is moved to.

        ``instead`` takes the judged questions of the move, if there are any, before these would be mapped.
        """
        found = crossing.queries(self.queries, self.text, [len(names) > 0 for names in self.relevant])
        if found is None:
            return self
        judged = crossing.judged
        if found.mapped and instead and judged is not None:
            return Labelled(judged.new, judged.relevant)

        def some(rows: list[Any] | None) -> list[Any] | None:
            return None if rows is None else [rows[row] for row in found.rows.tolist()]

        relevant, shown, text = some(self.relevant), some(self.shown), some(self.text)
        return Labelled(found.queries, relevant or [], shown, text, found.mapped, found.probe)


def check_lists(lists: Any, name: str, count: int, kind: str | None = None) -> list[list[Id]]:
    """A list of ids for each of so many queries; ``kind`` is what the store holds, None for any."""
    if isinstance(lists, str | Mapping) or not isinstance(lists, Sequence):
        raise TypeError(f"{name}: expected a list with the ids of each query, got {type(lists).__name__}")
    if len(lists) != count:
        raise ValueError(f"{name}: expected {count} lists of ids, one per query, got {len(lists)}")
    checked = []
    for one in lists:
        if isinstance(one, str | int) or not hasattr(one, "__iter__"):
            raise TypeError(f"{name}: expected a list of ids for each query, got {type(one).__name__}")
        checked.append(check_ids(list(one), kind, unique=False)[0] if len(one) else [])
    return checked


def fit_and_publish(judge: QueryJudge, maintenance: Maintenance, shape: Shape, how: Labelled) -> None:
    """Fit ``judge`` to the store as it is now, and keep it with what it was fitted to."""
    with maintenance.lock:
        maintenance.writer.purge()
        view = maintenance.viewer.current()
        with maintenance.catalogue.reading() as connection:
            every = {identifier for lists in (how.relevant, how.shown or []) for one in lists for identifier in one}
            keys: dict[Id, int] = find_keys(connection, every)
        fit(judge, view, shape, how, keys)
        publish(judge, view, maintenance.catalogue, None, how)


def fit(judge: QueryJudge, view: View, shape: Shape, how: Labelled, keys: Mapping[Id, int]) -> None:
    """Fit ``judge`` to the view, whose items have these keys by id."""
    relevant = [np.array([keys[name] for name in names if name in keys], np.int64) for names in how.relevant]
    told = [
        bool(len(there)) if names or how.shown is not None else True
        for names, there in zip(how.relevant, relevant, strict=True)
    ]
    some = np.flatnonzero(told)
    if len(some) < len(told) and not len(some):
        raise ValueError("relevant: expected ids of items of this store, got none that it holds")
    queries, relevant = how.queries[some], [relevant[row] for row in some]
    width = judge.width(view.items, max(map(len, relevant), default=0))
    found = nearest(view, shape.metric, queries, max(1, width))
    hits = np.stack([np.isin(row, own) for row, own in zip(found.keys, relevant, strict=True)])
    labels = np.where(found.keys >= 0, hits.astype(float), np.nan)
    if how.shown is not None:
        labels = np.full(hits.shape, np.nan)
        for place, row in enumerate(some):
            labels[place] = _clicked(
                [keys.get(name, -1) for name in how.shown[row]], relevant[place], found.keys[place]
            )
    judge.fit(
        unblurred(found.distances, view, shape, how.probe),
        labels,
        queries=get_metric(shape.metric).prepare_queries(queries),
        answered=np.array([len(own) > 0 for own in relevant]),
        n_items=view.items,
        mapped=how.mapped,
    )


def _clicked(shown: list[int], clicked: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Labels of hits: 1 clicked, 0 passed over above the last click, NaN never looked at."""
    from ..decide import labels_from_clicks

    told = labels_from_clicks(np.array([shown], np.int64).reshape(1, -1), [clicked])[0]
    known = {key: label for key, label in zip(shown, told.tolist(), strict=True) if key >= 0}
    known.update(dict.fromkeys(clicked.tolist(), 1.0))
    return np.array([known.get(key, np.nan) for key in hits.tolist()])
