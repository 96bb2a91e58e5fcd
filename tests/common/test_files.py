from __future__ import annotations

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
