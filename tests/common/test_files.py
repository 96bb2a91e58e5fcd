from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nearfield.common import files


def fail_at(n: int):
    calls = []

    def hook(operation: str, path: Path) -> None:
        calls.append(operation)
        if len(calls) == n:
            raise OSError(f"injected at {operation}")

    return hook, calls


def test_a_failing_write_leaves_the_old_content_at_every_step(tmp_path: Path) -> None:
    path = tmp_path / "a"
    files.write_atomic(path, [b"old"])
    hook, calls = fail_at(-1)
    with files.fault_injection(hook):
        files.write_atomic(path, [b"ne", b"w"])
    assert calls == ["create", "write", "write", "fsync", "rename", "fsync-directory"]
    for n in range(1, len(calls) + 1):
        files.write_atomic(path, [b"old"])
        hook, _ = fail_at(n)
        with files.fault_injection(hook), pytest.raises(OSError, match="injected"):
            files.write_atomic(path, [b"ne", b"w"])
        # After the rename the new content is there, complete; before it, the old one.
        assert path.read_bytes() == (b"new" if calls[n - 1] == "fsync-directory" else b"old")
        assert [name for name in files.list_directory(tmp_path) if name.endswith(".tmp")] == []


def test_the_hook_is_gone_afterwards(tmp_path: Path) -> None:
    hook, calls = fail_at(1)
    with files.fault_injection(hook), pytest.raises(OSError, match="injected"):
        files.size(tmp_path)
    files.size(tmp_path)
    assert len(calls) == 1


def test_maps(tmp_path: Path) -> None:
    files.write_atomic(tmp_path / "a", [b"abc"])
    files.write_atomic(tmp_path / "empty", [])
    assert bytes(files.map_file(tmp_path / "a")) == b"abc"
    assert files.map_file(tmp_path / "empty") == b""
    with pytest.raises(FileNotFoundError):
        files.map_file(tmp_path / "absent")


def test_one_lock_at_a_time(tmp_path: Path) -> None:
    import os

    first = files.lock_exclusive(tmp_path / "lock")
    assert first is not None
    assert files.lock_exclusive(tmp_path / "lock") is None
    assert files.lock_holder(tmp_path / "lock") == os.getpid()
    files.unlock(first)
    second = files.lock_exclusive(tmp_path / "lock")
    assert second is not None
    files.unlock(second)


def test_directories_links_and_removal(tmp_path: Path) -> None:
    files.make_directory(tmp_path / "d")
    with pytest.raises(FileExistsError):
        files.make_directory(tmp_path / "d")
    files.write_atomic(tmp_path / "d" / "a", [b"x"])
    files.link_or_copy(tmp_path / "d" / "a", tmp_path / "b")
    files.rename(tmp_path / "b", tmp_path / "c")
    files.remove(tmp_path / "d" / "a")
    files.remove(tmp_path / "d" / "a")
    assert (tmp_path / "c").read_bytes() == b"x"
    files.remove_tree(tmp_path / "d")
    assert files.list_directory(tmp_path) == ["c"]


OPERATIONS = {
    "write_atomic": lambda folder: files.write_atomic(folder / "new", [b"x"]),
    "sync_directory": files.sync_directory,
    "map_file": lambda folder: files.map_file(folder / "old"),
    "size": lambda folder: files.size(folder / "old"),
    "make_directory": lambda folder: files.make_directory(folder / "d"),
    "list_directory": files.list_directory,
    "remove": lambda folder: files.remove(folder / "old"),
    "remove_tree": lambda folder: files.remove_tree(folder / "sub"),
    "rename": lambda folder: files.rename(folder / "old", folder / "other"),
    "link_or_copy": lambda folder: files.link_or_copy(folder / "old", folder / "other"),
    "lock_exclusive": lambda folder: files.lock_exclusive(folder / "lock"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_announces_itself_before_it_touches_the_disk(name: str, tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "sub").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    hook, calls = fail_at(1)
    with files.fault_injection(hook), pytest.raises(OSError, match="injected"):
        OPERATIONS[name](tmp_path)
    assert len(calls) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "old").read_bytes() == b"old"


def test_the_count_of_operations_is_the_same_on_every_run(tmp_path: Path) -> None:
    counts = []
    for run in range(3):
        folder = tmp_path / str(run)
        hook, calls = fail_at(-1)
        with files.fault_injection(hook):
            files.make_directory(folder)
            files.write_atomic(folder / "a", [b"x", b"y"])
            files.rename(folder / "a", folder / "b")
        counts.append(list(calls))
    assert counts[0] == counts[1] == counts[2]


def test_a_link_falls_back_to_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"content")

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    files.link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"content"


def test_a_lock_is_given_back_when_its_process_ends(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom nearfield.common import files\n"
        f"held = files.lock_exclusive(Path({str(tmp_path / 'lock')!r}))\n"
        "print(held is not None, flush=True)\nsys.stdin.read()"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None and child.stdout.readline() == "True\n"
        assert files.lock_exclusive(tmp_path / "lock") is None
        assert files.lock_holder(tmp_path / "lock") == child.pid
    finally:
        child.kill()
        child.wait()
    descriptor = files.lock_exclusive(tmp_path / "lock")
    assert descriptor is not None
    files.unlock(descriptor)


def test_a_lock_is_held_also_where_its_holder_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        descriptor = files.lock_exclusive(tmp_path / "lock")
    assert descriptor is not None
    assert files.lock_exclusive(tmp_path / "lock") is None and files.lock_holder(tmp_path / "lock") is None
    files.unlock(descriptor)


def test_the_holder_of_an_absent_or_empty_lock_is_nobody(tmp_path: Path) -> None:
    (tmp_path / "torn").write_bytes(b"12\xff")
    assert files.lock_holder(tmp_path / "torn") is None
    assert files.lock_holder(tmp_path / "absent") is None
    (tmp_path / "empty").touch()
    assert files.lock_holder(tmp_path / "empty") is None


def test_names_of_one_file_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    assert files.link_count(tmp_path / "a") == 1
    files.link_or_copy(tmp_path / "a", tmp_path / "b")
    assert files.link_count(tmp_path / "b") == 2
