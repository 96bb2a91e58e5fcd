from __future__ import annotations

import itertools
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.store import Store, writing


def test_add_is_found_by_the_next_search(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(attributes={"year": "int"})
    assert store.add(["a", "b"], vectors[:2], attributes={"year": [1, 2]}, payload=[{"t": "ä"}, None]) == 2
    hits = store.search(vectors[1], k=2, payload=True, attributes=True)
    assert hits.ids == ["b", "a"]
    assert hits.attributes == [{"year": 2}, {"year": 1}]
    assert hits.payload == [None, {"t": "ä"}]
    assert len(store) == 2 and "a" in store and "c" not in store


def test_one_item_needs_no_lists(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(attributes={"year": "int"})
    assert store.add("a", vectors[0], attributes={"year": 5}, payload={"t": 1}) == 1
    item = store.get("a")
    assert (item.id, item.attributes, item.payload) == ("a", {"year": 5}, {"t": 1})
    assert store.upsert("a", vectors[1]) == 1
    item = store.get("a")
    assert np.array_equal(item.vector, vectors[1]) and item.attributes == {"year": None} and item.payload is None
    assert store.delete("a") == 1 and store.get("a") is None


def test_upsert_replaces_whole_items_and_adds_new_ones(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1, 2, 3], vectors[:3], payload=["x", "y", "z"])
    assert store.upsert([3, 4], vectors[10:12], payload=[None, "w"]) == 2
    assert len(store) == 4
    assert [item.payload for item in store.get([1, 2, 3, 4])] == ["x", "y", None, "w"]
    assert np.array_equal(store.get(3).vector, vectors[10])
    assert store.search(vectors[2], k=4).ids.count(3) == 1


def test_delete_passes_over_what_is_not_there(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1, 2, 3], vectors[:3])
    assert store.delete([2, 2, 9]) == 1
    assert store.search(vectors[1], k=3).ids[2] is None
    assert store.delete([]) == 0
    store.add([2], vectors[5:6])
    assert np.array_equal(store.get(2).vector, vectors[5])


def test_many_pending_rows_become_a_segment(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Callable[[Store], Any]
) -> None:
    store = make(attributes={"year": "int"})
    expected = {}
    for start in range(0, 200, 25):
        ids = list(range(start, start + 25))
        store.add(ids, vectors[ids], attributes={"year": ids}, payload=ids)
        store.delete(ids[::5])
        expected.update({i: (vectors[i].tobytes(), {"year": i}, i) for i in ids if i % 5})
        assert content(store) == expected
    stats = store.stats()
    assert len(stats["segments"]) >= 2 and stats["pending"] <= 60
    assert all(segment["index"] == "scan of the vectors" for segment in stats["segments"])
    assert store.verify().ok


def test_replacing_again_and_again_leaves_no_trail(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Callable[[Store], Any]
) -> None:
    store = make(attributes={"year": "int"})
    store.add(list(range(200, 300)), vectors[200:300])  # a full segment, which stays
    for number in range(40):
        ids = list(range(20))
        store.upsert(ids, vectors[number : number + 20], attributes={"year": [number] * 20}, payload=[number] * 20)
    assert len(store.stats()["segments"]) <= 3
    found = content(store)
    assert found.keys() == {*range(20), *range(200, 300)}
    assert all(found[i] == (vectors[39 + i].tobytes(), {"year": 39}, 39) for i in range(20))
    assert store.verify().ok
    named = {name for segment in store.stats()["segments"] for name in segment["files"]}
    assert {path.name for path in (store.path / "segments").iterdir()} == named


@pytest.mark.parametrize("kind", ["int", "str"])
def test_pending_rows_that_were_replaced_are_not_kept_for_long(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, content: Any, kind: str
) -> None:
    monkeypatch.setattr(writing, "REPLACED_ROWS", 20)
    store = make(attributes={"year": "int"})
    ids: list[Any] = list(range(100)) if kind == "int" else [f"ü/{i}" for i in range(100)]
    expected, stored = {}, []
    for number in range(150):  # eight items, again and again, one at a time
        row, name = number % 100, ids[number % 8]
        store.upsert([name], vectors[row : row + 1], attributes={"year": [number]}, payload=[number])
        expected.pop(name, None)
        expected[name] = (vectors[row].tobytes(), {"year": number}, number)
        stats = store.stats()
        stored.append(stats["pending"] + stats["deleted"] + sum(segment["rows"] for segment in stats["segments"]))
        if number % 7 == 0:
            assert content(store) == expected
    assert max(stored) < 2 * 20 + 8 + 8
    assert len(store.stats()["segments"]) == 1
    with store._catalogue.reading() as connection:
        dead, first = connection.execute("SELECT COUNT(*), MIN(key) FROM deleted").fetchone()
        assert dead < 30 and first >= min(int(live.part.keys[0]) for live in store._viewer.current().parts)
    assert store.verify().ok


def test_pending_rows_that_live_are_left_alone(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "REPLACED_ROWS", 20)
    store = make()
    for number in range(90):
        store.add([number], vectors[number : number + 1])
        if number % 3 == 0:
            store.delete([number])
    assert not store.stats()["segments"] and store.stats()["pending"] == 60


@pytest.mark.parametrize("moving", [False, True])
def test_a_write_costs_no_more_beside_many_pending_rows(
    make: Callable[..., Store], vectors: np.ndarray, moving: bool
) -> None:
    """Nor does what the next search sees of it, by the steps of SQLite's machine, which are the same in every run."""
    store = make(attributes={"year": "int"}, bags={"dim": 8})
    bag = [vectors[:3]]
    if moving:
        ids = list(range(1000, 1040))
        store.add(ids, vectors[:40])
        store.upgrade(pairs=(ids, np.tile(vectors[:40], 2)))

    def put(number: int) -> None:
        row = np.tile(vectors[number : number + 1], 1 + moving)
        store.upsert([number], row, attributes={"year": [number]}, bags=bag)

    def steps(connection: sqlite3.Connection, call: Callable[[], Any]) -> int:
        counted = itertools.count()
        connection.set_progress_handler(lambda: next(counted) < 0, 1)
        call()
        connection.set_progress_handler(None, 0)
        return next(counted)

    def both(number: int) -> tuple[int, int]:
        written = steps(store._catalogue._writer, lambda: put(number))
        with store._catalogue.reading() as connection:
            return written, steps(connection, lambda: store._viewer.at(connection))

    few = [both(number) for number in range(5, 10)]
    for number in range(10, 240):
        put(number)
    many = [both(number) for number in range(240, 245)][1:]  # the first is seen together with those before
    for column in (0, 1):  # the middle one: once in 64 writes all vectors of a move are weighed
        assert sorted(steps[column] for steps in many)[2] <= 1.2 * max(steps[column] for steps in few)


def test_a_write_beside_damaged_pending_rows_is_refused(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    with store._catalogue.writing() as connection:
        connection.execute("UPDATE pending SET first_key = 'x'")
    with pytest.raises(CorruptFileError, match="table pending: expected integers"):
        store.add([2], vectors[1:2])
    assert len(store) == 1


def test_one_large_add_goes_straight_into_a_segment(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None
) -> None:
    store = make()
    store.add(np.arange(100), vectors[:100])
    assert store.stats()["pending"] == 0 and store.stats()["segments"][0]["rows"] == 100
    assert store.search(vectors[7], 1).ids == [7]


def test_pending_is_bounded_in_bytes(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PENDING_BYTES", 100 * 8 * 4)
    store = make()
    for start in range(0, 300, 50):
        store.add(list(range(start, start + 50)), vectors[start : start + 50])
        assert store.stats()["pending"] * 8 * 4 <= 100 * 8 * 4


def test_float32_is_kept_bit_by_bit(make: Callable[..., Store]) -> None:
    odd = np.array([[1e-45, -0.0, 3.4e13, 1.0000001], [1e-30, 2, 3, 4]], np.float32)
    store = make(dim=4, metric="l2")
    store.add([1, 2], odd)
    store.compact()
    assert store.get(1).vector.tobytes() == odd[0].tobytes()


def test_float16_rounds_and_says_what_it_cannot_hold(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(dtype="float16")
    store.add([1], vectors[:1])
    assert store.get(1).vector.dtype == np.float16
    assert np.array_equal(store.get(1).vector, vectors[0].astype(np.float16))
    with pytest.raises(ValueError, match="row 1"):
        store.add([2, 3], np.array([vectors[0], vectors[0] + 1e5], np.float32))
    with pytest.raises(ValueError, match="row 0 becomes zero"):
        store.add([2], np.full((1, 8), 1e-10, np.float32))
    assert len(store) == 1


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (([1], np.ones((1, 7), np.float32)), {}, ValueError, "expected 8 dimensions, got 7"),
        (([1], np.full((1, 8), np.nan, np.float32)), {}, ValueError, "NaN"),
        (([1], np.full((1, 8), np.inf, np.float32)), {}, ValueError, "infinity"),
        (([1], np.zeros((1, 8), np.float32)), {}, ValueError, "zeros in row 0"),
        (([1], np.full((1, 8), 0.1)), {}, TypeError, "float64 would lose precision"),
        (([1], [["a"] * 8]), {}, TypeError, "array of numbers"),
        (([1, 1], np.ones((2, 8), np.float32)), {}, ValueError, "1 is given twice"),
        (([1], np.ones((2, 8), np.float32)), {}, ValueError, "1 ids for 2 vectors"),
        (([], np.ones((2, 8), np.float32)), {}, ValueError, "0 ids for 2 vectors"),
        (([100], np.ones((1, 8), np.float32)), {}, ValueError, "100 is in the store already; use upsert"),
        (([1, 2, 101], np.ones((3, 8), np.float32)), {}, ValueError, "101 is in the store already"),
        ((["a"], np.ones((1, 8), np.float32)), {}, TypeError, "int ids, got 'a'"),
        (([1], np.ones((1, 8), np.float32)), {"attributes": {"yeer": [1]}}, ValueError, "unknown column 'yeer'"),
        (([1], np.ones((1, 8), np.float32)), {"attributes": {"year": ["x"]}}, TypeError, "of type int"),
        (([1], np.ones((1, 8), np.float32)), {"payload": [1, 2]}, ValueError, "expected 1 values"),
        (([1], np.ones((1, 8), np.float32)), {"payload": "text"}, TypeError, "a list of one JSON value"),
        (([1], np.ones((1, 8), np.float32)), {"payload": [{1, 2}]}, ValueError, "JSON value, got one at position 0"),
        (([1], np.ones((1, 8), np.float32)), {"payload": [float("nan")]}, ValueError, "JSON value"),
        (([1], np.ones((1, 8), np.float32)), {"embedding": "minilm"}, TypeError, "embedding: expected a dict"),
        (([1], np.ones((1, 8), np.float32)), {"embedding": {"dim": 9}}, ValueError, "8 dimensions, got one of 9"),
    ],
)
def test_bad_input_changes_nothing(
    make: Callable[..., Store],
    vectors: np.ndarray,
    content: Callable[[Store], Any],
    arguments: Any,
    options: Any,
    error: type[Exception],
    text: str,
) -> None:
    store = make(attributes={"year": "int"})
    store.add([100, 101], vectors[:2], payload=["a", "b"])
    before, stats = content(store), store.stats()
    with pytest.raises(error, match=text):
        store.add(*arguments, **options)
    assert content(store) == before and store.stats() == stats
    store.add([1], vectors[3:4])


def test_an_empty_add_changes_nothing(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    assert store.add([], np.empty((0, 8), np.float32)) == 0
    assert store.add([], []) == 0
    store.add(["text"], vectors[:1])  # the id type is still free
    assert store.upsert([], []) == 0


def test_payloads_of_every_kind(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    payload = [{"a": [1, 2.5, None, True, "日本 😀"]}, "text", 0, [], "\ud800", False, None]
    store.add(list(range(7)), vectors[:7], payload=payload)
    store.compact()
    assert [item.payload for item in store.get(list(range(7)))] == payload


def test_embeddings_do_not_mix(make: Callable[..., Store], vectors: np.ndarray) -> None:
    first, second = {"encoder": "A", "dim": 8, "config": {"x": (1, 2)}}, {"encoder": "B", "dim": 8}
    store = make(embedding=first)
    store.add([1], vectors[:1], embedding=first)
    store.add([2], vectors[1:2])
    with pytest.raises(ValueError, match=r'"A".*got vectors of .*"B"'):
        store.add([3], vectors[2:3], embedding=second)
    assert len(store) == 2 and store.embedding == {"encoder": "A", "dim": 8, "config": {"x": [1, 2]}}

    unnamed = make("b.nf")
    unnamed.add([1], vectors[:1], embedding=second)  # the first vectors name the encoder
    assert unnamed.embedding == second
    third = make("c.nf")
    third.add([1], vectors[:1])
    with pytest.raises(ValueError, match="unnamed encoder"):
        third.add([2], vectors[1:2], embedding=second)


def test_the_first_add_of_many_threads_fixes_the_id_type(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    refused = []

    def add(ids: list[Any]) -> None:
        try:
            store.add(ids, vectors[: len(ids)])
        except TypeError:
            refused.append(ids)

    threads = [threading.Thread(target=add, args=([kind(number)],)) for number in range(6) for kind in (int, str)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 6 and len({type(ids[0]) for ids in refused}) == 1
    assert len(store) == 6 and store.verify().ok


def test_a_payload_nested_too_deep_to_be_read_by_all_is_refused(
    make: Callable[..., Store], vectors: np.ndarray
) -> None:
    store = make()
    deep: Any = ["[{" * 300]  # brackets in text are no nesting
    for _ in range(198):
        deep = [deep]
    store.add([1], vectors[:1], payload=[deep])
    assert store.get(1).payload == deep
    with pytest.raises(ValueError, match="at most 200 levels of nesting, got more at position 1"):
        store.add([2, 3], vectors[:2], payload=[None, {"a": [deep]}])
    assert len(store) == 1
    embedding: Any = {}
    for _ in range(100_000):
        embedding = {"a": embedding}
    with pytest.raises(ValueError, match="embedding: expected JSON values"):
        store.add([4], vectors[:1], embedding=embedding)
