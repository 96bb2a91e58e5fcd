"""The one door to disk. Everything the store writes, apart from SQLite's own file, goes through these calls.

A test can make the n-th call fail (:func:`fault_injection`), for every n, and then look whether anything acknowledged
was lost. Every call announces itself first, so the count is the same on every run of the same workload. On Linux the
tests also watch and break the system calls below, SQLite's among them, and lose what was not synced
(``tests/store/test_power_loss.py``).

Publishing is: write a temporary file, fsync it, rename it into place, fsync the directory. Until the rename the final
name does not exist; after it the content is complete. A kill at any point leaves at most a ``*.tmp`` file behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

_hook: Callable[[str, Path], None] | None = None


def _announce(operation: str, path: Path) -> None:
    if _hook is not None:
        _hook(operation, path)


@contextlib.contextmanager
def fault_injection(hook: Callable[[str, Path], None]) -> Iterator[None]:
    """Call ``hook(operation, path)`` before every disk operation; what it raises, the operation raises. For tests."""
    global _hook
    previous, _hook = _hook, hook
    try:
        yield
    finally:
        _hook = previous


def write_atomic(path: Path, chunks: Iterable[bytes | memoryview]) -> int:
    """Write ``chunks`` to ``path`` so that it appears complete or not at all; durable on return. Returns the bytes."""
    temporary = path.with_name(path.name + ".tmp")
    written = 0
    _announce("create", temporary)
    try:
        with open(temporary, "wb") as file:
            for chunk in chunks:
                _announce("write", temporary)
                file.write(chunk)
                written += memoryview(chunk).nbytes
            file.flush()
            _announce("fsync", temporary)
            os.fsync(file.fileno())
        _announce("rename", path)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_directory(path.parent)
    return written


def sync_directory(path: Path) -> None:
    """Make names created in or removed from ``path`` durable."""
    _announce("fsync-directory", path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def map_file(path: Path) -> mmap.mmap | bytes:
    """Map ``path`` read-only (``b""`` for an empty file). Raises FileNotFoundError when it is absent."""
    _announce("map", path)
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def size(path: Path) -> int:
    """Bytes of ``path``."""
    _announce("stat", path)
    return os.stat(path).st_size


def link_count(path: Path) -> int:
    """How many names the file of ``path`` has: more than one where a snapshot shares it."""
    _announce("stat", path)
    return os.stat(path).st_nlink


def make_directory(path: Path) -> None:
    """Create ``path``; FileExistsError when it exists. The new name is durable on return."""
    _announce("mkdir", path)
    path.mkdir()
    sync_directory(path.parent)


def list_directory(path: Path) -> list[str]:
    """The names in ``path``, sorted."""
    _announce("list", path)
    return sorted(os.listdir(path))


def remove(path: Path) -> None:
    """Remove a file; absent is fine."""
    _announce("remove", path)
    path.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove a directory with all it holds; absent is fine."""
    _announce("remove-tree", path)
    shutil.rmtree(path, ignore_errors=True)


def rename(source: Path, target: Path) -> None:
    """Move ``source`` to ``target`` within one file system; durable on return."""
    _announce("rename", target)
    os.rename(source, target)
    sync_directory(target.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """Give an immutable file a second name: a hard link where the file system allows it, otherwise a copy, synced."""
    _announce("link", target)
    try:
        os.link(source, target)
    except OSError:
        _announce("copy", target)
        shutil.copyfile(source, target)
        with open(target, "rb+") as file:
            os.fsync(file.fileno())


def lock_exclusive(path: Path) -> int | None:
    """Take the advisory lock of ``path`` (created when absent) and write our process id into it.

    Returns the descriptor that holds the lock until it is closed or the process ends, or None when another holds it.
    """
    _announce("lock", path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    with contextlib.suppress(OSError):  # the lock holds without a name in it, also on a full disk
        os.pwrite(descriptor, b"%010d" % os.getpid(), 0)  # always as long: truncating would have to be logged
    return descriptor


def lock_holder(path: Path) -> int | None:
    """The process id written by the last holder of the lock, or None."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def unlock(descriptor: int) -> None:
    """Give a lock back, also when a forked child still holds a copy of the descriptor."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def step(operation: str, path: Path) -> None:
    """Announce a step that somebody else does on disk (SQLite's, in an upgrade), so that a test can make it fail."""
    _announce(operation, path)


def identity(path: Path) -> tuple[int, int]:
    """Device and number of the file: equal for two names of one file, as hard links are."""
    _announce("stat", path)
    found = os.stat(path)
    return found.st_dev, found.st_ino
