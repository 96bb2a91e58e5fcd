from __future__ import annotations

import pickle

import pytest

from nearfield.common import CorruptFileError, FilterError, FormatVersionError, MissingExtraError, StoreLockedError

ERRORS = [
    (CorruptFileError("a.nfa", "cut short"), "a.nfa: cut short"),
    (FormatVersionError("a.nf", 9, 1), "format version 9 is newer than this nearfield reads (1)"),
    (StoreLockedError("a.nf", 42), "process 42"),
    (StoreLockedError("a.nf"), "another writer has this store open; close it"),
    (FilterError("unknown column 'yeer'", "yeer > 3", 0), "at character 1"),
    (MissingExtraError("matplotlib", "view"), "pip install 'nearfield[view]'"),
]


@pytest.mark.parametrize(("error", "says"), ERRORS, ids=lambda value: type(value).__name__)
def test_an_error_says_what_happened_and_survives_pickling(error: Exception, says: str) -> None:
    assert says in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_a_filter_error_points_at_the_place() -> None:
    lines = str(FilterError("expected a number", "year = 'x'", 7)).splitlines()
    assert lines[2].index("^") - 2 == 7


def test_a_callers_mistake_and_damage_are_told_apart() -> None:
    assert issubclass(FilterError, ValueError)
    assert issubclass(MissingExtraError, ImportError)
    assert not issubclass(CorruptFileError, ValueError | OSError)
