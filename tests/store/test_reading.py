from __future__ import annotations

import sqlite3
from collections.abc import Callable

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.store import Batch, Item, Store


def test_get_answers_in_kind(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make(attributes={"year": "int"})
    assert store.get("a") is None and store.get(["a", "b"]) == [None, None]
    store.add(["a", "b", "c"], vectors[:3], attributes={"year": [1, 2, 3]}, payload=[{"n": 1}, None, "x"])
    store.compact()
    store.add(["d"], vectors[3:4])
    found = store.get(["d", "zz", "a", "a"])
    assert [item and item.id for item in found] == ["d", None, "a", "a"]
    assert isinstance(found[0], Item) and found[0].attributes == {"year": None}
    assert found[2].attributes == {"year": 1} and found[2].payload == {"n": 1}
    assert np.array_equal(found[2].vector, vectors[0])
    assert store.get([]) == []
    with pytest.raises(TypeError, match="this store has str ids, got 5"):
        store.get(5)
    with pytest.raises(TypeError, match="expected a sequence"):
        store.get(None)


def test_iterate_in_order_of_arrival(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make(attributes={"year": "int"})
    assert list(store.iterate()) == []
    order = np.random.default_rng(1).permutation(150)
    for start in range(0, 150, 25):
        ids = order[start : start + 25]
        store.add(ids, vectors[ids], attributes={"year": ids}, payload=ids.tolist())
        if start == 50:
            store.compact()
    store.upsert([int(order[0])], vectors[:1], payload=[-1])
    store.delete([int(order[1])])
    expected = [*order[2:].tolist(), int(order[0])]
    for size in (1, 7, 1000):
        batches = list(store.iterate(size))
        assert all(isinstance(batch, Batch) and len(batch) <= size for batch in batches)
        assert [identifier for batch in batches for identifier in batch.ids] == expected
        assert [payload for batch in batches for payload in batch.payload] == [*order[2:].tolist(), -1]
        years = [year for batch in batches for year in batch.attributes.column("year").to_pylist()]
        assert years == [*order[2:].tolist(), None]
        rows = np.concatenate([batch.vectors for batch in batches])
        assert np.array_equal(rows[:-1], vectors[order[2:]]) and np.array_equal(rows[-1], vectors[0])
    with pytest.raises(ValueError, match="batch_size: expected"):
        store.iterate(0)


def test_contains_and_length(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    assert len(store) == 0 and 1 not in store
    store.add([1, 2], vectors[:2])
    assert 1 in store and np.int64(2) in store and 3 not in store
    assert "1" not in store and None not in store and 1.0 not in store and True not in store and [1] not in store


def test_a_damaged_payload_is_named(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([7, 8], vectors[:2], payload=["fine", "harmed"])
    store.close()
    connection = sqlite3.connect(store.path / "catalogue.sqlite", isolation_level=None)
    connection.execute("UPDATE items SET payload = '\"wrong\"' WHERE id = 8")
    connection.close()
    with Store.open(store.path) as store:
        assert store.get(7).payload == "fine"
        for call in (
            lambda: store.get(8),
            lambda: list(store.iterate()),
            lambda: store.search(vectors[1], 1, payload=True),
        ):
            with pytest.raises(CorruptFileError, match=r"catalogue\.sqlite: checksum of the payload of item 2 differs"):
                call()
        assert store.search(vectors[1], 1).ids == [8]


def test_repeated_filters_are_parsed_once(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nearfield.store.reading._FILTERS_KEPT", 3)
    store = make(attributes={"year": "int"})
    store.add([1, 2], vectors[:2], attributes={"year": [1, 2]})
    for _ in range(2):
        for year in range(1, 6):
            assert len(store.search(vectors[0], where=f"year = {year}")) == (year <= 2)
    assert len(store._reader._filters) <= 3
