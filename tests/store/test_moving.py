"""What goes out comes back: bit by bit, whatever a store may hold."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nearfield.store import Store

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TIMES = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))
VALUES = {
    "bool": st.booleans(),
    "int": INT64,
    "float": st.floats(allow_nan=True, allow_infinity=True),
    "string": TEXT,
    "timestamp": TIMES,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FLOATS = st.floats(width=32, min_value=-1e6, max_value=1e6)


@st.composite
def stores(draw: st.DrawFn) -> dict[str, Any]:
    rows = draw(st.integers(0, 8))
    dim = draw(st.integers(1, 5))
    names = ["id", "vector", "payload", "_id", "a.b", "vector.list.element", "ä ü", "x"]
    schema = draw(st.dictionaries(st.sampled_from(names), st.sampled_from(sorted(VALUES)), max_size=4))
    ids = INT64 if draw(st.booleans()) else TEXT.filter(bool)
    return {
        "dim": dim,
        "dtype": draw(st.sampled_from(["float32", "float16"])),
        "metric": draw(st.sampled_from(["ip", "l2"])),
        "schema": schema,
        "ids": draw(st.lists(ids, min_size=rows, max_size=rows, unique=True)),
        "vectors": draw(st.lists(st.lists(FLOATS, min_size=dim, max_size=dim), min_size=rows, max_size=rows)),
        "attributes": {
            name: draw(st.lists(st.none() | VALUES[kind], min_size=rows, max_size=rows))
            for name, kind in schema.items()
        },
        "payload": draw(st.lists(JSON, min_size=rows, max_size=rows)),
        "sealed": draw(st.booleans()),
    }


def items(store: Store) -> list[tuple[Any, ...]]:
    found = []
    for batch in store.iterate(3):
        rows = [None] * len(batch) if batch.attributes is None else batch.attributes.to_pylist()
        for identifier, vector, attributes, payload in zip(batch.ids, batch.vectors, rows, batch.payload, strict=True):
            found.append((identifier, vector.tobytes(), repr(attributes), repr(payload)))  # repr tells 0.0 from -0.0
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(stores())
def test_everything_comes_back_bit_by_bit(case: dict[str, Any]) -> None:
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        vectors = np.array(case["vectors"], np.float32).reshape(len(case["ids"]), case["dim"])
        if case["dtype"] == "float16":
            vectors = np.clip(vectors, -60000, 60000)
        with Store.create(
            folder / "a.nf", case["dim"], metric=case["metric"], dtype=case["dtype"], attributes=case["schema"]
        ) as store:
            if case["ids"]:
                attributes = case["attributes"] or None
                store.add(case["ids"], vectors, attributes=attributes, payload=case["payload"])
            if case["sealed"]:
                store.seal()
            before = items(store)
            assert store.dump(folder / "a.parquet") == len(case["ids"])
            store.copy_to(folder / "copy")
        with Store.load(folder / "a.parquet", folder / "b.nf") as loaded:
            assert items(loaded) == before and loaded.attributes == case["schema"]
            assert (loaded.dim, loaded.metric, str(loaded.dtype)) == (case["dim"], case["metric"], case["dtype"])
            loaded.dump(folder / "b.parquet")
        assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()
        with Store.copy_from(folder / "copy", folder / "c.nf") as copied:
            assert items(copied) == before
    finally:
        shutil.rmtree(folder)


def test_special_floats_keep_their_bits(tmp_path: Path) -> None:
    odd = np.array([[0.0, -0.0, 1e-45, -1e-45, 3.4e14, 1.0000001]], np.float32)
    with Store.create(tmp_path / "a.nf", 6, metric="l2", attributes={"x": "float"}) as store:
        store.add([2**63 - 1, -(2**63)], np.concatenate([odd, -odd]), attributes={"x": [-0.0, 5e-324]})
        store.dump(tmp_path / "a.parquet")
        with Store.load(tmp_path / "a.parquet", tmp_path / "b.nf") as loaded:
            assert items(loaded) == items(store)


def test_a_plan_travels_and_is_applied(vectors: np.ndarray, tmp_path: Path, low_limits: None) -> None:
    with Store.create(tmp_path / "a.nf", 8, embedding={"encoder": "A"}) as store:
        store.add(list(range(500)), vectors)
        store.optimize(recall=0.9)
        plan, index = str(store.plan), store.stats()["segments"][0]["index"]
        store.dump(tmp_path / "a.parquet")
    with Store.load(tmp_path / "a.parquet", tmp_path / "b.nf") as loaded:
        assert str(loaded.plan) == plan and loaded.stats()["segments"][0]["index"] == index
        assert loaded.embedding == {"encoder": "A"} and loaded.verify().ok
    with Store.load(tmp_path / "a.parquet", tmp_path / "c.nf", index=False) as loaded:
        assert str(loaded.plan) == plan and not any("graph" in s["index"] for s in loaded.stats()["segments"])


def test_a_tag_is_dumped_and_copied_like_a_store(vectors: np.ndarray, tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", 8) as store:
        store.add([1, 2], vectors[:2])
        store.tag("then")
        store.delete([1])
    with Store.open(tmp_path / "a.nf", at="then") as tagged:
        assert tagged.dump(tmp_path / "a.parquet") == 2
        tagged.copy_to(tmp_path / "copy")
    with Store.copy_from(tmp_path / "copy", tmp_path / "b.nf") as copied:
        assert len(copied) == 2 and copied.tags() == {}


@pytest.mark.parametrize("call", ["dump", "copy_to"])
def test_a_closed_store_is_refused(tmp_path: Path, call: str) -> None:
    store = Store.create(tmp_path / "a.nf", 8)
    store.close()
    with pytest.raises(ValueError, match="closed"):
        getattr(store, call)(tmp_path / "x")


def test_expiry_lists_and_places_come_back(make: Callable[..., Store], vectors: np.ndarray, tmp_path: Path) -> None:
    store = make(attributes={"tags": "strings", "at": "geo"}, ttl=3600)
    until = dt.datetime(2200, 1, 2, tzinfo=dt.UTC)
    columns = {"tags": [["a", "ü"], [], None], "at": [(52.5, 13.4), None, (-90, 180)]}
    store.add([1, 2, 3], vectors[:3], attributes=columns, expires=[until, None, until])
    assert store.dump(tmp_path / "a.parquet") == 3
    with Store.load(tmp_path / "a.parquet", tmp_path / "b.nf") as loaded:
        assert loaded.ttl == store.ttl and loaded.attributes == store.attributes
        for mine, theirs in zip(store.get([1, 2, 3]), loaded.get([1, 2, 3]), strict=True):
            assert (mine.attributes, mine.expires) == (theirs.attributes, theirs.expires)
        assert [item.expires for item in loaded.get([1, 2, 3])] == [until, None, until]
        assert loaded.search(vectors[0], 3, where="contains(tags, 'ü')").ids[0] == 1
