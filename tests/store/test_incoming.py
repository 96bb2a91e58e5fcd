from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from nearfield.common.errors import CorruptFileError
from nearfield.store import incoming
from nearfield.store.formats import STEPS
from nearfield.store.incoming import IncomingBuffer, many, read_incoming, write_incoming
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
    assert [batch for batch, _, _ in read_incoming(connection, Path("c"), 5, np.dtype("float32"), after=2)] == [3, 4]
    assert not list(read_incoming(connection, Path("c"), 5, np.dtype("float32"), after=4))


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


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("order", ["ascending", "shuffled", "both"])
def test_the_buffer_follows_in_any_order(
    connection: sqlite3.Connection, rng: np.random.Generator, metric: str, order: str
) -> None:
    buffer = IncomingBuffer(5, np.dtype("float32"), metric)
    vectors = rng.standard_normal((400, 5)).astype(np.float32)
    wanted = np.arange(400) if order == "ascending" else rng.permutation(400)
    if order == "both":
        wanted = np.concatenate([wanted[wanted < 200], np.arange(200, 400)])
    given, done = [], 0
    for rows in (0, 30, 1, 1, 50, 8, 110, 200):
        for some in np.array_split(wanted[done : done + rows], 2):  # two blocks, or none, to be taken over at once
            write_incoming(connection, some, vectors[some])
        done += rows
        buffer.read(connection, Path("c"))
        keys, found, scale = buffer.arrays()
        assert keys.tolist() == sorted(wanted[:done].tolist())
        given.append((keys, found, scale))
    for keys, found, scale in given:  # as they were, whatever came later
        assert (np.diff(keys) > 0).all() and found.tobytes() == vectors[keys].tobytes()
        if metric == "cosine":
            np.testing.assert_allclose(scale, 1 / np.linalg.norm(found, axis=1), rtol=1e-6)
        else:
            assert scale is None
    assert (buffer.first_batch, buffer.last_batch) == connection.execute(
        "SELECT MIN(batch), MAX(batch) FROM incoming"
    ).fetchone()


def test_small_blocks_are_weighed_now_and_then(connection: sqlite3.Connection) -> None:
    one, found = np.ones((1, 5), np.float32), []
    for key in range(200):
        last = write_incoming(connection, np.array([key]), one)
        if many(connection, last, one, 100_000, 20 * 100):
            found.append(key + 1)
    assert found == [128, 192]  # beyond a hundred rows of twenty bytes, once in 64 blocks
    large = np.ones((256, 5), np.float32)
    last = write_incoming(connection, np.arange(1000, 1256), large)
    assert many(connection, last, large, 455, 10**9) and not many(connection, last, large, 456, 10**9)
    assert many(connection, 7, one, 50, 10**9)  # low limits are looked at every time
