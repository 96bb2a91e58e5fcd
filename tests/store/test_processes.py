"""One writer, many readers, across processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import StoreLockedError
from nearfield.store import Store

Start = Callable[..., "subprocess.Popen[str]"]


def test_a_second_writer_in_another_process(tmp_path: Path, worker: Start) -> None:
    Store.create(tmp_path / "a.nf", 4).close()
    holder = worker("hold", tmp_path / "a.nf")
    assert holder.stdout.readline() == "ready\n"
    with pytest.raises(StoreLockedError, match=rf"process {holder.pid}\); close it, or open with read_only=True"):
        Store.open(tmp_path / "a.nf")
    Store.open(tmp_path / "a.nf", read_only=True).close()
    holder.stdin.close()
    holder.wait()
    Store.open(tmp_path / "a.nf").close()


def test_the_lock_of_a_killed_writer_is_free(tmp_path: Path, worker: Start) -> None:
    Store.create(tmp_path / "a.nf", 4).close()
    holder = worker("hold", tmp_path / "a.nf")
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    Store.open(tmp_path / "a.nf").close()


def test_readers_follow_a_writer(tmp_path: Path, worker: Start, shared: Any) -> None:
    """What the writer acknowledged is seen by every reader that asks afterwards; batches are seen whole."""
    path = tmp_path / "a.nf"
    Store.create(path, shared.DIM, metric="l2").close()
    readers = [worker("follow", path) for _ in range(2)]
    writer = worker("feed", path, 24, 15)
    with Store.open(path, read_only=True) as store:
        for line in writer.stdout:
            acknowledged = int(line)
            for reader in readers:
                print("look", file=reader.stdin, flush=True)
            ids = {
                identifier for identifier in store.search(np.ones(4, np.float32), 1000).ids if identifier is not None
            }
            assert len(ids) >= acknowledged and len(ids) % 15 == 0 and ids == set(range(len(ids)))
            for reader in readers:
                seen, length = map(int, reader.stdout.readline().split())
                assert seen >= acknowledged and seen % 15 == 0 and length >= seen
        assert acknowledged == 24 * 15
        assert store.verify().ok
        item = store.get(37)
        assert np.array_equal(item.vector, shared.vector_of(0, 37))


IMPORTS = """
import sys, time
import numpy as np
import nearfield.store
from nearfield.store import Store
heavy = {"sklearn", "scipy", "sqlglot", "pyarrow", "rich", "matplotlib"}
print(*sorted(heavy & set(sys.modules)))
with Store.open(sys.argv[1], read_only=True) as store:
    store.search(np.ones(8, np.float32), 3, payload=True)
    store.get(3)
print(*sorted(heavy & set(sys.modules)))
with Store.open(sys.argv[2], read_only=True) as store:
    store.search(np.ones(8, np.float32), 3)
    print(*sorted(heavy & set(sys.modules)))
    store.search(np.ones(8, np.float32), 3, attributes=True)
    print(*sorted(heavy & set(sys.modules)))
"""


def test_searching_imports_nothing_heavy(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    plain, typed = make("plain.nf"), make("typed.nf", attributes={"year": "int"})
    for store in (plain, typed):
        store.add(list(range(200)), vectors[:200], payload=list(range(200)))
        store.compact()
        assert "graph" in store.stats()["segments"][0]["index"]
        store.add([500], vectors[300:301])
        store.close()
    command = [sys.executable, "-c", IMPORTS, str(plain.path), str(typed.path)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ})
    assert result.stdout.split("\n")[:4] == ["", "", "", "pyarrow"]
