from __future__ import annotations

import numpy as np
import pytest

from nearfield.store import Batch, Hit, Hits, Item

DISTANCES = np.array([[0.1, 0.2], [0.3, np.inf]], np.float32)
RELEVANCE = np.array([[0.9, 0.8], [0.7, 0.0]], np.float32)
FULL = Hits(
    [[1, 2], [3, None]],
    DISTANCES,
    ["ok", "only 1 item"],
    relevance=RELEVANCE,
    attributes=[[{"a": 1}, {"a": 2}], [{"a": 3}, None]],
    payload=[["x", None], ["z", None]],
)


def test_many_queries_are_rows() -> None:
    assert len(FULL) == 2 and FULL.ids == [[1, 2], [3, None]] and FULL.status == ["ok", "only 1 item"]
    assert [hits.ids for hits in FULL] == FULL.ids
    assert FULL[-1].ids == [3, None] and FULL[-1].status == "only 1 item"
    with pytest.raises(IndexError):
        FULL[2]
    assert repr(FULL) == "Hits(2 queries, k=2)"


def test_one_query_is_flat() -> None:
    one = FULL[1]
    assert len(one) == 1
    assert list(one) == [Hit(3, pytest.approx(0.3), pytest.approx(0.7), {"a": 3}, "z")]
    assert one[0].id == 3
    assert np.array_equal(one.distances, DISTANCES[1]) and one.payload == ["z", None]
    assert repr(one) == "Hits(1 of 2, only 1 item)\n  0.3000  0.70  3"


def test_what_was_not_asked_for_is_none() -> None:
    bare = Hits([[7]], DISTANCES[:1, :1], ["ok"], single=True)
    assert bare.relevance is None and bare.attributes is None and bare.payload is None
    assert list(bare) == [Hit(7, pytest.approx(0.1))]


def test_items_and_batches_are_plain() -> None:
    assert Item("a", np.zeros(2)).payload is None
    assert len(Batch(["a"], np.zeros((1, 2)), None, [None])) == 1
