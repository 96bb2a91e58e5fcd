from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from nearfield.common import files
from nearfield.store import Store, dumping

Make = Callable[..., Store]


def test_other_tools_can_read_it(make: Make, vectors: np.ndarray, tmp_path: Path) -> None:
    store = make(attributes={"year": "int", "topic": "string"}, embedding={"encoder": "A"}, metric="l2")
    store.add(["a", "b"], vectors[:2], attributes={"year": [1, None]}, payload=[{"title": "é"}, None])
    assert store.dump(tmp_path / "a.parquet") == 2
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["id", "vector", "year", "topic", "payload"]
    assert table["id"].to_pylist() == ["a", "b"] and table["year"].to_pylist() == [1, None]
    assert np.array_equal(np.array(table["vector"].to_pylist(), np.float32), vectors[:2])
    assert table["payload"].to_pylist() == ['{"title":"é"}', None]
    said = json.loads(table.schema.metadata[b"nearfield"])
    assert said["dim"] == 8 and said["metric"] == "l2" and said["embedding"] == {"encoder": "A"}


def test_attributes_with_our_names_push_ours_aside(make: Make, vectors: np.ndarray, tmp_path: Path) -> None:
    names = dumping.column_names({"id": "int", "_id": "int", "payload": "string"})
    assert names == {"id": "__id", "vector": "vector", "payload": "_payload"}
    store = make(attributes={"id": "string", "vector": "float"})
    store.add([1], vectors[:1], attributes={"id": ["x"], "vector": [0.5]})
    store.dump(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["_id", "_vector", "id", "vector", "payload"]


def test_row_groups_are_bounded(
    make: Make, vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.add(list(range(300)), vectors[:300])
    monkeypatch.setattr("nearfield.store.moving._BATCH_ROWS", 10)
    monkeypatch.setattr(dumping, "GROUP_ROWS", 70)
    store.dump(tmp_path / "rows.parquet")
    metadata = pq.ParquetFile(tmp_path / "rows.parquet").metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [70, 70, 70, 70, 20]
    monkeypatch.setattr(dumping, "GROUP_BYTES", 1)
    store.dump(tmp_path / "bytes.parquet")
    assert pq.ParquetFile(tmp_path / "bytes.parquet").metadata.num_row_groups == 30
    assert pq.read_table(tmp_path / "bytes.parquet").equals(pq.read_table(tmp_path / "rows.parquet"))


def test_it_is_one_moment(make: Make, vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100], payload=["then"] * 100)
    monkeypatch.setattr("nearfield.store.moving._BATCH_ROWS", 10)
    monkeypatch.setattr(dumping, "GROUP_ROWS", 10)
    changed = []

    def change(operation: str, path: Path) -> None:
        if operation == "write" and not changed:
            changed.append(True)
            store.upsert(list(range(50, 150)), vectors[:100], payload=["now"] * 100)

    with files.fault_injection(change):
        assert store.dump(tmp_path / "a.parquet") == 100
    table = pq.read_table(tmp_path / "a.parquet")
    assert changed and set(table["payload"].to_pylist()) == {'"then"'} and table["id"].to_pylist() == list(range(100))


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "injected"), KeyboardInterrupt()])
def test_whole_or_not_at_all(make: Make, vectors: np.ndarray, tmp_path: Path, error: BaseException) -> None:
    store = make()
    store.add([1, 2, 3], vectors[:3])
    calls: list[str] = []
    with files.fault_injection(lambda operation, _: calls.append(operation)):
        store.dump(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    store.add([4], vectors[3:4])
    for number in range(len(calls)):
        count = iter(range(1000))

        def fail(operation: str, path: Path, count: Any = count, number: int = number) -> None:
            if next(count) == number:
                raise error

        with pytest.raises(type(error)), files.fault_injection(fail):
            store.dump(tmp_path / "a.parquet")
        assert sorted(os.listdir(tmp_path)) == ["a.nf", "a.parquet"]
        if (tmp_path / "a.parquet").read_bytes() != whole:  # renamed, and then the sync of the directory failed
            assert calls[number] == "fsync-directory" and pq.read_table(tmp_path / "a.parquet").num_rows == 4
    store.add([5], vectors[4:5])  # the iteration that was given up holds nothing


def test_no_directory_to_write_to(make: Make, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="path: no such directory"):
        make().dump(tmp_path / "no" / "a.parquet")
