from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.serve.hosted import Hosted
from nearfield.serve.qdrant import changes, indexing
from nearfield.serve.qdrant.dialect import Dialect

MANY = 300


@pytest.fixture
def dialect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dialect]:
    monkeypatch.setattr(indexing, "LEAST", MANY)
    hosted = Hosted(tmp_path / "all")
    found = Dialect(hosted)
    found.create("c", {"vectors": {"size": 2, "distance": "Dot"}})
    yield found
    hosted.close()


def write(dialect: Dialect, first: int, count: int) -> None:
    with dialect.open("c") as (collection, store):
        some = [{"id": first + n, "vector": [1.0, float(n)]} for n in range(count)]
        changes.upsert(collection, store, {"points": some})
        dialect.indexer.wrote("c", store, collection.written())


def pending(dialect: Dialect) -> int:
    with dialect.open("c") as (_, store):
        return store.stats()["pending"]


def test_enough_points_are_compacted_and_fewer_are_not(dialect: Dialect) -> None:
    write(dialect, 0, MANY - 1)
    assert dialect.indexer.wait(0) and pending(dialect) == MANY - 1
    write(dialect, MANY, 1)
    assert dialect.indexer.wait(60) and pending(dialect) == 0
    write(dialect, 2 * MANY, MANY - 1)
    assert dialect.indexer.wait(0) and pending(dialect) == MANY - 1
    write(dialect, 3 * MANY, 1)
    assert dialect.indexer.wait(60) and pending(dialect) == 0
    assert dialect.info("c")["points_count"] == 2 * MANY


def test_the_more_is_settled_the_more_has_to_come(dialect: Dialect) -> None:
    write(dialect, 0, 4 * MANY)
    assert dialect.indexer.wait(60) and pending(dialect) == 0
    write(dialect, 10 * MANY, 2 * MANY - 1)
    assert dialect.indexer.wait(60) and pending(dialect) == 2 * MANY - 1
    write(dialect, 20 * MANY, 1)
    assert dialect.indexer.wait(60) and pending(dialect) == 0


def test_what_was_there_before_the_server_counts(dialect: Dialect) -> None:
    with dialect.hosted.open("c") as store:
        store.add(np.arange(MANY), np.ones((MANY, 2), np.float32))
    write(dialect, MANY, 1)
    assert dialect.indexer.wait(60) and pending(dialect) == 0


def test_a_collection_that_cannot_be_indexed_is_left_as_it_is(
    dialect: Dialect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(store: Any) -> None:
        raise MemoryError("no room")

    with dialect.hosted.open("c") as store:
        monkeypatch.setattr(type(store), "compact", fail)
    write(dialect, 0, MANY)
    assert dialect.indexer.wait(60) and not dialect.indexer.busy("c")
    assert pending(dialect) == MANY and "no room" in caplog.text
