from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from nearfield.common import CorruptFileError
from nearfield.store.attributes import check_schema, from_ipc, to_ipc, to_table

SCHEMA = {"flag": "bool", "year": "int", "price": "float", "topic": "string", "seen": "timestamp"}
NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


def test_every_type_round_trips_with_nulls() -> None:
    rows = [
        {"flag": True, "year": 2024, "price": 1.5, "topic": "naïve", "seen": NOON},
        {"flag": None, "year": None, "price": None, "topic": None, "seen": None},
        {},
    ]
    table = to_table(rows, SCHEMA, 3)
    nothing = dict.fromkeys(SCHEMA)
    assert table.to_pylist() == [rows[0], nothing, nothing]
    assert from_ipc(to_ipc(table)).equals(table)


@pytest.mark.parametrize(
    "value",
    [
        {"year": [1, 2]},
        {"year": np.array([1, 2], np.int16)},
        {"year": np.array([1.0, 2.0])},
        {"year": (1, 2)},
        {"year": pa.array([1, 2], pa.int8())},
        {"year": pa.chunked_array([[1], [2]])},
        pa.table({"year": [1, 2]}),
        pa.RecordBatch.from_pydict({"year": [1, 2]}),
        [{"year": 1}, {"year": np.int64(2)}],
    ],
)
def test_forms_of_columns(value: object) -> None:
    assert to_table(value, {"year": "int"}, 2).to_pydict() == {"year": [1, 2]}


def test_a_data_frame_is_a_dict_of_columns() -> None:
    class Series:
        def __init__(self, values: list[object]):
            self.values = values

        def to_numpy(self) -> np.ndarray:
            return np.array(self.values)

        def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:
            return pa.array(self.values, type=type, from_pandas=True)

    class Frame:
        columns = ("price",)

        def __getitem__(self, name: str) -> Series:
            return Series([1.5, float("nan")])

    assert to_table(Frame(), {"price": "float"}, 2).to_pydict() == {"price": [1.5, None]}


@pytest.mark.parametrize(
    "value",
    [
        NOON,
        NOON.replace(tzinfo=None),
        NOON.astimezone(dt.timezone(dt.timedelta(hours=2))),
        "2024-05-01T12:00:00",
        "2024-05-01T12:00:00Z",
        "2024-05-01 14:00:00+02:00",
        np.datetime64("2024-05-01T12:00:00", "ns"),
    ],
)
def test_points_in_time_are_utc(value: object) -> None:
    assert to_table({"seen": [value]}, {"seen": "timestamp"}, 1).to_pylist() == [{"seen": NOON}]


def test_columns_of_points_in_time() -> None:
    for column in (
        np.array(["2024-05-01T12:00"], "datetime64[s]"),
        pa.array([NOON.replace(tzinfo=None)], pa.timestamp("ms")),
        pa.array(["2024-05-01T12:00"]),
    ):
        assert to_table({"seen": column}, {"seen": "timestamp"}, 1).to_pylist() == [{"seen": NOON}]
    day = to_table({"seen": [dt.date(2024, 5, 1)]}, {"seen": "timestamp"}, 1)
    assert day.equals(to_table({"seen": pa.array([dt.date(2024, 5, 1)])}, {"seen": "timestamp"}, 1))
    assert to_table({"seen": [np.datetime64("NaT")]}, {"seen": "timestamp"}, 1).to_pylist() == [{"seen": None}]


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ({"yeer": [1]}, ValueError, "unknown column 'yeer'; columns: flag, year"),
        ([{"yeer": 1}], ValueError, "unknown column 'yeer'"),
        ({"year": [1, 2]}, ValueError, "'year': expected 1 values, got 2"),
        ([{}, {}], ValueError, "expected 1 dicts, one per item, got 2"),
        ([5], TypeError, "expected a dict per item, got 5 at position 0"),
        ("year", TypeError, "expected a table"),
        ({"year": 5}, TypeError, "sequence of values, got 5"),
        ({"year": "5"}, TypeError, "sequence of values, got '5'"),
        ({"year": [True]}, TypeError, "of type int, got True"),
        ({"year": ["5"]}, TypeError, "of type int, got '5'"),
        ({"year": [1.5]}, ValueError, "of type int, got 1.5"),
        ({"year": np.array([1.5])}, ValueError, "of type int: .*truncated"),
        ({"year": np.array([True])}, TypeError, "values of type bool"),
        ({"year": [2**63]}, ValueError, "of type int"),
        ({"flag": [1]}, TypeError, "of type bool, got 1"),
        ({"price": ["1"]}, TypeError, "of type float, got '1'"),
        ({"topic": [1]}, TypeError, "of type string, got 1"),
        ({"topic": ["\ud800"]}, ValueError, "UTF-8"),
        ({"seen": ["noon"]}, ValueError, "ISO text .* got 'noon'"),
        ({"seen": [5]}, TypeError, "of type timestamp, got 5"),
    ],
)
def test_what_does_not_fit_is_named(value: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"attributes: .*{text}"):
        to_table(value, SCHEMA, 1)


def test_a_store_without_a_schema_takes_none() -> None:
    assert to_table(None, {}, 2) is None
    assert to_table({}, {}, 2) is None
    with pytest.raises(ValueError, match="has no attributes"):
        to_table({"year": [1, 2]}, {}, 2)


@pytest.mark.parametrize(
    ("schema", "error"),
    [({"a": "date"}, ValueError), ({1: "int"}, TypeError), ({"": "int"}, TypeError), (["a"], TypeError)],
)
def test_a_schema_names_types_that_exist(schema: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="attributes: "):
        check_schema(schema)


def test_bytes_that_are_no_arrow_file() -> None:
    with pytest.raises(CorruptFileError, match="not the attributes of a store"):
        from_ipc(b"nonsense")


@pytest.mark.parametrize(
    "odd",
    [
        np.array([2**62], "datetime64[us]"),
        pa.array([2**62], pa.timestamp("us")),
        pa.array([-(2**62)], pa.timestamp("us", "UTC")),
        ["0001-01-01T00:00:00+14:00"],
        ["9999-12-31T23:59:59-14:00"],
    ],
)
def test_a_time_that_python_cannot_say_is_refused(odd) -> None:
    with pytest.raises(ValueError, match="year 1 to 9999"):
        to_table({"seen": odd}, SCHEMA, 1)


def test_columns_of_another_schema_are_damage() -> None:
    table = to_table({"year": [1, 2]}, SCHEMA, 2)
    assert from_ipc(to_ipc(table), "a.arrow", SCHEMA).equals(table)
    for other in ({"year": "int"}, {**SCHEMA, "year": "float"}, {**SCHEMA, "more": "int"}):
        with pytest.raises(CorruptFileError, match=r"a\.arrow: not the attributes of a store: columns of other types"):
            from_ipc(to_ipc(table), "a.arrow", other)
