from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.store import Store, pending
from nearfield.store.attributes import to_table
from nearfield.store.ids import IdColumn
from nearfield.store.pending import PendingBuffer, merged, read_blocks, write_blocks
from nearfield.store.rows import inverse_lengths

SCHEMA = {"year": "int"}


@pytest.fixture
def base() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        "CREATE TABLE pending(batch INTEGER PRIMARY KEY AUTOINCREMENT, first_key INTEGER, rows INTEGER, ids BLOB, "
        "vectors BLOB, attributes BLOB, xxh3 INTEGER)"
    )
    return connection


def write(base: sqlite3.Connection, first_key: int, vectors: np.ndarray, kind: str = "str") -> None:
    ids: Any = [f"id{first_key + i}" if kind == "str" else first_key + i for i in range(len(vectors))]
    table = to_table({"year": np.arange(first_key, first_key + len(vectors))}, SCHEMA, len(vectors))
    write_blocks(base, first_key, IdColumn.from_list(ids, kind), vectors, table)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("kind", ["str", "int"])
def test_batches_are_cut_into_blocks_and_come_back(
    base: sqlite3.Connection, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, dtype: type, kind: str
) -> None:
    vectors = vectors.astype(dtype)
    monkeypatch.setattr(pending, "BLOCK_BYTES", 40 * vectors[0].nbytes)
    write(base, 5, vectors[:90], kind)
    write(base, 100, vectors[90:92], kind)
    blocks = list(read_blocks(base, "x", 8, np.dtype(dtype), kind))
    assert [len(block.keys) for block in blocks] == [40, 40, 10, 2]
    buffer = PendingBuffer(8, np.dtype(dtype), "cosine")
    early = None
    for block in blocks:
        buffer.append(block)
        if early is None:
            early = buffer.part()
    part = buffer.part()
    assert part.keys.tolist() == [*range(5, 95), 100, 101]
    assert np.array_equal(part.vectors, vectors[:92])
    assert part.take_ids(np.array([0, 91])) == (["id5", "id101"] if kind == "str" else [5, 101])
    assert part.table().column("year").to_pylist() == part.keys.tolist()
    # A part made early does not see what came later.
    assert len(early) == 40 and early.table().num_rows == 40 and len(early.vectors) == 40
    assert part.table().num_rows == 92
    assert not buffer._columns._blobs  # what is decoded takes their place
    buffer.append(replace(blocks[3], batch=5, keys=np.array([200, 201])))
    assert buffer.part().table().num_rows == 94 and part.table().num_rows == 92 and early.table().num_rows == 40
    assert [block.batch for block in read_blocks(base, "x", 8, np.dtype(dtype), kind, after=2)] == [3, 4]


def test_small_blocks_are_merged_into_few_parts(
    base: sqlite3.Connection, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending, "BLOCK_BYTES", 40 * vectors[0].nbytes)
    monkeypatch.setattr(pending, "_DECODED", 7)
    for row in range(100):
        write(base, 3 * row + 1, vectors[row : row + 1])
    write(base, 500, vectors[100:140])
    parts = list(merged(read_blocks(base, "x", 8, np.dtype(np.float32), "str"), 8, np.dtype(np.float32)))
    assert [len(part) for part in parts] == [40, 40, 20, 40]
    keys = [*range(1, 301, 3), *range(500, 540)]
    assert [key for part in parts for key in part.keys.tolist()] == keys
    assert [year for part in parts for year in part.table().column("year").to_pylist()] == keys
    assert [name for part in parts for name in part.take_ids(np.arange(len(part)))] == [f"id{key}" for key in keys]
    assert np.array_equal(np.concatenate([part.vectors for part in parts]), vectors[:140])
    assert list(merged([], 8, np.dtype(np.float32))) == []


@pytest.mark.parametrize("column", ["first_key", "rows", "ids", "vectors", "attributes", "xxh3"])
def test_damage_in_any_column_is_named(base: sqlite3.Connection, vectors: np.ndarray, column: str) -> None:
    write(base, 1, vectors[:3])
    value = {"first_key": 2, "rows": 2, "xxh3": 5}.get(column)
    if value is None:
        blob = bytearray(base.execute(f"SELECT {column} FROM pending").fetchone()[0])
        blob[len(blob) // 2] ^= 1
        value = bytes(blob)
    base.execute(f"UPDATE pending SET {column} = ?", (value,))
    with pytest.raises(CorruptFileError, match=r"base\.sqlite: checksum of pending block 1 differs"):
        list(read_blocks(base, "base.sqlite", 8, np.dtype(np.float32), "str"))
    base.execute("UPDATE pending SET rows = 'many'")
    with pytest.raises(CorruptFileError, match="expected integers"):
        list(read_blocks(base, "base.sqlite", 8, np.dtype(np.float32), "str"))


def test_lengths_are_exact_at_any_size(rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((20_000, 4)).astype(np.float32)
    vectors[7] *= 1e30
    vectors[8] *= 1e-30
    exact = 1 / np.linalg.norm(vectors.astype(np.float64), axis=1)
    assert np.allclose(inverse_lengths(vectors), exact, rtol=1e-6)


def test_small_adds_are_followed_one_by_one(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make(attributes=SCHEMA)
    for number in range(80):
        store.add([number], vectors[number : number + 1], attributes={"year": [number]})
        assert store.search(vectors[number], 1).ids == [number]
        if number % 3 == 0:
            store.delete([number])
            assert store.search(vectors[number], 1).ids != [number]
            assert store.search(vectors[number], 99, where=f"year = {number}").ids == [None] * 99
    assert len(store) == 53
