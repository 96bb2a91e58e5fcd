"""Stores of format 1: they open, work as before, and the first writer brings them up to date, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import FormatVersionError, files
from nearfield.store import Store, catalogue
from nearfield.store.formats import STEPS, steps

# What format 5 added, taken away.
WITHOUT_BAGS = ("ALTER TABLE pending DROP COLUMN bags", "ALTER TABLE pending DROP COLUMN bags_xxh3")


def to_format_1(path: Path) -> None:
    """Take away what later formats added."""
    connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
    for statement in (
        *WITHOUT_BAGS,
        "DROP TABLE texts",
        "DROP TABLE encoded",
        "DROP TABLE incoming",
        "DROP TABLE arrays",
        "DROP TABLE expiry",
        "ALTER TABLE state DROP COLUMN clock",
        "ALTER TABLE state DROP COLUMN identity",
        "PRAGMA user_version = 1",
    ):
        connection.execute(statement)
    connection.close()


def version(path: Path) -> int:
    connection = sqlite3.connect(path / "catalogue.sqlite")
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return int(found)


def tables(path: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(path / "catalogue.sqlite")
    names = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    ]
    found = {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name in names}
    connection.close()
    return found


@pytest.fixture
def old(make: Callable[..., Store], vectors: np.ndarray) -> Path:
    store = make(attributes={"year": "int"})
    store.add(list(range(40)), vectors[:40], attributes={"year": list(range(40))}, payload=list(range(40)))
    store.seal()
    store.add(list(range(40, 60)), vectors[40:60], attributes={"year": list(range(40, 60))})
    store.delete([3])
    store.close()
    to_format_1(store.path)
    return store.path


def test_a_reader_leaves_an_old_store_as_it_is(old: Path, vectors: np.ndarray, tmp_path: Path) -> None:
    with Store.open(old, read_only=True) as reader:
        assert len(reader) == 59 and 3 not in reader and 4 in reader
        assert (
            reader.search(vectors[50], 1).ids == [50] and reader.get(7).payload == 7 and reader.get(7).expires is None
        )
        assert reader.verify().ok and reader.stats()["format"] == 1
        first = reader.search(vectors[50], 5)
        second = reader.search(vectors[50], 5, after=first.cursor)
        assert first.ids + second.ids == reader.search(vectors[50], 10).ids
        reader.snapshot(tmp_path / "copy.nf")
    assert version(old) == 1 and version(tmp_path / "copy.nf") == 1


def test_a_writer_brings_it_up_to_date(
    old: Path, vectors: np.ndarray, content: Callable[[Store], Any], make: Callable[..., Store]
) -> None:
    with Store.open(old, read_only=True) as reader:
        before = content(reader)
        with Store.open(old) as store:
            assert content(store) == before and store.stats()["format"] == 5
            store.add([100, 101], vectors[100:102], expires=[None, "2001-01-01"])
            assert 100 in reader and 101 not in reader and len(reader) == 60  # who had it open before follows
            assert reader.stats()["format"] == 5
            assert store.verify().ok
    assert version(old) == 5
    fresh = make("fresh.nf", attributes={"year": "int"})
    assert tables(old) == tables(fresh.path)


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "injected"), KeyboardInterrupt()])
def test_an_upgrade_that_fails_at_any_step_changes_nothing(
    old: Path, vectors: np.ndarray, content: Callable[[Store], Any], tmp_path: Path, error: BaseException
) -> None:
    with Store.open(old, read_only=True) as reader:
        before = content(reader)
    calls: list[str] = []
    shutil.copytree(old, tmp_path / "whole.nf")
    with files.fault_injection(lambda name, _: calls.append(name)):
        Store.open(tmp_path / "whole.nf").close()
    upgrades = calls.count("upgrade")
    assert upgrades == sum(map(len, STEPS.values())) + 3  # before, at every statement, and around the commit
    for number in range(upgrades):
        path = tmp_path / f"{number}.nf"
        shutil.copytree(old, path)
        count = iter(range(1000))

        def fail(name: str, _: Path, count: Any = count, number: int = number) -> None:
            if name == "upgrade" and next(count) == number:
                raise error

        with pytest.raises(type(error)), files.fault_injection(fail):
            Store.open(path)
        assert version(path) == (5 if number == upgrades - 1 else 1)  # the last step comes after the commit
        with Store.open(path, read_only=True) as reader:
            assert content(reader) == before
        with Store.open(path) as store:
            assert content(store) == before and store.verify().ok
            store.add([200], vectors[200:201], ttl=60)
            assert 200 in store


def test_an_older_release_refuses_the_format_by_name(
    make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.close()
    monkeypatch.setattr(catalogue, "FORMAT_VERSION", 1)
    for read_only in (False, True):
        with pytest.raises(
            FormatVersionError, match=r"a\.nf: format version 5 is newer than this nearfield reads \(1\)"
        ):
            Store.open(store.path, read_only=read_only)


def test_a_store_of_format_2_is_read_and_brought_up_to_date(
    make: Callable[..., Store], vectors: np.ndarray, content: Callable[[Store], Any]
) -> None:
    store = make()
    store.add([1, 2, 3], vectors[:3], ttl=1000.0)
    before = content(store)
    store.close()
    connection = sqlite3.connect(store.path / "catalogue.sqlite", isolation_level=None)
    for statement in (*WITHOUT_BAGS, *(f"DROP TABLE {name}" for name in ("texts", "encoded", "incoming", "arrays"))):
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 2")
    connection.close()
    with Store.open(store.path, read_only=True) as reader:
        assert content(reader) == before and reader.stats()["format"] == 2 and reader.upgrading is None
        assert reader.verify().ok
        with Store.open(store.path) as store:
            assert content(store) == before and store.stats()["format"] == 5 and store.verify().ok
            assert store.delete([1]) == 1
        assert 1 not in reader and reader.stats()["format"] == 5


def test_a_store_of_format_3_gets_texts_with_its_first_writer(
    make: Callable[..., Store], vectors: np.ndarray, content: Callable[[Store], Any]
) -> None:
    store = make()
    store.add([1, 2, 3], vectors[:3], payload=[{"body": "lift"}, None, {"body": "drag"}])
    before = content(store)
    store.tag("old")
    store.close()
    for path in (store.path, store.path / "snapshots" / "old"):
        connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
        for statement in (*WITHOUT_BAGS, "DROP TABLE texts", "PRAGMA user_version = 3"):
            connection.execute(statement)
        connection.close()
    with Store.open(store.path, read_only=True) as reader:
        assert content(reader) == before and reader.stats()["format"] == 3 and reader.verify().ok
        with pytest.raises(ValueError, match="this store has no texts"):
            reader.search(text="lift")
        with Store.open(store.path) as store:
            store.index_text("body")
            store.add([4], vectors[3:4], text=["lift"])
            assert sorted(reader.search(text="lift", k=2).ids) == [1, 4] and store.verify().ok
            store.restore("old")
            assert content(store) == before and store.stats()["text"] is None and store.verify().ok
            store.add([4], vectors[3:4], text=["lift"])
            assert reader.search(text="lift", k=1).ids == [4]


def test_a_store_of_format_4_keeps_bags_from_its_first_writer_on(
    make: Callable[..., Store], vectors: np.ndarray, content: Callable[[Store], Any]
) -> None:
    store = make()
    store.add([1, 2, 3], vectors[:3])
    before = content(store)
    store.tag("old")
    store.close()
    for path in (store.path, store.path / "snapshots" / "old"):
        connection = sqlite3.connect(path / "catalogue.sqlite", isolation_level=None)
        for statement in (*WITHOUT_BAGS, "PRAGMA user_version = 4"):
            connection.execute(statement)
        connection.close()
    bag = np.eye(3, dtype=np.float32)
    with Store.open(store.path, read_only=True) as reader:
        assert content(reader) == before and reader.stats()["format"] == 4 and reader.verify().ok
        assert reader.bags is None and reader.reclaimable().before > 0
        with pytest.raises(ValueError, match="bags: this store keeps none"):
            reader.search(vectors[0], bags=bag)
        with Store.open(store.path) as store:
            store.index_bags(3)
            store.upsert([2], vectors[1:2], bags=[bag])
            assert reader.search(vectors[0], bags=bag, k=1).ids == [2] and store.verify().ok
            store.restore("old")
            assert content(store) == before and store.bags is None and store.verify().ok
            with pytest.raises(ValueError, match="bags: this store keeps none"):
                reader.search(vectors[0], bags=bag)


def test_nothing_is_done_where_nothing_is_to_do(make: Callable[..., Store]) -> None:
    store = make()
    before = store._catalogue.committed_generation()
    store.close()
    with Store.open(store.path) as store:
        assert store._catalogue.committed_generation() == before
    assert steps(5, 5) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_killed_in_an_upgrade_leaves_a_whole_store(
    old: Path, content: Callable[[Store], Any], tmp_path: Path
) -> None:
    with Store.open(old, read_only=True) as reader:
        before = content(reader)
    for number in range(sum(map(len, STEPS.values())) + 3):
        path = tmp_path / f"{number}.nf"
        shutil.copytree(old, path)
        child = os.fork()
        if child == 0:
            count = iter(range(1000))

            def kill(name: str, _: Path, count: Any = count, number: int = number) -> None:
                if name == "upgrade" and next(count) == number:
                    os.kill(os.getpid(), signal.SIGKILL)

            with files.fault_injection(kill):
                Store.open(path)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        with Store.open(path, read_only=True) as reader:
            assert content(reader) == before
        with Store.open(path) as store:
            assert content(store) == before and store.stats()["format"] == 5 and store.verify().ok
