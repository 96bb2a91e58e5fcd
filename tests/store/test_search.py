from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.store import Store

METRICS = ("cosine", "ip", "l2")


def scattered(store: Store, vectors: np.ndarray, low_limits: None) -> np.ndarray:
    """300 rows over a graph segment, scanned segments and pending rows, a tenth of them deleted; returns who lives."""
    store.add(list(range(120)), vectors[:120])
    store.compact()
    for start in range(120, 300, 20):
        ids = list(range(start, start + 20))
        store.add(ids, vectors[ids])
    store.delete(list(range(0, 300, 10)))
    stats = store.stats()
    assert len(stats["segments"]) >= 3 and stats["pending"] and "graph" in stats["segments"][0]["index"]
    return np.flatnonzero(np.arange(300) % 10)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_merged_answer_is_that_of_one_exact_scan(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, metric: str, dtype: str
) -> None:
    store = make(metric=metric, dtype=dtype)
    alive = scattered(store, vectors, low_limits)
    kept = vectors.astype(dtype).astype(np.float32)
    truth = get_metric(metric).pairwise(vectors[300:340], kept[alive])
    nearest = np.argsort(truth, axis=1, kind="stable")[:, :10]
    hits = store.search(vectors[300:340], k=10)
    assert hits.ids == alive[nearest].tolist()
    assert np.allclose(hits.distances, np.take_along_axis(truth, nearest, axis=1), atol=1e-5)
    assert hits.status == ["ok"] * 40
    one = store.search(vectors[300], k=10)
    assert one.ids == hits.ids[0] and np.array_equal(one.distances, hits.distances[0])


def test_distances_do_not_depend_on_where_a_vector_lies(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None
) -> None:
    store = make()
    scattered(store, vectors, low_limits)
    before = store.search(vectors[400:420], k=10)
    store.compact()
    after = store.search(vectors[400:420], k=10)
    assert before.ids == after.ids and np.array_equal(before.distances, after.distances)


def test_ties_go_to_the_older_item(make: Callable[..., Store], vectors: np.ndarray) -> None:
    """Copies of three vectors, mixed over two segments and pending rows."""
    store = make()
    order = np.random.default_rng(3).permutation(900)
    for part in np.split(order, 3):
        store.add(part, vectors[part % 3])
        if part[0] != order[600]:
            store.seal()
    rank = np.argsort(get_metric("cosine").to_many(vectors[0], vectors[:3]))
    expected = np.concatenate([order[order % 3 == kind] for kind in rank]).tolist()
    for k in (900, 500, 40):
        assert store.search(vectors[0], k).ids == expected[:k]


def test_fewer_than_k_come_with_a_reason(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(attributes={"year": "int"})
    assert store.search(vectors[0], 3).status == "the store is empty"
    store.add([1], vectors[:1], attributes={"year": [1]})
    assert store.search(vectors[0], 3).status == "only 1 item"
    store.add([2, 3], vectors[1:3], attributes={"year": [2, 3]})
    hits = store.search(vectors[0], 4)
    assert hits.status == "only 3 items" and hits.ids[3] is None and np.isinf(hits.distances[3])
    assert store.search(vectors[0], 3, where="year >= 2").status == "only 2 items pass the filter"
    assert store.search(vectors[0], 3, where="year = 2").status == "only 1 item passes the filter"
    hits = store.search(vectors[:2], 3, where="year > 5")
    assert hits.status == ["no item passes the filter"] * 2 and hits.ids == [[None] * 3] * 2
    store.delete([1, 2, 3])
    assert store.search(vectors[0], 1).status == "the store is empty"


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01])
def test_filters_return_k_right_answers(
    make: Callable[..., Store], rng: np.random.Generator, low_limits: None, share: float
) -> None:
    vectors = rng.standard_normal((3000, 8), np.float32)
    store = make(attributes={"rank": "float"})
    rank = rng.permutation(3000) / 3000
    store.add(list(range(2500)), vectors[:2500], attributes={"rank": rank[:2500]})
    store.compact()
    store.add(list(range(2500, 2550)), vectors[2500:2550], attributes={"rank": rank[2500:2550]})
    store.delete(list(range(0, 2500, 7)))
    alive = [i for i in range(2550) if (i % 7 or i >= 2500) and rank[i] < share]
    truth = get_metric("cosine").pairwise(vectors[2900:2950], vectors[alive])
    exact = [[alive[column] for column in row] for row in np.argsort(truth, axis=1)[:, :10]]
    found = store.search(vectors[2900:2950], k=10, where=f"rank < {share}").ids
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, exact, strict=True)])
    assert recall >= 0.95
    assert all(identifier is not None for row in found for identifier in row)


def test_beam_is_for_graphs(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make()
    store.add(list(range(500)), vectors)
    assert store.search(vectors[:5], 3, beam=8).ids == store.search(vectors[:5], 3).ids
    store.compact()
    wide = store.search(vectors[:50], 10, beam=500)
    assert wide.ids == [
        np.argsort(row, kind="stable")[:10].tolist() for row in get_metric("cosine").pairwise(vectors[:50], vectors)
    ]


def test_an_index_that_finds_too_little_is_scanned_after_all(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nearfield.index import Graph, Neighbors

    store = make()
    store.add(list(range(500)), vectors)
    store.compact()
    truth = store.search(vectors[:3], 5, beam=500).ids
    monkeypatch.setattr("nearfield.store.rows._SCAN_ROWS", 0)
    nothing = Neighbors(np.full((3, 5), np.inf, np.float32), np.full((3, 5), -1))
    monkeypatch.setattr(Graph, "search", lambda *_, **__: nothing)
    assert store.search(vectors[:3], 5).ids == truth


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"queries": np.ones(7, np.float32)}, ValueError, "queries: expected 8 dimensions, got 7"),
        ({"queries": np.zeros(8, np.float32)}, ValueError, "nonzero"),
        ({"queries": np.full(8, np.nan, np.float32)}, ValueError, "NaN"),
        ({"k": 0}, ValueError, "k: expected"),
        ({"k": 2.0}, TypeError, "k: expected"),
        ({"k": 10**9}, ValueError, "k: expected"),
        ({"beam": 0}, ValueError, "beam: expected"),
        ({"max_false": 0.05}, ValueError, "no judge; fit one with fit_judge"),
        ({"max_false": 1.5}, ValueError, "max_false: expected"),
        ({"where": "year = 3"}, ValueError, "no attributes to filter by"),
        ({"attributes": True}, ValueError, "attributes: this store has none"),
    ],
)
def test_bad_searches_are_refused(
    make: Callable[..., Store], vectors: np.ndarray, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    store = make()
    store.add([1], vectors[:1])
    with pytest.raises(error, match=text):
        store.search(**{"queries": vectors[0], **options})


def test_no_queries_no_answers(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    hits = store.search(np.empty((0, 8), np.float32), 3)
    assert hits.ids == [] and hits.distances.shape == (0, 3) and list(hits) == []
