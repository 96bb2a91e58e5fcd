"""A disk that can no longer be written to: what is stored is read, what is not is refused, nothing is changed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import files
from nearfield.store import Store

WRITING = {"create", "write", "fsync", "rename", "mkdir", "link", "copy", "fsync-directory", "remove", "lock"}


def refuse(name: str, path: Path) -> None:
    """What a disk does that was mounted again read-only, as it happens to a disk with errors."""
    if name in WRITING:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def test_a_disk_that_turns_read_only_under_a_writer(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Callable[[Store], Any]
) -> None:
    store = make()
    store.add(list(range(50)), vectors[:50], payload=list(range(50)))
    before = content(store)
    store._catalogue._writer.execute("PRAGMA query_only = ON")  # SQLite's part of it
    with files.fault_injection(refuse):
        for job in (
            lambda: store.add([100], vectors[100:101]),
            lambda: store.add([100], vectors[100:101], ttl=5),
            lambda: store.add(list(range(100, 200)), vectors[100:200]),
            lambda: store.upsert([1], vectors[100:101]),
            lambda: store.delete([1]),
            store.seal,
            store.compact,
            lambda: store.snapshot(store.path.with_name("copy.nf")),
        ):
            with pytest.raises(OSError) as caught:
                job()
            assert caught.value.errno == errno.EROFS
            assert store.search(vectors[7], 1, payload=True).payload == [7]
        assert content(store) == before and store.verify().ok and len(store) == 50
        assert store.search_range(vectors[7], 0.1).ids[0] == 7
    store._catalogue._writer.execute("PRAGMA query_only = OFF")
    store.add([100], vectors[100:101])  # it can be written to again
    assert len(store) == 51 and store.verify().ok
    assert sorted(path.name for path in store.path.parent.iterdir()) == ["a.nf"]


def test_a_writer_cannot_open_there(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.close()
    with files.fault_injection(refuse):
        with pytest.raises(OSError, match="Read-only file system"):
            Store.open(store.path)
        with Store.open(store.path, read_only=True) as reader:
            assert reader.search(vectors[0], 1).ids == [1]


READER = """
import os, sys
import numpy as np
from nearfield.store import Store
os.setuid(65534)
folder = sys.argv[1]
try:
    open(os.path.join(folder, "probe"), "w")
    print("writable")
except OSError:
    with Store.open(folder, read_only=True) as reader:
        print(reader.search(np.ones(8, np.float32), 2).ids, len(reader), reader.verify().ok)
    try:
        Store.open(folder)
    except OSError as error:
        print(type(error).__name__)
"""


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="needs root, to become somebody who may not write"
)
def test_a_folder_one_may_only_read(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1, 2], np.stack([vectors[0] * 0 + 1, vectors[0]]))
    store.seal()
    store.close()
    for folder, _, names in os.walk(store.path):
        os.chmod(folder, 0o555)
        for name in names:
            os.chmod(os.path.join(folder, name), 0o444)
    os.chmod(store.path.parent, 0o755)
    try:
        answer = subprocess.run(
            [sys.executable, "-c", READER, str(store.path)], capture_output=True, text=True, timeout=60
        )
    finally:
        os.chmod(store.path, 0o755)
        os.chmod(store.path / "segments", 0o755)
    assert answer.stdout.splitlines() == ["[1, 2] 2 True", "PermissionError"], answer.stderr
