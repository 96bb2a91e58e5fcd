"""The results of the same questions in two spaces, shared by the measures that compare results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state, check_vectors
from .hubness import tied_share
from .neighbors import rows_nearest, sample_neighbors
from .pair import Pair

QUERIES = 1000
DEPTH = 50


@dataclass(frozen=True)
class PairLists:
    """The nearest rows to each question in both spaces, as places in the pair, nearest first.

    The questions are sampled rows of the pair, each left out of its own list, or ``queries`` given from elsewhere.

    Attributes
    ----------
    pair : what was searched.
    rows : (q,) places of the questions in the pair, or None when they come from elsewhere.
    first, second : (q, depth) results in each space.
    asked : the questions as vectors of each space, as search sees them.
    why : why nothing can be compared; empty when it can.
    """

    pair: Pair
    rows: np.ndarray | None
    first: np.ndarray
    second: np.ndarray
    asked: tuple[np.ndarray, np.ndarray]
    why: str

    @classmethod
    def of(
        cls,
        pair: Pair,
        depth: int = DEPTH,
        sample: int | None = QUERIES,
        random_state: int = 0,
        queries: tuple[Any, Any] | None = None,
        neighbors: PairLists | None = None,
    ) -> PairLists:
        """Search both spaces exactly; or take ``neighbors``, if they are of this pair and deep enough."""
        check_int(depth, "depth", 1)
        check_random_state(random_state)
        if sample is not None:
            check_int(sample, "sample", 1)
        if neighbors is not None:
            if neighbors.pair is not pair:
                raise ValueError("neighbors: expected lists of the same Pair")
            return neighbors
        depth = max(min(depth, len(pair) - 1), 0)
        empty = np.empty((0, depth), np.int64)
        if pair.few:
            nothing = tuple(np.empty((0, dim), np.float32) for dim in pair.dims)
            return cls(pair, np.empty(0, np.int64), empty, empty, (nothing[0], nothing[1]), pair.few)
        if queries is not None:
            asked = checked_queries(pair, queries)
            lists = [rows_nearest(s, a, depth) for s, a in zip((pair.first, pair.second), asked, strict=True)]
            return cls(pair, None, lists[0], lists[1], asked, "")
        found = [
            sample_neighbors(
                space, depth, metric=space.metric, sample=sample, distinct=False, random_state=random_state
            )
            for space in (pair.first, pair.second)
        ]
        why = ""
        for name, near, space in zip(("first", "second"), found, (pair.first, pair.second), strict=True):
            if tied_share(near, max(min(10, depth - 1), 1), space) > 0.5:
                why = f"Unknown: most rows of the {name} space have equally near neighbours, so results are arbitrary."
        rows = found[0].rows
        return cls(pair, rows, found[0].ids, found[1].ids, (pair.first.take(rows), pair.second.take(rows)), why)

    @property
    def depth(self) -> int:
        """How long the lists are."""
        return int(self.first.shape[1])

    def __len__(self) -> int:
        return len(self.first)

    @property
    def scope(self) -> str:
        """A phrase that says what was asked of what."""
        what = f"{len(self):,} queries" if self.rows is None else f"{len(self):,} rows asked as queries"
        among = f"{len(self.pair):,} paired rows"
        if len(self.pair) < self.pair.total:
            among += f" (of {self.pair.total:,})"
        return f"{what}, searched exactly among {among}"


def checked_queries(pair: Pair, queries: Any) -> tuple[np.ndarray, np.ndarray]:
    """Questions in both spaces as search sees them; ValueError or TypeError for what is wrong."""
    if not isinstance(queries, list | tuple) or len(queries) != 2:
        raise ValueError("queries: expected a pair (first_queries, second_queries)")
    asked = []
    for given, space, name in zip(queries, (pair.first, pair.second), ("first", "second"), strict=True):
        cosine = space.metric == "cosine"
        array, _ = check_vectors(given, f"queries ({name})", dim=space.dim, nonzero=cosine, min_rows=1)
        lengths = np.linalg.norm(array.astype(np.float64), axis=1, keepdims=True) if cosine else 1.0
        asked.append((array / lengths).astype(np.float32))
    if len(asked[0]) != len(asked[1]):
        raise ValueError(
            f"queries: expected the same questions in both spaces, got {len(asked[0])} and {len(asked[1])} rows"
        )
    return asked[0], asked[1]


def shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(q, depth): how many rows the first ``d`` places of two lists have in common, for every depth d."""
    depth = first.shape[1]
    # A row at place i of one list and j of the other is shared from depth max(i, j) on.
    later = np.maximum(np.arange(depth)[:, None], np.arange(depth)[None, :]).ravel()
    counts = np.zeros((len(first), depth), np.int64)
    for low in range(0, len(first), 1024):
        part = slice(low, low + 1024)
        rows, places = np.nonzero((first[part, :, None] == second[part, None, :]).reshape(-1, depth * depth))
        np.add.at(counts[part], (rows, later[places]), 1)
    return counts.cumsum(axis=1)


def common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(q,): how many rows two lists have in common."""
    return np.asarray((first[:, :, None] == second[:, None, :]).any(axis=2).sum(axis=1))
