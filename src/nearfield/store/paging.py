"""Pages: a search that goes on where the last one ended, by a cursor.

A cursor holds the score and the key of the last hit, so the next page begins right behind it, whatever was added,
deleted, sealed or compacted in between: scores of stored vectors do not change, nor do keys. No item comes twice.
What is added later shows when it lies farther than the cursor, and not when it lies nearer.

A page deep in the answer is searched as wide as all pages up to it and half as wide again, so page p costs about what
a search for 1.5 p k hits does. Where that is more than a fortieth of the store, the stored vectors are scanned, which
costs nearly the same at every depth.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import xxhash

from .. import native
from ..metric import get_metric
from .filters import Filter
from .rows import Queries
from .search import Nearest, nearest, scores_of
from .snapshot import View

_FORMAT = 1
_LAYOUT = struct.Struct("<B8sQQfqI")  # format, store, query, search; score, key, hits so far
_CHECK = struct.Struct("<Q")
# A page that needs more than one in so many of all items is read off a scan: a walk would cost as much.
_SCAN_SHARE = 40


class Mark(NamedTuple):
    """Where a page ended: behind the hit of this native score and key, ``seen`` hits from the beginning."""

    score: float
    key: int
    seen: int


@dataclass(frozen=True)
class Origin:
    """What a cursor belongs to: a store, its queries, and what else decides which hits there are in which order."""

    store: bytes
    metric: str
    queries: np.ndarray
    where: str | None

    @classmethod
    def of(cls, identity: bytes, path: Any, metric: str, queries: np.ndarray, condition: Filter | None) -> Origin:
        """That of a search in the store at ``path``; one of format 1 has no identity but its place."""
        store = identity or xxhash.xxh3_64_digest(os.fsencode(path))
        return cls(store, metric, queries, None if condition is None else condition.key)

    def query(self, number: int) -> int:
        """The digest of one query."""
        return xxhash.xxh3_64_intdigest(np.ascontiguousarray(self.queries[number], np.float32).tobytes())

    @property
    def search(self) -> int:
        """The digest of metric and filter."""
        text = self.metric if self.where is None else f"{self.metric} where {self.where}"
        return xxhash.xxh3_64_intdigest(text.encode(errors="surrogatepass"))


class Pages:
    """The ends of the pages of one search, from which :attr:`Hits.cursor` is made when somebody asks for it.

    Made for every search, so it only takes its arguments. It does not keep the view alive, and with it files that a
    compaction replaced: should nobody else do when a cursor is asked for, which takes a write in between, the score of
    the last hit is that of its distance, and the next page may miss or repeat what is exactly as far away.
    """

    __slots__ = ("_made", "_source")

    def __init__(self, view: View, hits: Nearest, k: int, marks: Sequence[Mark] | None, *origin: Any):
        self._source: tuple[Any, ...] | None = (weakref.ref(view), view.identity, hits, k, marks, origin)
        self._made: list[str | None] | None = None

    def cursors(self) -> list[str | None]:
        """For each query the cursor behind its last hit; None where its page is not full: nothing comes after it."""
        if self._made is None:
            assert self._source is not None
            view, identity, hits, k, marks, origin = self._source
            source = Origin.of(identity, *origin)
            seen = [k] * len(hits.keys) if marks is None else [k + mark.seen for mark in marks]
            self._made = [_cursor(source, view(), hits, count, number) for number, count in enumerate(seen)]
            self._source = None
        return self._made

    def __getstate__(self) -> list[str | None]:
        return self.cursors()

    def __setstate__(self, made: list[str | None]) -> None:
        self._source, self._made = None, made


def _cursor(origin: Origin, view: View | None, hits: Nearest, seen: int, number: int) -> str | None:
    if not hits.keys.shape[1] or hits.keys[number, -1] < 0:
        return None
    # Hits of one distance may have different scores, and stand in the order of their keys.
    distance = hits.distances[number, -1]
    tied = hits.distances[number] == distance
    keys = hits.keys[number, tied]
    if view is None:
        scores = np.full(len(keys), get_metric(origin.metric).scores_from_distances(distance), np.float32)
    else:
        asked = Queries(origin.queries[number : number + 1], origin.metric)
        scores = scores_of(view, asked, slice(None), hits.parts[number, tied][None], hits.rows[number, tied][None])[0]
    last = np.lexsort((keys, scores))[-1]
    mark = float(scores[last]), int(keys[last]), seen
    body = _LAYOUT.pack(_FORMAT, origin.store, origin.query(number), origin.search, *mark)
    return base64.urlsafe_b64encode(body + _CHECK.pack(xxhash.xxh3_64_intdigest(body))).rstrip(b"=").decode()


def read_cursors(after: Any, origin: Origin, path: Any) -> list[Mark]:
    """The marks of ``after=``: a cursor, or one a query; ValueError when one is of another store, query or search."""
    cursors = [after] if isinstance(after, str) else after
    if not isinstance(cursors, Sequence) or not all(isinstance(cursor, str) for cursor in cursors):
        raise TypeError(f"after: expected a cursor (hits.cursor), or one a query, got {after!r}")
    if len(cursors) != len(origin.queries):
        raise ValueError(f"after: expected {len(origin.queries)} cursors, one a query, got {len(cursors)}")
    return [_read(cursor, origin, number, path) for number, cursor in enumerate(cursors)]


def _read(cursor: str, origin: Origin, number: int, path: Any) -> Mark:
    try:
        blob = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        blob = b""
    body, check = blob[: _LAYOUT.size], blob[_LAYOUT.size :]
    if len(check) != _CHECK.size or _CHECK.unpack(check)[0] != xxhash.xxh3_64_intdigest(body):
        raise ValueError(
            f"after: expected a cursor as hits.cursor gives it, got {cursor[:80]!r}, which is none or altered"
        )
    version, store, query, search, score, key, seen = _LAYOUT.unpack(body)
    if version != _FORMAT:
        raise ValueError(f"after: expected a cursor of format {_FORMAT}, got one of format {version}")
    if store != origin.store:
        raise ValueError(f"after: expected a cursor of {path} (store {_name(origin.store)}), got one of {_name(store)}")
    if query != origin.query(number):
        raise ValueError(
            f"after: expected a cursor of query {number} (digest {origin.query(number):016x}), "
            f"got one of another query ({query:016x})"
        )
    if search != origin.search:
        where = "no where=" if origin.where is None else f"where={origin.where.partition(':')[2][:80]!r}"
        raise ValueError(
            f"after: expected a cursor of a search with {where} and metric {origin.metric!r} (digest "
            f"{origin.search:016x}), got one of another search ({search:016x})"
        )
    return Mark(score, key, seen)


def _name(store: bytes) -> str:
    return store.hex()


def page(
    view: View,
    metric: str,
    queries: np.ndarray,
    k: int,
    *,
    marks: Sequence[Mark],
    condition: Filter | None = None,
    beam: int | None = None,
) -> Nearest:
    """Like :func:`nearest`, the ``k`` that come behind the marks in order of score and key."""
    asked = Queries(queries, metric)
    score = np.array([mark.score for mark in marks], np.float32)[:, None]
    key = np.array([mark.key for mark in marks], np.int64)[:, None]
    out = Nearest.none(len(queries), k)
    width = max((mark.seen for mark in marks), default=0) + k
    todo = np.arange(len(queries))
    while todo.size:
        if width > native.MAX_K:
            raise ValueError(f"after: expected a page that ends within the first {native.MAX_K} items; use iterate()")
        # The last hits of a search are those that an index misses most easily: it is asked for more than are read.
        wide = min(width + width // 2, native.MAX_K)
        exact = wide * _SCAN_SHARE > view.items
        found = nearest(view, metric, queries[todo], wide, condition=condition, beam=beam, exact=exact)
        scores = scores_of(view, asked, todo, found.parts, found.rows)
        behind = (scores > score[todo]) | ((scores == score[todo]) & (found.keys > key[todo]))
        behind &= found.keys >= 0
        ready = (behind.sum(axis=1) >= k) | (wide >= found.allowed)
        order = np.lexsort((found.keys, scores, ~behind), axis=1)[:, :k]
        for name in ("distances", "keys", "parts", "rows"):
            column = np.take_along_axis(getattr(found, name), order, axis=1)
            missing = ~np.take_along_axis(behind, order, axis=1)
            column[missing] = np.inf if name == "distances" else -1
            getattr(out, name)[todo[ready], : column.shape[1]] = column[ready]
        todo = todo[~ready]
        width *= 2
    return out


def explain_page(view: View, hits: Nearest, k: int, condition: Filter | None, max_false: float | None) -> list[str]:
    """Per query ``"ok"``, or that the answer ends within this page."""
    why = "the last page: no further item"
    if max_false is not None:
        why += f", or none that is relevant at max_false={max_false:g}"
    return ["ok" if count == k else why for count in (hits.keys >= 0).sum(axis=1).tolist()]
