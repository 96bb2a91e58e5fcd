from __future__ import annotations

import copy
from typing import Any

import pytest

from nearfield.serve.qdrant.paths import Selector, delete_at, find, flat, parse_path, set_at
from nearfield.serve.qdrant.refusal import Refusal


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("a", ("a",)),
        ("a.b-c_1", ("a", "b-c_1")),
        ("a[]", ("a", None)),
        ("a[0][].ü", ("a", 0, None, "ü")),
        ('"a.b"[2]."[]"', ("a.b", 2, "[]")),
        ('""', ("",)),
    ],
)
def test_steps_of_a_path(text: str, steps: Any) -> None:
    assert parse_path(text) == steps


@pytest.mark.parametrize(
    "text", ["", ".", "a.", ".a", "a..b", "a[", "a[-1]", "a[x]", "a b", '"a', "[0]", "a[1]b", "a[99999999999999999999]"]
)
def test_what_is_no_path(text: str) -> None:
    with pytest.raises(Refusal, match="expected"):
        parse_path(text)


PAYLOAD = {"a": {"b": [1, {"c": 2}, [3, 4]], "n": None}, "x.y": "dot"}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("a.b", [[1, {"c": 2}, [3, 4]]]),
        ("a.b[]", [1, {"c": 2}, [3, 4]]),
        ("a.b[].c", [2]),
        ("a.b[2][0]", [3]),
        ("a.n", [None]),
        ("a.missing", []),
        ('"x.y"', ["dot"]),
        ("a[0]", []),
    ],
)
def test_what_a_path_leads_to(path: str, values: Any) -> None:
    assert find(PAYLOAD, parse_path(path)) == values


def test_a_list_is_spread_by_one_level() -> None:
    assert flat([[1, [2]], 3, None]) == [1, [2], 3, None]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", {"a": {"b": [1, {"c": 2}], "new": 1}}),
        ("a.b", {"a": {"b": {"new": 1}}}),
        ("a.b[]", {"a": {"b": [{"new": 1}, {"c": 2, "new": 1}]}}),
        ("a.b[1]", {"a": {"b": [1, {"c": 2, "new": 1}]}}),
        ("a.b[5]", {"a": {"b": [1, {"c": 2}]}}),
        ("a.b[1].c.d", {"a": {"b": [1, {"c": {"d": {"new": 1}}}]}}),
        ("q.r", {"a": {"b": [1, {"c": 2}]}, "q": {"r": {"new": 1}}}),
        ("q[0]", {"a": {"b": [1, {"c": 2}]}, "q": []}),
    ],
)
def test_setting(path: str, expected: Any) -> None:
    payload = {"a": {"b": [1, {"c": 2}]}}
    set_at(payload, parse_path(path), {"new": 1})
    assert payload == expected


def test_places_that_are_set_together_do_not_share_what_they_hold() -> None:
    payload: dict[str, Any] = {"a": [{}, {}]}
    set_at(payload, parse_path("a[]"), {"list": [1]})
    payload["a"][0]["list"].append(2)
    assert payload["a"][1]["list"] == [1]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", {"a": {"n": 1}}),
        ("a.b[]", {"a": {"b": [], "n": 1}}),
        ("a.b[0]", {"a": {"b": [{"c": 1}, {"c": 2, "d": 3}], "n": 1}}),
        ("a.b[].c", {"a": {"b": [{}, {"d": 3}], "n": 1}}),
        ("a.b[1].d", {"a": {"b": [{"c": 1}, {"c": 2}], "n": 1}}),
        ("z.y", {"a": {"b": [{"c": 1}, {"c": 2, "d": 3}], "n": 1}}),
    ],
)
def test_deleting(path: str, expected: Any) -> None:
    payload = {"a": {"b": [{"c": 1}, {"c": 2, "d": 3}], "n": 1}}
    delete_at(payload, parse_path(path))
    assert payload == expected


def test_selectors_show_what_is_asked_for_and_change_nothing() -> None:
    payload = {"a": {"b": 1, "c": 2}, "l": [{"b": 5, "c": 6}], "n": 1}
    before = copy.deepcopy(payload)
    assert Selector(True).of(payload) == payload
    assert Selector(None).of(payload) is None and Selector(None, True).of(payload) == payload
    assert Selector(["a.b", "l[].c", "none"]).of(payload) == {"a": {"b": 1}, "l": [{"c": 6}]}
    assert Selector({"exclude": ["a", "l[].b"]}).of(payload) == {"l": [{"c": 6}], "n": 1}
    assert Selector({"include": ["a", "a.b"]}).of(payload) == {"a": {"b": 1, "c": 2}}
    assert Selector([]).of(payload) == {}
    assert payload == before
    for wrong in ("a", {"include": "a"}, 3, [3], ["a."]):
        with pytest.raises(Refusal):
            Selector(wrong)
