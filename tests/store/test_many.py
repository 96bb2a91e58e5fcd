"""A batch is answered as its queries are one by one, or exactly."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.store import Hits, Store
from nearfield.store.many import choose_way, distinct, nearest_many

METRICS = ("cosine", "ip", "l2")
TOPICS = ("vision", "nlp", "graphs", "audio")
CONDITIONS = [
    None,
    "year >= 2000",
    "year >= 2000 and topic = 'nlp'",
    "topic in ('vision', 'audio') and year < 1995",
    "year = 1999",
    "year > 3000",
    "topic is null",
]


def fill(store: Store, vectors: np.ndarray, rng: np.random.Generator, parts: int = 1) -> dict[str, np.ndarray]:
    """Items with a year and a topic, a tenth of them deleted, in ``parts`` segments and some pending rows."""
    n = len(vectors)
    year = rng.integers(1980, 2025, n)
    topic = np.array([*TOPICS, None], object)[rng.integers(0, 5, n)]
    ids = np.array([f"item {i} ü" if i % 3 else f"item {i}" for i in range(n)], object)
    bounds = [*np.linspace(0, n - 40, parts + 1).astype(int).tolist(), n]
    for start, stop in itertools.pairwise(bounds):
        columns = {"year": year[start:stop].tolist(), "topic": topic[start:stop].tolist()}
        store.add(ids[start:stop].tolist(), vectors[start:stop], attributes=columns)
        if stop == bounds[1]:
            store.compact()
        elif stop < n:
            store.seal()
    store.delete(ids[::10].tolist())
    return {"ids": ids, "year": year, "topic": topic, "alive": np.arange(n) % 10 > 0}


def passes(made: dict[str, np.ndarray], condition: str | None) -> np.ndarray:
    year, topic = made["year"], made["topic"]
    return (
        made["alive"]
        & {
            None: np.ones(len(year), bool),
            "year >= 2000": year >= 2000,
            "year >= 2000 and topic = 'nlp'": (year >= 2000) & (topic == "nlp"),
            "topic in ('vision', 'audio') and year < 1995": np.isin(topic.astype(str), ["vision", "audio"])
            & (year < 1995),
            "year = 1999": year == 1999,
            "year > 3000": year > 3000,
            "topic is null": topic == None,  # noqa: E711
        }[condition]
    )


def same(many: Hits, alone: list[Hits]) -> None:
    assert many.ids == [hits.ids for hits in alone]
    assert all(np.array_equal(a, b.distances) for a, b in zip(many.distances, alone, strict=True))
    assert many.status == [hits.status for hits in alone]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("parts", [1, 3])
def test_scanned_answers_are_those_of_one_by_one(
    make: Callable[..., Store], rng: np.random.Generator, metric: str, parts: int
) -> None:
    store = make(metric=metric, attributes={"year": "int", "topic": "string"})
    fill(store, rng.standard_normal((900, 8), np.float32), rng, parts)
    queries = rng.standard_normal((70, 8), np.float32)
    where = [CONDITIONS[i % len(CONDITIONS)] for i in rng.permutation(70)]
    many = store.search_many(queries, 7, where=where, attributes=True, payload=True)
    alone = [store.search(q, 7, where=w, attributes=True, payload=True) for q, w in zip(queries, where, strict=True)]
    same(many, alone)
    assert many.attributes == [hits.attributes for hits in alone]
    assert many.payload == [hits.payload for hits in alone]


@pytest.mark.parametrize("metric", METRICS)
def test_with_an_index_answers_are_those_of_one_by_one_or_better(
    make: Callable[..., Store], rng: np.random.Generator, low_limits: None, metric: str
) -> None:
    vectors = rng.standard_normal((4000, 8), np.float32)
    store = make(metric=metric, attributes={"year": "int", "topic": "string"})
    made = fill(store, vectors, rng, 2)
    queries = rng.standard_normal((140, 8), np.float32)
    where = [CONDITIONS[i % len(CONDITIONS)] for i in range(140)]
    truth = get_metric(metric).pairwise(queries, vectors)
    many = store.search_many(queries, 5, where=where)
    for place, condition in enumerate(where):
        mask = passes(made, condition)
        wanted = np.sort(truth[place][mask])[:5]
        alone = store.search(queries[place], 5, where=condition)
        assert many.status[place] == alone.status
        found = many.distances[place][: len(wanted)]
        assert (found[: len(wanted)] <= alone.distances[: len(wanted)] + 1e-5).all()
        assert (np.isinf(many.distances[place][len(wanted) :])).all()
        known = {made["ids"][row] for row in np.flatnonzero(mask)}
        assert all(identifier in known for identifier in many.ids[place] if identifier is not None)


def test_one_condition_serves_all(make: Callable[..., Store], rng: np.random.Generator) -> None:
    import pyarrow.compute as pc

    store = make(attributes={"year": "int", "topic": "string"})
    fill(store, rng.standard_normal((300, 8), np.float32), rng)
    queries = rng.standard_normal((9, 8), np.float32)
    for where in (None, "year < 1990", pc.field("year") < 1990, [pc.field("year") < 1990] * 9):
        one = where[0] if isinstance(where, list) else where
        same(store.search_many(queries, 4, where=where), [store.search(q, 4, where=one) for q in queries])
    assert store.search_many(queries[0], 4).ids == [store.search(queries[0], 4).ids]


def test_each_condition_is_read_once() -> None:
    read: list[Any] = []

    def note(where: Any) -> Any:
        read.append(where)
        return where and type("F", (), {"key": where})()

    asked = distinct(["a", None, "b", "a", None], 5, note)
    assert read == ["a", None, "b"] and asked.which.tolist() == [0, 1, 2, 0, 1]
    assert [group.tolist() for group in asked.groups()] == [[0, 3], [1, 4], [2]]
    assert [group.tolist() for group in distinct([], 0, note).groups()] == [[]]


def test_relevance_is_that_of_one_by_one(make: Callable[..., Store], rng: np.random.Generator) -> None:
    store = make(attributes={"year": "int", "topic": "string"})
    fill(store, rng.standard_normal((400, 8), np.float32), rng)
    store.fit_judge(sample=100, background=100)
    queries = rng.standard_normal((12, 8), np.float32)
    where = [CONDITIONS[i % 5] for i in range(12)]
    for cut in (None, 0.2):
        many = store.search_many(queries, 6, where=where, max_false=cut)
        alone = [store.search(q, 6, where=w, max_false=cut) for q, w in zip(queries, where, strict=True)]
        same(many, alone)
        assert all(np.array_equal(a, b.relevance) for a, b in zip(many.relevance, alone, strict=True))


def test_an_empty_store_and_no_queries(make: Callable[..., Store], rng: np.random.Generator) -> None:
    store = make(attributes={"year": "int", "topic": "string"})
    queries = rng.standard_normal((3, 8), np.float32)
    assert store.search_many(queries, 2, where="year = 1").status == ["the store is empty"] * 3
    fill(store, rng.standard_normal((100, 8), np.float32), rng)
    hits = store.search_many(queries[:0], 2, where=[])
    assert hits.ids == [] and hits.distances.shape == (0, 2)
    assert store.search_many(queries, 500).ids[0][90:] == [None] * 410


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"where": ["year = 1"]}, ValueError, "where: expected one condition .or None. for each of 2 queries, got 1"),
        ({"where": ["year = 1", "yeer = 1"]}, ValueError, "unknown column 'yeer'"),
        ({"where": ["year = 1", 3]}, TypeError, "where: expected SQL text or a pyarrow expression, got int"),
        ({"queries": np.full((2, 8), np.nan, np.float32)}, ValueError, "NaN"),
        ({"queries": np.ones((2, 7), np.float32)}, ValueError, "expected 8 dimensions"),
        ({"k": 0}, ValueError, "k: expected"),
        ({"beam": 0}, ValueError, "beam: expected"),
        ({"max_false": 0.5}, ValueError, "no judge"),
    ],
)
def test_bad_batches_are_refused(
    make: Callable[..., Store], rng: np.random.Generator, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    store = make(attributes={"year": "int", "topic": "string"})
    fill(store, rng.standard_normal((100, 8), np.float32), rng)
    with pytest.raises(error, match=text):
        store.search_many(**{"queries": rng.standard_normal((2, 8), np.float32), **options})


def test_a_closed_store_says_so(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.close()
    with pytest.raises(ValueError, match="closed"):
        store.search_many(vectors[:2], 1)


def test_more_rows_than_are_listed_at_once(
    make: Callable[..., Store], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make(attributes={"year": "int", "topic": "string"})
    fill(store, rng.standard_normal((400, 8), np.float32), rng)
    queries = rng.standard_normal((40, 8), np.float32)
    where = [CONDITIONS[i % len(CONDITIONS)] for i in range(40)]
    whole = store.search_many(queries, 5, where=where)
    monkeypatch.setattr("nearfield.store.many._LISTED", 50)
    same(store.search_many(queries, 5, where=where), list(whole))


def test_few_rows_are_scanned_and_one_query_of_many_walks(
    make: Callable[..., Store], rng: np.random.Generator, low_limits: None
) -> None:
    store = make()
    store.add(list(range(30_000)), rng.standard_normal((30_000, 8), np.float32))
    store.compact()
    view = store._viewer.current()
    part = view.parts[0].part
    assert choose_way(part, 1, 30_000, 10, None) == choose_way(part, 64, 30_000, 10, None) == "index"
    assert choose_way(part, 64, 1200, 10, None) == "scan"
    assert choose_way(part, 64, 300, 10, None) == choose_way(part, 1, 300, 10, None) == "scan"
    asked = distinct(None, 2, lambda where: None)
    found, passing = nearest_many(view, "cosine", np.ones((2, 8), np.float32), 3, asked)
    assert passing.tolist() == [30_000] and (found.keys >= 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize(("n", "dim"), [(1, 1), (300, 1), (300, 3), (300, 130)])
@pytest.mark.parametrize("metric", METRICS)
def test_few_rows_few_dimensions_and_many_copies(
    make: Callable[..., Store], rng: np.random.Generator, metric: str, n: int, dim: int, dtype: str
) -> None:
    store = make(dim=dim, metric=metric, dtype=dtype, attributes={"even": "bool"})
    rows = rng.standard_normal((max(1, n // 10), dim)).astype(np.float16).astype(np.float32)
    rows[rows == 0] = 1
    vectors = rows[rng.integers(0, len(rows), n)]
    store.add(list(range(n)), vectors, attributes={"even": [i % 2 == 0 for i in range(n)]})
    queries = np.concatenate([vectors[:5], np.float32(100) * vectors[:5]])
    where = ["even", "not even", None, "even", None, "not even", None, "even", "not even", "even"][: len(queries)]
    for k in (1, 7, 400):
        alone = [store.search(q, k, where=w) for q, w in zip(queries, where, strict=True)]
        same(store.search_many(queries, k, where=where), alone)
