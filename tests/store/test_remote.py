"""Copies elsewhere, over a file system that counts, fails at the n-th operation, tears writes, and is slow."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import fs

from nearfield.common import CorruptFileError, FormatVersionError, files
from nearfield.store import Store, remote

Make = Callable[..., Store]


class Objects(fs.FileSystemHandler):
    """Object storage in a dict. ``before(operation, path)`` may raise; a write that fails leaves a torn object."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.before: Callable[[str, str], None] = lambda operation, path: None

    def get_type_name(self) -> str:
        return "objects"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> list[fs.FileInfo]:
        return [
            fs.FileInfo(path, fs.FileType.File, size=len(self.objects[path]))
            if path in self.objects
            else fs.FileInfo(path, fs.FileType.NotFound)
            for path in paths
        ]

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        self.before("list", selector.base_dir)
        start = selector.base_dir + "/"
        found = [path for path in self.objects if path.startswith(start) and "/" not in path[len(start) :]]
        return self.get_file_info(found)

    def open_input_stream(self, path: str) -> Any:
        self.before("read", path)
        if path not in self.objects:
            raise FileNotFoundError(path)
        return pa.BufferReader(self.objects[path])

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        self.before("open", path)
        return pa.PythonFile(_Upload(self, path), mode="w")

    def delete_file(self, path: str) -> None:
        self.before("delete", path)
        del self.objects[path]

    def create_dir(self, path: str, recursive: bool) -> None:
        self.before("mkdir", path)

    def _never(self, *arguments: Any) -> Any:
        raise AssertionError("object storage does not do this")

    open_input_file = open_append_stream = move = copy_file = _never
    delete_dir = delete_dir_contents = delete_root_dir_contents = _never


class _Upload:
    closed = False

    def __init__(self, owner: Objects, path: str):
        self.owner, self.path = owner, path
        owner.objects[path] = b""

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self.owner.objects[self.path] += piece[: len(piece) // 2]  # a write that fails is torn
        self.owner.before("write", self.path)
        self.owner.objects[self.path] += piece[len(piece) // 2 :]
        return len(piece)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def filled(make: Make, vectors: np.ndarray, low_limits: None) -> Store:
    store = make(attributes={"year": "int"}, embedding={"encoder": "A"})
    store.add(list(range(100)), vectors[:100], attributes={"year": list(range(100))}, payload=list(range(100)))
    store.compact()
    store.add(list(range(100, 110)), vectors[100:110])
    store.delete([5])
    return store


def filesystem(objects: Objects) -> fs.PyFileSystem:
    return fs.PyFileSystem(objects)


def fetched(objects: Objects, path: Path, content: Any) -> Any:
    with Store.copy_from("bucket/a", path, filesystem=filesystem(objects)) as copy:
        copy.stats()  # a first look builds an index that was not sent
        assert copy.verify(sample=5).ok
        found = content(copy)
    files.remove_tree(path)
    return found


@pytest.mark.parametrize("where", ["path", "file", "memory"])
def test_a_store_goes_and_comes_back(filled: Store, tmp_path: Path, content: Any, where: str) -> None:
    url = {"path": str(tmp_path / "away"), "file": f"file://{tmp_path}/away", "memory": "memory://bucket/away"}[where]
    if where == "memory":
        fsspec = pytest.importorskip("fsspec", reason="needs nearfield[remote]")
        fsspec.filesystem("memory").store.clear()
    before = content(filled)
    first = filled.copy_to(url)
    assert first["files"] == first["sent_files"] == 5 and first["bytes"] == first["sent_bytes"]
    with Store.open(filled.path, read_only=True) as reader:
        reader.copy_to(url)
    filled.delete(list(range(50)))
    with Store.copy_from(url, tmp_path / "b.nf") as copy:
        assert content(copy) == before and copy.verify().ok and copy.embedding == {"encoder": "A"}
        copy.add([1000], copy.get(7).vector)
        copy.compact()
    with pytest.raises(FileExistsError):
        Store.copy_from(url, tmp_path / "b.nf")
    with pytest.raises(FileNotFoundError, match="no copy of a store here"):
        Store.copy_from(url + "/other", tmp_path / "c.nf")


def test_only_what_changed_travels(
    filled: Store, vectors: np.ndarray, objects: Objects, tmp_path: Path, content: Any
) -> None:
    filled.copy_to("bucket/a", filesystem=filesystem(objects))
    again = filled.copy_to("bucket/a", filesystem=filesystem(objects))
    assert again["sent_files"] <= 1  # the catalogue, whose bytes SQLite may write anew
    filled.add([500], vectors[300:301], attributes={"year": [1]})
    third = filled.copy_to("bucket/a", filesystem=filesystem(objects))
    assert third["sent_files"] == 1 and third["sent_bytes"] < third["bytes"]
    filled.seal()
    fourth = filled.copy_to("bucket/a", filesystem=filesystem(objects))
    assert (
        fourth["sent_files"] == 4 and fourth["files"] == 8
    )  # vectors, attributes, codes, catalogue; too few for an index
    filled.compact()
    fifth = filled.copy_to("bucket/a", filesystem=filesystem(objects))
    assert fifth["sent_files"] == 5 == fifth["files"]
    names = [path.rsplit("/", 1)[1] for path in objects.objects]
    assert len(names) == 6 and sum(name.startswith("copy-") for name in names) == 1  # nothing is left over
    assert fetched(objects, tmp_path / "b.nf", content) == content(filled)


def test_every_nth_operation_there_fails(
    filled: Store, vectors: np.ndarray, objects: Objects, tmp_path: Path, content: Any
) -> None:
    """First copy: whole or absent. Second copy: whole, or the first one still is."""
    before = content(filled)
    calls: list[str] = []
    objects.before = lambda operation, path: calls.append(operation)
    filled.copy_to("bucket/a", filesystem=filesystem(objects))
    assert {"list", "mkdir", "open", "write"} <= set(calls)
    old = dict(objects.objects)
    filled.upsert(list(range(20)), vectors[200:220])
    filled.compact()
    after = content(filled)
    calls.clear()
    filled.copy_to("bucket/a", filesystem=filesystem(objects))
    assert "delete" in calls
    stopped = set()
    for start in ({}, old):
        for number in range(len(calls) + 5):
            objects.objects = dict(start)
            count = iter(range(1000))

            def fail(operation: str, path: str, count: Any = count, number: int = number) -> None:
                if next(count) == number:
                    stopped.add(operation)
                    raise OSError(errno.EIO, f"injected at {operation}")

            objects.before = fail
            try:
                filled.copy_to("bucket/a", filesystem=filesystem(objects))
                done = True
            except OSError:
                done = False
            objects.before = lambda operation, path: None
            if done:
                assert fetched(objects, tmp_path / "b.nf", content) == after
            elif start:
                assert fetched(objects, tmp_path / "b.nf", content) == before
            else:
                with pytest.raises((FileNotFoundError, CorruptFileError)):
                    Store.copy_from("bucket/a", tmp_path / "b.nf", filesystem=filesystem(objects))
            assert not (tmp_path / "b.nf").exists()
            filled.copy_to("bucket/a", filesystem=filesystem(objects))  # the next one works and tidies up
            assert fetched(objects, tmp_path / "b.nf", content) == after
            assert sum("/copy-" in path for path in objects.objects) == 1 and len(objects.objects) == 6
    assert stopped == {"list", "read", "mkdir", "open", "write", "delete"}


def test_what_an_interrupted_upload_left_is_not_believed(
    filled: Store, objects: Objects, tmp_path: Path, content: Any
) -> None:
    """An object of the right name and size that no copy vouches for may hold anything: it is sent again."""
    filled.copy_to("bucket/a", filesystem=filesystem(objects))
    objects.objects = {path: bytes(len(data)) for path, data in objects.objects.items() if "/objects/" in path}
    again = filled.copy_to("bucket/a", filesystem=filesystem(objects))
    assert again["sent_files"] == again["files"]
    assert fetched(objects, tmp_path / "b.nf", content) == content(filled)


def test_a_download_that_fails_leaves_nothing(filled: Store, objects: Objects, tmp_path: Path, content: Any) -> None:
    filled.copy_to("bucket/a", filesystem=filesystem(objects))
    expected = content(filled)
    theirs: list[str] = []
    objects.before = lambda operation, path: theirs.append(operation)
    ours: list[str] = []
    with files.fault_injection(lambda operation, _: ours.append(operation)):
        assert fetched(objects, tmp_path / "b.nf", content) == expected
    for number in range(len(theirs)):
        count = iter(range(1000))

        def fail(operation: str, path: str, count: Any = count, number: int = number) -> None:
            if next(count) == number:
                raise OSError(errno.EIO, "injected")

        objects.before = fail
        with pytest.raises(OSError, match="injected"):
            Store.copy_from("bucket/a", tmp_path / "b.nf", filesystem=filesystem(objects))
        assert os.listdir(tmp_path) == ["a.nf"]
    objects.before = lambda operation, path: None
    for number in range(len(ours)):
        counter = iter(range(10_000))

        def fail_here(operation: str, path: Path, counter: Any = counter, number: int = number) -> None:
            if next(counter) == number and operation != "remove-tree":
                raise OSError(errno.ENOSPC, "injected")

        try:
            with files.fault_injection(fail_here):
                Store.copy_from("bucket/a", tmp_path / "b.nf", filesystem=filesystem(objects)).close()
        except OSError:
            pass
        if (tmp_path / "b.nf").exists():  # it was whole, and opening it failed
            with Store.open(tmp_path / "b.nf") as copy:
                assert content(copy) == expected
            files.remove_tree(tmp_path / "b.nf")
        assert os.listdir(tmp_path) == ["a.nf"]


def test_damage_there_is_named(filled: Store, objects: Objects, tmp_path: Path) -> None:
    filled.copy_to("bucket/a", filesystem=filesystem(objects))
    whole = dict(objects.objects)
    for path in whole:
        for damage in ("flip", "cut", "lose"):
            objects.objects = dict(whole)
            data = bytearray(whole[path])
            if damage == "flip":
                data[len(data) // 2] ^= 1
            objects.objects[path] = bytes(data[: len(data) // 2] if damage == "cut" else data)
            if damage == "lose":
                del objects.objects[path]
            name = path.rsplit("/", 1)[1]
            absent = damage == "lose" and name.startswith("copy-")
            with pytest.raises(FileNotFoundError if absent else CorruptFileError, match="bucket/a" if absent else name):
                Store.copy_from("bucket/a", tmp_path / "b.nf", filesystem=filesystem(objects))
            assert os.listdir(tmp_path) == ["a.nf"]


def test_damage_here_is_not_sent(filled: Store, objects: Objects, tmp_path: Path, content: Any) -> None:
    expected = content(filled)
    (index,) = (filled.path / "segments").glob("*.index.*")
    data = bytearray(index.read_bytes())
    data[-100] ^= 1
    index.write_bytes(data)
    assert filled.copy_to("bucket/a", filesystem=filesystem(objects))["files"] == 4  # an index is built again
    assert fetched(objects, tmp_path / "b.nf", content) == expected
    (victim,) = (filled.path / "segments").glob("*.vectors.*")
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    with pytest.raises(CorruptFileError, match=r"vectors\.nfa"):
        filled.copy_to("bucket/b", filesystem=filesystem(objects))


def test_another_store_does_not_replace_it(filled: Store, make: Make, objects: Objects) -> None:
    filled.copy_to("bucket/a", filesystem=filesystem(objects))
    with pytest.raises(ValueError, match="url: bucket/a holds a copy of another store"):
        make("other.nf", dim=3).copy_to("bucket/a", filesystem=filesystem(objects))


def test_a_copy_names_no_file_outside_a_store(
    filled: Store, objects: Objects, tmp_path: Path, monkeypatch: Any
) -> None:
    filled.copy_to("bucket/a", filesystem=filesystem(objects))
    (path,) = (path for path in objects.objects if "/copy-" in path)
    copy = json.loads(objects.objects[path])["copy"]
    copy["files"][0]["name"] = "../../evil"
    objects.objects[path] = remote._sealed(copy)
    with pytest.raises(CorruptFileError, match="no store has"):
        Store.copy_from("bucket/a", tmp_path / "b.nf", filesystem=filesystem(objects))
    copy["version"] = 9
    objects.objects[path] = remote._sealed(copy)
    with pytest.raises(FormatVersionError, match="version 9"):
        Store.copy_from("bucket/a", tmp_path / "b.nf", filesystem=filesystem(objects))


def test_a_slow_copy_is_of_one_moment(
    filled: Store, vectors: np.ndarray, objects: Objects, tmp_path: Path, content: Any
) -> None:
    """Compactions remove the files while they are sent; others write on."""
    before = content(filled)
    started = threading.Event()

    def slow(operation: str, path: str) -> None:
        if operation == "write":
            started.set()
            time.sleep(0.05)

    objects.before = slow
    thread = threading.Thread(target=lambda: filled.copy_to("bucket/a", filesystem=filesystem(objects)))
    thread.start()
    assert started.wait(10)
    filled.upsert(list(range(60)), vectors[300:360])
    filled.compact()
    assert content(filled) != before
    thread.join()
    objects.before = lambda operation, path: None
    assert fetched(objects, tmp_path / "b.nf", content) == before
