"""Filters on codes: the same answer as on Arrow columns and as SQLite gives, for every type and form of a column."""

from __future__ import annotations

import datetime as dt
import json
import math
import sqlite3
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearfield import native
from nearfield.store import columns
from nearfield.store.attributes import to_table
from nearfield.store.columns import code_column
from nearfield.store.filters import Filter
from nearfield.store.programs import evaluate

SCHEMA = {
    "flag": "bool",
    "n": "int",
    "x": "float",
    "t": "string",
    "seen": "timestamp",
    "tags": "strings",
    "place": "geo",
}


def passing(where: str, table: pa.Table, schema: dict[str, str] | None = None) -> np.ndarray:
    """The rows that pass, after both evaluations agreed on them."""
    condition = Filter(where, schema or SCHEMA)
    coded = {name: code_column(table.column(name)) for name in table.column_names}
    words = evaluate(condition.tree, coded, lambda: table, table.num_rows)
    by_codes = native.unpack_bits(words, table.num_rows)
    assert np.array_equal(by_codes, condition.mask(table)), where
    if table.num_rows % 64:
        assert not words[-1] >> np.uint64(table.num_rows % 64)
    some = {name: column for name, column in coded.items() if name not in ("n", "t", "place")}
    mixed = evaluate(condition.tree, some, lambda: table, table.num_rows)  # the other columns have no codes
    assert np.array_equal(mixed, words), where
    return np.flatnonzero(by_codes)


@pytest.fixture(params=["values", "cells"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Once with a code for every number, once with so few codes that every number shares its own."""
    if request.param == "cells":
        monkeypatch.setattr(columns, "MAX_VALUES", 3)
        monkeypatch.setattr(columns, "ROWS_A_PLACE", 1)
    yield request.param


# -- against SQLite ---------------------------------------------------------------------------------------------------

PLACES = [(0.0, 0.0), (52.5, 13.4), (48.1, 11.6), (-33.9, 151.2), (1.0, 179.5), (1.0, -179.5), (90.0, 0.0)]
WORDS = ["", "a", "b", "ab", "ba", "Ab", "é", "a%b", "z" * 40, "日本"]
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "flag": st.booleans(),
    "n": st.one_of(st.integers(-3, 3), st.sampled_from([-(2**63), 2**63 - 1, 2**53 + 1])),
    "x": st.one_of(
        st.integers(-3, 3).map(float), st.sampled_from([-0.0, 0.5, 1e300, -1e300, 2.0**53, math.inf, -math.inf])
    ),
    "t": st.sampled_from(WORDS),
    "seen": st.integers(0, 4).map(lambda day: dt.datetime(2024, 1, 1 + day, tzinfo=dt.UTC)),
    "tags": st.lists(st.sampled_from(WORDS), max_size=3),
    "place": st.sampled_from(PLACES),
}
ROW = st.fixed_dictionaries({name: st.one_of(st.none(), values) for name, values in VALUES.items()})


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


LITERALS = {
    "n": st.one_of(
        st.integers(-3, 3).map(str),
        st.sampled_from(["2.0", "0.5", "-1.5", "1e300", "-1e300", str(2**63 - 1), str(-(2**63)), str(2**53 + 1)]),
    ),
    "x": st.one_of(
        st.integers(-3, 3).map(str), st.sampled_from(["0.5", "-0.0", "1e300", "-1e300", str(2**53 + 1), str(2**53)])
    ),
    "t": st.sampled_from([*WORDS, "aa", "c"]).map(quoted),
    "seen": st.integers(0, 4).map(lambda day: f"'2024-01-0{1 + day}'"),
}


def leaves() -> st.SearchStrategy[str]:
    operators = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
    found = [
        st.sampled_from(["flag", "flag = true", "flag <> false", "flag is true", "flag is not false", "true", "false"]),
        st.sampled_from(list(SCHEMA)).flatmap(lambda name: st.sampled_from([f"{name} is null", f"{name} is not null"])),
        st.sampled_from([*WORDS, "%a%", "_", "a_", "%b", "_%_", "é%"]).map(lambda text: f"t like {quoted(text)}"),
        st.sampled_from([*WORDS, "x"]).map(lambda text: f"contains(t, {quoted(text)})"),
        st.sampled_from([*WORDS, "x"]).map(lambda text: f"contains(tags, {quoted(text)})"),
        st.tuples(st.sampled_from(PLACES), st.sampled_from([1, 600, 5000, 15000, 20020])).map(
            lambda pair: f"within(place, {pair[0][0]}, {pair[0][1]}, {pair[1]})"
        ),
        st.sampled_from(
            ["within(place, -90, -180, 90, 180)", "within(place, 0, 170, 10, -170)", "within(place, 48, 11, 53, 14)"]
        ),
    ]
    for name, literal in LITERALS.items():
        value = st.one_of(literal, st.just("null"))
        found += [
            st.tuples(operators, value).map(lambda pair, name=name: f"{name} {pair[0]} {pair[1]}"),
            st.lists(value, min_size=1, max_size=6).map(lambda some, name=name: f"{name} in ({', '.join(some)})"),
            st.tuples(value, value).map(lambda pair, name=name: f"{name} between {pair[0]} and {pair[1]}"),
        ]
    return st.one_of(found)


TEXTS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.lists(inner, min_size=2, max_size=4).map(lambda some: " and ".join(f"({text})" for text in some)),
        st.lists(inner, min_size=2, max_size=4).map(lambda some: " or ".join(f"({text})" for text in some)),
    ),
    max_leaves=6,
)


def sqlite_of(rows: list[dict[str, Any]]) -> sqlite3.Connection:
    """The rows in SQLite: lists and places as JSON, moments as text that sorts as they do."""

    def contains(held: str | None, text: str) -> bool | None:
        if held is None:
            return None
        return text in (json.loads(held) if held.startswith("[") else held)

    def within(place: str | None, *numbers: float) -> bool | None:
        if place is None:
            return None
        lat, lon = json.loads(place)
        if len(numbers) == 3:
            return great_circle(lat, lon, *numbers[:2]) <= numbers[2]
        south, west, north, east = numbers
        return south <= lat <= north and (west <= lon <= east if west <= east else lon >= west or lon <= east)

    base = sqlite3.connect(":memory:")
    base.create_function("contains", 2, contains)
    base.create_function("within", -1, within)
    base.execute("PRAGMA case_sensitive_like = ON")
    base.execute("CREATE TABLE t(row INTEGER PRIMARY KEY, flag, n INTEGER, x REAL, t TEXT, seen TEXT, tags, place)")
    for number, row in enumerate(rows):
        stored = dict(row, seen=row["seen"] and row["seen"].strftime("%Y-%m-%d"))
        stored |= {name: row[name] and json.dumps(row[name]) for name in ("tags", "place")}
        stored["tags"] = None if row["tags"] is None else json.dumps(row["tags"])
        base.execute("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (number, *(stored[name] for name in SCHEMA)))
    return base


def great_circle(lat: float, lon: float, other_lat: float, other_lon: float) -> float:
    lat, lon, other_lat, other_lon = map(math.radians, (lat, lon, other_lat, other_lon))
    cosine = math.sin(lat) * math.sin(other_lat) + math.cos(lat) * math.cos(other_lat) * math.cos(lon - other_lon)
    return 6371.0088 * math.acos(max(-1.0, min(1.0, cosine)))


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(ROW, min_size=1, max_size=12), st.booleans())
def test_same_answer_as_sqlite(where: str, rows: list[dict[str, Any]], cells: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if cells:
            patch.setattr(columns, "MAX_VALUES", 2)
            patch.setattr(columns, "ROWS_A_PLACE", 1)
        found = passing(where, to_table(rows, SCHEMA, len(rows))).tolist()
    expected = [row for (row,) in sqlite_of(rows).execute(f"SELECT row FROM t WHERE {where} ORDER BY row")]
    assert found == expected


# -- against numpy, on columns of some size ---------------------------------------------------------------------------


def test_numbers(form: str) -> None:
    rng = np.random.default_rng(0)
    n = 5000
    whole, real = rng.integers(-50, 50, n), rng.standard_normal(n)
    table = to_table({"n": whole, "x": real}, SCHEMA, n)
    assert code_column(table.column("n")).form == form
    for where, expected in (
        ("n = 7", whole == 7),
        ("n <> 7", whole != 7),
        ("n < -49.5", whole < -49.5),
        ("n between -10 and 10", np.abs(whole) <= 10),
        ("n not between -10 and 10", np.abs(whole) > 10),
        ("n in (1, 2, 3, 5, 8, 13, 21, 100)", np.isin(whole, (1, 2, 3, 5, 8, 13, 21))),
        ("n not in (1, 2, 3, 5, 8, 13, 21, 100)", ~np.isin(whole, (1, 2, 3, 5, 8, 13, 21))),
        ("x > 0.25 and x <= 0.5", (real > 0.25) & (real <= 0.5)),
        ("not (x > 0.25 and n > 0)", ~((real > 0.25) & (whole > 0))),
        ("x > 1e9", np.zeros(n, bool)),
        (f"x = {float(real[17])!r}", real == real[17]),
        (f"x >= {float(real.max())!r} or x <= {float(real.min())!r}", (real == real.max()) | (real == real.min())),
    ):
        assert np.array_equal(passing(where, table), np.flatnonzero(expected)), where


def test_nan_compares_false_and_is_not_missing(form: str) -> None:
    table = to_table({"x": np.array([1.0, np.nan, 2.0, -0.0, np.inf, 3.0, 4.0])}, SCHEMA, 7)
    for where, rows in (
        ("x < 100", [0, 2, 3, 5, 6]),
        ("x <> 1", [1, 2, 3, 4, 5, 6]),
        ("not (x < 100)", [1, 4]),
        ("x in (1, 2)", [0, 2]),
        ("x not in (1, 2)", [1, 3, 4, 5, 6]),
        ("x is null", []),
        ("x is not null", list(range(7))),
        ("x = 0", [3]),
        ("x >= 0", [0, 2, 3, 4, 5, 6]),
        ("x > 0", [0, 2, 4, 5, 6]),
        ("x < 0", []),
        ("x = 1e999", [4]),
        ("x < 1e999", [0, 2, 3, 5, 6]),
        ("x > 1e999 or x < -1e999", []),
        ("x in (1, 0)", [0, 3]),
        ("x in (1, -0.0)", [0, 3]),
    ):
        assert passing(where, table).tolist() == rows, where


def test_the_ends_of_64_bits(form: str) -> None:
    values = [-(2**63), -(2**63) + 1, -1, 0, 2**53, 2**53 + 1, 2**63 - 2, 2**63 - 1]
    table = to_table({"n": values}, SCHEMA, len(values))
    assert passing(f"n = {2**53 + 1}", table).tolist() == [5]  # as a float it would be 2**53
    assert passing(f"n > {2**63 - 2}", table).tolist() == [7]
    assert passing(f"n >= {-(2**63)}", table).tolist() == list(range(8))
    assert passing(f"n < {-(2**63)}", table).tolist() == []
    assert passing(f"n <= {-(2**63)}", table).tolist() == [0]
    assert passing("n < 9.3e18 and n > -9.3e18", table).tolist() == list(range(8))
    assert passing("n > 9.3e18 or n < -1e999", table).tolist() == []
    assert passing(f"n between {2**53}.0 and {2**53}.5", table).tolist() == [4]
    big = to_table({"x": [2.0**53, 2.0**53 + 2, 1.0]}, SCHEMA, 3)
    assert passing(f"x = {2**53 + 1}", big).tolist() == []
    assert passing(f"x > {2**53 + 1}", big).tolist() == [1] and passing(f"x < {2**53 + 1}", big).tolist() == [0, 2]
    assert passing(f"x < {10**400}", big).tolist() == [0, 1, 2] and passing(f"x >= {10**400}", big).tolist() == []


def test_columns_that_hold_nothing(form: str) -> None:
    for rows in (0, 1, 63, 64, 65):
        table = to_table(None, SCHEMA, rows)
        for where in ("n > 3", "t = 'a'", "contains(tags, 'a')", "within(place, 0, 0, 10)", "flag", "seen > '2024'"):
            for text in (where, f"not ({where})"):
                assert passing(text.replace("'2024'", "'2024-01-01'"), table).tolist() == []
        for name in SCHEMA:
            assert len(passing(f"{name} is null", table)) == rows and not len(passing(f"{name} is not null", table))


def test_all_rows_alike(form: str) -> None:
    row = {"flag": True, "n": 5, "x": 0.5, "t": "a", "tags": ["a", "a"], "place": (1.0, 2.0)}
    table = to_table([row] * 130, SCHEMA, 130)
    for where in ("flag", "n = 5", "x < 1", "t = 'a'", "contains(tags, 'a')", "within(place, 1, 2, 0)", "seen is null"):
        assert len(passing(where, table)) == 130 and len(passing(f"not ({where})", table)) == 0, where


def test_text() -> None:
    words = ["", "a", "a", "aa", "b", None, "é", "日本", "zz", "A", "a_b"]
    table = to_table({"t": words}, SCHEMA, len(words))
    for where, rows in (
        ("t = ''", [0]),
        ("t < 'b'", [0, 1, 2, 3, 9, 10]),
        ("t <= 'b'", [0, 1, 2, 3, 4, 9, 10]),
        ("t > 'zz'", [6, 7]),
        ("t >= 'zz'", [6, 7, 8]),
        ("t between 'a' and 'aa'", [1, 2, 3, 10]),
        ("t in ('', 'é', 'none')", [0, 6]),
        ("t not in ('', 'é', 'none')", [1, 2, 3, 4, 7, 8, 9, 10]),
        ("contains(t, 'a')", [1, 2, 3, 10]),
        ("not contains(t, 'a')", [0, 4, 6, 7, 8, 9]),
        ("contains(t, '')", [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]),
        ("contains(t, '本')", [7]),
        ("t ilike 'a'", [1, 2, 9]),
    ):
        assert passing(where, table).tolist() == rows, where


def test_lists() -> None:
    lists = [["a", "b"], [], None, ["b", "b"], ["", "é"], ["a"], None]
    table = to_table({"tags": lists}, SCHEMA, len(lists))
    sliced = pa.concat_tables([table.slice(0, 3), table.slice(3)])
    hidden = pa.LargeListArray.from_arrays(  # a missing list that has elements all the same
        pa.array([0, 2, 2, 3, 5, 7, 8, 8], pa.int64()),
        pa.array(["a", "b", "HIDDEN", "b", "b", "", "é", "a"], pa.large_string()),
        mask=pa.array([value is None for value in lists]),
    )
    for held in (table, sliced, to_table({"tags": hidden}, SCHEMA, len(lists))):
        assert passing("contains(tags, 'a')", held).tolist() == [0, 5]
        assert passing("contains(tags, 'b')", held).tolist() == [0, 3]
        assert passing("contains(tags, '')", held).tolist() == [4]
        assert passing("not contains(tags, 'b')", held).tolist() == [1, 4, 5]
        assert passing("contains(tags, 'HIDDEN')", held).tolist() == []
        assert passing("contains(tags, 'a') and not contains(tags, 'b') or tags is null", held).tolist() == [2, 5, 6]


def test_places_in_cells(form: str) -> None:
    rng = np.random.default_rng(1)
    n = 4000
    lat, lon = np.degrees(np.arcsin(rng.uniform(-1, 1, n))), rng.uniform(-180, 180, n)
    lat[:500], lon[:500] = rng.normal(52.5, 0.1, 500), rng.normal(13.4, 0.1, 500)  # a city
    lat[500:600], lon[500:600] = 1.0, rng.choice([180.0, -180.0], 100)
    schema = {"place": "geo"}
    table = to_table({"place": np.stack([lat, lon], axis=1)}, schema, n)
    for center in ((52.5, 13.4), (0.0, 180.0), (-90.0, 0.0), (1.0, -179.9)):
        away = np.array([great_circle(*pair, *center) for pair in zip(lat, lon, strict=True)])
        for km in (0.5, 15, 500, 9000, 20000, 30000):
            found = np.zeros(n, bool)
            found[passing(f"within(place, {center[0]}, {center[1]}, {km})", table, schema)] = True
            assert (found == (away <= km))[np.abs(away - km) > 0.1].all()
            assert len(passing(f"not within(place, {center[0]}, {center[1]}, {km})", table, schema)) == n - found.sum()
    inside = (lat >= 0) & (lat <= 2) & (np.abs(lon) >= 179)
    assert np.array_equal(passing("within(place, 0, 179, 2, -179)", table, schema), np.flatnonzero(inside))
    inside = (lat >= 50) & (lat <= 53) & (lon >= 13) & (lon <= 14)
    assert np.array_equal(passing("within(place, 50, 13, 53, 14)", table, schema), np.flatnonzero(inside))
    assert len(passing("within(place, 0, 179, 2, 180)", table, schema)) >= 100  # 180 west is 180 east


@pytest.mark.slow
def test_a_million_different_texts() -> None:
    n = 1_000_000
    order = np.random.default_rng(2).permutation(n)
    table = pa.table({"t": pa.array([f"id{number:07d}" for number in order.tolist()], pa.large_string())})
    schema = {"t": "string"}
    coded = {"t": code_column(table.column("t"))}
    assert coded["t"].codes.dtype == np.uint32 and coded["t"].count == n
    many = ", ".join(f"'id{number:07d}'" for number in range(0, 40_000, 2))
    for where, expected in (
        ("t = 'id0000017'", order == 17),
        ("t < 'id0500000'", order < 500_000),
        ("t like 'id00000__'", order < 100),
        ("t in ('id0000001', 'id0999999', 'id1000000')", np.isin(order, (1, 999_999))),
        (f"t in ({many})", (order < 40_000) & (order % 2 == 0)),
    ):
        words = evaluate(Filter(where, schema).tree, coded, lambda: table, n)
        assert np.array_equal(native.unpack_bits(words, n), expected), where[:60]
