"""Groups, against the plain definition over a full scan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.store import Store


def truth(
    vectors: np.ndarray, ids: list[int], values: list[Any], query: np.ndarray, metric: str, k: int, size: int
) -> list[int]:
    """Ids in order of distance, at most ``size`` a value, of the first ``k`` values."""
    distances = get_metric(metric).to_many(query, vectors[ids])
    groups: dict[Any, int] = {}
    kept = []
    for place in np.argsort(distances, kind="stable").tolist():
        value = values[ids[place]]
        if (value not in groups and len(groups) == k) or groups.get(value, 0) == size:
            continue
        groups[value] = groups.get(value, 0) + 1
        kept.append(ids[place])
    return kept


def spread(store: Store, vectors: np.ndarray, values: list[Any], column: str = "doc") -> list[int]:
    """Over a graph, segments and pending rows, some deleted; returns who lives."""
    store.add(list(range(120)), vectors[:120], attributes={column: values[:120]})
    store.compact()
    for start in range(120, 300, 20):
        ids = list(range(start, start + 20))
        store.add(ids, vectors[ids], attributes={column: values[start : start + 20]})
    store.delete(list(range(0, 300, 10)))
    return [i for i in range(300) if i % 10]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("kinds", ["many", "few", "skewed", "one", "missing"])
def test_same_as_the_definition(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, metric: str, kinds: str
) -> None:
    numbers = np.random.default_rng(5)
    values: list[Any] = {
        "many": [f"ü{i}" for i in numbers.integers(0, 150, 300)],
        "few": [f"d{i}" for i in numbers.integers(0, 6, 300)],
        "skewed": ["big" if i else f"s{n}" for n, i in enumerate(numbers.random(300) < 0.95)],
        "one": ["same"] * 300,
        "missing": [None if i else f"d{n % 9}" for n, i in enumerate(numbers.random(300) < 0.6)],
    }[kinds]
    store = make(metric=metric, attributes={"doc": "string"})
    alive = spread(store, vectors, values)
    for k, size in ((1, 1), (4, 1), (3, 2), (10, 3), (40, 5)):
        hits = store.search(vectors[300:306], k, group_by="doc", group_size=size)
        for number in range(6):
            one = hits[number]
            expected = truth(vectors, alive, values, vectors[300 + number], metric, k, size)
            found = [identifier for identifier in one.ids if identifier is not None]
            assert found == expected and len(one.ids) == k * size
            assert one.groups[: len(found)] == [values[i] for i in found]
            assert (np.diff(one.distances[: len(found)]) >= 0).all()
            number_of = len({values[i] for i in alive})
            groups = min(k, number_of)
            assert one.status == ("ok" if groups == k else f"only {groups} group{'s' * (groups != 1)}")
            assert one.cursor is None and [hit.group for hit in one] == [values[i] for i in found]


def test_under_a_filter(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make(attributes={"doc": "int", "year": "int"})
    values = [i % 17 for i in range(300)]
    store.add(list(range(300)), vectors[:300], attributes={"doc": values, "year": list(range(300))})
    store.compact()
    ids = list(range(200, 300))
    hits = store.search(
        vectors[400], 5, where="year >= 200", group_by="doc", group_size=2, attributes=True, payload=True
    )
    assert [i for i in hits.ids if i is not None] == truth(vectors, ids, values, vectors[400], "cosine", 5, 2)
    assert [row["doc"] for row in hits.attributes if row] == [
        group for group, i in zip(hits.groups, hits.ids, strict=True) if i is not None
    ]
    assert store.stats()["memory"]["group_codes"] == 300 * 4
    assert store.search(vectors[400], 9, where="year < 3", group_by="doc").status == "only 3 groups pass the filter"
    assert store.search(vectors[400], 9, where="year < 1", group_by="doc").status == "only 1 group passes the filter"
    assert store.search(vectors[400], 9, where="year < 0", group_by="doc").status == "no item passes the filter"


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bool", [True, False, None]),
        ("int", [-(2**63), 2**63 - 1, 0, None]),
        ("string", ["", "a", "ä", None]),
        ("timestamp", ["2024-01-01", "2024-01-01T00:00:00.000001Z", None]),
    ],
)
def test_every_type(make: Callable[..., Store], vectors: np.ndarray, kind: str, values: list[Any]) -> None:
    store = make(attributes={"doc": kind})
    column = [values[i % len(values)] for i in range(60)]
    store.add(list(range(60)), vectors[:60], attributes={"doc": column})
    hits = store.search(vectors[70], len(values) + 1, group_by="doc")
    assert len(hits) == len(values) and hits.status == f"only {len(values)} groups"
    stored = [store.get(i).attributes["doc"] for i in hits.ids if i is not None]
    assert hits.groups[: len(values)] == stored and len(set(stored)) == len(values)


def test_a_neighbourhood_of_one_group(make: Callable[..., Store], rng: np.random.Generator, low_limits: None) -> None:
    """Two thousand copies of one document before the next: groups are found without looking through all of them."""
    near = np.float32([1, 0, 0, 0]) + 0.01 * rng.standard_normal((2000, 4), np.float32)
    far = rng.standard_normal((300, 4), np.float32)
    store = make(dim=4, attributes={"doc": "int"})
    store.add(list(range(2300)), np.concatenate([near, far]), attributes={"doc": [0] * 2000 + list(range(1, 301))})
    store.compact()
    hits = store.search(np.float32([1, 0, 0, 0]), 10, group_by="doc")
    assert hits.status == "ok" and hits.groups[0] == 0 and len(set(hits.groups)) == 10
    exact = np.argsort(get_metric("cosine").to_many(np.float32([1, 0, 0, 0]), far), kind="stable")[:9] + 1
    assert len(set(hits.groups[1:]) & set(exact.tolist())) >= 8


def test_with_a_judge(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(attributes={"doc": "int"})
    store.add(list(range(400)), vectors[:400], attributes={"doc": [i // 4 for i in range(400)]})
    store.fit_judge()
    hits = store.search(vectors[450], 5, group_by="doc", group_size=2)
    plain = store.search(vectors[450], 50)
    relevance = dict(zip(plain.ids, plain.relevance.tolist(), strict=True))
    for hit in hits:
        assert hit.id not in relevance or abs(relevance[hit.id] - hit.relevance) < 1e-6
    nothing = store.search(vectors[450], 5, group_by="doc", max_false=0.0)
    assert len(nothing) == 0 and "relevant" in nothing.status


def test_small_ends(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(attributes={"doc": "string", "score": "float"})
    hits = store.search(vectors[0], 3, group_by="doc")
    assert hits.ids == [None] * 3 and hits.status == "the store is empty"
    store.add([1], vectors[:1])
    hits = store.search(vectors[0], 2, group_by="doc", group_size=2)
    assert hits.ids == [1, None, None, None] and hits.groups[0] is None and hits.status == "only 1 group"
    assert store.search(np.empty((0, 8), np.float32), 2, group_by="doc").ids == []
    for options, error, text in (
        ({"group_by": "dok"}, ValueError, "group_by: unknown attribute 'dok'; columns: doc, score"),
        (
            {"group_by": "score"},
            ValueError,
            "expected an attribute of type bool, int, string or timestamp, got 'score'",
        ),
        ({"group_by": 5}, TypeError, "group_by: expected the name of an attribute, got 5"),
        ({"group_by": "doc", "group_size": 0}, ValueError, "group_size: expected"),
        ({"group_by": "doc", "group_size": 1 << 20}, ValueError, "group_size: expected"),
        ({"group_size": 2}, ValueError, "group_size: expected 1 without group_by, got 2"),
    ):
        with pytest.raises(error, match=text):
            store.search(vectors[0], 2, **options)
    with pytest.raises(ValueError, match="unknown attribute 'doc'; this store has none"):
        make("b.nf").search(vectors[0], 2, group_by="doc")
