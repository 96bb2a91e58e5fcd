from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nearfield.store.names import LONGEST, escape, unescape

SAFE = set("abcdefghijklmnopqrstuvwxyz0123456789-_.%")


@given(st.text(min_size=1, max_size=60).filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text)))
def test_a_name_comes_back_and_is_harmless(name: str) -> None:
    if len(name.encode()) * 3 > LONGEST:
        return
    text = escape(name, "name")
    assert unescape(text) == name
    assert set(text) <= SAFE and not text.startswith(".") and text == text.lower()


@pytest.mark.parametrize(
    "name", ["..", ".", "../x", "/etc", "a/b", "A", "con\0", "%41", "é", "e\u0301", ".hidden", "a b"]
)
def test_what_could_climb_or_collide_is_escaped(name: str) -> None:
    text = escape(name, "name")
    assert text != name and "/" not in text and "\0" not in text and unescape(text) == name


def test_plain_names_stay_readable() -> None:
    assert escape("before-import_2.1", "name") == "before-import_2.1"


def test_different_names_stay_different() -> None:
    names = ["a", "A", "%61", "é", "e\u0301", ".a", "a.", "..", "."]
    assert len({escape(name, "name") for name in names}) == len(names)


@pytest.mark.parametrize("text", [".x", "A", "%4", "%zz", "%61", "a/b", "", "%ff", "x" * 201])
def test_what_is_no_escaped_name_is_not_read_as_one(text: str) -> None:
    assert unescape(text) is None


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("", ValueError, "at: expected a non-empty name"),
        (None, TypeError, "at: expected a text, got None"),
        (b"a", TypeError, "at: expected a text"),
        ("x" * 201, ValueError, "at: expected at most 200 bytes.*got 201"),
        ("X" * 67, ValueError, "got 201"),
        ("\ud800", ValueError, "at: expected text that UTF-8 can hold"),
    ],
)
def test_what_cannot_be_a_name_is_refused(name: object, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        escape(name, "at")
