"""Hits as tables, by Arrow alone and by the libraries that are installed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from nearfield.store import Hits

DISTANCES = np.array([[0.1, 0.2], [0.3, np.inf]], np.float32)
FULL = Hits(
    [[1, 2], [3, None]],
    DISTANCES,
    ["ok", "only 1 item"],
    relevance=np.array([[0.9, 0.8], [0.7, 0.0]], np.float32),
    attributes=[[{"id": "own", "year": 2020}, {"id": None, "year": None}], [{"id": "x", "year": 1}, None]],
    payload=[[{"a": [1]}, None], ["z", None]],
    groups=[["g", "h"], [None, None]],
    text=[["one", None], ["three", None]],
    legs={"text": np.float32([[1, 2], [3, np.inf]])},
)


def test_every_hit_is_a_row() -> None:
    table = FULL.to_arrow()
    rows = table.to_pylist()
    assert table.column_names[:5] == ["query", "rank", "_id", "distance", "relevance"]
    assert [(row["query"], row["rank"], row["_id"], row["id"]) for row in rows] == [
        (0, 0, 1, "own"),
        (0, 1, 2, None),
        (1, 0, 3, "x"),
    ]
    assert [row["payload"] for row in rows] == ['{"a":[1]}', None, '"z"']
    assert [row["text_leg"] for row in rows] == [1, 2, 3] and [row["group"] for row in rows] == ["g", "h", None]
    assert rows[0]["distance"] == pytest.approx(0.1) and rows[0]["text"] == "one" and rows[2]["year"] == 1
    assert pa.table(FULL) == table  # by the C interface


def test_one_query_has_no_column_for_it() -> None:
    table = FULL[1].to_arrow()
    assert "query" not in table.column_names and table.num_rows == 1
    bare = Hits([[7]], DISTANCES[:1, :1], ["ok"], single=True).to_arrow()
    assert bare.column_names == ["rank", "id", "distance"]


def test_no_hits_are_no_rows() -> None:
    none = Hits([[None]], np.float32([[np.inf]]), ["none"], single=True, payload=[[None]]).to_arrow()
    assert none.num_rows == 0 and none.schema.field("distance").type == pa.float64()


def test_an_attribute_of_every_name() -> None:
    names = ["query", "rank", "id", "_id", "distance", "payload"]
    odd = Hits([[1]], DISTANCES[:1, :1], ["ok"], attributes=[[dict.fromkeys(names, "v")]], payload=[[{"p": 1}]])
    row = odd.to_arrow().to_pylist()[0]
    assert [row[name] for name in names] == ["v"] * 6
    assert row["__id"] == 1 and row["_query"] == 0 and row["_payload"] == '{"p":1}'


def test_pandas() -> None:
    pytest.importorskip("pandas", reason="needs nearfield[frames]")
    frame = FULL.to_pandas()
    assert frame["payload"].tolist() == [{"a": [1]}, None, "z"] and len(frame) == 3
    assert frame["_id"].tolist() == [1, 2, 3]


def test_polars() -> None:
    polars = pytest.importorskip("polars", reason="needs nearfield[frames]")
    frame = FULL.to_polars()
    assert frame["_id"].to_list() == [1, 2, 3] and polars.DataFrame(FULL).equals(frame)
