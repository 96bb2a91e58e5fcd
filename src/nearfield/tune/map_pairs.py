"""Things encoded by two models, as maps are fitted to them and measured on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from ..common.checks import check_int, check_vectors
from ..metric import Metric, get_metric
from ..transform.vector_map import VectorMap
from .map_choice import OLD_TO_NEW
from .map_loss import lost, ready

FEWEST = 20
_QUERIES = 2000


@dataclass(frozen=True)
class Parts:
    """Pieces of the paired things, such as sentences, by both models; ``of`` (m,) is the row each is a piece of."""

    old: np.ndarray
    new: np.ndarray
    of: np.ndarray


@dataclass(frozen=True)
class MapPairs:
    """Pairs of rows, ready for both metrics, with what is asked of them.

    ``asked`` (q, d_new) are queries by the new model, and ``own`` (q,) the row each is, or is a piece of, which never
    counts among its answers; -1 where a query is no row. ``asked_old`` are the same by the old model, pairs as well;
    None where it was not asked.
    """

    old: np.ndarray
    new: np.ndarray
    metric: Metric
    old_metric: Metric
    k: int
    asked: np.ndarray
    own: np.ndarray
    parts: Parts | None
    asked_old: np.ndarray | None

    @classmethod
    def of(
        cls,
        old: Any,
        new: Any,
        metric: Any,
        old_metric: Any,
        k: int,
        parts: Any,
        queries: Any,
        old_queries: Any,
        random_state: int,
    ) -> MapPairs:
        """Check what was given; ValueError or TypeError names the parameter."""
        measure = get_metric(metric)
        before = measure if old_metric is None else get_metric(old_metric)
        rows_old, rows_new = _paired(old, new, before, measure, ("old", "new"))
        k = min(check_int(k, "k", 1), max(1, len(rows_old) // 20))
        pieces = None if parts is None else _pieces(parts, rows_old, rows_new, before, measure)
        rng = np.random.default_rng(random_state)
        asked_old = None
        if old_queries is not None and queries is None:
            raise ValueError("old_queries: expected queries= beside it, the same by the new model, got None")
        if queries is not None:
            asked, _ = check_vectors(queries, "queries", dim=rows_new.shape[1], nonzero=measure.nonzero, min_rows=1)
            drawn = np.sort(rng.permutation(len(asked))[:_QUERIES])
            if old_queries is not None:
                asked_old = _beside(old_queries, len(asked), rows_old.shape[1], before)[drawn]
            asked, own = ready(asked[drawn], measure), np.full(len(drawn), -1)
        else:
            source, of = (rows_new, np.arange(len(rows_new))) if pieces is None else (pieces.new, pieces.of)
            drawn = np.sort(rng.permutation(len(source))[:_QUERIES])
            asked, own = source[drawn], of[drawn]
        return cls(rows_old, rows_new, measure, before, k, asked, own, pieces, asked_old)

    def fitted(self, candidate: Any, direction: str, rows: np.ndarray, known: np.ndarray) -> VectorMap:
        """The candidate fitted to these rows and the pieces of them, and to the queries ``known`` by both models."""
        old, new = self.old[rows], self.new[rows]
        if self.asked_old is not None:
            old, new = np.concatenate([old, self.asked_old[known]]), np.concatenate([new, self.asked[known]])
        if self.parts is not None:
            member = np.isin(self.parts.of, rows)
            old = np.concatenate([old, self.parts.old[member]])
            new = np.concatenate([new, self.parts.new[member]])
        if direction == OLD_TO_NEW:
            return clone(candidate).fit(old, new).export(unit=self.old_metric.nonzero)
        return clone(candidate).fit(new, old).export(unit=self.metric.nonzero)

    def mapped_rows(self, fitted: VectorMap, rows: np.ndarray) -> np.ndarray:
        """Old rows in the new space."""
        return ready(fitted.transform(self.old[rows]), self.metric)

    def mapped_queries(self, fitted: VectorMap, number: np.ndarray) -> np.ndarray:
        """Queries in the old space."""
        return ready(fitted.transform(self.asked[number]), self.old_metric)

    def lost(self, number: np.ndarray, rows: np.ndarray, mapped: np.ndarray, direction: str) -> np.ndarray:
        """Of each of these queries against these rows: ``mapped`` are the rows, or the queries, as ``direction`` says.

        ``rows`` must rise.
        """
        at = np.minimum(np.searchsorted(rows, self.own[number]), len(rows) - 1)
        own = np.where(rows[at] == self.own[number], at, -1)
        asked, k = self.asked[number], min(self.k, len(rows) - 1)
        if direction == OLD_TO_NEW:
            return lost(asked, self.new[rows], asked, mapped, k, self.metric, self.metric, own)
        return lost(asked, self.new[rows], mapped, self.old[rows], k, self.metric, self.old_metric, own)


def _paired(
    old: Any, new: Any, before: Metric, after: Metric, names: tuple[str, str], fewest: int = FEWEST
) -> tuple[np.ndarray, np.ndarray]:
    first, _ = check_vectors(old, names[0], nonzero=before.nonzero, min_rows=fewest)
    second, _ = check_vectors(new, names[1], nonzero=after.nonzero, min_rows=fewest)
    if len(first) != len(second):
        raise ValueError(f"{names[1]}: expected {len(first)} rows, one for each of {names[0]}, got {len(second)}")
    return ready(first, before), ready(second, after)


def _beside(old_queries: Any, count: int, dim: int, metric: Metric) -> np.ndarray:
    rows, _ = check_vectors(old_queries, "old_queries", dim=dim, nonzero=metric.nonzero, min_rows=1)
    if len(rows) != count:
        raise ValueError(f"old_queries: expected {count} rows, one for each of queries, got {len(rows)}")
    if count < FEWEST:
        raise ValueError(f"old_queries: expected at least {FEWEST} rows, got {count}")
    return ready(rows, metric)


def _pieces(parts: Any, old: np.ndarray, new: np.ndarray, before: Metric, after: Metric) -> Parts:
    if not isinstance(parts, tuple) or len(parts) != 3:
        raise TypeError(f"parts: expected (old vectors, new vectors, row numbers), got {type(parts).__name__}")
    first, second = _paired(parts[0], parts[1], before, after, ("parts[0]", "parts[1]"), fewest=1)
    for name, rows, whole in (("parts[0]", first, old), ("parts[1]", second, new)):
        if rows.shape[1] != whole.shape[1]:
            raise ValueError(f"{name}: expected {whole.shape[1]} dimensions, got {rows.shape[1]}")
    of = np.asarray(parts[2])
    if of.shape != (len(first),) or of.dtype.kind not in "iu":
        raise ValueError(f"parts[2]: expected {len(first)} row numbers, got {of.dtype} of shape {of.shape}")
    if len(of) and (of.min() < 0 or of.max() >= len(old)):
        raise ValueError(f"parts[2]: expected row numbers from 0 to {len(old) - 1}, got {of.min()} to {of.max()}")
    return Parts(first, second, of.astype(np.int64))
