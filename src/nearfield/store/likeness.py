"""Queries made of items of the store: like these, unlike those."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..common.lengths import unit_rows
from .ids import check_ids
from .tables import find_keys

if TYPE_CHECKING:
    from .snapshot import View

# The weight of what a search is to be unlike, against what it is to be like: half keeps the subject.
AVOID = 0.5


class Likeness(NamedTuple):
    """What a search is told beside its queries, as the caller gave it."""

    like: Any = None
    unlike: Any = None
    aspect: Any = None
    to: Any = None

    def __bool__(self) -> bool:
        return any(part is not None for part in self)

    def apply(self, view: View, connection: Any, queries: np.ndarray | None) -> tuple[View, np.ndarray]:
        """The view to search and the queries to search it with: ``queries`` are checked, in the space of ``view``."""
        if not self and queries is not None:
            return view, queries
        named = [np.empty(0, np.int64)]
        away = None
        if self.like is not None:
            keys, vectors = items(view, connection, self.like, "like")
            named.append(keys)
            queries = like(view, queries, vectors)
        if self.unlike is not None:
            keys, away = items(view, connection, self.unlike, "unlike")
            named.append(keys)
        if queries is None:
            raise ValueError("queries: expected vectors or items to be like, got neither")
        rest = without(view, np.unique(np.concatenate(named)))
        if self.aspect is None and self.to is None:
            if away is None:
                return rest, queries
            return replace(rest, judge=None), unlike(view, queries, away)  # the judge knows questions, not differences
        if view.aspects is None:
            raise ValueError(
                "aspect: expected a store with aspects, in the space they were fitted to; fit them with fit_aspects()"
            )
        return view.aspects.view(rest), view.aspects.queries(queries, self.aspect, away, self.to)


NONE = Likeness()


def items(view: View, connection: Any, ids: Any, parameter: str) -> tuple[np.ndarray, np.ndarray]:
    """The keys and the vectors of the items with these ids; ValueError names one that is not there."""
    wanted, _ = check_ids(ids, view.meta.get("id_type"), unique=False)
    if not wanted:
        raise ValueError(f"{parameter}: expected the id of an item, or several, got none")
    keys = find_keys(connection, dict.fromkeys(wanted))
    column = np.array([keys.get(identifier, -1) for identifier in wanted], np.int64)
    column[view.expires(column) == 0] = -1
    parts, rows = view.locate(column)
    if (parts < 0).any():
        missing = wanted[int(np.flatnonzero(parts < 0)[0])]
        raise ValueError(f"{parameter}: expected ids of items of this store, got {missing!r}, which it does not hold")
    return column, np.ascontiguousarray(view.gather_vectors(parts, rows, view.shape), np.float32)


def like(view: View, queries: np.ndarray | None, vectors: np.ndarray) -> np.ndarray:
    """Queries (q, d) that ask for what is like them and like these items: the middle of both, a query counting as one
    item does."""
    middle = (unit_rows(vectors) if view.shape.metric == "cosine" else vectors).mean(axis=0)
    if queries is None:
        return _usable(view, middle[None], "like")
    mine = unit_rows(queries) if view.shape.metric == "cosine" else queries
    return _usable(view, (mine + len(vectors) * middle) / np.float32(1 + len(vectors)), "like")


def unlike(view: View, queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """The queries moved away from these items."""
    cosine = view.shape.metric == "cosine"
    mine, gone = (unit_rows(rows) if cosine else rows for rows in (queries, vectors))
    moved = mine - np.float32(AVOID) * gone.mean(axis=0)
    if view.shape.metric == "l2":
        moved += np.float32(AVOID) * mine  # away from a place, not towards the origin
    return _usable(view, moved, "unlike")


def without(view: View, keys: np.ndarray) -> View:
    """The view without the items that were named: they are not an answer to themselves."""
    if not len(keys):
        return view
    parts = tuple(live.without(live.part.rows_of(keys)) for live in view.parts)
    return replace(view, parts=parts, items=sum(live.count for live in parts))


def _usable(view: View, rows: np.ndarray, parameter: str) -> np.ndarray:
    if view.shape.metric == "cosine" and not (np.linalg.norm(rows, axis=1) > 1e-6).all():
        raise ValueError(f"{parameter}: expected items that do not cancel what is asked, nothing is left of the query")
    return np.ascontiguousarray(rows, np.float32)
