"""Fields: each takes what its schema says and refuses the rest with one sentence."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from nearfield.serve.errors import Problem
from nearfield.serve.fields import (
    Body,
    Field,
    Flag,
    Id,
    Integer,
    ListOf,
    Map,
    Number,
    OneOf,
    Text,
    Vector,
    Vectors,
    Where,
)
from nearfield.store import Condition


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        (Integer(low=1, high=9), [1, 9, 3.0], [0, 10, True, "1", 1.5, None]),
        (Number(low=0.0, high=1.0), [0, 1, 0.5], [-0.1, 1.1, True, "0", float("nan"), float("inf")]),
        (Flag(), [True, False], [0, 1, "true"]),
        (Text(), ["", "a"], [1, None, []]),
        (Text(least=1), ["a"], [""]),
        (Text(choices=("a", "b")), ["a"], ["c"]),
        (Id(), ["a", 0, -(2**63), 2**63 - 1], ["", 2**63, 1.0, True, None]),
        (ListOf(item=Id(), least=1), [["a", 1]], [[], "a", [None], [[1]]]),
        (ListOf(item=Id(), single=True), ["a", 1, [2]], [1.5, {}]),
        (ListOf(item=Text(), gaps=True), [["a", None]], [[1]]),
        (Map(value=Integer()), [{}, {"a": 1}], [{"a": "b"}, []]),
        (OneOf(kinds=(Integer(), Text(choices=("x",))), allowed="a number or x"), [3, "x"], ["y", None]),
        (Vector(), [[1, 2.5], {"f32": "AACAPw=="}], [[], ["1"], [None], {"f32": "AA"}, {"f32": 1}, {}, "a", [[1]]]),
        (Vectors(), [[[1, 2], [3, 4]]], [[], [[1], [1, 2]], [1], [[]], 7]),
        (Field(), [None, {"a": [1]}], []),
    ],
)
def test_what_is_taken_and_what_is_not(field: Field, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        field.check(value, "it")
    for value in bad:
        with pytest.raises(Problem, match=r"^it") as refused:
            field.check(value, "it")
        assert refused.value.status == 422
        assert len(refused.value.message) < 300


def test_vectors_keep_every_bit() -> None:
    row = np.random.default_rng(0).standard_normal(16).astype(np.float32)
    packed = {"f32": base64.b64encode(row.tobytes()).decode()}
    assert np.array_equal(Vector().check(packed, "v"), row)
    assert np.array_equal(Vector().check(row.tolist(), "v"), row)
    assert Vectors().check([row.tolist()] * 3, "v").shape == (3, 16)
    assert Vectors().check(packed, "v").shape == (16,)


def test_a_condition_is_text_or_ids() -> None:
    assert Where().check("year > 3", "where") == "year > 3"
    found = Where().check({"where": "year > 3", "ids": ["a", "b", "a"]}, "where")
    assert isinstance(found, Condition) and found.where == "year > 3" and sorted(found.ids.to_list()) == ["a", "b"]
    assert Where().check({"ids": []}, "where").where is None
    for wrong, words in (
        ("", "a text that is not empty"),
        (3, "a text"),
        ({}, "where.ids: expected"),
        ({"where": "year > 3"}, "where.ids: expected"),
        ({"ids": "a"}, "where.ids: expected a list"),
        ({"ids": [1.5]}, r"where.ids\[0\]"),
        ({"ids": [1, "a"]}, "where.ids: this store has int ids"),
        ({"ids": [1], "test": "x"}, "where.test: no such field"),
        ({"ids": [1], "where": 3}, "where.where: expected"),
    ):
        with pytest.raises(Problem, match=words):
            Where().check(wrong, "where")


def test_true_is_no_number_in_a_vector() -> None:
    body = Body({"query": Vector(), "bags": ListOf(item=Vectors()), "payload": Flag()})
    body.check({"query": [1, 0.5], "payload": True})
    for wrong in ({"query": [1, True]}, {"bags": [[[1, False]]]}):
        with pytest.raises(Problem, match="numbers"):
            body.check(wrong)


def test_parameters_are_read_from_text() -> None:
    assert Integer(low=-5).read("-3", "n") == -3
    assert Number().read("2.5", "n") == 2.5
    assert Flag().read("true", "n") is True
    assert Id().read("12", "n") == 12
    assert Id().read("a12", "n") == "a12"
    for field, text in ((Integer(), "1.0"), (Integer(), "٣"), (Number(), "nan"), (Number(), "x"), (Flag(), "1")):
        with pytest.raises(Problem, match="n: expected"):
            field.read(text, "n")


def test_bodies() -> None:
    body = Body({"a": Integer(example=3), "b": Text(), "c": Text()}, required=("a",), any_of=("b", "c"))
    assert body.check({"a": 1, "b": "x", "c": None}) == {"a": 1, "b": "x"}
    assert body.example() == {"a": 3}
    for wrong, words in (
        ([], "an object"),
        ({"b": "x"}, "a: expected"),
        ({"a": None, "b": "x"}, "a: expected"),
        ({"a": 1}, "one of b, c"),
        ({"a": 1, "b": "x", "d" * 100: 1}, "no such field"),
    ):
        with pytest.raises(Problem, match=words):
            body.check(wrong)
    schema = body.schema()
    assert schema["required"] == ["a"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["b"]["type"] == ["string", "null"]
