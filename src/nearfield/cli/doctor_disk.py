"""The doctor's look at a disk: room, and whether the file system does what a store relies on."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REMOTE = ("nfs", "cifs", "smb", "afs", "9p", "fuse.sshfs", "glusterfs", "ceph", "lustre", "beegfs")
_VOLATILE = ("tmpfs", "ramfs")
_LITTLE = 2**30


def disk(path: Path) -> dict[str, Any]:
    """Room and abilities where ``path`` is or would be."""
    place, remarks, problems = _nearest(path), [], []
    usage = shutil.disk_usage(place)
    system, mount = _file_system(place)
    if usage.free < _LITTLE:
        remarks.append(f"{_gib(usage.free)} free at {place}: compaction needs room for a second copy of what it merges")
    if system in _VOLATILE:
        remarks.append(f"{place} is on {system}, in memory: nothing there outlives a restart")
    if system.startswith(_REMOTE):
        remarks.append(f"{place} is on {system}, over the network: a store must be used from one machine at a time")
    abilities: dict[str, bool | str] = {}
    try:
        folder = tempfile.mkdtemp(prefix=".nearfield-doctor-", dir=place)
    except OSError as error:
        problems.append(f"nothing can be written at {place}: {error.strerror or error}")
    else:
        try:
            abilities = {name: _able(test, Path(folder)) for name, test in _TESTS.items()}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        for name, found in abilities.items():
            if found is not True:
                reason = f": {found}" if found else ""
                (remarks if name == "hard links" else problems).append(f"{name} {_LOST[name]} at {place}{reason}")
    works = ", ".join(f"{name} {'yes' if found is True else 'NO'}" for name, found in abilities.items())
    lines = [
        ("place", f"{place}, {system} mounted at {mount}" if mount else str(place)),
        ("free", f"{_gib(usage.free)} of {_gib(usage.total)}"),
        ("works", works or "nothing could be tried"),
    ]
    return {
        "path": str(place),
        "file_system": system,
        "mount": mount,
        "free_bytes": usage.free,
        "total_bytes": usage.total,
        "works": abilities,
        "lines": lines,
        "remarks": remarks,
        "problems": problems,
    }


def _nearest(path: Path) -> Path:
    """``path``, or the nearest folder above it that is there."""
    try:
        place = Path(os.path.abspath(path))
    except (OSError, ValueError):
        place = Path("/")
    while not _is_folder(place) and place != place.parent:
        place = place.parent
    return place


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name too long, or with a null byte in it
        return False


def _file_system(place: Path) -> tuple[str, str]:
    """Its type and where it is mounted; empty where the system does not say."""
    found = ("", "")
    with contextlib.suppress(OSError):
        for line in Path("/proc/mounts").read_text(errors="replace").splitlines():
            mount, kind = line.split()[1:3]
            mount = mount.replace("\\040", " ")
            # The last of those that hold it wins: a mount hides what was mounted there before.
            if place.is_relative_to(mount) and len(mount) >= len(found[1]):
                found = (kind, mount)
    return found


def _able(test: Callable[[Path], bool], folder: Path) -> bool | str:
    """True, or the reason why not."""
    try:
        return test(folder) or ""
    except (OSError, sqlite3.Error) as error:
        return str(error)


def _hard_links(folder: Path) -> bool:
    file, second = folder / "file", folder / "second"
    file.write_bytes(b"x")
    os.link(file, second)
    return os.path.samefile(file, second)


def _sync(folder: Path) -> bool:
    with open(folder / "synced", "wb") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return True


def _replace(folder: Path) -> bool:
    old, new = folder / "old", folder / "new"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    os.replace(new, old)
    return old.read_bytes() == b"new" and not new.exists()


def _locks(folder: Path) -> bool:
    """The lock of one descriptor keeps another out: how a second writer is refused."""
    with open(folder / "lock", "wb") as first, open(folder / "lock", "rb+") as second:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _wal(folder: Path) -> bool:
    """SQLite keeps a log beside its file, and a reader looks on while a writer writes."""
    with (
        contextlib.closing(sqlite3.connect(folder / "wal.sqlite", isolation_level=None)) as writer,
        contextlib.closing(sqlite3.connect(folder / "wal.sqlite", isolation_level=None)) as reader,
    ):
        if writer.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
            return False
        writer.execute("CREATE TABLE t (x)")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (1)")
        before = reader.execute("SELECT count(*) FROM t").fetchone()[0]
        writer.execute("COMMIT")
        return (before, reader.execute("SELECT count(*) FROM t").fetchone()[0]) == (0, 1)


_TESTS = {"hard links": _hard_links, "sync": _sync, "replace": _replace, "locks": _locks, "WAL": _wal}
_LOST = {
    "hard links": "do not work (tags and copies take the space of the files again)",
    "sync": "does not work (what was acknowledged may be lost with the power)",
    "replace": "does not work (a file cannot take another's place in one step)",
    "locks": "do not work (a second writer would not be refused)",
    "WAL": "does not work (SQLite keeps its log so; no store can be made)",
}


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
