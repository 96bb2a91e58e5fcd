from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import StoreLockedError, files
from nearfield.store import Collections, Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tenants"


def fill(collections: Collections, names: list[str], vectors: np.ndarray) -> None:
    for number, name in enumerate(names):
        collections.create(name, 8)
        with collections.open(name) as store:
            store.add([number], vectors[number : number + 1])


def test_they_are_made_opened_listed_and_dropped(folder: Path, vectors: np.ndarray) -> None:
    names = ["acme", "Acme", "../acme", "größe", "a/b", ".hidden", "x" * 200]
    with Collections(folder) as collections:
        fill(collections, names, vectors)
        assert list(collections) == sorted(names) and len(collections) == 7
        assert "Acme" in collections and "ACME" not in collections and 7 not in collections and "" not in collections
        for number, name in enumerate(names):
            with collections.open(name) as store:
                assert store.search(vectors[number], 1).ids == [number]
        collections.drop("../acme")
        assert "../acme" not in collections and len(collections) == 6
        with pytest.raises(FileNotFoundError):
            collections.drop("../acme")
        with pytest.raises(FileNotFoundError), collections.open("../acme"):
            pass
        collections.create("../acme", 3, metric="l2")
        with collections.open("../acme") as store:
            assert len(store) == 0 and store.metric == "l2"
    assert sorted(os.listdir(folder.parent)) == ["tenants"]
    with Collections(folder) as again:
        assert list(again) == sorted(names)


def test_creating_what_is_there(folder: Path, vectors: np.ndarray) -> None:
    collections = Collections(folder)
    fill(collections, ["a"], vectors)
    for _ in range(2):  # open in the pool, then closed
        with pytest.raises(FileExistsError):
            collections.create("a", 8)
        collections.create("a", 8, exist_ok=True)
        with collections.open("a") as store:
            assert len(store) == 1
        collections.close()
        collections = Collections(folder)
    with pytest.raises(ValueError, match="dim: expected"):
        collections.create("b", 0)
    assert list(collections) == ["a"] and collections.stats()["open"] == 0
    collections.close()


def test_no_more_are_open_than_allowed(folder: Path, vectors: np.ndarray) -> None:
    with Collections(folder, most_open=3) as collections:
        names = [f"t{number}" for number in range(8)]
        fill(collections, names, vectors)
        assert collections.stats()["open"] == 3 and collections.stats()["collections"] == 8
        with collections.open("t0") as first, collections.open("t0") as same:
            assert first is same
            for name in names[1:]:
                with collections.open(name):
                    assert collections.stats()["open"] <= 3
            assert first.search(vectors[0], 1).ids == [0]  # in use, so it was not closed
        opened = collections.stats()["opened"]
        with collections.open("t0"), collections.open("t7"):
            assert collections.stats()["opened"] == opened  # the last used are still open


def test_all_places_in_use(folder: Path, vectors: np.ndarray) -> None:
    with Collections(folder, most_open=1, wait=0.05) as collections:
        fill(collections, ["a", "b"], vectors)
        with collections.open("a"), pytest.raises(TimeoutError, match="most_open"), collections.open("b"):
            pass
        with collections.open("a"), pytest.raises(TimeoutError, match="'a' is in use"):
            collections.drop("a")
        with collections.open("b"):
            pass
        collections.drop("a")


def test_memory_is_shared(folder: Path, vectors: np.ndarray) -> None:
    one = 64 * vectors[:1].nbytes  # room grows from 64 rows
    with Collections(folder, memory=3 * one) as collections:
        for name in "abcdef":
            collections.create(name, 8)
            with collections.open(name) as store:
                store.add(list(range(64)), vectors[:64])
                store.search(vectors[0], 1)
            assert collections.stats()["bytes"] <= 3 * one
        assert collections.stats()["open"] == 3
        with contextlib.ExitStack() as stack:  # in use, they all stay open
            used = [stack.enter_context(collections.open(name)) for name in "abcd"]
            assert [store.search(vectors[1], 1).ids for store in used] == [[1]] * 4
    with Collections(folder, memory=1) as collections:
        with collections.open("a") as store:
            assert store.search(vectors[3], 1).ids == [3]
        assert collections.stats()["open"] == 0 and collections.stats()["bytes"] == 0


def test_many_threads_few_places(folder: Path, vectors: np.ndarray) -> None:
    """Threads open the same and different collections, write and search; nothing is closed under anybody."""
    names = [f"t{number}" for number in range(12)]
    wrong: list[Any] = []
    with Collections(folder, most_open=4) as collections:

        def work(seed: int) -> None:
            rng = np.random.default_rng(seed)
            try:
                for step in range(40):
                    name = names[rng.integers(len(names))]
                    collections.create(name, 8, exist_ok=True)
                    with collections.open(name) as store:
                        identifier = int(seed * 1000 + step)
                        store.add([identifier], vectors[step : step + 1])
                        if identifier not in store.search(vectors[step], 100).ids:
                            wrong.append((name, identifier))
                        if collections.stats()["open"] > 4:
                            wrong.append("too many")
            except BaseException as error:
                wrong.append(error)
                raise

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong
        total = 0
        for name in collections:
            with collections.open(name) as store:
                total += len(store)
                assert store.verify().ok
        assert total == 8 * 40 and collections.stats()["in_use"] == 0


def test_dropping_while_others_use_it(folder: Path, vectors: np.ndarray) -> None:
    with Collections(folder) as collections:
        fill(collections, ["a"], vectors)
        inside, leave = threading.Event(), threading.Event()

        def use() -> None:
            with collections.open("a") as store:
                inside.set()
                leave.wait(10)
                store.search(vectors[0], 1)

        user = threading.Thread(target=use)
        user.start()
        inside.wait(10)
        dropper = threading.Thread(target=lambda: collections.drop("a"))
        dropper.start()
        dropper.join(0.05)
        assert dropper.is_alive() and "a" in collections
        leave.set()
        user.join()
        dropper.join()
        assert "a" not in collections and os.listdir(folder) == []


def test_another_writer_keeps_its_collection(folder: Path, vectors: np.ndarray) -> None:
    with Collections(folder, most_open=1) as collections:
        fill(collections, ["a", "b"], vectors)  # b took a's place, so a is closed
        with Store.open(folder / "a.nf") as other:
            with pytest.raises(StoreLockedError), collections.open("a"):
                pass
            with pytest.raises(StoreLockedError):
                collections.drop("a")
            assert len(other) == 1
        with collections.open("a") as store:
            assert len(store) == 1
        with Collections(folder, read_only=True) as readers, readers.open("a") as reader:
            assert reader.read_only and len(reader) == 1
            with pytest.raises(PermissionError):
                readers.create("c", 8)
            with pytest.raises(PermissionError):
                readers.drop("a")


def test_closing_under_a_user(folder: Path, vectors: np.ndarray) -> None:
    collections = Collections(folder)
    fill(collections, ["a", "b"], vectors)
    with collections.open("a") as store:
        collections.close()
        assert store.search(vectors[0], 1).ids == [0]
    collections.close()
    with pytest.raises(ValueError, match="closed"):
        store.search(vectors[0], 1)
    for call in (
        lambda: collections.create("c", 8),
        lambda: collections.drop("a"),
        lambda: collections.open("a").__enter__(),
    ):
        with pytest.raises(ValueError, match="the collections are closed"):
            call()
    Store.open(folder / "a.nf").close()  # the locks are free


def test_a_user_who_closes_the_store(folder: Path, vectors: np.ndarray) -> None:
    with Collections(folder) as collections:
        fill(collections, ["a"], vectors)
        with collections.open("a") as store:
            store.close()
        with collections.open("a") as store:
            assert store.search(vectors[0], 1).ids == [0]


def test_an_error_in_the_block_and_a_damaged_collection(folder: Path, vectors: np.ndarray) -> None:
    with Collections(folder) as collections:
        fill(collections, ["a", "b"], vectors)
        with pytest.raises(RuntimeError, match="mine"), collections.open("a"):
            raise RuntimeError("mine")
        assert collections.stats()["in_use"] == 0
        collections.close()
    (folder / "a.nf" / "catalogue.sqlite").write_bytes(b"")
    with Collections(folder) as collections:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="truncated"), collections.open("a"):
                pass
        with collections.open("b") as store:
            assert len(store) == 1
        collections.drop("a")  # it can be dropped all the same
        assert list(collections) == ["b"]


def test_what_a_killed_drop_left_is_removed(folder: Path, vectors: np.ndarray, monkeypatch: Any) -> None:
    with Collections(folder) as collections:
        fill(collections, ["a", "b"], vectors)
        monkeypatch.setattr(files, "remove_tree", lambda path: None)
        collections.drop("a")
        monkeypatch.undo()
        assert len(os.listdir(folder)) == 2 and list(collections) == ["b"]
    with Collections(folder):
        assert os.listdir(folder) == ["b.nf"]


def test_wrong_arguments(tmp_path: Path) -> None:
    for name, value in (("most_open", 0), ("memory", "much"), ("wait", -1.0)):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            Collections(tmp_path / "x", **{name: value})
    with pytest.raises(FileNotFoundError, match="folder: no such directory"):
        Collections(tmp_path / "no" / "x")
    with pytest.raises(FileNotFoundError):
        Collections(tmp_path / "x", read_only=True)
    with Collections(tmp_path / "x") as collections, pytest.raises(ValueError, match="name: expected at most 200"):
        collections.create("ä" * 100, 8)


def test_file_descriptors_stay_few(folder: Path, vectors: np.ndarray) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    before = len(os.listdir("/proc/self/fd"))
    with Collections(folder, most_open=5) as collections:
        fill(collections, [f"t{number}" for number in range(30)], vectors)
        for number in range(30):
            with collections.open(f"t{number}") as store:
                store.search(vectors[0], 1)
                store.seal()
                store.search(vectors[0], 1)
        assert len(os.listdir("/proc/self/fd")) - before <= 5 * 12
