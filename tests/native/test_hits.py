"""Hits are written as a JSON library writes them."""

from __future__ import annotations

import json

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearfield.native import _core, write_hits

_IDS = st.integers(-(2**63), 2**63 - 1) | st.text() | st.none()


@settings(deadline=None)
@given(st.lists(st.lists(st.tuples(_IDS, st.floats(width=32)), min_size=3, max_size=3)))
def test_what_is_written_reads_back(rows: list[list[tuple[int | str | None, float]]]) -> None:
    distances = np.array([[distance for _, distance in row] for row in rows], np.float32).reshape(-1, 3)
    texts = write_hits([[identifier for identifier, _ in row] for row in rows], distances)
    for row, text in zip(rows, texts, strict=True):
        expected = [{"id": identifier, "distance": number} for identifier, number in row if identifier is not None]
        assert orjson.loads(text) == orjson.loads(orjson.dumps(expected))  # which has null for what is not finite
        for hit in json.loads(text):
            assert hit["distance"] is None or type(hit["distance"]) is float


def test_no_hits_and_no_queries() -> None:
    assert write_hits([], np.empty((0, 5), np.float32)) == []
    assert write_hits([[], []], np.empty((2, 0), np.float32)) == [b"[]", b"[]"]


def test_what_is_no_id_is_refused() -> None:
    for identifier, error in ((1.5, TypeError), (b"a", TypeError), (2**63, OverflowError), ("\ud800", UnicodeError)):
        with pytest.raises(error):
            write_hits([[identifier]], np.zeros((1, 1), np.float32))


def test_the_binding_refuses_what_would_reach_beyond() -> None:
    for ids in ([["a", "b"]], [["a"], ["b"]], [("a",)], [[]], []):
        with pytest.raises(ValueError, match="expected"):
            _core.write_hits(ids, np.zeros((1, 1), np.float32))  # type: ignore[arg-type]
