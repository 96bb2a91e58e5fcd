from __future__ import annotations

import threading

import numpy as np
import pytest

from nearfield.store import Condition, Store
from nearfield.store.ids import IdColumn, IdSet

DIM = 8


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((4000, DIM)).astype(np.float32)


def exact(rows: np.ndarray, query: np.ndarray, allowed: list[int], k: int) -> list[int]:
    distances = ((rows[allowed] - query) ** 2).sum(axis=1)
    return [allowed[place] for place in np.argsort(distances, kind="stable")[:k]]


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("share", [0.002, 0.1, 0.9])
def test_a_search_finds_the_nearest_of_the_chosen(tmp_path, rows, share, compacted) -> None:
    rng = np.random.default_rng(1)
    with Store.create(tmp_path / "a.nf", DIM, metric="l2") as store:
        store.add(np.arange(3000), rows[:3000])
        if compacted:
            store.compact()
        store.add(np.arange(3000, 4000), rows[3000:])
        store.delete(list(range(0, 4000, 7)))
        chosen = np.flatnonzero(rng.random(4000) < share)
        living = [one for one in chosen.tolist() if one % 7]
        for query in rows[:5]:
            hits = store.search(query, k=10, where=Condition(ids=chosen))
            assert [one for one in hits.ids if one is not None] == exact(rows, query, living, 10)
        found = store.search_range(rows[0], 1e9, where=Condition(ids=chosen))
        assert sorted(found.ids) == living


def test_text_ids_and_ids_that_are_not_there(tmp_path, rows) -> None:
    names = [f"item {number} é" for number in range(100)]
    with Store.create(tmp_path / "a.nf", DIM, metric="l2") as store:
        store.add(names, rows[:100])
        store.compact()
        hits = store.search(rows[0], k=5, where=Condition(ids=[names[3], names[3], "nowhere", names[9]]))
        assert {one for one in hits.ids if one is not None} == {names[3], names[9]}
        assert "only 2 items pass" in hits.status
        with pytest.raises(TypeError, match="ids: this store has str ids, got 1"):
            store.search(rows[0], where=Condition(ids=[1]))


def test_a_store_with_whole_numbers_refuses_texts(tmp_path, rows) -> None:
    with Store.create(tmp_path / "a.nf", DIM) as store:
        store.add([1], rows[:1])
        with pytest.raises(TypeError, match="ids: this store has int ids, got 'a'"):
            store.search(rows[0], where=Condition(ids=["a"]))


def test_nothing_chosen_finds_nothing(tmp_path, rows) -> None:
    with Store.create(tmp_path / "a.nf", DIM) as store:
        store.add([1], rows[:1])
        for nothing in ([], np.empty(0, np.int64), [2]):
            hits = store.search(rows[0], k=3, where=Condition(ids=nothing))
            assert hits.ids == [None] * 3 and hits.status == "no item passes the filter"


def test_each_query_of_many_may_have_its_own(tmp_path, rows) -> None:
    with Store.create(tmp_path / "a.nf", DIM, metric="l2") as store:
        store.add(np.arange(500), rows[:500])
        chosen = [Condition(ids=np.arange(start, 500, 3)) for start in (0, 1, 0)]
        hits = store.search_many(rows[:3], k=4, where=chosen)
        for query, start, ids in zip(rows, (0, 1, 0), hits.ids, strict=False):
            assert ids == exact(rows, query, list(range(start, 500, 3)), 4)


def test_equal_sets_have_one_key_and_others_do_not() -> None:
    assert IdSet([3, 1, 1]).key == IdSet(np.array([1, 3], np.int32)).key
    assert IdSet(["a", "b"]).key == IdSet(("b", "a", "a")).key
    different = [[1], [2], [], ["1"], ["a\0b"], ["a", "b"]]
    assert len({IdSet(one).key for one in different}) == 6


@pytest.mark.parametrize("wrong", [1.5, [1.5], [True], [[1]], {"a": 1}, [1, "a"], [""]])
def test_what_is_no_list_of_ids_is_refused(wrong) -> None:
    with pytest.raises((TypeError, ValueError), match="ids:"):
        Condition(ids=wrong)


def test_columns_are_looked_at_as_far_as_they_are_a_parts(rows) -> None:
    numbers = IdColumn.from_list([5, 6, 7], "int")
    assert IdSet([7, 5]).among(numbers, 3).tolist() == [True, False, True]
    assert IdSet([7, 5]).among([5, 6, 7, 5], 3).tolist() == [True, False, True]
    assert IdSet(["x"]).among(IdColumn.from_list(["y", "x"], "str"), 2).tolist() == [False, True]


def test_searches_by_ids_while_items_are_added(tmp_path, rows) -> None:
    wrong: list[int] = []
    with Store.create(tmp_path / "a.nf", DIM, metric="l2") as store:
        store.add(np.arange(100), rows[:100])
        chosen = Condition(ids=np.arange(0, 4000, 2))

        def search() -> None:
            for query in rows[:150]:
                wrong.extend(one for one in store.search(query, k=5, where=chosen).ids if one is None or one % 2)

        threads = [threading.Thread(target=search) for _ in range(3)]
        for thread in threads:
            thread.start()
        for start in range(100, 2000, 50):
            store.add(np.arange(start, start + 50), rows[start : start + 50])
        for thread in threads:
            thread.join()
    assert not wrong
