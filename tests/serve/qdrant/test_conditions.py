from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nearfield.serve.qdrant.columns import Growing, Table
from nearfield.serve.qdrant.conditions import Filter
from nearfield.serve.qdrant.refusal import Refusal

ROWS: list[dict[str, Any]] = [
    {"n": 9007199254740993, "deep": {"x": [{"y": 1}, {"y": 2}]}},
    {"n": 9007199254740992, "tags": ["a", ["b"], None]},
    {"n": 1.0, "place": {"lat": 0, "lon": 179.5}},
    {"n": True, "tags": []},
    {},
]


def table() -> Table:
    found = Table()
    found.payloads.extend(ROWS)
    return found


def passing(body: Any) -> list[int]:
    return np.flatnonzero(Filter(body).mask(table())).tolist()


def field(key: str, **what: Any) -> dict[str, Any]:
    return {"must": {"key": key, **what}}


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"should": []}, [0, 1, 2, 3, 4]),
        (field("n", match={"value": 9007199254740993}), [0]),
        (field("n", range={"gt": 9007199254740992}), [0]),
        (field("n", range={"gte": 9007199254740992}), [0, 1]),
        (field("n", range={}), [0, 1, 2]),
        (field("n", match={"value": 1}), []),
        (field("n", match={"value": True}), [3]),
        (field("deep.x[].y", match={"value": 2}), [0]),
        (field("deep.x[1].y", match={"any": [2, 3]}), [0]),
        (field("deep.x[7].y", match={"any": [2, 3]}), []),
        (field("tags", match={"except": ["a"]}), [1]),
        (field("tags", values_count={"gte": 3}), [1]),
        (field("tags", values_count={"lt": 1}), [0, 2, 3, 4]),
        (field("tags", is_empty=True), [0, 2, 3, 4]),
        (field("tags", is_null=True), [1]),
        (field("place", geo_radius={"center": {"lat": 0, "lon": -179.5}, "radius": 112_000}), [2]),
        ({"must": {"nested": {"key": "deep.x", "filter": {"must": {"key": "y", "match": {"value": 2}}}}}}, [0]),
        ({"must_not": [{"is_empty": {"key": "n"}}]}, [0, 1, 2, 3]),
        (
            {"min_should": {"conditions": [{"is_empty": {"key": "tags"}}, {"is_empty": {"key": "n"}}], "min_count": 2}},
            [4],
        ),
        ({"must": {"has_vector": "x"}}, []),
        (field("n"), []),
    ],
)
def test_what_passes(body: Any, rows: list[int]) -> None:
    assert passing(body) == rows


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ([], 400, "filter: expected an object, got list"),
        ({"must": ["x"]}, 400, "expected a condition"),
        ({"must": {"key": "n", "match": {}}}, 400, "match: expected one of"),
        ({"must": {"key": "n", "match": {"value": 1.5}}}, 400, "match.value"),
        ({"must": {"key": "n", "match": {"text": 3}}}, 400, "match.text"),
        ({"must": {"key": "n", "range": {"gt": "x"}}}, 400, "range.gt: expected a number or a date"),
        ({"must": {"key": "n", "range": {"gt": True}}}, 400, "range.gt"),
        ({"must": {"key": "n..", "range": {}}}, 400, "expected a path"),
        ({"must": {"key": "n[x]", "range": {}}}, 400, "expected a path"),
        ({"must": {"key": 3}}, 400, "key: expected a path"),
        ({"must": {"key": "n", "likes": 1}}, 501, "'likes'"),
        ({"must": {"wishes": 1}}, 501, "wishes"),
        ({"perhaps": []}, 501, "'perhaps'"),
        ({"min_should": {"conditions": [], "min_count": 0}}, 400, "min_count"),
        ({"must": {"has_id": ["x"]}}, 400, "not a valid point ID"),
        ({"must": {"has_id": [-1]}}, 400, "not a valid point ID"),
        ({"must": {"slice": {"total": 3, "index": 3}}}, 400, "slice.index"),
        ({"must": {"key": "a", "geo_radius": {"center": {"lat": 1}, "radius": 1}}}, 400, "'lon'"),
        ({"must": {"key": "a", "geo_polygon": {"exterior": {"points": []}}}}, 400, "a ring of points"),
    ],
)
def test_what_is_no_filter_is_refused(body: Any, status: int, says: str) -> None:
    with pytest.raises(Refusal) as caught:
        passing(body)
    assert caught.value.status == status and says in str(caught.value)


def test_a_filter_nested_without_end_is_refused() -> None:
    body: dict[str, Any] = {}
    for _ in range(70):
        body = {"must": body}
    with pytest.raises(Refusal, match="levels"):
        Filter(body)


def test_what_is_appended_later_is_seen() -> None:
    rows = table()
    condition = Filter(field("n", range={"gte": 5}))
    nested = Filter({"must": {"nested": {"key": "deep.x", "filter": {"must": {"key": "y", "range": {"gt": 5}}}}}})
    text = Filter(field("words", match={"text": "red fox"}))
    places = Filter(
        field("place", geo_bounding_box={"top_left": {"lat": 9, "lon": 1}, "bottom_right": {"lat": 1, "lon": 9}})
    )
    dates = Filter(field("when", range={"gte": "2024-01-01"}))
    for one in (condition, nested, text, places, dates):
        one.mask(rows)
    rows.payloads.append({"n": 7, "deep": {"x": [{"y": 6}]}, "words": "A RED, red fox"})
    rows.payloads.append({"place": [{"lat": 5, "lon": 5}], "when": ["never", "2024-01-01T01:00:00+01:00"]})
    found = [np.flatnonzero(one.mask(rows)).tolist() for one in (condition, nested, text, places, dates)]
    assert found == [[0, 1, 5], [5], [5], [6], [6]]


def test_an_array_that_grows_leaves_what_was_given_out_as_it_was() -> None:
    growing = Growing(np.int64)
    growing.extend([1, 2])
    before = growing.view()
    growing.extend(range(1000))
    assert before.tolist() == [1, 2] and len(growing) == 1002 and growing.view()[-1] == 999
