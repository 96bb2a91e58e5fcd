"""Watching: queries are drawn evenly, repeated exactly, within their share of the time, and never in the way."""

from __future__ import annotations

import gc
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nearfield.common import files
from nearfield.store import Store
from nearfield.store.watch import WARM, Watch, exact_distances
from nearfield.tune import Plan, Recipe, tune


class Clock:
    """A clock that goes on by a fixed step each time it is looked at."""

    def __init__(self, step: float = 0.0):
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture
def filled(make: Callable[..., Store], vectors: np.ndarray) -> Store:
    store = make(attributes={"year": "int"})
    store.add(range(500), vectors, attributes={"year": list(range(500))})
    return store


@pytest.fixture
def watch(filled: Store) -> Iterator[Watch]:
    """A watch that begins no thread by itself."""
    watch = filled._watch
    watch.asked = -(10**9)
    yield watch


def test_every_query_is_as_likely(filled: Store, vectors: np.ndarray) -> None:
    counts = np.zeros(10)
    watch = Watch(filled._viewer.current, filled._watch.record, 0.01)
    watch.asked = -(10**9)
    for _ in range(2000):
        watch.offer(vectors[:4], 3, None)
        for row in range(4, 10):
            watch.offer(vectors[row : row + 1], 3, None)
        assert watch._next is not None
        counts[np.flatnonzero((vectors[:10] == watch._next.vector).all(axis=1))[0]] += 1
        watch._next, watch._since = None, 0
    assert counts.min() > 140 and counts.max() < 260


def test_exact_distances_are_those_of_a_scan_of_all_parts(filled: Store, vectors: np.ndarray) -> None:
    filled.seal()
    filled.add(range(500, 600), vectors[:100] + 1, attributes={"year": [7] * 100})
    filled.delete(range(0, 500, 3))
    view = filled._viewer.current()
    found = exact_distances(view, "cosine", vectors[:1], 20, None)
    assert found.tolist() == filled.search(vectors[0], 20).distances.tolist()
    condition = filled._reader._filter("year = 7")
    found = exact_distances(view, "cosine", vectors[:1], 200, condition)
    assert len(found) == len(filled.search(vectors[0], 200, where="year = 7"))


def test_a_step_repeats_what_was_asked(filled: Store, watch: Watch, vectors: np.ndarray) -> None:
    filled.search(vectors[3], 5, where="year < 50")
    assert watch.step() > 0
    (observation,) = watch.record.all()[0]
    assert observation.recall == 1 and observation.k == 5 and observation.share == pytest.approx(0.1)
    assert observation.vector.tolist() == vectors[3].tolist()
    watch.step()  # nothing was asked since
    filled.search(vectors[3], 5, beam=100)  # makes its own choice
    watch.step()
    assert len(watch.record.all()[0]) == 1


def test_items_that_went_meanwhile_do_not_count(filled: Store, watch: Watch, vectors: np.ndarray) -> None:
    filled.search(vectors[3], 5)
    filled.delete(range(3, 500))
    watch.step()
    (observation,) = watch.record.all()[0]
    assert observation.k == 3 and observation.recall == 1
    filled.search(vectors[3], 5)
    filled.delete(range(500))
    watch.step()
    assert len(watch.record.all()[0]) == 1


def test_the_share_of_the_time_is_kept(filled: Store, vectors: np.ndarray) -> None:
    watch = Watch(filled._viewer.current, filled._watch.record, 0.02, clock=Clock(1.0))
    watch.asked = -(10**9)
    watch.offer(vectors[:1], 5, None)
    took = -watch._clock()
    pause = watch.step()
    took += watch._clock() - 2  # the looks of this test
    assert pause == pytest.approx(took * 49)


def test_zero_watches_nothing(filled: Store, vectors: np.ndarray) -> None:
    filled.close()
    with Store.open(filled.path, watch=0) as store:
        for _ in range(3):
            store.search(vectors, 5)
        assert store._watch._thread is None and store.stats()["recall"]["asked"] == 0
    assert not (filled.path / "watch").exists()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), "much", None])
def test_a_wrong_share_is_refused(filled: Store, share: Any) -> None:
    filled.close()
    with pytest.raises((TypeError, ValueError), match="watch"):
        Store.open(filled.path, watch=share)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "nearfield-watch"]


def wait_for(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_thread_begins_after_some_queries_and_ends_with_the_store(filled: Store, vectors: np.ndarray) -> None:
    before = threads()
    for row in range(WARM - 1):
        filled.search(vectors[row], 5)
    assert threads() == before
    filled.search(vectors[:10], 5)
    wait_for(lambda: filled.stats()["recall"]["classes"])
    line = filled.stats()["recall"]["classes"][0]
    assert line["recall"] == 1 and line["alarm"] is None
    filled.close()
    assert threads() == before


def test_a_store_dropped_without_close_ends_its_thread(filled: Store, vectors: np.ndarray) -> None:
    filled.close()
    before = threads()
    store = Store.open(filled.path, read_only=True)
    store.search(vectors[: WARM + 1], 5)
    wait_for(lambda: len(threads()) > len(before))
    del store
    gc.collect()
    wait_for(lambda: len(threads()) == len(before))


def test_searching_adding_and_compacting_go_on(filled: Store, vectors: np.ndarray) -> None:
    filled._watch.share = 1.0
    for round_ in range(30):
        filled.search(vectors[:100], 5)
        filled.upsert(range(round_, round_ + 5), vectors[:5], attributes={"year": [1] * 5})
        if round_ % 10 == 5:
            filled.compact()
    wait_for(lambda: filled._watch.record.all()[0])
    assert all(o.recall == 1 for o in filled._watch.record.all()[0])


def test_a_reader_leaves_its_record_for_others(filled: Store, vectors: np.ndarray) -> None:
    filled.compact()
    with Store.open(filled.path, read_only=True) as reader:
        reader._watch.asked = -(10**9)
        for row in range(40):
            reader.search(vectors[row], 5)
            reader._watch.step()
    found = filled.stats()["recall"]["classes"][0]
    assert found["sampled"] == 40 and found["recall"] == 1
    with Store.open(filled.path, read_only=True, watch=0) as other:
        assert other.stats()["recall"]["classes"][0] == found


def test_a_disk_that_refuses_is_passed_over(filled: Store, watch: Watch, vectors: np.ndarray) -> None:
    for row in range(40):
        filled.search(vectors[row], 5)
        watch.step()

    def fail(name: str, path: Any) -> None:
        if "watch" in str(path):
            raise OSError(30, "read-only")

    with files.fault_injection(fail):
        watch.save()
        filled.close()
    assert not (filled.path / "watch").exists()


def _child(path: str, answers: Any) -> None:
    try:
        _child.store.close()  # type: ignore[attr-defined]
        answers.put("closed")
    except BaseException as error:
        answers.put(repr(error))


def test_a_forked_child_waits_for_no_thread(filled: Store, vectors: np.ndarray) -> None:
    filled.search(vectors[: WARM + 1], 5)
    _child.store = filled  # type: ignore[attr-defined]
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=_child, args=(str(filled.path), answers))
    process.start()
    assert answers.get(timeout=20) == "closed"
    process.join(20)
    assert process.exitcode == 0 and os.getpid() == filled._watch._pid
    assert len(filled.search(vectors[0], 5)) == 5


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that promises what its beam cannot keep."""
    rng = np.random.default_rng(1)
    measured = tune(rng.standard_normal((200, 8), np.float32), recall=0.5)
    recipe = Recipe("graph", bits=8, rescore=8, degree=8, build_beam=16, beam=10)
    described = {**measured.to_dict(), "recipe": recipe.to_dict(), "recall": 0.99}
    described["trials"] = [{**described["trials"][0], "recipe": recipe.to_dict()}]
    fixed = Plan.from_dict(described)
    monkeypatch.setattr("nearfield.tune.tune", lambda *_, **__: fixed)


def test_a_promise_that_is_not_kept_is_told(
    make: Callable[..., Store], rng: np.random.Generator, narrow: None, caplog: pytest.LogCaptureFixture
) -> None:
    store = make(dim=24)
    store.add(range(4000), rng.standard_normal((4000, 24), np.float32))
    store.optimize()
    store._watch.asked = -(10**9)
    queries = rng.standard_normal((200, 24), np.float32)
    for query in queries:
        store.search(query, 10)
        store._watch.step()
    recall = store.stats()["recall"]
    line = recall["classes"][0]
    assert line["high"] < 0.99 and line["alarm"] == recall["alarm"] and line["sampled"] == 200
    assert [record for record in caplog.records if "promised 0.99" in record.message]
    assert "points of recall: beam" in recall["advice"]
    assert len(recall["drift"]) == 2 and "times as far" in recall["drift"][0]
    assert len(store._watch.record.queries(store._viewer.current())) == 200


def test_planning_for_what_was_observed(
    filled: Store, watch: Watch, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="at least 100 observed queries, found 0"):
        filled.optimize(queries="observed")
    with pytest.raises(ValueError, match="queries"):
        filled.optimize(queries="guessed")
    for row in range(120):
        filled.search(vectors[row], 5)
        watch.step()
    given = {}

    def record(*arguments: Any, **settings: Any) -> Plan:
        given.update(settings)
        return tune(*arguments, **settings)

    monkeypatch.setattr("nearfield.tune.tune", record)
    assert filled.optimize(recall=0.9, queries="observed").queries_from == "given"
    assert np.array_equal(given["queries"], vectors[:120])
    assert filled.stats()["recall"]["classes"] == []  # another plan: nothing is known of it yet
