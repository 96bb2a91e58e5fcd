"""Sets of ids and tests on payloads, held against a plain model."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.store import Condition, Store, conditions

ROWS = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
IDS = [f"i{number}" for number in range(60)]
PAYLOAD = [None if number % 7 == 0 else {"lang": "en" if number % 3 else "fr", "n": number} for number in range(60)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.create(tmp_path / "a.nf", dim=4, metric="l2", attributes={"year": "int"}, text="lang")
    store.add(IDS, ROWS, attributes={"year": [2000 + number % 10 for number in range(60)]}, payload=PAYLOAD)
    yield store
    store.close()


def english(identifier: Any, payload: Any) -> bool:
    return payload is not None and payload["lang"] == "en"


def expected(query: np.ndarray, keep: Any) -> list[str]:
    near = np.argsort(((ROWS - query) ** 2).sum(axis=1), kind="stable")
    return [IDS[row] for row in near if keep(row)]


CASES = {
    "ids": (Condition(ids=["i3", "i9", "absent", "i3"]), lambda row: row in (3, 9)),
    "no ids": (Condition(ids=[]), lambda row: False),
    "test": (Condition(test=english), lambda row: english(None, PAYLOAD[row])),
    "keyed": (Condition(test=english, key="english"), lambda row: english(None, PAYLOAD[row])),
    "id": (Condition(test=lambda id, _: id.endswith("5")), lambda row: row % 10 == 5),
    "attributes": (Condition("year >= 2005"), lambda row: row % 10 >= 5),
    "nothing": (Condition(), lambda row: True),
    "all": (
        Condition("year >= 2005", ids=IDS[:30], test=english, key="english"),
        lambda row: row % 10 >= 5 and row < 30 and english(None, PAYLOAD[row]),
    ),
}


@pytest.mark.parametrize("state", ["pending", "sealed", "mixed"])
@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_search_obeys(store: Store, case: str, state: str) -> None:
    if state != "pending":
        store.seal()
    if state == "mixed":
        store.upsert(IDS[20:25], ROWS[20:25], attributes={"year": [2000] * 5}, payload=PAYLOAD[20:25])
        store.upsert(IDS[20:25], ROWS[20:25], attributes={"year": [r % 10 + 2000 for r in range(5)]},
                     payload=PAYLOAD[20:25])  # fmt: skip
    condition, keep = CASES[case]
    query = ROWS[7]
    want = expected(query, keep)
    for _ in range(2):  # the second time by what is remembered
        assert [hit.id for hit in store.search(query, k=60, where=condition)] == want
    assert store.search_range(query, 1e6, where=condition).ids == want
    many = store.search_many(ROWS[[7, 7, 7]], k=60, where=[condition, None, "year = 2000"])
    assert [hit.id for hit in many[0]] == want
    assert len(many[1]) == 60 and len(many[2]) == 6
    assert store.count(condition) == len(want)
    assert {i for batch in store.iterate(7, where=condition) for i in batch.ids} == set(want)
    words = [hit.id for hit in store.search(text="en", k=60, where=condition)]
    assert set(words) == {i for i in want if english(None, PAYLOAD[IDS.index(i)])}
    both = store.search(query, text="en", k=60, where=condition)
    assert {hit.id for hit in both} == set(want)
    groups = store.search(query, k=60, where=condition, group_by="year")
    assert len(groups) == len({int(i[1:]) % 10 for i in want})


def test_pages_go_on_under_a_condition(store: Store) -> None:
    condition = Condition(test=english, key="english")
    want = expected(ROWS[0], CASES["test"][1])
    found, cursor = [], None
    while True:
        page = store.search(ROWS[0], k=7, where=condition, after=cursor)
        found += [hit.id for hit in page]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == want
    first = store.search(ROWS[0], k=7, where=condition)
    with pytest.raises(ValueError, match="after"):
        store.search(ROWS[0], k=7, where=Condition(test=english, key="other"), after=first.cursor)


def test_a_test_with_a_key_meets_an_item_once(store: Store) -> None:
    met: list[str] = []

    def test(identifier: str, payload: Any) -> bool:
        met.append(identifier)
        return english(identifier, payload)

    keyed = Condition(test=test, key="english")
    store.search(ROWS[0], where=keyed)
    assert sorted(met) == sorted(IDS)
    store.add("new", ROWS[0], payload={"lang": "en"})
    assert store.search(ROWS[0], k=3, where=keyed).ids[1] == "new" or "new" in store.search(ROWS[0], where=keyed).ids
    store.seal()
    store.compact()
    store.count(Condition("year is null", test=test, key="english"))
    assert len(met) == 61 and met[-1] == "new"
    store.upsert("new", ROWS[0], payload={"lang": "fr"})
    assert "new" not in store.search(ROWS[0], where=keyed).ids and len(met) == 62
    store.count(Condition(test=test))
    store.count(Condition(test=test))
    assert len(met) == 62 + 2 * 61


def test_what_a_tag_brings_back_is_tested(store: Store) -> None:
    keyed = Condition(test=english, key="english")
    store.tag("before")
    store.delete(IDS[:30])
    after = store.count(keyed)
    store.restore("before")
    assert store.count(keyed) == sum(english(None, one) for one in PAYLOAD) > after


def test_outcomes_are_bounded(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    monkeypatch.setattr(conditions, "TESTS_KEPT", 2)
    monkeypatch.setattr(conditions, "_AT_ONCE", 7)
    outcomes = store._reader._outcomes
    for number in range(5):
        store.count(Condition(test=lambda id, _, number=number: id == f"i{number}", key=str(number)))
    assert list(outcomes._known) == ["3", "4"]
    assert outcomes._bytes == 2 * 60 * 9
    monkeypatch.setattr(conditions, "TEST_BYTES", 100)
    assert store.count(Condition(test=english, key="5")) == sum(english(None, one) for one in PAYLOAD)
    assert list(outcomes._known) == ["5"]


def test_delete_where(store: Store) -> None:
    assert store.delete(where="year = 2001") == 6
    assert store.delete(where=Condition(test=english)) == sum(
        english(None, one) for number, one in enumerate(PAYLOAD) if number % 10 != 1
    )
    assert store.count(Condition(test=english)) == 0
    assert store.delete(where=Condition(ids=["absent"])) == 0
    assert store.count("year = 2001") == 0 and store.count() == len(store)
    for bad in ({}, {"ids": ["a"], "where": "year = 1"}):
        with pytest.raises(TypeError, match="ids, where: expected one of the two"):
            store.delete(**bad)


def test_delete_where_leaves_what_was_replaced_meanwhile(store: Store) -> None:
    keys = store._reader.keys("year = 2001").tolist()
    store.upsert("i1", ROWS[1], attributes={"year": 2010})
    assert store._writer.delete_keys(keys) == 5
    assert store.get("i1").attributes == {"year": 2010} and len(store) == 55


def test_bad_conditions(store: Store) -> None:
    with pytest.raises(TypeError, match="test: expected a function"):
        Condition(test="lang")
    for options in ({"key": "a"}, {"key": 3, "test": english}):
        with pytest.raises(TypeError, match="key: expected a text"):
            Condition(**options)
    with pytest.raises(TypeError, match="ids: expected"):
        Condition(ids=[1.5])
    with pytest.raises(TypeError, match="another Condition"):
        Condition(Condition())
    with pytest.raises(TypeError, match="this store has str ids"):
        store.search(ROWS[0], where=Condition(ids=[3]))
    with pytest.raises(ValueError, match="unknown column"):
        store.search(ROWS[0], where=Condition("month = 3"))
    with pytest.raises(KeyError, match="nothing"):
        store.search(ROWS[0], where=Condition(test=lambda id, payload: payload["nothing"] if payload else False))
    assert store.search(ROWS[0], k=1, where=Condition(test=lambda *_: True)).ids == ["i0"]


def test_empty_store(tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", dim=2) as store:
        condition = Condition(ids=[1, 2], test=english, key="english")
        assert store.count(condition) == store.count() == store.delete(where=condition) == 0
        assert store.search(np.float32([1, 0]), where=condition).status == "the store is empty"
        assert list(store.iterate(where=condition)) == []


def test_readers_in_threads_while_a_writer_replaces(store: Store) -> None:
    """Every answer holds only items that say so themselves, whatever is replaced meanwhile."""
    wrong: list[Any] = []
    stop = threading.Event()

    def ask() -> None:
        condition = Condition(test=english, key="english")
        while not stop.is_set():
            hits = store.search(ROWS[0], k=60, where=condition, payload=True)
            wrong.extend(hit.payload for hit in hits if not english(hit.id, hit.payload))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        store.upsert(IDS[turn], ROWS[turn], payload={"lang": "fr" if turn % 2 else "en"})
        if turn % 20 == 19:
            store.seal()
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert store.count(Condition(test=english, key="english")) == 30
