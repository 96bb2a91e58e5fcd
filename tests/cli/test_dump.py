from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from nearfield.store import Store


def test_a_store_is_dumped_now_and_at_a_tag(run, tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", 3) as store:
        store.add([1, 2], np.eye(3, dtype=np.float32)[:2])
        store.tag("two")
        store.add([3], np.eye(3, dtype=np.float32)[2:])
    answer = run("dump", "a.nf", "a.parquet")
    assert (answer.code, answer.out) == (0, "wrote 3 items to a.parquet\n")
    assert run("dump", "a.nf", "b.parquet", "--at", "two").code == 0
    assert pq.read_table(tmp_path / "b.parquet")["id"].to_pylist() == [1, 2]
    told = run("dump", "a.nf", "c.parquet", "--json").json
    size = (tmp_path / "c.parquet").stat().st_size
    assert told == {"store": "a.nf", "file": "c.parquet", "items": 3, "bytes": size}


def test_nothing_is_overwritten_and_errors_are_lines(run, tmp_path: Path) -> None:
    Store.create(tmp_path / "a.nf", 3).close()
    (tmp_path / "a.parquet").write_text("mine")
    assert "exists already" in run("dump", "a.nf", "a.parquet").err
    assert (tmp_path / "a.parquet").read_text() == "mine"
    answer = run("dump", "a.nf", "b.parquet", "--at", "x")
    assert answer.code == 2 and "no tag 'x'" in answer.err
    assert run("dump", "nothing.nf", "b.parquet").code == 2
