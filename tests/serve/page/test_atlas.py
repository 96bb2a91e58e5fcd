"""Maps of a collection and their colours."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nearfield.serve.page import atlas
from nearfield.store import Store


def numbers(text: str, kind: str) -> list:
    return np.frombuffer(base64.b64decode(text), kind).tolist()


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_map_is_of_the_items_it_names(tmp_path: Path, metric: str) -> None:
    rng = np.random.default_rng(0)
    rows = (rng.normal(size=(4, 6))[np.arange(120) % 4] * 6 + rng.normal(size=(120, 6))).astype(np.float32)
    with Store.create(tmp_path / "a.nf", dim=6, metric=metric, attributes={"group": "int"}) as store:
        store.add(range(120), rows, attributes={"group": [number % 4 for number in range(120)]})
        said = []
        drawn = atlas.draw(*atlas.read(store, 100), lambda stage, share: said.append(stage))
        assert drawn.revision == store.revision
    assert len(drawn.ids) == len(set(drawn.ids)) == 100 and drawn.positions.shape == (100, 2)
    assert list(dict.fromkeys(said)) == ["Finding neighbours", "Laying out", "Measuring the map"]
    told = drawn.to_dict()
    assert len(numbers(told["x"], "<f4")) == len(numbers(told["trust"], "u1")) == 100 and 0.3 < told["kept"] <= 1
    assert drawn.attributes["group"].to_pylist() == [identifier % 4 for identifier in drawn.ids]
    nearest = np.argsort(((drawn.positions[:, None] - drawn.positions[None]) ** 2).sum(-1), axis=1)[:, 1]
    groups = np.array(drawn.ids) % 4
    assert (groups[nearest] == groups).mean() > 0.9


def test_neighbours_by_a_graph_are_those_of_a_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    exact = atlas._neighbors(rows, "l2")
    monkeypatch.setattr(atlas, "_SCANNED", 10)
    found = atlas._neighbors(rows, "l2")
    assert np.mean([len(set(a) & set(b)) for a, b in zip(exact, found, strict=True)]) > 14
    assert not (exact == np.arange(400)[:, None]).any() and not (found == np.arange(400)[:, None]).any()


def test_too_few_items(tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", dim=2) as store:
        store.add([1, 2], np.eye(2, dtype=np.float32))
        with pytest.raises(ValueError, match="at least 3 items, the collection has 2"):
            atlas.draw(*atlas.read(store, 100), lambda stage, share: None)


def column(values: list, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(values, kind)])


def test_groups_by_their_frequency() -> None:
    values = ["a"] * 5 + ["b"] * 7 + [None] * 2 + [f"rare {number}" for number in range(20)]
    told = atlas.colored(column(values, pa.string()), "string")
    assert told["values"][:2] == ["b", "a"] and told["counts"][:2] == [7, 5] and len(told["values"]) == atlas.COLORS
    assert (told["distinct"], told["other"], told["missing"]) == (22, 12, 2)
    codes = numbers(told["data"], "u1")
    assert codes[0] == 1 and codes[5] == 0 and codes[12] == atlas.MISSING and codes[-1] == atlas.OTHER


def test_few_whole_numbers_are_groups_and_many_are_a_scale() -> None:
    assert atlas.colored(column([1, 2, 2, None], pa.int64()), "int")["values"] == [2, 1]
    told = atlas.colored(column([*range(100), None, 10**9], pa.int64()), "int")
    assert told["kind"] == "number" and told["low"] >= 0 and told["high"] < 10**8
    assert np.isnan(numbers(told["data"], "<f4")[100])


def test_times_truths_lists_and_nothing_at_all() -> None:
    times = [dt.datetime(2024, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 1, 1, tzinfo=dt.UTC), None]
    told = atlas.colored(column(times, pa.timestamp("us", "UTC")), "timestamp")
    assert told["time"] and 1.70e9 < told["low"] < told["high"] < 1.74e9
    assert atlas.colored(column([True, False, True], pa.bool_()), "bool")["values"] == [True, False]
    lists = column([["x", "y"], [], None, ["y"], ["x"]], pa.list_(pa.string()))
    told = atlas.colored(lists, "strings")
    assert told["values"] == ["x", "y"] and told["missing"] == 2
    nothing = atlas.colored(column([None, None], pa.float64()), "float")
    assert (nothing["low"], nothing["high"]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("values", "kind", "tells"),
    [
        ([None, None, None], pa.timestamp("us", "UTC"), False),
        (["papers"] * 3, pa.large_string(), False),
        (["a", "b", "c"], pa.large_string(), False),  # each its own, as an address is
        (["a", "b", "c", None, "a"], pa.large_string(), True),
        ([1, 2, 3], pa.int64(), True),
        ([True, None], pa.bool_(), False),
        ([True, False], pa.bool_(), True),
        ([["a", "b"], None, ["a"]], pa.large_list(pa.large_string()), True),
        ([[], None], pa.large_list(pa.large_string()), False),
        (
            [{"lat": 1.0, "lon": 2.0}, {"lat": 3.0, "lon": 2.0}],
            pa.struct([("lat", pa.float64()), ("lon", pa.float64())]),
            False,
        ),
    ],
)
def test_what_tells_items_apart(values: list, kind: pa.DataType, tells: bool) -> None:
    assert atlas.tells(column(values, kind)) is tells
