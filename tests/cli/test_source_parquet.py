from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nearfield.cli.columns import Choice
from nearfield.cli.source_parquet import Parquet


def write(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_texts_attributes_and_payload(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.parquet",
        id=pa.array([3, 1, 2]),
        text=["first", None, "third"],
        when=pa.array([dt.date(2024, 1, 2)] * 3),
        tags=[["x"], [], None],
        raw=[b"\x01", None, b""],
    )
    source = Parquet(path, Choice(attributes={"when": None}))
    assert (source.rows, source.left_out, source.dim, source.attributes) == (2, 1, None, {"when": "timestamp"})
    (chunk,) = source.chunks(10)
    assert chunk.ids == [3, 2]
    assert chunk.texts == ["first", "third"]
    assert chunk.attributes == {"when": [dt.date(2024, 1, 2)] * 2}
    assert chunk.payload == [{"tags": ["x"], "raw": "01", "text": "first"}, {"raw": "", "text": "third"}]


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float64(), 4), pa.large_list(pa.float16())])
def test_vectors_of_every_list_type(tmp_path: Path, kind: pa.DataType) -> None:
    array = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float16)
    values = [[float(x) for x in row] for row in array]
    if kind == pa.large_list(pa.float16()):
        column = pa.LargeListArray.from_arrays(np.arange(0, 401, 4), pa.array(array.reshape(-1)))
    else:
        column = pa.array(values, kind)
    path = write(tmp_path / "v.parquet", embedding=column, name=[f"n{row}" for row in range(100)])
    source = Parquet(path, Choice())
    assert (source.rows, source.dim) == (100, 4)
    chunks = list(source.chunks(32))
    assert [len(chunk.ids) for chunk in chunks] == [32, 32, 32, 4]
    np.testing.assert_array_equal(np.concatenate([chunk.vectors for chunk in chunks]), array.astype(np.float32))
    assert chunks[3].ids == [96, 97, 98, 99]
    assert chunks[0].payload[0] == {"name": "n0"}


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        ([[1.0, 2.0], [1.0]], "row 1: expected a vector of 2 numbers as in the first row, got 1"),
        ([[1.0, 2.0], None], "row 1: .*got none"),
        ([[], []], "row 0: expected a vector"),
        ([[1.0, None]], "missing number"),
    ],
)
def test_unequal_and_missing_vectors(tmp_path: Path, vectors: list, said: str) -> None:
    path = write(tmp_path / "v.parquet", vector=pa.array(vectors, pa.list_(pa.float32())))
    with pytest.raises(ValueError, match=said):
        Parquet(path, Choice())


def test_missing_ids_and_empty_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row 1: no id in column 'id'"):
        Parquet(write(tmp_path / "a.parquet", id=["a", None], text=["x", "y"]), Choice())
    with pytest.raises(ValueError, match="at least one row"):
        Parquet(write(tmp_path / "b.parquet", text=pa.array([], pa.string())), Choice())
