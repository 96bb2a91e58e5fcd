"""Recall under filters through the store: however many rows are allowed, and wherever they lie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.store import Store

N = 6000


@pytest.fixture
def world(make: Callable[..., Store], low_limits: None, monkeypatch: pytest.MonkeyPatch):
    """A compacted store of clustered rows, never scanned for being few, with their order by lot and by distance."""
    monkeypatch.setattr("nearfield.store.rows._SCAN_ROWS", 0)
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((20, 8), np.float32)
    rows = centers[rng.integers(0, 20, N + 60)] + 0.5 * rng.standard_normal((N + 60, 8), np.float32)
    kept, asked = rows[60:], rows[:60]
    rank = np.empty(N, np.int64)
    rank[np.argsort(get_metric("cosine").to_many(asked[0], kept), kind="stable")] = np.arange(N)
    values = {"lot": rng.permutation(N), "rank": rank}
    store = make(attributes={"lot": "int", "rank": "int"})
    store.add(list(range(N)), kept, attributes={name: column.tolist() for name, column in values.items()})
    store.compact()
    assert "graph" in store.stats()["segments"][0]["index"]
    near = asked[np.argsort(get_metric("cosine").to_many(asked[0], asked), kind="stable")[:15]]
    return store, kept, asked, near, values


def test_recall_holds_wherever_the_allowed_rows_lie(world) -> None:
    store, kept, asked, near, values = world
    for share in (1.0, 0.5, 0.1, 0.01, 0.001):
        count = round(share * N)
        for column, low, queries in (("lot", 0, asked), ("rank", 0, near), ("rank", N - count, near)):
            where = f"{column} >= {low} and {column} < {low + count}"
            rows = np.flatnonzero((values[column] >= low) & (values[column] < low + count))
            truth = get_metric("cosine").pairwise(queries, kept[rows])
            k = min(10, count)
            exact = rows[np.argsort(truth, axis=1)[:, :k]].tolist()
            hits = store.search(queries, 10, where=where)
            recall = np.mean([len(set(a) & set(b)) / k for a, b in zip(hits.ids, exact, strict=True)])
            assert recall >= 0.95, where
            assert hits.status[0] == "ok" if count >= 10 else hits.status[0].startswith(f"only {count}")


def test_a_batch_and_a_single_query_agree(world) -> None:
    store, _, asked, _, _ = world
    for where in ("lot < 5400", "lot < 1200", "rank >= 3000", "rank < 60"):
        together = store.search(asked[:10], 10, where=where)
        for i in (0, 4, 9):
            assert store.search(asked[i], 10, where=where).ids == together.ids[i]


def test_deleted_rows_are_a_filter_too(world) -> None:
    store, kept, asked, _, values = world
    for bound in (60, 600, 3000, 5400):
        alive = {identifier for batch in store.iterate() for identifier in batch.ids}
        store.delete([int(row) for row in np.flatnonzero(values["lot"] < bound) if row in alive])
        rows = np.flatnonzero(values["lot"] >= bound)
        truth = rows[np.argsort(get_metric("cosine").pairwise(asked, kept[rows]), axis=1)[:, :10]].tolist()
        found = store.search(asked, 10).ids
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, truth, strict=True)]) >= 0.95
