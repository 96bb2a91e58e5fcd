from __future__ import annotations

import numpy as np
import pytest

from nearfield.store.ids import IdColumn, check_ids, concatenate

STRINGS = ["a", "\u00e9", "e\u0301", "日本語", "with\0nul", " ", "x" * 5000]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, np.int32(2), -(2**63)], ([1, 2, -(2**63)], "int")),
        (np.array([3, 4], np.uint8), ([3, 4], "int")),
        (STRINGS, (STRINGS, "str")),
        (np.array(["a", "b"]), (["a", "b"], "str")),
        (iter(["a", "b"]), (["a", "b"], "str")),
        (7, ([7], "int")),
        ("seven", (["seven"], "str")),
    ],
)
def test_what_is_an_id(ids: object, expected: tuple[list[object], str]) -> None:
    found = check_ids(ids, None)
    assert found == expected
    assert {type(value) for value in found[0]} <= {int, str}


@pytest.mark.parametrize(
    ("ids", "kind", "error", "text"),
    [
        ([True], None, TypeError, "True at position 0"),
        ([1, True], None, TypeError, "True at position 1"),
        ([1.0], None, TypeError, "1.0"),
        (np.array([1.0]), None, TypeError, "float64"),
        ([None], None, TypeError, "None"),
        ([1, "a"], None, TypeError, "int ids, got 'a' at position 1"),
        ([1], "str", TypeError, "str ids, got 1"),
        (["a"], "int", TypeError, "int ids, got 'a'"),
        ([2**63], None, ValueError, "64 bits"),
        (["a", ""], None, ValueError, "non-empty string, got '' at position 1"),
        (["\ud800"], None, ValueError, "UTF-8"),
        (["a", "b", "a"], None, ValueError, "'a' is given twice, at positions 0 and 2"),
        ([5, 5], "int", ValueError, "5 is given twice"),
        (b"abc", None, TypeError, "bytes"),
        ({"a": 1}, None, TypeError, "dict"),
        (None, None, TypeError, "NoneType"),
        (np.zeros((2, 2), int), None, TypeError, "1-D"),
    ],
)
def test_what_is_none(ids: object, kind: str | None, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=f"ids: .*{text}"):
        check_ids(ids, kind)


def test_composed_and_decomposed_text_are_two_ids() -> None:
    assert len(check_ids(["\u00e9", "e\u0301"], None)[0]) == 2


def test_twice_is_allowed_where_said() -> None:
    assert check_ids([1, 1], None, unique=False)[0] == [1, 1]


@pytest.mark.parametrize(("ids", "kind"), [(STRINGS, "str"), ([5, -3, 2**62], "int"), ([], "int"), ([], "str")])
def test_columns_round_trip(ids: list[object], kind: str) -> None:
    column = IdColumn.from_list(ids, kind)
    every = np.arange(len(ids))
    assert len(column) == len(ids) and column.kind == kind
    assert column.take(every) == ids
    assert IdColumn.from_bytes(column.to_bytes(), len(ids), kind).take(every) == ids
    assert IdColumn.from_arrays(column.to_arrays()).take(every) == ids
    assert column.select(every[::-2]).take(np.arange(len(every[::-2]))) == ids[::-2]
    both = concatenate([column, column.select(every[:1])], kind)
    assert both.take(np.arange(len(both))) == ids + ids[:1]


def test_a_blob_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 24 bytes of ids, found 16"):
        IdColumn.from_bytes(b"x" * 16, 3, "int")
    with pytest.raises(ValueError, match="bytes of ids"):
        IdColumn.from_bytes(IdColumn.from_list(["ab", "c"], "str").to_bytes() + b"x", 2, "str")


def test_a_column_whose_text_is_none_is_refused() -> None:
    sound = IdColumn.from_list(["é", "b"], "str")
    assert sound.checked(2) is sound
    values, offsets = sound.values, sound.offsets
    for wrong in (
        IdColumn(np.uint8([0xE4, 65, 66]), offsets),
        IdColumn(values, np.int64([0, 1, 3])),
        IdColumn(values, np.int64([0, 3, 2])),
        IdColumn(values, np.int64([1, 2, 3])),
        IdColumn(values, np.int64([0, 2, 9])),
        IdColumn(values, np.int64([0, 3])),
    ):
        with pytest.raises(ValueError):
            wrong.checked(2)
