from __future__ import annotations

import datetime as dt
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nearfield.common import CorruptFileError, FormatVersionError, files
from nearfield.store import Store, dumping, loading

Make = Callable[..., Store]


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def lists(array: np.ndarray, type_: str = "float32") -> pa.Array:
    return pa.array(array.tolist(), pa.list_(pa.type_for_alias(type_)))


def test_a_file_of_anybody(vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BATCH_ROWS", 7)
    path = write(
        tmp_path / "a.parquet",
        name=[f"n{row}" for row in range(20)],
        year=pa.array([row if row else None for row in range(20)], pa.int16()),
        emb=lists(vectors[:20], "float64"),
        when=[dt.date(2024, 1, 2)] * 20,
    )
    with Store.load(
        path, tmp_path / "b.nf", id_column="name", attributes=["year"], metric="l2", embedding={"encoder": "A"}
    ) as store:
        assert len(store) == 20 and store.metric == "l2" and store.attributes == {"year": "int"}
        assert store.embedding == {"encoder": "A"} and store.verify().ok
        item = store.get("n3")
        assert np.array_equal(item.vector, vectors[3]) and item.attributes == {"year": 3}
        assert item.payload == {"when": "2024-01-02"}
        assert store.get("n0").attributes == {"year": None}
        assert store.search(vectors[4], 1, where="year >= 3").ids == ["n4"]


def test_ids_are_found_or_numbered(vectors: np.ndarray, tmp_path: Path) -> None:
    with Store.load(write(tmp_path / "a.parquet", v=lists(vectors[:3])), tmp_path / "a.nf") as store:
        assert store.search(vectors[2], 1).ids == [2] and store.get(0).payload is None
    ids = pa.array([9, 8, 7], pa.uint32())
    path = write(tmp_path / "b.parquet", id=ids, v=lists(vectors[:3]), x=[1.5, float("nan"), None])
    with Store.load(path, tmp_path / "b.nf", dtype="float16") as store:
        assert [item.payload for item in store.get([9, 8, 7])] == [{"x": 1.5}, {"x": None}, None]
        assert store.dtype == np.float16


VECTORS = lists(np.eye(3, dtype=np.float32))
BIG = pa.array([[1e300, 1.0]] * 3, pa.list_(pa.float64()))


@pytest.mark.parametrize(
    ("columns", "options", "error", "said"),
    [
        ({"x": [1, 2, 3]}, {}, ValueError, r"one column of lists of numbers, got none; columns: x \(int64\)"),
        ({"a": VECTORS, "b": VECTORS}, {}, ValueError, r"got 2 \(a, b\)"),
        ({"a": VECTORS}, {"vector_column": "b"}, ValueError, "vector_column: no column 'b' in .*; columns: a"),
        ({"a": VECTORS, "x": [1, 2, 3]}, {"vector_column": "x"}, ValueError, "vector_column: expected lists"),
        ({"a": VECTORS, "x": [1.5, 2, 3]}, {"id_column": "x"}, ValueError, "id_column: expected whole numbers or text"),
        ({"a": VECTORS, "id": [1, None, 3]}, {}, ValueError, "row 1: no id in column 'id'"),
        ({"a": VECTORS, "id": [1, 1, 3]}, {}, ValueError, "in the rows from 0 on: ids: 1 is given twice"),
        ({"a": VECTORS, "id": ["a", "", "c"]}, {}, ValueError, "non-empty string, got '' at position 1"),
        ({"a": VECTORS, "id": pa.array([1, 2, 2**64 - 1], pa.uint64())}, {}, ValueError, "integer of 64 bits"),
        ({"a": [[1.0, 2.0], [1.0], [2.0, 1.0]]}, {}, ValueError, "row 1: expected a vector of 2 numbers"),
        ({"a": [[1.0, 2.0], None, [2.0, 1.0]]}, {}, ValueError, "row 1: .*got none"),
        ({"a": [[1.0, float("nan")]]}, {}, ValueError, "in the rows from 0 on: vectors: expected finite values"),
        ({"a": BIG}, {}, ValueError, "expected finite values"),
        ({"a": [[0.0, 0.0]]}, {}, ValueError, "nonzero vectors"),
        ({"a": pa.array([], pa.list_(pa.float32()))}, {}, ValueError, "at least one row, found none"),
        ({"a": VECTORS}, {"attributes": ["z"]}, ValueError, "attributes: no column 'z'"),
        ({"a": VECTORS, "z": [{"b": 1}, None, None]}, {"attributes": ["z"]}, ValueError, "goes into the payload"),
        ({"a": VECTORS}, {"attributes": "a"}, TypeError, "attributes: expected names"),
        ({"a": VECTORS, "z": ["x", "y", "z"]}, {"attributes": {"z": "int"}}, TypeError, "column 'z' is of type int"),
        ({"a": VECTORS}, {"metric": "dot"}, ValueError, "metric: expected one of"),
        ({"a": VECTORS}, {"dtype": "int8"}, ValueError, "dtype: expected one of"),
        ({"a": VECTORS}, {"embedding": {"dim": 4}}, ValueError, "embedding: expected an encoder of 3 dimensions"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_made(
    tmp_path: Path, columns: dict[str, Any], options: dict[str, Any], error: type[Exception], said: str
) -> None:
    path = write(tmp_path / "a.parquet", **columns)
    with pytest.raises(error, match=said):
        Store.load(path, tmp_path / "b.nf", **options)
    assert os.listdir(tmp_path) == ["a.parquet"]


def test_a_dump_says_everything_itself(make: Make, vectors: np.ndarray, tmp_path: Path) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.dump(tmp_path / "a.parquet")
    for option in ({"metric": "l2"}, {"id_column": "id"}, {"attributes": ["x"]}, {"dtype": "float16"}):
        with pytest.raises(ValueError, match=f"{next(iter(option))}: .* is a dump, which says this itself"):
            Store.load(tmp_path / "a.parquet", tmp_path / "b.nf", **option)


def test_damaged_dumps_are_named(make: Make, vectors: np.ndarray, tmp_path: Path, monkeypatch: Any) -> None:
    store = make()
    store.add(list(range(500)), vectors, payload=["x" * 20] * 500)
    path = tmp_path / "a.parquet"
    store.dump(path)
    data = path.read_bytes()
    for place in range(100, len(data), len(data) // 40):
        changed = bytearray(data)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        try:
            with Store.load(path, tmp_path / "b.nf") as found:  # a bit that no checksum covers, in the statistics
                assert len(found) == 500 and np.array_equal(found.get(7).vector, vectors[7])
            files.remove_tree(tmp_path / "b.nf")
        except (CorruptFileError, FormatVersionError, ValueError):
            assert not (tmp_path / "b.nf").exists()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptFileError, match="not a Parquet file"):
        Store.load(path, tmp_path / "b.nf")
    monkeypatch.setattr(dumping, "PLAIN_VERSION", 9)
    store.dump(path)
    with pytest.raises(FormatVersionError, match="version 9"):
        Store.load(path, tmp_path / "b.nf")
    metadata = {b"nearfield": b"{}"}
    pq.write_table(pa.table({"id": [1]}).replace_schema_metadata(metadata), path)
    with pytest.raises(CorruptFileError, match="cannot be understood"):
        Store.load(path, tmp_path / "b.nf")
    assert sorted(os.listdir(tmp_path)) == ["a.nf", "a.parquet"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "injected"), KeyboardInterrupt()])
def test_a_store_is_loaded_whole_or_not_at_all(
    make: Make, vectors: np.ndarray, tmp_path: Path, low_limits: None, error: BaseException
) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.dump(tmp_path / "a.parquet")
    store.close()
    calls: list[str] = []
    with files.fault_injection(lambda operation, _: calls.append(operation)):
        Store.load(tmp_path / "a.parquet", tmp_path / "b.nf").close()
    files.remove_tree(tmp_path / "b.nf")
    for number in range(len(calls)):
        count = iter(range(10_000))

        def fail(operation: str, path: Path, count: Any = count, number: int = number) -> None:
            if next(count) == number and operation != "remove-tree":
                raise error

        try:
            with files.fault_injection(fail):
                Store.load(tmp_path / "a.parquet", tmp_path / "b.nf").close()
        except (OSError, KeyboardInterrupt):
            pass
        if (tmp_path / "b.nf").exists():  # made, but removing something or opening it failed
            with Store.open(tmp_path / "b.nf") as loaded:
                assert len(loaded) == 100 and loaded.verify(sample=5).ok
            files.remove_tree(tmp_path / "b.nf")
        assert sorted(os.listdir(tmp_path)) == ["a.nf", "a.parquet"], calls[number]


def test_a_place_that_is_taken(make: Make, vectors: np.ndarray, tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", v=VECTORS)
    with pytest.raises(FileExistsError):
        Store.load(path, make().path)
    with pytest.raises(FileNotFoundError, match="no such directory"):
        Store.load(path, tmp_path / "no" / "b.nf")
    with pytest.raises(FileNotFoundError):
        Store.load(tmp_path / "nothing.parquet", tmp_path / "b.nf")
