from __future__ import annotations

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
