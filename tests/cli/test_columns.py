from __future__ import annotations

import datetime as dt

import pytest

from nearfield.cli.columns import (
    Choice,
    TextKind,
    as_vector,
    assign_columns,
    kind_of_json,
    parse_attributes,
    value_of_text,
)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "-20", ""], "int"),
        (["1", "2.5"], "float"),
        (["1e3", "nan"], "float"),
        (["007", "12"], "string"),
        (["-05.5"], "string"),
        (["0.5", "0"], "float"),
        (["true", "False"], "bool"),
        (["2024-01-31", "2024-01-31T12:00:00Z"], "timestamp"),
        (["2024"], "int"),
        (["9" * 25], "float"),
        (["1_000"], "string"),
        (["", ""], "string"),
        (["a", "1"], "string"),
    ],
)
def test_types_of_cells(cells: list[str], kind: str) -> None:
    seen = TextKind()
    for cell in cells:
        seen.see(cell)
    assert seen.kind == kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({int}, "int"),
        ({int, float}, "float"),
        ({bool}, "bool"),
        ({bool, int}, "other"),
        ({str}, "string"),
        (set(), "other"),
    ],
)
def test_types_of_json(values: set[type], kind: str) -> None:
    assert kind_of_json(values) == kind


def test_values() -> None:
    assert value_of_text("3", "int") == 3
    assert value_of_text("TRUE", "bool") is True
    assert value_of_text("", "float") is None
    assert value_of_text("", "string") == ""
    assert value_of_text("2024-05-06", "timestamp") == dt.datetime(2024, 5, 6)
    with pytest.raises(ValueError, match="expected int, got 'x'"):
        value_of_text("x", "int")


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({"id": "int", "text": "string"}, ("id", "text", None)),
        ({"_id": "string", "title": "string", "Content": "string"}, ("_id", "Content", None)),
        ({"words": "string", "n": "int"}, (None, "words", None)),
        ({"id": "string", "words": "string"}, ("id", "words", None)),
        ({"embedding": "vector", "tags": "vector"}, (None, None, "embedding")),
        ({"v": "vector", "year": "int"}, (None, None, "v")),
        ({"id": "float", "v": "vector"}, (None, None, "v")),
    ],
)
def test_guesses(kinds: dict[str, str], expected: tuple) -> None:
    columns = assign_columns("f", kinds, Choice())
    assert (columns.id, columns.text, columns.vector) == expected


@pytest.mark.parametrize(
    "kinds",
    [
        {"text": "string", "body": "string"},
        {"a": "string", "b": "string"},
        {"text": "string", "v": "vector"},
        {"v": "vector", "w": "vector"},
        {"n": "int"},
    ],
)
def test_doubt_is_not_guessed(kinds: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="say --text-column or --vector-column"):
        assign_columns("f", kinds, Choice())


def test_what_is_said_wins() -> None:
    kinds = {"key": "int", "a": "string", "b": "string", "v": "vector", "year": "int"}
    columns = assign_columns("f", kinds, Choice("key", "b", None, {"year": "float", "a": None}))
    assert (columns.id, columns.text, columns.vector) == ("key", "b", None)
    assert columns.attributes == {"year": "float", "a": "string"}
    assert columns.rest == ("v",)
    with pytest.raises(ValueError, match="holds vectors"):
        assign_columns("f", kinds, Choice(text="v"))
    with pytest.raises(ValueError, match="holds vector values"):
        assign_columns("f", kinds, Choice(text="b", attributes={"v": None}))


def test_attribute_lists() -> None:
    assert parse_attributes(" year, topic:string ,") == {"year": None, "topic": "string"}
    with pytest.raises(ValueError, match="got 'year:integer'"):
        parse_attributes("year:integer")


@pytest.mark.parametrize("value", [[], "1,2", [1, "2"], [True], None, {"a": 1}])
def test_no_vectors(value: object) -> None:
    with pytest.raises(ValueError, match="expected a list of numbers"):
        as_vector(value, None)
