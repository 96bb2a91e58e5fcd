"""What a graph learns from sample queries: links between the rows they have in common, and where walks begin."""

from __future__ import annotations

import numpy as np

from .. import native

# Of a sample query so many rows are linked to each other. With 100, walks score a tenth more rows at recall 0.95.
# All figures here: WordNet glosses, 5,000 sample queries, other queries of their kind.
NEIGHBORS = 40
# The rows of so many queries are found by a scan. The others are walked for, in the graph as linked for the first: a
# walk takes a sixth of the time of a scan and finds 0.97 of the rows.
_SCANNED = 1000
_BEAM = 300
# Where there are no more rows than this, a scan takes no longer than such a walk.
_FEW_ROWS = 10_000
# Rows at which queries of this kind begin, at most: 16 help hardly more, and each costs every query one row scored.
_ENTRIES = 8
# An entry is near to at least so many queries, and to one in so many of the sample.
_FEWEST = 4
_ONE_IN = 128


def link_sample(
    space: native.Space, neighbors: np.ndarray, entries: np.ndarray, queries: np.ndarray, *, metric: str, extra: int
) -> tuple[np.ndarray, np.ndarray]:
    """``(neighbors, entries)`` with what ``queries``, float32 ``(q, d)`` in the frame of ``space``, add to them.

    Each list of ``neighbors`` grows by up to ``extra`` links. The same input gives the same links on any number of
    threads.
    """
    k = min(NEIGHBORS, space.n)
    first = len(queries) if space.n <= _FEW_ROWS else min(_SCANNED, len(queries))
    found = native.scan(space, queries[:first], k, metric=metric).rows
    if first < len(queries):
        linked = native.stitch(space, neighbors, found, extra)
        starts = add_entries(entries, found)
        walked = native.search_graph(space, linked, starts, queries[first:], k, metric=metric, beam=_BEAM)
        found = np.concatenate([found, walked.rows])
        del linked
    return native.stitch(space, neighbors, found, extra), add_entries(entries, found)


def add_entries(entries: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The entries, and rows that are near to many queries: each time the row that most of those not yet served have.

    ``found``, int64 ``(q, k)``, names the rows near each sample query. Where queries are spread as evenly as the rows,
    no row serves many, and none is added.
    """
    waiting = found
    added: list[int] = []
    fewest = max(_FEWEST, len(found) / _ONE_IN)
    while len(added) < _ENTRIES and len(waiting):
        rows, counts = np.unique(waiting[waiting >= 0], return_counts=True)
        if not len(rows) or counts.max() < fewest:
            break
        best = rows[counts.argmax()]
        waiting = waiting[~(waiting == best).any(axis=1)]
        if best not in entries:
            added.append(int(best))
    return np.concatenate([entries, np.array(added, np.uint32)])
