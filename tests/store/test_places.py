from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from nearfield.store.attributes import arrow_type, from_ipc, to_ipc, to_table

SCHEMA = {"place": "geo"}
BERLIN = {"lat": 52.5, "lon": 13.4}
STRUCT = pa.array([BERLIN, None], arrow_type("geo"))


@pytest.mark.parametrize(
    "column",
    [
        [(52.5, 13.4), None],
        [[52.5, 13.4], None],
        [BERLIN, None],
        [np.array([52.5, 13.4]), None],
        (np.float32([52.5, 13.4]), None),
        STRUCT,
        pa.chunked_array([STRUCT[:1], STRUCT[1:]]),
        pa.array([{"lon": 13.4, "lat": 52.5}, None]),
        pa.array([[52.5, 13.4], None]),
        pa.array([[52.5, 13.4], None], pa.list_(pa.float64(), 2)),
    ],
)
def test_forms_of_columns(column: object) -> None:
    table = to_table({"place": column}, SCHEMA, 2)
    found = table.column("place").to_pylist()
    assert found[1] is None and found[0]["lon"] == pytest.approx(13.4, abs=1e-6) and found[0]["lat"] == 52.5
    assert from_ipc(to_ipc(table)).equals(table)


def test_an_array_of_pairs() -> None:
    pairs = np.array([[1, 2], [3, 4]])
    assert to_table({"place": pairs}, SCHEMA, 2).column("place").to_pylist()[1] == {"lat": 3.0, "lon": 4.0}
    assert to_table([{"place": (1, 2)}, {}], SCHEMA, 2).to_pylist() == [
        {"place": {"lat": 1.0, "lon": 2.0}},
        {"place": None},
    ]
    assert to_table(None, SCHEMA, 2).column("place").null_count == 2
    assert to_table({"place": []}, SCHEMA, 0).num_rows == 0


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ((90.5, 0), ValueError, "latitude of -90 to 90 degrees, got 90.5 at position 0"),
        ((0, -180.5), ValueError, "longitude of -180 to 180 degrees, got -180.5"),
        ((float("nan"), 0), ValueError, "latitude .* got nan"),
        ((0, float("inf")), ValueError, "longitude .* got inf"),
        ((1, 2, 3), ValueError, r"got \(1, 2, 3\)"),
        ({"lat": 1}, ValueError, "got {'lat': 1}"),
        ({"lat": 1, "lng": 2}, ValueError, "'lng'"),
        ("52.5,13.4", TypeError, "got '52.5,13.4'"),
        (5, TypeError, "got 5"),
        ((True, 1), TypeError, "True"),
        (("1", "2"), TypeError, "'1'"),
    ],
)
def test_what_does_not_fit_is_named(value: object, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"attributes: column 'place' is of type geo.*{text}"):
        to_table({"place": [value]}, SCHEMA, 1)


@pytest.mark.parametrize(
    "column",
    [np.zeros((2, 3)), np.zeros(2), pa.array([{"x": 1.0}, None]), {"lat": 1}, "ab", np.array([["a", "b"]] * 2)],
)
def test_columns_that_are_no_places(column: object) -> None:
    with pytest.raises((TypeError, ValueError), match="column 'place' is of type geo"):
        to_table({"place": column}, SCHEMA, 2)
