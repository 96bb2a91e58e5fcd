from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import files
from nearfield.store import Store

Make = Callable[..., Store]


def test_a_store_goes_back_and_on(make: Make, vectors: np.ndarray, low_limits: None, content: Any) -> None:
    store = make(attributes={"year": "int"})
    store.add(list(range(100)), vectors[:100], attributes={"year": list(range(100))}, payload=list(range(100)))
    store.compact()
    store.add(list(range(100, 110)), vectors[100:110])
    store.delete([5, 105])
    store.fit_judge()
    store.tag("x")
    before, changes = content(store), store.stats()["judge"]
    with Store.open(store.path, read_only=True) as reader:
        assert content(reader) == before
        reader.search(vectors[0], 3)
        store.upsert(list(range(50)), vectors[200:250])
        store.delete([60])
        store.compact()
        reader.search(vectors[0], 3)
        store.restore("x")
        for handle in (store, reader):  # both follow
            assert content(handle) == before and handle.get(5) is None and handle.get(60) is not None
            assert handle.search(vectors[60], 1).ids == [60] and handle.search(vectors[105], 1).ids != [105]
            assert handle.verify().ok
            assert handle.stats()["judge"] == changes
        named = {name for segment in store.stats()["segments"] for name in segment["files"]}
        assert set(os.listdir(store.path / "segments")) == named
        store.add([5, 1000], vectors[300:302])
        store.restore("x")
        store.add([5], vectors[300:301])
        assert reader.search(vectors[300], 1).ids == [5] and len(reader) == len(before) + 1
        store.compact()
        assert store.verify().ok and reader.verify().ok
    store.close()
    with Store.open(store.path) as again:
        assert len(again) == len(before) + 1 and again.verify().ok
        again.restore("x")
        assert content(again) == before


def test_deletions_seen_before_do_not_outlive_the_restore(make: Make, vectors: np.ndarray, content: Any) -> None:
    """The tag holds pending rows, the store a segment with deletions: the viewer must forget those."""
    store = make()
    store.add(list(range(10)), vectors[:10])
    store.tag("pending")
    store.seal()
    store.search(vectors[0], 1)
    store.delete([1])
    store.search(vectors[0], 1)
    store.restore("pending")
    assert store.search(vectors[1], 1).ids == [1] and len(content(store)) == 10
    store.delete([2])
    store.restore("pending")
    assert store.search(vectors[2], 1).ids == [2] and store.verify().ok


def test_back_to_nothing_and_to_everything(make: Make, vectors: np.ndarray, content: Any) -> None:
    store = make()
    store.tag("empty")
    store.add(["a", "b"], vectors[:2])
    store.tag("two")
    two = content(store)
    store.restore("empty")
    assert len(store) == 0 and store.search(vectors[0], 1).ids == [None] and store.verify().ok
    store.add([1, 2, 3], vectors[:3])  # an empty store may have ids of another type
    store.seal()
    store.restore("two")
    assert content(store) == two and store.get("a") is not None
    with pytest.raises(TypeError, match="str ids"):
        store.add([4], vectors[:1])


def test_a_plan_comes_back(make: Make, vectors: np.ndarray, low_limits: None) -> None:
    store = make()
    store.add(list(range(400)), vectors[:400])
    store.tag("no plan")
    store.optimize(recall=0.9)
    plan = store.plan
    store.tag("plan")
    store.restore("no plan")
    assert store.plan is None
    store.restore("plan")
    assert store.plan == plan or str(store.plan) == str(plan)
    assert store.verify().ok


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "injected"), KeyboardInterrupt(), SystemExit()])
def test_a_failed_restore_changes_nothing(
    make: Make, vectors: np.ndarray, low_limits: None, content: Any, error: BaseException
) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.compact()
    store.tag("x")
    then = content(store)
    store.upsert(list(range(30)), vectors[100:130])
    store.compact()
    now = content(store)
    calls: list[str] = []
    with files.fault_injection(lambda operation, _: calls.append(operation)):
        store.restore("x")
    assert "link" in calls
    for number in range(len(calls)):
        store.upsert(list(range(30)), vectors[100:130])
        store.compact()
        count = iter(range(10_000))

        def fail(operation: str, path: Path, count: Any = count, number: int = number) -> None:
            position = next(count)
            if position == number or (position > number and isinstance(error, SystemExit)):
                raise error  # SystemExit: all that comes after fails too, as when the process is killed there

        try:
            with files.fault_injection(fail):
                store.restore("x")
            assert content(store) == then, calls[number]  # only removing what is not needed failed
        except (OSError, KeyboardInterrupt, SystemExit):
            assert content(store) in (now, then), calls[number]
        store.close()
        store = Store.open(store.path)
        assert content(store) in (now, then) and store.verify().ok
        named = {name for segment in store.stats()["segments"] for name in segment["files"]}
        assert set(os.listdir(store.path / "segments")) == named, calls[number]
    store.close()


def test_restoring_while_others_search_and_write(make: Make, vectors: np.ndarray, low_limits: None) -> None:
    """A search sees the tag or the store, whole: all payloads of one kind."""
    store = make()
    store.add(list(range(80)), vectors[:80], payload=["then"] * 80)
    store.tag("x")
    stop = threading.Event()
    wrong: list[Any] = []

    def look() -> None:
        with Store.open(store.path, read_only=True) as reader:
            while not stop.is_set():
                for handle in (store, reader):
                    payloads = set(handle.search(vectors[0], 80, payload=True).payload)
                    if len(payloads) != 1:
                        wrong.append(payloads)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(12):
        store.upsert(list(range(80)), vectors[100:180], payload=["now"] * 80)
        if number % 2:
            store.compact()
        store.restore("x")
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong and store.verify().ok
