from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError, files
from nearfield.store import Store

Make = Callable[..., Store]


def test_a_tag_stays_what_it_was(make: Make, vectors: np.ndarray, low_limits: None, content: Any) -> None:
    store = make(attributes={"year": "int"}, embedding={"encoder": "A"})
    store.add(list(range(100)), vectors[:100], attributes={"year": list(range(100))}, payload=list(range(100)))
    store.compact()
    store.add(list(range(100, 110)), vectors[100:110])
    store.delete([5])
    before = content(store)
    store.tag("before import")
    store.upsert(list(range(50)), vectors[200:250])
    store.compact()
    store.tag("später/2")
    after = content(store)
    store.delete(list(range(100)))
    store.compact()
    with Store.open(store.path, at="before import") as tagged:
        assert tagged.read_only and content(tagged) == before and tagged.verify().ok
        assert tagged.embedding == {"encoder": "A"} and tagged.tags() == {}
        assert tagged.search(vectors[7], 1, where="year = 7").ids == [7]
        with pytest.raises(PermissionError):
            tagged.add([1000], vectors[:1])
    with Store.open(store.path, at="später/2", read_only=True) as tagged:
        assert content(tagged) == after
    store.close()
    with Store.open(store.path) as again:
        assert sorted(again.tags()) == ["before import", "später/2"]
        assert again.tags()["before import"]["items"] == 109
        assert again.verify().ok
    with Store.open(store.path, at="before import") as tagged:
        assert content(tagged) == before


def test_reading_a_tag_writes_nothing(make: Make, vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(10)), vectors[:10], payload=list(range(10)))
    store.tag("x")
    place = store.path / "snapshots" / "x"
    before = sorted(os.listdir(place))
    with Store.open(store.path, at="x") as tagged:
        tagged.search(vectors[0], 3, payload=True)
        assert sorted(os.listdir(place)) == before == ["catalogue.sqlite", "segments"]
    assert sorted(os.listdir(place)) == before


def test_what_a_tag_costs(make: Make, vectors: np.ndarray, low_limits: None) -> None:
    store = make(dim=8)
    store.add(list(range(400)), vectors[:400])
    store.compact()
    store.tag("a")
    store.tag("b")
    segments = sum(file.stat().st_size for file in (store.path / "segments").iterdir())
    about = store.tags()
    assert about["a"]["bytes"] - about["a"]["own_bytes"] == segments > 0
    assert store.stats()["tags"] == ["a", "b"]
    catalogues = sum(about[name]["own_bytes"] for name in about)
    assert store.stats()["tag_bytes"] == catalogues
    store.delete(list(range(200)))
    store.compact()  # the old segment is now the tags' own, and both count it; together it counts once
    assert store.tags()["a"]["own_bytes"] == about["a"]["bytes"]
    assert store.stats()["tag_bytes"] == catalogues + segments
    store.untag("a")
    assert store.stats()["tag_bytes"] == store.tags()["b"]["own_bytes"]
    store.untag("b")
    assert store.stats()["tag_bytes"] == 0 and store.tags() == {}
    assert os.listdir(store.path / "snapshots") == []


def test_a_snapshot_has_no_tags_and_a_tag_makes_one(make: Make, vectors: np.ndarray, tmp_path: Path) -> None:
    store = make()
    store.add([1, 2], vectors[:2])
    store.tag("x")
    store.delete([1])
    store.snapshot(tmp_path / "now.nf")
    with Store.open(tmp_path / "now.nf") as copy:
        assert copy.tags() == {} and len(copy) == 1
    with Store.open(store.path, at="x") as tagged:
        tagged.snapshot(tmp_path / "then.nf")
    with Store.open(tmp_path / "then.nf") as copy:
        copy.add([3], vectors[2:3])
        copy.tag("x")
        assert copy.tags()["x"]["items"] == 3


def test_wrong_names_are_refused(make: Make, vectors: np.ndarray) -> None:
    store = make()
    store.tag("x")
    with pytest.raises(FileExistsError, match="a tag 'x' already"):
        store.tag("x")
    for call in (store.untag, store.restore, lambda name: Store.open(store.path, at=name)):
        with pytest.raises(ValueError, match=r"no tag 'y' in .*; tags: 'x'"):
            call("y")
        with pytest.raises(ValueError, match="no tag"):
            call("../../a.nf")
        with pytest.raises(TypeError, match="expected a text"):
            call(7)
    with pytest.raises(ValueError, match="non-empty"):
        store.tag("")
    store.tag("../x")
    assert store.stats()["tags"] == ["../x", "x"]
    with pytest.raises(ValueError, match="no tag"):
        Store.open(store.path.parent / "nowhere.nf", at="x")


def test_only_the_writer_tags(make: Make, vectors: np.ndarray) -> None:
    store = make()
    store.tag("x")
    with Store.open(store.path, read_only=True) as reader:
        assert list(reader.tags()) == ["x"]
        for call in (reader.tag, reader.untag, reader.restore):
            with pytest.raises(PermissionError, match="read_only"):
                call("x")
    store.close()
    for call in (store.tag, store.untag, store.restore):
        with pytest.raises(ValueError, match="closed"):
            call("x")
    with pytest.raises(ValueError, match="closed"):
        store.tags()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "injected"), KeyboardInterrupt(), SystemExit()])
def test_a_failed_tag_leaves_nothing(
    make: Make, vectors: np.ndarray, low_limits: None, content: Any, error: BaseException
) -> None:
    """One operation fails, or (SystemExit) that one and all after it, as when the process is killed there."""
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.compact()
    before = content(store)
    calls: list[str] = []
    with files.fault_injection(lambda operation, _: calls.append(operation)):
        store.tag("whole")
        store.untag("whole")
    assert {"link", "rename", "mkdir"} <= set(calls)
    for number in range(len(calls)):
        count = iter(range(10_000))

        def fail(operation: str, path: Path, count: Any = count, number: int = number) -> None:
            position = next(count)
            if position == number or (position > number and isinstance(error, SystemExit)):
                raise error

        try:
            with files.fault_injection(fail):
                store.tag("x")
                store.untag("x")
        except (OSError, KeyboardInterrupt, SystemExit):
            pass
        store.close()
        store = Store.open(store.path)  # removes what is half made
        assert all(not name.startswith(".") for name in os.listdir(store.path / "snapshots")), calls[number]
        for name in store.tags():
            with Store.open(store.path, at=name) as tagged:
                assert content(tagged) == before
            store.untag(name)
        assert content(store) == before
    store.close()


def test_tags_of_many_threads(make: Make, vectors: np.ndarray, low_limits: None) -> None:
    """Two threads want the same name: one gets it. Meanwhile others write and compact."""
    store = make()
    store.add(list(range(60)), vectors[:60], payload=[0] * 60)
    made: list[int] = []
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            store.upsert(list(range(60)), vectors[number : number + 60], payload=[number] * 60)
            store.compact()

    def tag() -> None:
        for number in range(6):
            try:
                store.tag(f"t{number}")
                made.append(number)
            except FileExistsError:
                continue

    writer = threading.Thread(target=write)
    threads = [threading.Thread(target=tag) for _ in range(3)]
    for thread in (writer, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    stop.set()
    writer.join()
    assert sorted(made) == list(range(6)) and sorted(store.tags()) == [f"t{n}" for n in range(6)]
    for name in store.tags():
        with Store.open(store.path, at=name) as tagged:
            payloads = {item.payload for item in tagged.get(list(range(60)))}
            assert len(payloads) == 1 and tagged.verify().ok
            shift = payloads.pop()
            assert np.array_equal(tagged.get(3).vector, vectors[shift + 3])


def test_a_damaged_tag_is_named_and_harms_nothing_else(make: Make, vectors: np.ndarray, low_limits: None) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.compact()
    store.tag("x")
    store.delete([0])
    store.compact()
    (victim,) = (store.path / "snapshots" / "x" / "segments").glob("*.vectors.*")
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(CorruptFileError, match=r"vectors\.nfa"):
        store.restore("x")
    assert len(store) == 99 and store.verify().ok
    with Store.open(store.path, at="x") as tagged, pytest.raises(CorruptFileError):
        tagged.search(vectors[0], 1)
    store.untag("x")


def test_a_tag_that_is_made_anew_is_another(make: Make, vectors: np.ndarray) -> None:
    """Who has it open keeps the old one as far as it was read, and never sees a mixture."""
    store = make()
    store.add([1, 2], vectors[:2])
    store.tag("x")
    with Store.open(store.path, at="x") as tagged:
        iteration = tagged.iterate(1)
        assert next(iteration).ids == [1]  # holds the one connection
        store.untag("x")
        store.add([3], vectors[2:3])
        store.tag("x")
        with pytest.raises(FileNotFoundError, match="removed while it was open"):
            len(tagged)
        assert next(iteration).ids == [2]
