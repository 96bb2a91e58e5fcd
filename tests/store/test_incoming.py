from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from nearfield.common.errors import CorruptFileError
from nearfield.store import incoming
from nearfield.store.formats import STEPS
from nearfield.store.incoming import read_incoming, write_incoming
from nearfield.store.tables import read_arrays, write_arrays


@pytest.fixture
def connection() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    for statement in STEPS[3]:
        made.execute(statement)
    return made


def test_blocks_come_back_in_order_of_key(
    connection: sqlite3.Connection, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "BLOCK_BYTES", 4 * 5 * 10)
    keys, vectors = rng.permutation(100)[:33].astype(np.int64), rng.standard_normal((33, 5)).astype(np.float32)
    write_incoming(connection, keys, vectors)
    found = list(read_incoming(connection, Path("c"), 5, np.dtype("float32")))
    assert [len(some) for _, some, _ in found] == [10, 10, 10, 3]
    order = np.argsort(keys)
    assert (np.concatenate([some for _, some, _ in found]) == keys[order]).all()
    assert (np.concatenate([some for _, _, some in found]) == vectors[order]).all()
    assert [batch for batch, _, _ in read_incoming(connection, Path("c"), 5, np.dtype("float32"), first=3)] == [3, 4]
    assert not list(read_incoming(connection, Path("c"), 5, np.dtype("float32"), first=None))


@pytest.mark.parametrize("column", ["keys", "vectors", "rows", "xxh3"])
def test_damage_is_named(connection: sqlite3.Connection, column: str) -> None:
    write_incoming(connection, np.arange(3), np.ones((3, 5), np.float32))
    connection.execute(f"UPDATE incoming SET {column} = ?", (b"12345678" * 3 if column in ("keys", "vectors") else 7,))
    with pytest.raises(CorruptFileError, match="incoming block 1"):
        list(read_incoming(connection, Path("c"), 5, np.dtype("float32")))


def test_arrays_come_back_and_damage_is_named(connection: sqlite3.Connection) -> None:
    arrays = {"a": np.float32([[1, 2, 3]]), "b.c": np.arange(3), "d": np.zeros((0, 4), np.float32), "e": np.uint8([1])}
    write_arrays(connection, "next", {"gone": np.arange(2)})
    write_arrays(connection, "other", {"a": np.arange(2)})
    write_arrays(connection, "next", arrays)
    found = read_arrays(connection, Path("c"), "next")
    assert found.keys() == arrays.keys()
    assert all((found[name] == array).all() and found[name].shape == array.shape for name, array in arrays.items())
    connection.execute("UPDATE arrays SET shape = '[3, 1]' WHERE name = 'next.a'")
    with pytest.raises(CorruptFileError, match=r"checksum of array 'next\.a' differs"):
        read_arrays(connection, Path("c"), "next")
    assert read_arrays(connection, Path("c"), "other")["a"].tolist() == [0, 1]
