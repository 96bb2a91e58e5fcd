from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from nearfield import native
from nearfield.metric import get_metric
from nearfield.store.filters import Filter
from nearfield.store.ids import IdColumn
from nearfield.store.rows import Live, Part, Queries, inverse_lengths

SCHEMA = {"year": "int"}


class Plain(Part):
    """Rows in memory whose year is their key."""

    def table(self) -> pa.Table:
        return pa.table({"year": self.keys})


@pytest.fixture
def part(vectors: np.ndarray) -> Plain:
    ids = IdColumn.from_list([f"id{key}" for key in range(10, 1010, 2)], "str")
    return Plain(np.arange(10, 1010, 2), ids, vectors, inverse_lengths(vectors), "cosine")


def test_keys_are_found_by_binary_search(part: Plain) -> None:
    assert part.find(np.array([10, 12, 1008, 11, 0, 5000])).tolist() == [0, 1, 499, -1, -1, -1]
    assert part.rows_of(np.array([12, 13, 14])).tolist() == [1, 2]
    empty = Plain(np.empty(0, np.int64), [], np.empty((0, 8), np.float32), None, "l2")
    assert empty.find(np.array([1])).tolist() == [-1] and len(empty) == 0


def test_ids_by_row(part: Plain, vectors: np.ndarray) -> None:
    assert part.take_ids(np.array([0, 499])) == ["id10", "id1008"]
    assert part.select_ids(np.array([1])).take(np.array([0])) == ["id12"]
    listed = Plain(np.arange(2), [7, 9], vectors[:2], None, "l2")
    assert listed.take_ids(np.array([1])) == [9] and listed.select_ids(np.array([1])).kind == "int"


def test_a_scan_is_exact_and_obeys(part: Plain, vectors: np.ndarray) -> None:
    truth = get_metric("cosine").pairwise(vectors[:5], vectors)
    found = part.search(Queries(vectors[:5], "cosine"), 3, allow=None, allowed=500)
    assert np.array_equal(found.rows, np.argsort(truth, axis=1)[:, :3])
    allow = native.pack_bits(np.arange(500) >= 250)
    found = part.search(Queries(vectors[:5], "cosine"), 3, allow=allow, allowed=250)
    assert np.array_equal(found.rows, 250 + np.argsort(truth[:, 250:], axis=1)[:, :3])


def test_who_is_alive(part: Plain) -> None:
    every = Live.of(part, np.empty(0, np.int64))
    assert every.words is None and every.count == 500 and every.rows().tolist() == list(range(500))
    assert every.without(np.empty(0, np.int64)) is every
    some = every.without(np.array([0, 63, 64, 499]))
    fewer = some.without(np.array([64, 65]))
    assert (some.count, fewer.count, every.count) == (496, 495, 500)
    assert fewer.rows().tolist() == sorted(set(range(500)) - {0, 63, 64, 65, 499})
    assert some.rows().tolist() == sorted(set(range(500)) - {0, 63, 64, 499})  # as it was


def test_a_filter_meets_the_living(part: Plain) -> None:
    live = Live.of(part, np.array([0, 1]))
    assert live.allowed(None)[1] == 498
    words, count = live.allowed(Filter("year < 20", SCHEMA))  # keys 10 to 18, of which 10 and 12 are dead
    assert count == 3 and np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist() == [2, 3, 4]
    assert Live.of(part, np.empty(0, np.int64)).allowed(Filter("year < 20", SCHEMA))[1] == 5


def test_queries_are_prepared_once(vectors: np.ndarray) -> None:
    queries = Queries(vectors[:3], "cosine")
    assert len(queries) == 3 and queries.prepared is queries.prepared
    assert np.allclose(np.linalg.norm(queries.prepared, axis=1), 1)
