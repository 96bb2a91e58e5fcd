"""Data frames in, by the libraries that are installed and by Arrow alone; and stores as Arrow streams."""

from __future__ import annotations

import datetime as dt
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from nearfield.store import Store
from nearfield.store.frames import arrow_table, as_list, as_matrix

ATTRIBUTES = {"year": "int", "tags": "strings", "price": "float", "seen": "timestamp", "place": "geo"}
COLUMNS: dict[str, list[Any]] = {
    "id": ["a", "é", "c"],
    "vector": [[1.0, 2.0], [3.0, 4.0], [0.1, 0.2]],
    "year": [2020, None, 2022],
    "tags": [["x"], ["y", "z"], []],
    "place": [{"lat": 52.5, "lon": 13.4}] * 3,
    "title": ["T", "Über", None],
    "seen": [dt.datetime(2024, 1, 2, 3, 4)] * 3,
}


class OnlyStream:
    """Nothing but Arrow's C interface, as any library may have it."""

    def __init__(self, table: pa.Table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def pandas_frame(columns: dict[str, list[Any]]) -> Any:
    pandas = pytest.importorskip("pandas", reason="needs nearfield[frames]")
    return pandas.DataFrame(columns)


def polars_frame(columns: dict[str, list[Any]]) -> Any:
    return pytest.importorskip("polars", reason="needs nearfield[frames]").DataFrame(columns)


def duckdb_relation(columns: dict[str, list[Any]]) -> Any:
    duckdb = pytest.importorskip("duckdb", reason="needs nearfield[frames]")
    connection = duckdb.connect()
    connection.register("given", pa.table(columns))
    return connection.sql("select * from given")


MAKERS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "table": pa.table,
    "batch": lambda columns: pa.table(columns).to_batches()[0],
    "reader": lambda columns: pa.table(columns).to_reader(),
    "stream": lambda columns: OnlyStream(pa.table(columns)),
    "chunks": lambda columns: pa.concat_tables([pa.table(columns).slice(0, 1), pa.table(columns).slice(1)]),
    "pandas": pandas_frame,
    "polars": polars_frame,
    "duckdb": duckdb_relation,
}


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    made: list[Store] = []

    def make(**options: Any) -> Store:
        settings = {"dim": 2, "metric": "l2", "attributes": ATTRIBUTES, **options}
        made.append(Store.create(tmp_path / f"{len(made)}.nf", **settings))
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.mark.parametrize("kind", MAKERS)
def test_a_table_of_every_library(new: Callable[..., Store], kind: str) -> None:
    store = new()
    assert store.add(MAKERS[kind](COLUMNS)) == 3
    item = store.get("é")
    assert item.vector.tolist() == [3.0, 4.0] and item.payload == {"title": "Über"}
    seen = dt.datetime(2024, 1, 2, 3, 4, tzinfo=dt.UTC)
    place = {"lat": 52.5, "lon": 13.4}
    assert item.attributes == {"year": None, "tags": ["y", "z"], "price": None, "seen": seen, "place": place}
    assert store.get("c").payload is None and store.get("c").attributes["tags"] == []
    assert store.get("c").vector.tolist() == np.float32([0.1, 0.2]).tolist()  # double precision is rounded
    assert store.upsert(MAKERS[kind]({**COLUMNS, "year": [1, 2, 3]})) == 3
    assert len(store) == 3 and store.get("é").attributes["year"] == 2


@pytest.mark.parametrize("kind", ["table", "pandas", "polars"])
def test_columns_one_by_one(new: Callable[..., Store], kind: str) -> None:
    frame = MAKERS[kind](COLUMNS)
    store = new()
    attributes = frame.select(["year", "tags"]) if kind != "pandas" else frame[["year", "tags"]]
    store.add(frame["id"], frame["vector"], attributes=attributes, payload=frame["title"], text=frame["title"])
    assert [item.payload for item in store.get(["a", "é", "c"])] == ["T", "Über", None]
    assert store.get("c").text is None and store.search(text="über", k=1).ids == ["é"]
    assert store.get("é").attributes["tags"] == ["y", "z"]


def test_numbers_of_duckdb_that_are_decimals(new: Callable[..., Store]) -> None:
    duckdb = pytest.importorskip("duckdb", reason="needs nearfield[frames]")
    store = new()
    store.add(
        duckdb.sql("select 1 as id, [1.5, 2.5] as v, 2024::hugeint as year, 1.25 as price, sum(3) as s, 0.5 as half")
    )
    item = store.get(1)
    assert item.vector.tolist() == [1.5, 2.5] and item.payload == {"s": 3, "half": 0.5}
    assert (item.attributes["year"], item.attributes["price"]) == (2024, 1.25)


def test_pandas_frames_with_an_index(new: Callable[..., Store]) -> None:
    frame = pandas_frame(COLUMNS)
    store = new()
    assert store.add(frame[frame["year"] > 0]) == 2  # the rows' numbers are no column
    assert store.get("a").payload == {"title": "T"}
    named = new()
    assert named.add(frame.set_index("id")) == 3 and "é" in named
    packed = new()
    packed.add(frame["id"].to_numpy(), frame["vector"].to_numpy())
    assert packed.get("a").vector.tolist() == [1.0, 2.0]


def test_columns_are_chosen_by_name(new: Callable[..., Store]) -> None:
    columns = {**COLUMNS, "other": [[0.0, 1.0]] * 3, "key": [7, 8, 9], "until": ["2999-01-01", None, "2001-01-01"]}
    table = pa.table(columns)
    store = new()
    store.add(
        table,
        id_column="key",
        vector_column="other",
        attributes=["year"],
        payload=["title"],
        text="id",
        expires="until",
    )
    assert len(store) == 2 and store.get(7).expires == dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
    assert store.get(7).payload == {"title": "T"} and store.get(7).text == "a"
    assert store.get(8).attributes == dict.fromkeys(ATTRIBUTES) and store.get(8).expires is None
    whole = new(text="title")
    whole.add(pa.table(COLUMNS))
    assert whole.search(text="über", k=1).ids == ["é"]
    bare = new()
    bare.add(pa.table(COLUMNS), payload="title", ttl=100)
    assert bare.get("a").payload == "T" and bare.get("a").expires is not None
    none = new()
    none.add(pa.table(COLUMNS), payload=[])
    assert none.get("a").payload is None


TABLE = pa.table(COLUMNS)


@pytest.mark.parametrize(
    ("ids", "options", "error", "said"),
    [
        (["a"], {}, TypeError, "ids: expected vectors beside the ids, or a table .*, got list alone"),
        ("a", {}, TypeError, "got str alone"),
        (None, {}, TypeError, "got NoneType alone"),
        ({"id": [1], "vector": [[1.0, 2.0]]}, {}, TypeError, "got dict alone"),
        (TABLE["id"], {}, TypeError, "got ChunkedArray alone"),
        (TABLE.drop_columns(["id"]), {}, ValueError, "id_column: expected the name of a column .*; columns: vector"),
        (
            TABLE.drop_columns(["vector"]),
            {},
            ValueError,
            "the table: expected one column of lists of numbers, got none",
        ),
        (TABLE, {"id_column": "key"}, ValueError, "id_column: no column 'key' in the table; columns: id, vector"),
        (TABLE, {"id_column": "tags"}, ValueError, "id_column: expected whole numbers or text, 'tags' is list"),
        (TABLE, {"id_column": "year"}, ValueError, "the table: row 1: no id in column 'year'"),
        (TABLE, {"vector_column": "year"}, ValueError, "vector_column: expected lists of numbers"),
        (TABLE, {"attributes": TABLE}, TypeError, "attributes: expected names, got Table"),
        (TABLE, {"attributes": ["title"]}, ValueError, "unknown column 'title'; the attributes of this store: year"),
        (TABLE, {"attributes": ["zz"]}, ValueError, "attributes: no column 'zz'"),
        (TABLE, {"payload": ["zz"]}, ValueError, "payload: no column 'zz'"),
        (TABLE, {"text": "zz"}, ValueError, "text: no column 'zz'"),
        (TABLE, {"text": ["T"]}, TypeError, "text: expected the name of a column, got list"),
        (TABLE, {"text": "year"}, TypeError, "text: expected str or None, got int"),
        (TABLE, {"expires": "zz"}, ValueError, "expires: .*got 'zz'"),
        (TABLE, {"vectors": np.ones((3, 2), np.float32)}, TypeError, "ids: "),
        (
            ["a"],
            {"vectors": np.ones((1, 2), np.float32), "id_column": "id"},
            ValueError,
            "id_column: expected None where",
        ),
        (pa.table([["a"], ["b"]], names=["id", "id"]), {}, ValueError, "'id' comes twice"),
        (pa.table({"id": ["a"], "v": [[1.0]]}), {}, ValueError, "vectors: expected 2 dimensions, got 1"),
        (
            pa.table({"id": ["a", "b"], "v": [[1.0, 2.0], [1.0]]}),
            {},
            ValueError,
            "row 1: expected a vector of 2 numbers",
        ),
        (pa.table({"id": ["a", "b"], "v": [[1.0, 2.0], None]}), {}, ValueError, "row 1: .*got none"),
        (pa.table({"id": ["a"], "v": [[1.0, None]]}), {}, ValueError, "has a missing number"),
        (pa.table({"id": ["a"], "v": [[1.0, float("nan")]]}), {}, ValueError, "expected finite values"),
        (pa.table({"id": ["a"], "v": [[1e300, 1.0]]}), {}, ValueError, "expected finite values"),
        (pa.table({"id": ["a", "a"], "v": [[1.0, 2.0]] * 2}), {}, ValueError, "'a' is given twice"),
        (pa.table({"id": ["a"], "v": [[1.0, 2.0]], "year": ["x"]}), {}, TypeError, "column 'year' is of type int"),
    ],
)
def test_what_does_not_fit_is_said_and_nothing_is_added(
    new: Callable[..., Store], ids: Any, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    store = new()
    with pytest.raises(error, match=said):
        store.add(ids, **options)
    assert len(store) == 0


def test_an_empty_table_adds_nothing(new: Callable[..., Store]) -> None:
    store = new()
    assert store.add(TABLE.slice(0, 0)) == 0 and len(store) == 0


def test_helpers_leave_other_things_alone() -> None:
    matrix = np.ones((2, 3))
    assert as_matrix(matrix) is matrix and as_list(None) is None
    rows = [[1.0, 2.0]]
    assert as_matrix(rows) is rows and as_list(rows) is rows
    objects = np.array([object(), object()])
    assert as_matrix(objects) is objects
    assert as_matrix(pa.array([[1, 2], [3, 4]])).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    views = pa.table({"a": pa.array(["x"], pa.string_view()), "b": pa.array([["x"]], pa.list_(pa.string_view()))})
    assert [str(field.type) for field in arrow_table(views, "x").schema] == [
        "large_string",
        "large_list<item: large_string>",
    ]


# -- out ---------------------------------------------------------------------------------------------------------------


def test_a_store_goes_through_arrow_and_comes_back(new: Callable[..., Store]) -> None:
    store = new(attributes={**ATTRIBUTES, "id": "string"})
    store.add(
        ["a", "b"],
        np.float32([[1, 2], [3, 4]]),
        attributes={"year": [1, None], "id": ["own", None], "place": [(1.0, 2.0), None]},
        payload=[{"deep": [1, {"x": None}]}, None],
        text=["words", None],
        expires=["2999-01-01", None],
    )
    reader = store.to_arrow(batch_size=1)
    table = reader.read_all()
    assert table.column_names == ["_id", "vector", *ATTRIBUTES, "id", "payload", "expires", "text"]
    assert table.column("vector").type == pa.list_(pa.field("element", pa.float32(), nullable=False), 2)
    for source in (store, store.to_arrow(), table):
        other = new(attributes=store.attributes)
        assert other.add(source) == 2
        for name in ("a", "b"):
            one, same = store.get(name), other.get(name)
            assert np.array_equal(one.vector, same.vector)
            assert (one.attributes, one.payload, one.expires, one.text) == (
                same.attributes,
                same.payload,
                same.expires,
                same.text,
            )


def test_a_ttl_outdoes_the_expiry_that_a_stream_brings_along(new: Callable[..., Store]) -> None:
    store, other = new(), new()
    store.add(["a"], np.float32([[1, 2]]), expires="2999-01-01")
    other.add(store, ttl=60)
    assert other.get("a").expires.year < 2999
    with pytest.raises(ValueError, match="expected one of ttl and expires"):
        other.upsert(store, ttl=60, expires="expires")


def test_a_stream_shows_one_moment(new: Callable[..., Store]) -> None:
    store = new()
    store.add(list(range(5000)), np.random.default_rng(0).standard_normal((5000, 2)).astype(np.float32))
    reader = store.to_arrow(["id"], batch_size=100)
    assert reader.read_next_batch().num_rows == 100
    store.delete([4999])
    store.compact()
    assert sum(batch.num_rows for batch in reader) == 4900 and len(store) == 4999
    left = store.to_arrow()
    left.read_next_batch()
    left.close()
    assert pa.table(store).num_rows == 4999  # again and again
    assert pa.table(store).num_rows == 4999
    empty = new()
    assert pa.table(empty).column_names == ["id", "vector", *ATTRIBUTES, "payload"]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"columns": ["zz"]}, ValueError, "columns: no column 'zz'; columns: id, vector"),
        ({"columns": "id"}, TypeError, "columns: expected a list of names"),
        ({"batch_size": 0}, ValueError, "batch_size"),
    ],
)
def test_columns_that_are_not_there(
    new: Callable[..., Store], options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        new().to_arrow(**options)


@pytest.mark.skipif(importlib.util.find_spec("duckdb") is None, reason="needs nearfield[frames]")
def test_duckdb_asks_a_store_and_hits(new: Callable[..., Store]) -> None:
    import duckdb

    store = new()
    rows = np.random.default_rng(0).standard_normal((3000, 2)).astype(np.float32)
    store.add(list(range(3000)), rows, attributes={"year": [2000 + row % 20 for row in range(3000)]})
    connection = duckdb.connect()
    counted = connection.sql("select year, count(*) as n from store group by year order by year").fetchall()
    assert counted == [(2000 + year, 150) for year in range(20)]
    reader = store.to_arrow(["id", "year"])  # noqa: F841 - the queries find it by its name
    assert connection.sql("select max(id) from reader where year = 2003").fetchall() == [(2983,)]
    hits = store.search(rows[:2], k=3, attributes=True)  # noqa: F841
    joined = connection.sql("select h.query, s.id, s.vector from hits h join store s using (id) where h.rank = 0")
    assert sorted(row[:2] for row in joined.fetchall()) == [(0, 0), (1, 1)]


@pytest.mark.skipif(importlib.util.find_spec("polars") is None, reason="needs nearfield[frames]")
def test_polars_reads_a_store(new: Callable[..., Store]) -> None:
    import polars

    store = new()
    store.add(TABLE)
    frame = polars.DataFrame(store)
    assert frame["id"].to_list() == COLUMNS["id"] and frame["vector"].to_list()[0] == [1.0, 2.0]
