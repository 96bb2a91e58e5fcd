"""Searching while adding, from many threads of one process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

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
