"""Errors of reading what makes no sense become damage, by name; others pass."""

from __future__ import annotations

import json

import pytest

from nearfield.common import CorruptFileError
from nearfield.common.decoding import decoding, expect


@pytest.mark.parametrize(
    "read",
    [
        lambda: {}["rows"],
        lambda: [][3],
        lambda: int("x"),
        lambda: len(5),
        lambda: None.rows,
        lambda: float(10**400),
        lambda: json.loads("[" * 100_000),
        lambda: expect(False, "no rows"),
    ],
)
def test_what_cannot_be_read_is_damage(read) -> None:
    with (
        pytest.raises(CorruptFileError, match=r"a\.nfa: header cannot be understood: ") as caught,
        decoding("a.nfa", "header"),
    ):
        read()
    assert len(str(caught.value)) < 500


def test_other_errors_pass() -> None:
    for error in (FileNotFoundError("x"), KeyboardInterrupt(), CorruptFileError("b.nfa", "truncated"), MemoryError()):
        with pytest.raises(type(error)) as caught, decoding("a.nfa", "header"):
            raise error
        assert caught.value is error
    with decoding("a.nfa", "header"):
        expect(True, "fine")
