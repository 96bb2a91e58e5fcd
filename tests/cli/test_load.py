from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nearfield.store import Store


def test_a_dump_comes_back(run, tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", 3, metric="l2", attributes={"year": "int"}) as store:
        store.add(["x"], np.ones((1, 3), np.float32), attributes={"year": [7]}, payload=[{"title": "T"}])
        store.dump(tmp_path / "a.parquet")
    answer = run("load", "a.parquet", "b.nf")
    assert answer.code == 0 and "loaded 1 items of 3 dimensions" in answer.out
    with Store.open(tmp_path / "b.nf") as store:
        assert store.metric == "l2" and store.get("x").payload == {"title": "T"}
        assert store.search(np.ones(3, np.float32), 1, where="year = 7").ids == ["x"]
    told = run("load", "a.parquet", "c.nf", "--json").json
    assert told == {"store": "c.nf", "items": 1, "dim": 3, "metric": "l2", "attributes": {"year": "int"}}


def test_a_file_of_anybody(run, tmp_path: Path) -> None:
    table = pa.table({"key": ["a", "b"], "emb": [[1.0, 0.0], [0.0, 1.0]], "year": [1, 2], "note": ["n", None]})
    pq.write_table(table, tmp_path / "a.parquet")
    options = ["--id-column", "key", "--vector-column", "emb", "--attributes", "year", "--metric", "ip", "--no-index"]
    assert run("load", "a.parquet", "b.nf", *options).code == 0
    with Store.open(tmp_path / "b.nf") as store:
        assert store.attributes == {"year": "int"} and store.get("a").payload == {"note": "n"}


def test_errors_are_lines(run, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no")
    answer = run("load", "a.parquet", "b.nf")
    assert answer.code == 2 and "not a Parquet file" in answer.err and not (tmp_path / "b.nf").exists()
    assert "no such file" in run("load", "c.parquet", "b.nf").err
    (tmp_path / "b.nf").mkdir()
    assert "exists already" in run("load", "a.parquet", "b.nf").err
