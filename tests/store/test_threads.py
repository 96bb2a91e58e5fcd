"""Searching while adding, from many threads of one process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.store import Store


def test_search_while_adding_deleting_and_compacting(
    make: Callable[..., Store], rng: np.random.Generator, low_limits: None
) -> None:
    """Every search sees one moment: each batch whole or not at all, replaced items once, deleted ones never again."""
    vectors = rng.standard_normal((600, 8), np.float32)
    store = make(attributes={"batch": "int"})
    stop = threading.Event()
    acknowledged = [0]
    wrong: list[Any] = []
    searches = [0] * 6

    def search(number: int) -> None:
        try:
            while not stop.is_set():
                least = acknowledged[0]
                hits = store.search(vectors[number], 600, payload=True, attributes=number % 2 == 0)
                ids = [identifier for identifier in hits.ids if identifier is not None]
                if len(set(ids)) != len(ids):
                    wrong.append(("twice", ids))
                if len(ids) % 18 or len(ids) < least * 18:
                    wrong.append(("torn", len(ids), least))
                if any(payload != identifier // 20 for identifier, payload in zip(ids, hits.payload, strict=False)):
                    wrong.append(("payload", hits.payload))
                searches[number] += 1
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=search, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for batch in range(30):
        ids = list(range(batch * 20, batch * 20 + 20))
        kept = ids[:18]
        store.add(kept, vectors[kept], attributes={"batch": [batch] * 18}, payload=[batch] * 18)
        acknowledged[0] = batch + 1
        store.upsert(kept, vectors[kept], attributes={"batch": [batch] * 18}, payload=[batch] * 18)
        if batch % 6 == 5:
            store.compact()
        elif batch % 6 == 2:
            store.seal()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert all(searches) and len(store) == 540 and store.verify().ok


def test_maintenance_of_two_threads_takes_turns(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None
) -> None:
    store = make()
    store.add(list(range(200)), vectors[:200])
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(5):
                store.upsert([1000 + number * 10 + step], vectors[300 + step : 301 + step])
                (store.compact if number % 2 else store.seal)()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(store) == 220 and store.verify().ok


def crowd(store: Store, vectors: np.ndarray, count: int) -> tuple[list[Any], int]:
    """``count`` threads search in every way while the store is compacted; returns what went wrong and the files."""
    wrong: list[Any] = []
    begun, stop = threading.Barrier(count + 1, timeout=120), threading.Event()

    def search(number: int) -> None:
        try:
            begun.wait()
            while not stop.wait(count / 10_000):  # or a thousand leave none of the time to the one that compacts
                where = "batch >= 0" if number % 2 else None
                hits = store.search(vectors[number % 300], 3, payload=True, where=where)
                if hits.ids[0] != number % 300 or hits.payload[0] != number % 300:
                    wrong.append((number, hits.ids))
                if store.get(number % 300) is None or number % 300 not in store:
                    wrong.append((number, "get"))
                if number % 3 == 0:
                    after = store.search(vectors[number % 300], 3, where=where, after=hits.cursor)
                    if set(after.ids) & set(hits.ids):
                        wrong.append((number, hits.ids, after.ids))
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=search, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    begun.wait()
    most = 0
    for step in range(4):
        store.upsert([1000 + step], vectors[400 + step : 401 + step])
        (store.seal if step % 2 else store.compact)()
        most = max(most, len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0)
    stop.set()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads), "a thread waits for ever"
    return wrong, most


@pytest.mark.parametrize("count", [64, pytest.param(1000, marks=pytest.mark.slow)])
def test_a_crowd_during_compaction(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, count: int
) -> None:
    store = make(attributes={"batch": "int"})
    store.add(list(range(300)), vectors[:300], attributes={"batch": [0] * 300}, payload=list(range(300)))
    before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    wrong, most = crowd(store, vectors, count)
    assert not wrong, wrong[:3]
    assert len(store._catalogue._connections) <= 32 and len(store._catalogue._idle) <= 32
    assert most - before <= 3 * 33 + 20  # a few files for every connection and every segment, whatever the crowd
    assert store.verify().ok


def test_iterations_left_open_keep_nobody_waiting(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(10)), vectors[:10])
    open_ones = [store.iterate(1) for _ in range(50)]
    assert all(next(one).ids == [0] for one in open_ones)
    assert store.search(vectors[0], 1).ids == [0] and len(store) == 10
    del open_ones
    assert len(store._catalogue._idle) <= 32


def test_closing_lets_a_waiting_crowd_go(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(10)), vectors[:10])
    outcome: list[str] = []

    def search() -> None:
        try:
            while True:
                store.search(vectors[0], 1, payload=True)
        except Exception as error:
            outcome.append(str(error))

    threads = [threading.Thread(target=search) for _ in range(50)]
    for thread in threads:
        thread.start()
    store.close()
    for thread in threads:
        thread.join(timeout=60)
    assert len(outcome) == 50 and all("closed" in text for text in outcome), set(outcome)
