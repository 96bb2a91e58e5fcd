from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.index import Graph, Neighbors
from nearfield.store import Store, VerifyReport


@pytest.fixture
def mixed(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> Store:
    """A graph segment, a scanned segment, pending rows, some of them deleted."""
    store = make(attributes={"year": "int"})
    store.add(list(range(100)), vectors[:100], attributes={"year": list(range(100))}, payload=list(range(100)))
    store.compact()
    store.add(list(range(100, 200)), vectors[100:200])
    store.add(list(range(200, 220)), vectors[200:220])
    store.delete([3, 150, 210])
    return store


def test_a_sound_store(mixed: Store) -> None:
    report = mixed.verify()
    assert report.ok and not report.problems
    assert report.counts["items"] == 217 and report.counts["segments"] == 2 and report.counts["not_found"] == 0
    assert report.counts["files"] == 8 and report.counts["searched"] == 217
    assert str(report).startswith("ok: 217 items, 2 segments, 8 files")
    assert mixed.verify(sample=10).counts["searched"] == 30


def test_an_empty_store(make: Callable[..., Store]) -> None:
    assert make().verify().ok


@pytest.mark.parametrize(
    ("statement", "text"),
    [
        ("DELETE FROM items WHERE id = 7", "1 stored vectors belong to no item, such as \\[7\\]"),
        ("UPDATE items SET id = 1007 WHERE id = 7", "1 ids differ between catalogue and segments, such as \\[1007\\]"),
        ("UPDATE items SET payload = '8' WHERE id = 7", "checksum of the payload of item 7 differs"),
        ("UPDATE items SET key = 99999 WHERE id = 7", "1 items have no stored vector, such as \\[7\\]"),
        ("INSERT INTO deleted(key) SELECT key FROM items WHERE id = 7", "1 items are listed as deleted"),
        ("UPDATE state SET items = 5", "counts 5 items but holds 217"),
        ("UPDATE pending SET xxh3 = 1", "checksum of pending block"),
        ("UPDATE segments SET description = replace(description, '100', '101')", "checksum of segment"),
        ("DELETE FROM deleted", "3 stored vectors belong to no item"),
        ("DELETE FROM segments WHERE number = (SELECT MAX(number) FROM segments)", "99 items have no stored vector"),
        ("UPDATE state SET generation = 'x'", "table state: expected integers"),
        ("UPDATE deleted SET key = 'x'", "table deleted: expected integers"),
    ],
)
def test_every_disagreement_is_named(mixed: Store, statement: str, text: str) -> None:
    mixed.close()
    connection = sqlite3.connect(mixed.path / "catalogue.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()
    try:
        with Store.open(mixed.path, read_only=True) as store:
            report = store.verify()
        assert not report.ok
        message = str(report)
    except RuntimeError as error:
        message = str(error)
    import re

    assert re.search(text, message), message


def test_what_a_graph_does_not_find_is_counted(mixed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Graph.search

    def blind(self: Graph, queries: Any, k: int, **options: Any) -> Neighbors:
        found = search(self, queries, k, **options)
        return Neighbors(found.distances, np.where(found.rows == 50, 51, found.rows))

    monkeypatch.setattr("nearfield.store.rows._SCAN_ROWS", 0)
    monkeypatch.setattr(Graph, "search", blind)
    report = mixed.verify()
    assert report.counts["not_found"] == report.counts["missed"] == 1
    assert "1 of 99 items are not found by their own vector, such as [50]" in str(report)


def test_what_a_narrow_search_misses_is_counted_but_no_problem(mixed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    search = Graph.search

    def narrow(self: Graph, queries: Any, k: int, **options: Any) -> Neighbors:
        found = search(self, queries, k, **options)
        return Neighbors(found.distances, np.where((found.rows == 50) & (k <= 10), 51, found.rows))

    monkeypatch.setattr("nearfield.store.rows._SCAN_ROWS", 0)
    monkeypatch.setattr(Graph, "search", narrow)
    report = mixed.verify()
    assert report.ok and report.counts["missed"] == 1 and report.counts["not_found"] == 0


def test_copies_of_one_vector_count_as_found(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    for metric in ("cosine", "ip", "l2"):
        store = make(f"{metric}.nf", metric=metric)
        store.add(list(range(150)), np.concatenate([np.repeat(vectors[:1], 50, axis=0), vectors[:100] * 3]))
        store.compact()
        assert store.verify().ok


def test_reports_read_well() -> None:
    report = VerifyReport(["a: damaged", "b: missing"], {"items": 1200, "not_found": 0})
    assert str(report) == "2 problems: 1,200 items, 0 not found\n  - a: damaged\n  - b: missing"
    assert VerifyReport().ok
