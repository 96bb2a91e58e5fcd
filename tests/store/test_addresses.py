from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pyarrow import fs

from nearfield.common import MissingExtraError
from nearfield.store.addresses import Place, open_place


@pytest.fixture(params=["path", "file", "pyarrow", "memory", "fsspec"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    folder = tmp_path / "folder"
    if request.param == "path":
        return open_place(folder)
    if request.param == "file":
        return open_place(f"file://{folder}")
    if request.param == "pyarrow":
        return open_place("a/b", fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()))
    fsspec = pytest.importorskip("fsspec", reason="needs nearfield[remote]")
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    return open_place("memory://bucket/a") if request.param == "memory" else open_place("bucket/b/", memory)


def test_objects_come_and_go(place: Place) -> None:
    assert place.list() == {} and place.list("objects") == {}
    place.make("objects")
    place.make("objects")
    place.write("objects/x", [b"ab", memoryview(b"cd")])
    place.write("objects/y", [])
    place.write("top", [b"1"])
    assert place.list("objects") == {"x": 4, "y": 0} and place.list() == {"top": 1}
    assert b"".join(place.read("objects/x")) == b"abcd" and list(place.read("objects/y")) == []
    place.write("objects/x", [b"z"])
    assert place.list("objects")["x"] == 1
    place.remove("objects/x")
    assert place.list("objects") == {"y": 0}
    with pytest.raises(FileNotFoundError):
        list(place.read("objects/x"))


def test_what_is_no_place() -> None:
    with pytest.raises(TypeError, match="url: expected an address"):
        open_place("")
    with pytest.raises(TypeError, match=r"filesystem: expected one of pyarrow\.fs or of fsspec, got int"):
        open_place("a", 7)
    pytest.importorskip("fsspec", reason="needs nearfield[remote]")
    with pytest.raises(ValueError, match="url: 'nonsense://x' cannot be opened"):
        open_place("nonsense://x")


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingExtraError, match=r"nearfield\[remote\]"):
        open_place("memory://x")


def test_keys_in_an_address_are_not_shown() -> None:
    url = "s3://key:secret@bucket/folder?endpoint_override=127.0.0.1%3A1&scheme=http&region=us-east-1"
    assert open_place(url).url == "s3://bucket/folder"
    pytest.importorskip("fsspec", reason="needs nearfield[remote]")
    with pytest.raises(ValueError, match="url: 'nonsense://bucket/x' cannot be opened"):
        open_place("nonsense://key:secret@bucket/x?token=1")
