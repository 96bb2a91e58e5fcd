from __future__ import annotations

import pytest

from nearfield.common.lazy import lazy_names
from nearfield.common.registry import FLOORS, public_objects


def test_the_ground_floor_and_the_top() -> None:
    assert FLOORS["common"] == FLOORS["native"] == 0
    assert max(FLOORS, key=lambda room: FLOORS[room]) == "cli"


def test_public_objects_are_those_of_all_rooms() -> None:
    found = public_objects()
    assert {"store.Store", "index.Graph", "survey.survey", "transform.PCA", "decide.Judge"} <= set(found)
    assert all(thing is not None for thing in found.values())


def test_lazy_names_resolve_on_use() -> None:
    get, names = lazy_names("nearfield.metric", {"Cosine": ".cosine"})
    assert get("Cosine").__name__ == "Cosine"
    assert names() == ["Cosine"]


def test_a_name_is_the_same_thing_however_often_it_is_asked_for() -> None:
    # Importing the module behind a name binds that module in the room: where both have one name, it takes its place.
    first, second = public_objects(), public_objects()
    for name, thing in first.items():
        assert second[name] is thing, name
        assert not isinstance(thing, type(lazy_names)) or thing.__module__.startswith("nearfield."), name


def test_unknown_names_are_said() -> None:
    get, _ = lazy_names("nearfield.metric", {"Cosine": ".cosine"})
    with pytest.raises(AttributeError, match=r"module 'nearfield\.metric' has no attribute 'Manhattan'"):
        get("Manhattan")
