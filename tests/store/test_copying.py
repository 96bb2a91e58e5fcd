from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError, files
from nearfield.store import Store


def test_a_copy_is_a_store_of_its_own(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Any, tmp_path: Path
) -> None:
    store = make(attributes={"year": "int"}, embedding={"encoder": "A"})
    store.add(list(range(100)), vectors[:100], attributes={"year": list(range(100))}, payload=list(range(100)))
    store.compact()
    store.add(list(range(100, 110)), vectors[100:110])
    store.delete([5])
    before = content(store)
    with Store.open(store.path, read_only=True) as reader:
        reader.snapshot(tmp_path / "by reader.nf")
    store.snapshot(tmp_path / "copy.nf")
    store.delete(list(range(50)))
    store.compact()
    for name in ("copy.nf", "by reader.nf"):
        with Store.open(tmp_path / name) as copy:
            assert content(copy) == before and copy.verify().ok and copy.embedding == {"encoder": "A"}
            copy.add([500], vectors[300:301])
            copy.compact()
            assert len(copy) == 110
    assert len(store) == 60 and store.verify().ok


def test_a_copy_while_another_thread_writes(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, tmp_path: Path
) -> None:
    store = make()
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            store.upsert(list(range(10)), vectors[number % 400 : number % 400 + 10], payload=[number] * 10)
            number += 1
            if number % 7 == 0:
                store.compact()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(12):
            store.snapshot(tmp_path / f"copy{number}.nf")
            with Store.open(tmp_path / f"copy{number}.nf") as copy:
                assert copy.verify().ok
                items = [item for item in copy.get(list(range(10))) if item is not None]
                assert len(items) in (0, 10) and len({item.payload for item in items}) <= 1
                for item in items:
                    assert np.array_equal(item.vector, vectors[item.payload % 400 + item.id])
    finally:
        stop.set()
        thread.join()


def test_a_target_that_cannot_be_is_refused(make: Callable[..., Store], vectors: np.ndarray, tmp_path: Path) -> None:
    store = make()
    store.add([1], vectors[:1])
    with pytest.raises(FileExistsError, match="exists already"):
        store.snapshot(store.path)
    with pytest.raises(FileNotFoundError, match="no such directory"):
        store.snapshot(tmp_path / "no" / "copy.nf")
    assert os.listdir(tmp_path) == ["a.nf"]


def test_a_failed_copy_leaves_nothing(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, tmp_path: Path
) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.compact()
    calls: list[str] = []
    with files.fault_injection(lambda operation, _: calls.append(operation)):
        store.snapshot(tmp_path / "whole.nf")
    assert "link" in calls
    for number in range(len(calls)):
        count = iter(range(1000))

        def fail(operation: str, path: Path, count: Any = count, number: int = number) -> None:
            if next(count) == number and operation != "remove-tree":
                raise OSError(28, "injected")

        try:
            with files.fault_injection(fail):
                store.snapshot(tmp_path / f"copy{number}.nf")
        except OSError:
            assert not (tmp_path / f"copy{number}.nf").exists(), calls[number]
        for name in os.listdir(tmp_path):
            assert not name.startswith(".")  # nothing half made is left
            if name.startswith("copy"):
                with Store.open(tmp_path / name) as copy:
                    assert copy.verify().ok and len(copy) == 100


def test_files_are_copied_where_they_cannot_be_linked(
    make: Callable[..., Store], vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.seal()
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError("another file system")))
    store.snapshot(tmp_path / "copy.nf")
    with Store.open(tmp_path / "copy.nf") as copy:
        assert copy.verify().ok and copy.search(vectors[0], 1).ids == [1]


def test_a_missing_file_is_not_copied_silently(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, tmp_path: Path
) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.compact()
    next((store.path / "segments").glob("*.index.*")).unlink()
    store.snapshot(tmp_path / "copy.nf")  # an index can be rebuilt
    with Store.open(tmp_path / "copy.nf") as copy:
        assert copy.search(vectors[3], 1).ids == [3] and copy.verify().ok
    next((store.path / "segments").glob("*.vectors.*")).unlink()
    with pytest.raises(CorruptFileError, match=r"vectors\.nfa: missing"):
        store.snapshot(tmp_path / "other.nf")
    assert sorted(os.listdir(tmp_path)) == ["a.nf", "copy.nf"]


@pytest.mark.parametrize("how", ["snapshot", "copy_to"])
def test_a_compaction_in_the_middle_leaves_nothing_out_of_a_copy(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, tmp_path: Path, how: str
) -> None:
    store = make(attributes={"year": "int"})
    store.add(list(range(100)), vectors[:100], attributes={"year": list(range(100))})
    store.compact()
    store.delete(list(range(60)))
    compacted = []

    def compact(operation: str, path: Path) -> None:
        if operation == "stat" and ".columns." in path.name and path.exists() and not compacted:
            compacted.append(path)
            thread = threading.Thread(target=store.compact)
            thread.start()
            thread.join()
            assert not path.exists()

    with files.fault_injection(compact):
        if how == "snapshot":
            store.snapshot(tmp_path / "copy.nf")
        else:
            store.copy_to(tmp_path / "away")
    if how == "copy_to":
        Store.copy_from(tmp_path / "away", tmp_path / "copy.nf").close()
    assert compacted
    with Store.open(tmp_path / "copy.nf") as copy:
        assert copy.verify().problems == [] and len(copy) == 40


def test_any_number_of_derived_files_may_be_lost(
    make: Callable[..., Store], vectors: np.ndarray, tmp_path: Path
) -> None:
    store = make(attributes={"year": "int"})
    for row in range(30):
        store.add([row], vectors[row : row + 1], attributes={"year": [row]})
        store.seal()
    lost = list((store.path / "segments").glob("*.columns.*"))
    assert len(lost) == 30
    for path in lost:
        path.unlink()
    store.snapshot(tmp_path / "copy.nf")
    store.copy_to(tmp_path / "away")
    Store.copy_from(tmp_path / "away", tmp_path / "back.nf").close()
    for name in ("copy.nf", "back.nf"):
        with Store.open(tmp_path / name) as copy:
            assert len(copy) == 30 and copy.search(vectors[3], 1, where="year = 3").ids == [3]
