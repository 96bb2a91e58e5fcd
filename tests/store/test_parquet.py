from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nearfield.common import CorruptFileError
from nearfield.store.parquet import kind_of, open_parquet, payload_of, read_batches, vectors_of


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        (pa.bool_(), "bool"),
        (pa.uint8(), "int"),
        (pa.float16(), "float"),
        (pa.decimal128(5, 2), "float"),
        (pa.large_string(), "string"),
        (pa.dictionary(pa.int8(), pa.string()), "string"),
        (pa.date32(), "timestamp"),
        (pa.list_(pa.float64()), "vector"),
        (pa.list_(pa.float32(), 3), "vector"),
        (pa.list_(pa.string()), "strings"),
        (pa.struct([("lat", pa.float64()), ("lon", pa.float64())]), "geo"),
        (pa.struct([("a", pa.int8())]), "other"),
    ],
)
def test_kinds(type_: pa.DataType, kind: str) -> None:
    assert kind_of(type_) == kind


def test_vectors_keep_their_type_and_are_as_long_as_said() -> None:
    column = pa.array([[1.0, 2.0], [3.0, 4.0]], pa.list_(pa.float16()))
    assert vectors_of(Path("a"), column, None, 0).dtype == np.float16
    with pytest.raises(ValueError, match="row 7: expected a vector of 3 numbers as in the first row, got 2"):
        vectors_of(Path("a"), column, 3, 7)


def test_a_payload_is_json() -> None:
    row = {"when": dt.date(2024, 1, 2), "raw": b"\x01", "nan": float("nan"), "none": None, "list": [{"a": b""}]}
    assert payload_of(row) == {"when": "2024-01-02", "raw": "01", "nan": None, "list": [{"a": ""}]}
    assert payload_of({"none": None}) is None


def test_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"x": np.random.default_rng(0).random(5000)}), path, write_page_checksum=True, use_dictionary=False
    )
    assert sum(len(batch) for batch in read_batches(path, open_parquet(path), 100, ["x"])) == 5000
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptFileError, match=r"a\.parquet"):
        list(read_batches(path, open_parquet(path), 100, ["x"]))
    path.write_bytes(data[:-5])
    with pytest.raises(CorruptFileError, match="not a Parquet file"):
        open_parquet(path)
