from __future__ import annotations

import contextlib
import datetime as dt

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearfield import native
from nearfield.common import FilterError
from nearfield.store.attributes import to_table
from nearfield.store.columns import code_column
from nearfield.store.filters import MAX_CHARACTERS, Filter
from nearfield.store.programs import evaluate

SCHEMA = {
    "flag": "bool",
    "year": "int",
    "price": "float",
    "topic": "string",
    "seen": "timestamp",
    "two words": "int",
    "tags": "strings",
    "place": "geo",
}
ROWS = [
    {"flag": True, "year": 2023, "price": 1.5, "topic": "vision", "seen": dt.datetime(2024, 1, 1), "two words": 1}
    | {"tags": ["a", "b"], "place": (52.5, 13.4)},
    {"flag": False, "year": 2024, "price": -2.0, "topic": "nlp", "seen": dt.datetime(2024, 6, 1), "two words": 2},
    {"flag": None, "year": None, "price": None, "topic": None, "seen": None, "two words": None},
    {"flag": True, "year": 2025, "price": float("nan"), "topic": "100%_nlp", "seen": dt.datetime(2025, 1, 1)},
]
TABLE = to_table(ROWS, SCHEMA, len(ROWS))


def passing(where: object) -> list[int]:
    condition = Filter(where, SCHEMA)
    mask = condition.mask(TABLE)
    if condition.tree is not None:  # on codes the same
        coded = {name: code_column(TABLE.column(name)) for name in SCHEMA}
        words = evaluate(condition.tree, coded, lambda: TABLE, len(ROWS))
        assert np.array_equal(native.unpack_bits(words, len(ROWS)), mask)
    return np.flatnonzero(mask).tolist()


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("year = 2024", [1]),
        ("year == 2024", [1]),
        ("year != 2024", [0, 3]),
        ("year <> 2024", [0, 3]),
        ("not year = 2024", [0, 3]),
        ("year < 2024", [0]),
        ("year <= 2024", [0, 1]),
        ("year > 2024 or year < 2024", [0, 3]),
        ("2024 <= year", [1, 3]),
        ("year >= 2023.5", [1, 3]),
        ("year = -5", []),
        ("year in (2023, 2025)", [0, 3]),
        ("year not in (2023, 2025)", [1]),
        ("year in (2023, null)", [0]),
        ("year not in (2023, null)", []),
        ("not (year in (2023, null))", []),
        ("year in (2023.0, 1.5)", [0]),
        ("year between 2023 and 2024", [0, 1]),
        ("year not between 2023 and 2024", [3]),
        ("year is null", [2]),
        ("year is not null", [0, 1, 3]),
        ("year = null", []),
        ("year <> null", []),
        ("not (year = null)", []),
        ("(year = null) is null or year = 2023", None),
        ("price > 0", [0]),
        ("price < 1e3", [0, 1]),
        ("price >= -2", [0, 1]),
        ("flag", [0, 3]),
        ("not flag", [1]),
        ("flag = true", [0, 3]),
        ("flag != true", [1]),
        ("flag is true", [0, 3]),
        ("flag is not true", [1, 2]),
        ("flag or true", [0, 1, 2, 3]),
        ("flag and false", []),
        ("true", [0, 1, 2, 3]),
        ("topic = 'nlp'", [1]),
        ("topic in ('nlp', 'vision')", [0, 1]),
        ("topic like '%nlp'", [1, 3]),
        ("topic like '_lp'", [1]),
        (r"topic like '100\%\_%'", [3]),
        ("topic not like '%nlp'", [0]),
        ("topic ilike 'NLP'", [1]),
        ("topic not ilike 'NLP'", [0, 3]),
        ("not topic not like '%nlp'", [1, 3]),
        ("topic > 'n'", [0, 1]),
        ("topic = 'it''s'", []),
        ("seen >= '2024-06-01'", [1, 3]),
        ("seen < timestamp '2024-06-01 00:00:00'", [0]),
        ("seen = '2024-06-01T02:00:00+02:00'", [1]),
        ("seen in ('2024-01-01', '2025-01-01')", [0, 3]),
        ('"two words" = 2', [1]),
        ('((("year" = 2023)))', [0]),
        ("year = 2023 -- a comment", [0]),
        ("year >= 2023 and (topic = 'nlp' or flag) and not price < 0", [0, 3]),
        ("price is null or price > 0", [0, 2]),
        ("contains(tags, 'a')", [0]),
        ("CONTAINS(\"tags\", 'a')", [0]),
        ("not contains(tags, 'x')", [0]),
        ("tags is null", [1, 2, 3]),
        ("contains(topic, 'lp')", [1, 3]),
        ("contains(topic, '%')", [3]),
        ("within(place, 52, 13, 100)", [0]),
        ("Within(place, 52, 13.0, 1e1)", []),
        ("within(place, -10, -20, 60, 20)", [0]),
        ("not within(place, 10, 170, 60, -170)", [0]),
        ("place is not null", [0]),
    ],
)
def test_what_passes(where: str, rows: list[int] | None) -> None:
    if rows is None:
        with pytest.raises(FilterError):
            passing(where)
    else:
        assert passing(where) == rows


@pytest.mark.parametrize(
    ("where", "position", "text"),
    [
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("yeer > 3", 0, "unknown column 'yeer'; columns: flag, year"),
        ("tags = 'a'", 0, r"lists of strings; ask contains\(tags, '...'\)"),
        ("tags in ('a')", 0, "lists of strings"),
        ("tags like 'a'", 0, "needs a string column"),
        ("place = 'a'", 0, r"holds places; ask within\(place, lat, lon, km\)"),
        ("contains(year, '2')", 9, "needs strings"),
        ("contains(tags, 5)", 15, "text in single quotes, got 5"),
        ("contains(tags, topic)", 15, "text in single quotes"),
        ("contains(tags)", None, "."),
        ("tags contains 'a'", None, "cannot be read"),
        ("within(year, 1, 2, 3)", 7, "needs a geo column"),
        ("within(place, 1, 2)", 7, r"expected within\(place, lat, lon, km\) or within\(place, south"),
        ("within(place, 91, 2, 3)", 14, "latitude of -90 to 90 degrees, got 91"),
        ("within(place, 1, -181, 3)", None, "longitude of -180 to 180 degrees, got -181"),
        ("within(place, 1, 2, -3)", None, "radius of at least 0 km"),
        ("within(place, 'x', 2, 3)", 14, "expected a number, got 'x'"),
        ("within(place, 1e999, 2, 3)", 14, "expected a number"),
        ("within(place, 10, 2, 3, 4)", 14, "expected the south, got 10, which is north of 3"),
        ("within()", None, "expected within"),
        ("within(3, 1, 2, 3)", 7, "expected a column"),
        ("topic = '\ud800'", 8, "UTF-8"),
        ("year > 3 and Year < 5", 13, "unknown column 'Year'"),
        ("t.year > 3", 0, "unknown column 't.year'"),
        ("year >", 5, "cannot be read"),
        ("year = 3 extra", 9, "cannot be read"),
        ("flag and\n  year = 3 extra", 20, "cannot be read"),
        ("(year = 3", 8, "cannot be read"),
        ("topic = 'abc", 8, "quote"),
        ("year = 3; drop table items", 10, "cannot be read"),
        ("select 1", 0, "cannot be read"),
        ("topic = vision", 8, "single quotes"),
        ('topic = "vision"', 8, "single quotes"),
        ("year = price", 7, "not with columns"),
        ("topic = 3", 8, "column 'topic' is of type string, got 3"),
        ("year = 'x'", 7, "column 'year' is of type int, got 'x'"),
        ("year = true", None, "is of type int"),
        ("year = -'5'", 8, "is of type int"),
        ("year in (1, 'a')", 12, "is of type int, got 'a'"),
        ("year in ()", 0, "list of literals"),
        ("year in (select 1)", 0, "list of literals"),
        ("year between 1 and 'b'", 19, "is of type int"),
        ("year = 99999999999999999999", 7, "64 bits"),
        ("flag = 1", 7, "is of type bool, got 1"),
        ("flag > true", 0, "no order"),
        ("year", 0, "only a bool column may stand alone"),
        ("5", 0, "expected a comparison, got 5"),
        ("year + 1 = 3", 0, "expected a column"),
        ("lower(topic) = 'a'", None, "expected a column"),
        ("seen > 'noon'", 7, "ISO text"),
        ("seen > 5", 7, "is of type timestamp"),
        ("price like 'a'", 0, "needs a string column"),
        ("topic like topic", 11, "pattern in single quotes"),
        ("year is 5", 8, "'is null' or 'is not null'"),
        ("year between symmetric 2 and 1", 0, "symmetric"),
        ("topic like 'a!%' escape '!'", 0, "expected a comparison"),
        ("topic like any ('x')", None, "pattern in single quotes"),
        ("year is distinct from 3", 0, "expected a comparison"),
        ("year in unnest(price)", 0, "unnest"),
        ("year = ?", None, "literal"),
        ("year = (1, 2)", None, "literal"),
        ("1 = 1", 0, "expected a column"),
        ("year = 3 and exists (select 1)", None, "expected a comparison"),
        ("x" * 200_000, None, "unknown column"),
        ("(" * 5000 + "year = 3" + ")" * 5000, None, "."),
        ("year = 1 or " * (MAX_CHARACTERS // 12) + "year = 12345", None, "at most"),
    ],
)
def test_bad_text_is_refused_with_its_position(where: str, position: int | None, text: str) -> None:
    with pytest.raises(FilterError, match=text) as caught:
        Filter(where, SCHEMA)
    if position is not None:
        assert caught.value.position == position, str(caught.value)


def test_long_chains_do_not_recurse() -> None:
    terms = " or ".join(f"year = {year}" for year in range(1000, 2000)) + " or year = 2024"
    assert passing(terms) == [1]


def test_pyarrow_expressions() -> None:
    assert passing((pc.field("year") > 2023) & (pc.field("topic") == "nlp")) == [1]
    assert passing(pc.field("year").is_null()) == [2]
    with pytest.raises(FilterError, match="yeer"):
        Filter(pc.field("yeer") > 3, SCHEMA)
    with pytest.raises(FilterError):
        Filter(pc.field("topic") > 3, SCHEMA)
    with pytest.raises(FilterError):
        Filter(pc.field("year") + 1, SCHEMA)
    with pytest.raises(TypeError, match="where: expected SQL text"):
        Filter(5, SCHEMA)


def test_a_store_without_attributes_has_nothing_to_filter_by() -> None:
    with pytest.raises(FilterError, match="no attributes"):
        Filter("year = 3", {})


def test_equal_filters_have_equal_keys() -> None:
    assert Filter("year = 3", SCHEMA).key == Filter("year = 3", SCHEMA).key
    assert Filter("year = 3", SCHEMA).key != Filter("year = 4", SCHEMA).key


VALUES = st.one_of(st.none(), st.integers(-3, 3))


def texts() -> st.SearchStrategy[str]:
    number = st.one_of(st.integers(-3, 3).map(str), st.just("null"))
    leaf = st.one_of(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]), number).map(" ".join),
        st.tuples(st.sampled_from("ab"), st.sampled_from(["is null", "is not null"])).map(" ".join),
        st.tuples(
            st.sampled_from("ab"), st.sampled_from(["in", "not in"]), st.lists(number, min_size=1, max_size=3)
        ).map(lambda parts: f"{parts[0]} {parts[1]} ({', '.join(parts[2])})"),
        st.tuples(st.sampled_from("ab"), number, number).map(lambda p: f"{p[0]} between {p[1]} and {p[2]}"),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            inner.map(lambda text: f"not ({text})"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
        ),
        max_leaves=6,
    )


@settings(max_examples=150, deadline=None)
@given(texts(), st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8))
def test_same_answer_as_sqlite(where: str, rows: list[tuple[int | None, int | None]]) -> None:
    import sqlite3

    base = sqlite3.connect(":memory:")
    base.execute("CREATE TABLE t(row INTEGER PRIMARY KEY, a INTEGER, b INTEGER)")
    base.executemany("INSERT INTO t VALUES (?, ?, ?)", [(row, *values) for row, values in enumerate(rows)])
    expected = [row for (row,) in base.execute(f"SELECT row FROM t WHERE {where} ORDER BY row")]
    schema = {"a": "int", "b": "int"}
    table = to_table({"a": [a for a, _ in rows], "b": [b for _, b in rows]}, schema, len(rows))
    assert np.flatnonzero(Filter(where, schema).mask(table)).tolist() == expected


PIECES = [
    *"aby01'\"()=<>!,. %\n;-",
    *("year", " and ", " or ", " not ", "null", " in ", " is ", " between ", " like ", "flag", "'a'", "1e9", "()"),
    *("contains(tags", "contains(topic", "within(place", ", 10, 10, 500)", ", 'a')"),
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_answered_or_refused(where: str) -> None:
    with contextlib.suppress(FilterError):
        passing(where)
