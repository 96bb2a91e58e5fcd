"""Range search: complete, to the last bit of a scan, with codes and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.store import Hits, Store, ranging
from nearfield.store.ranging import Codes
from nearfield.store.rows import Queries


@pytest.fixture(params=["codes", "vectors"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways through a segment."""
    monkeypatch.setattr(ranging, "CODED_ROWS", 1 if request.param == "codes" else 1 << 40)
    monkeypatch.setattr(ranging, "CODED_AFTER", -1)
    monkeypatch.setattr(ranging, "CODED_QUERIES", 1 << 20)
    return str(request.param)


def by_scan(store: Store, query: np.ndarray, radius: float, **options: Any) -> tuple[list[Any], np.ndarray]:
    whole = store.search(query, max(1, len(store)), beam=1 << 20, **options)
    inside = whole.distances <= np.float32(radius)
    ids = np.array([-1 if i is None else i for i in whole.ids])[inside]
    order = np.lexsort((ids, whole.distances[inside]))  # a search orders what is equally near by finer scores
    return ids[order].tolist(), whole.distances[inside][order]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_everything_within_and_nothing_else(
    make: Callable[..., Store], rng: np.random.Generator, low_limits: None, path: str, metric: str, dtype: str
) -> None:
    vectors = rng.standard_normal((500, 8), np.float32) * rng.exponential(1.0, (500, 1)).astype(np.float32)
    store = make(metric=metric, dtype=dtype, attributes={"year": "int"})
    store.add(list(range(300)), vectors[:300], attributes={"year": list(range(300))})
    store.compact()
    store.add(list(range(300, 340)), vectors[300:340], attributes={"year": list(range(300, 340))})
    store.delete(list(range(0, 340, 7)))
    queries = vectors[400:420]
    whole = store.search(queries, 400, beam=400)
    for share in (0.0, 0.01, 0.3, 1.0):
        radius = float(np.quantile(whole.distances[np.isfinite(whole.distances)], share))
        for where in (None, "year >= 100"):
            found = store.search_range(queries, radius, where=where)
            assert isinstance(found, list) and len(found) == 20
            for query, hits in zip(queries, found, strict=True):
                ids, distances = by_scan(store, query, radius, where=where)
                assert isinstance(hits, Hits) and hits.ids == ids and np.array_equal(hits.distances, distances)
                assert hits.status == "ok" and len(hits) == len(ids)
            one = store.search_range(queries[3], radius, where=where)
            assert one.ids == found[3].ids and np.array_equal(one.distances, found[3].distances)
    if path == "codes":
        assert store.stats()["memory"]["range_codes"] > 0


def test_a_radius_that_is_a_distance_includes_it(make: Callable[..., Store], vectors: np.ndarray, path: str) -> None:
    """The edge is that of the distances shown: each distance taken as a radius keeps its own item."""
    for metric in ("cosine", "ip", "l2"):
        store = make(f"{metric}.nf", metric=metric)
        store.add(list(range(200)), vectors[:200])
        store.seal()
        whole = store.search(vectors[300], 200)
        for rank in range(0, 200, 13):
            if metric == "ip" or whole.distances[rank] >= 0:
                hits = store.search_range(vectors[300], float(whole.distances[rank]))
                assert hits.ids == whole.ids[: len(hits)] and len(hits) > rank


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("kind", ["equal", "copies", "huge", "tiny", "sparse", "one", "d1"])
def test_hard_input(make: Callable[..., Store], rng: np.random.Generator, path: str, metric: str, kind: str) -> None:
    dim = 1 if kind == "d1" else 16
    rows = rng.standard_normal((200, dim), np.float32)
    rows = {
        "equal": np.ones((200, dim), np.float32),
        "copies": rows[np.arange(200) % 20],
        "huge": rows * np.float32(1e12),
        "tiny": rows * np.float32(1e-12),
        "sparse": np.eye(dim, dtype=np.float32)[np.arange(200) % dim] * np.float32(3),
        "one": rows[:1],
        "d1": np.abs(rows) + np.float32(0.1),
    }[kind]
    store = make(dim=dim, metric=metric)
    store.add(list(range(len(rows))), rows)
    store.seal()
    for query in (rows[0], rows[-1] * np.float32(2), -rows[0], rng.standard_normal(dim, np.float32)):
        distances = store.search(query, len(rows)).distances
        for radius in {float(distances[0]), float(distances[len(rows) // 2]), float(distances[-1])}:
            if metric != "ip" and radius < 0:
                continue
            ids, expected = by_scan(store, query, radius)
            hits = store.search_range(query, radius)
            assert hits.ids == ids and np.array_equal(hits.distances, expected)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("dim", [1, 3, 64, 1000])
def test_the_bound_holds_for_every_row(
    make: Callable[..., Store], rng: np.random.Generator, metric: str, dim: int
) -> None:
    """No row within the radius is ruled out by codes, for radii that lie just at rows, and the bound is not idle."""
    rows = rng.standard_normal((400, dim), np.float32) * rng.exponential(1.0, (400, 1)).astype(np.float32) + np.float32(
        0.5
    )
    store = make(dim=dim, metric=metric)
    store.add(list(range(400)), rows)
    store.seal()
    part = store._viewer.current().parts[0].part
    codes = Codes(part, metric)
    queries = Queries(rng.standard_normal((50, dim), np.float32) * 3, metric)
    from nearfield import native

    every = np.arange(400)
    by_codes = native.score(codes.space, queries.prepared, every, metric=queries.metric.native)
    exact = get_metric(metric).distances_from_scores(
        native.score(part.space, queries.prepared, every, metric=queries.metric.native)
    )
    ruled_out = 0
    for row in every:
        for radius in np.quantile(exact[:, row], [0.0, 0.5, 1.0]):
            limits = codes.limits(queries.metric, codes.sizes(queries), float(radius), every[row : row + 1])
            out = by_codes[:, row] > limits
            assert not (out & (exact[:, row] <= np.float32(radius))).any()
            ruled_out += int(out.sum())
    if dim > 1:
        assert ruled_out > 400 * 50 / 4


def test_codes_are_made_when_they_pay(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranging, "CODED_ROWS", 100)
    monkeypatch.setattr(ranging, "CODED_AFTER", 10)
    store = make()
    store.add(list(range(300)), vectors[:300])
    store.seal()
    answers = [store.search_range(vectors[400], 0.5).ids for _ in range(10)]
    assert "range_codes" not in store.stats()["memory"]
    answers.append(store.search_range(vectors[400], 0.5).ids)
    assert store.stats()["memory"]["range_codes"] == 300 * (16 + 8) + 16
    assert all(answer == answers[0] for answer in answers) and answers[0]
    store.add([1000], vectors[:1])
    store.compact()  # another segment: the codes of the old one go with it
    store.search(vectors[0])
    assert "range_codes" not in store.stats()["memory"]


def test_limit_attributes_and_payload(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(attributes={"year": "int"})
    store.add(
        list(range(100)), vectors[:100], attributes={"year": list(range(100))}, payload=[f"p{i}" for i in range(100)]
    )
    every = store.search_range(vectors[200], 2.0, payload=True, attributes=True)
    assert len(every) == 100 and every.status == "ok" and every.cursor is None
    assert every.payload == [f"p{i}" for i in every.ids] and every.attributes == [{"year": i} for i in every.ids]
    some = store.search_range(vectors[200], 2.0, limit=7)
    assert some.ids == every.ids[:7] and some.status == "limit: the nearest 7 of 100 items within the radius"
    nothing = store.search_range(-vectors[0], 0.0, payload=True, attributes=True)
    assert (nothing.ids, nothing.payload, nothing.attributes, list(nothing)) == ([], [], [], [])
    assert nothing.status == "ok" and len(nothing.distances) == 0
    assert store.search_range(np.empty((0, 8), np.float32), 1.0) == []


def test_relevance_is_that_of_a_search(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(400)), vectors[:400])
    assert store.search_range(vectors[450], 0.3).relevance is None
    store.fit_judge()
    hits, plain = store.search_range(vectors[450], 0.3), store.search(vectors[450], 50)
    assert len(hits) and np.array_equal(hits.relevance, plain.relevance[: len(hits)])
    assert len(store.search_range(-vectors[450] * 0 + 1, 0.0).relevance) == 0


def test_an_empty_store_and_bad_input(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    assert store.search_range(vectors[0], 1.0).ids == []
    for radius in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="radius: expected a number"):
            store.search_range(vectors[0], radius)
    with pytest.raises(TypeError, match="radius: expected a number"):
        store.search_range(vectors[0], "1")
    with pytest.raises(ValueError, match="limit: expected"):
        store.search_range(vectors[0], 1.0, limit=0)
    with pytest.raises(ValueError, match="queries: expected 8 dimensions"):
        store.search_range(vectors[0][:7], 1.0)
    with pytest.raises(ValueError, match="attributes: this store has none"):
        store.search_range(vectors[0], 1.0, attributes=True)
    inner = make("ip.nf", metric="ip")
    inner.add([1], vectors[:1])
    assert inner.search_range(vectors[0], -1e-3).ids == [1]
    with pytest.raises(ValueError, match="radius: expected a number"):
        inner.search_range(vectors[0], -np.inf)
