from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from nearfield.common import CorruptFileError
from nearfield.common.container import write_container
from nearfield.store import Store, columns
from nearfield.store.attributes import to_table
from nearfield.store.columns import Column, code_column, differences, read_columns, write_columns

SCHEMA = {"flag": "bool", "n": "int", "x": "float", "t": "string", "seen": "timestamp", "tags": "strings", "at": "geo"}
ROWS = [
    {"flag": True, "n": 7, "x": 0.5, "t": "b", "seen": "2024-01-01", "tags": ["u", "v"], "at": (1, 2)},
    {"flag": False, "n": -7, "x": float("nan"), "t": "a", "seen": "2023-01-01", "tags": [], "at": (3, 4)},
    {},
    {"flag": True, "n": 7, "x": -0.0, "t": "b", "seen": "2024-01-01", "tags": ["v"], "at": (1, 2)},
]
TABLE = to_table(ROWS, SCHEMA, 4)


def coded(name: str) -> Column:
    return code_column(TABLE.column(name))


def test_every_distinct_value_has_a_code_in_order() -> None:
    assert coded("flag").codes.tolist() == [1, 0, 2, 1]
    assert coded("n").codes.tolist() == [1, 0, 2, 1] and coded("n").arrays["values"].tolist() == [-7, 7]
    assert coded("x").codes.tolist() == [1, 3, 2, 0] and coded("x").arrays["values"].tolist() == [0.0, 0.5]
    assert coded("t").codes.tolist() == [1, 0, 2, 1] and coded("t").arrays["first"].tolist() == [1, 0]
    assert coded("seen").codes.tolist() == [1, 0, 2, 1]


def test_a_list_is_the_rows_of_each_string() -> None:
    column = coded("tags")
    assert column.codes.tolist() == [0, 0, 1, 0] and column.arrays["first"].tolist() == [0, 1]
    assert column.arrays["starts"].tolist() == [0, 1, 3] and column.arrays["rows"].tolist() == [0, 0, 3]


@pytest.mark.parametrize(("distinct", "dtype"), [(254, np.uint8), (255, np.uint16), (65_534, np.uint16)])
def test_codes_are_as_narrow_as_they_can_be(distinct: int, dtype: type) -> None:
    values = np.arange(distinct) * 3
    for array in (pa.array(values), pa.array([f"{value:06d}" for value in values.tolist()], pa.large_string())):
        column = code_column(array)
        assert column.codes.dtype == dtype and column.form == "values"
        assert column.codes.tolist() == list(range(distinct))


def test_numbers_with_too_many_values_share_cells_of_about_equal_size() -> None:
    values = np.random.default_rng(0).lognormal(size=200_000)
    column = code_column(pa.array(values))
    assert column.form == "cells" and column.codes.dtype == np.uint16
    bounds = column.arrays["values"]
    assert (values >= bounds[column.codes]).all()
    assert (values < np.append(bounds[1:], np.inf)[column.codes]).all()
    assert np.bincount(column.codes).max() <= 4
    skewed = np.concatenate([np.zeros(100_000), np.arange(100_000.0)])
    column = code_column(pa.array(skewed))
    assert column.form == "cells" and (skewed >= column.arrays["values"][column.codes]).all()


def test_places_lie_in_small_rectangles() -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    points = np.stack([rng.normal(50, 5, n), rng.normal(10, 5, n)], axis=1)
    column = code_column(to_table({"at": points}, {"at": "geo"}, n).column("at"))
    south, west, north, east = column.arrays["bounds"].T[:, column.codes]
    assert ((south <= points[:, 0]) & (points[:, 0] <= north) & (west <= points[:, 1]) & (points[:, 1] <= east)).all()
    assert 1000 <= column.count <= 1400 and np.bincount(column.codes).max() <= 40
    assert np.median((north - south) * (east - west)) < 2


def test_the_file_gives_back_what_was_coded(tmp_path: Path) -> None:
    path = tmp_path / "a.nfa"
    assert write_columns(path, TABLE) == path.stat().st_size
    found = read_columns(path, 4)
    assert list(found) == list(SCHEMA) and differences(found, TABLE) == []
    assert found["n"].codes.tolist() == coded("n").codes.tolist()
    again = tmp_path / "b.nfa"
    write_columns(again, TABLE)
    assert again.read_bytes() == path.read_bytes()


def test_codes_of_other_values_are_seen() -> None:
    sound = {name: coded(name) for name in SCHEMA}
    wrong = replace(sound["n"], codes=np.uint8([1, 1, 2, 1]))
    assert differences({**sound, "n": wrong}, TABLE) == ["the codes of column 'n' are not those of its values"]
    other = replace(sound["n"], arrays={"values": np.array([-7, 8])})
    assert len(differences({**sound, "n": other}, TABLE)) == 1 and len(differences({"gone": other}, TABLE)) == 1


def test_a_file_of_another_segment_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nfa"
    write_columns(path, TABLE)
    with pytest.raises(CorruptFileError, match="expected 5 codes of column 'flag'"):
        read_columns(path, 5)
    write_container(path, "store.columns", 1, {"columns": [{"name": "n"}]}, {"0.codes": np.zeros(4, np.uint8)})
    with pytest.raises(CorruptFileError, match="cannot be understood"):
        read_columns(path, 4)


# -- in a store -------------------------------------------------------------------------------------------------------

WHERE = (
    "flag",
    "n in (3, 5, 7, 9, 11, 13) and x > 0.3",
    "t like '%1%' or t is null",
    "not contains(tags, 'tag3') and seen >= '2024-01-02'",
    "within(at, 10, 10, 1500) or n between 90 and 95",
)


def filled(store: Store, vectors: np.ndarray, rng: np.random.Generator) -> None:
    rows = [
        {
            "flag": bool(i % 3 == 0),
            "n": i % 100,
            "x": float(rng.random()),
            "t": None if i % 7 == 0 else f"text {i % 50}",
            "seen": f"2024-01-0{1 + i % 5}",
            "tags": [f"tag{i % 5}", f"tag{i % 3}"],
            "at": tuple(rng.uniform(-20, 20, 2)),
        }
        for i in range(len(vectors))
    ]
    store.add(list(range(len(vectors))), vectors, attributes=rows)


def answers(store: Store, vectors: np.ndarray) -> list[list[object]]:
    return [store.search(vectors[3], 500, where=where).ids for where in WHERE]


def test_pending_and_sealed_rows_give_the_same_answer(
    make: Callable[..., Store], vectors: np.ndarray, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make(attributes=SCHEMA)
    filled(store, vectors, rng)
    pending = answers(store, vectors)
    assert all(10 < sum(item is not None for item in ids) < 500 for ids in pending)
    items = store.get(list(range(500)))
    store.seal()
    monkeypatch.setattr("nearfield.store.filters.Filter.mask", lambda *_: pytest.fail("the codes are there"))
    assert answers(store, vectors) == pending
    assert [item.attributes for item in store.get(list(range(500)))] == [item.attributes for item in items]
    store.delete(list(range(0, 500, 2)))
    store.compact()
    assert answers(store, vectors)[0] == [i for i in pending[0] if i is not None and i % 2] + [None] * (
        500 - sum(i is not None and i % 2 == 1 for i in pending[0])
    )
    assert store.verify().ok


@pytest.mark.parametrize("harm", ["remove", "flip"])
def test_damaged_codes_are_bypassed_by_a_reader_and_made_again_by_the_writer(
    make: Callable[..., Store], vectors: np.ndarray, rng: np.random.Generator, harm: str
) -> None:
    store = make(attributes=SCHEMA)
    filled(store, vectors, rng)
    store.seal()
    truth, path = answers(store, vectors), store.path
    store.close()
    file = path / "segments" / "000001.columns.1.nfa"
    if harm == "remove":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[-100] ^= 1
        file.write_bytes(content)
    with Store.open(path, read_only=True) as reader:
        assert answers(reader, vectors) == truth
        report = reader.verify()
        assert (
            not report.ok and "000001.columns.1.nfa" in str(report) and "filters ask the Arrow columns" in str(report)
        )
    with Store.open(path) as writer:
        assert answers(writer, vectors) == truth
        assert [name for name in writer.stats()["segments"][0]["files"] if "columns" in name] == [
            "000001.columns.2.nfa"
        ]
        assert writer.verify().ok and not file.exists()


def test_a_segment_of_an_older_version_gets_its_codes_by_compact(
    make: Callable[..., Store], vectors: np.ndarray, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make(attributes=SCHEMA)
    filled(store, vectors, rng)
    with monkeypatch.context() as patch:
        patch.setattr("nearfield.store.segment._write_columns", lambda *_: None)
        store.seal()
    truth = answers(store, vectors)
    assert not any("columns" in name for name in store.stats()["segments"][0]["files"]) and store.verify().ok
    assert store.compact() and not store.compact()
    assert any("columns.1" in name for name in store.stats()["segments"][0]["files"])
    assert answers(store, vectors) == truth and store.verify().ok


def test_a_copy_without_the_codes_is_sound(
    make: Callable[..., Store], vectors: np.ndarray, rng: np.random.Generator, tmp_path: Path
) -> None:
    store = make(attributes=SCHEMA)
    filled(store, vectors, rng)
    store.seal()
    truth = answers(store, vectors)
    next((store.path / "segments").glob("*.columns.*")).unlink()
    store.snapshot(tmp_path / "copy.nf")
    with Store.open(tmp_path / "copy.nf") as copy:
        assert answers(copy, vectors) == truth and copy.verify().ok


def test_few_cells_change_nothing(
    make: Callable[..., Store], vectors: np.ndarray, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "MAX_VALUES", 4)
    store = make(attributes=SCHEMA)
    filled(store, vectors, rng)
    pending = answers(store, vectors)
    store.seal()
    assert answers(store, vectors) == pending
