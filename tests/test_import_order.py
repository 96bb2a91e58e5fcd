"""The rooms stand in their order: a room imports only from lower floors and from itself."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import nearfield
from nearfield.common.registry import FLOORS

PACKAGE = Path(nearfield.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a module imports from, anywhere in it: functions and TYPE_CHECKING blocks count."""
    package = ("nearfield", *path.relative_to(PACKAGE).parts[:-1])
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            names = [[*base, alias.name] for alias in node.names]
        rooms |= {name[1] for name in names if name[0] == "nearfield" and len(name) > 1}
    return rooms


def test_every_room_has_a_floor() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert rooms == set(FLOORS)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0]
    if room in FLOORS:  # the public face itself may name every room
        for other in imported_rooms(path) & set(FLOORS) - {room, "common"}:
            assert FLOORS[other] < FLOORS[room], (
                f"{room} (floor {FLOORS[room]}) imports {other} (floor {FLOORS[other]})"
            )


def test_common_imports_no_room() -> None:
    for path in sorted((PACKAGE / "common").glob("*.py")):
        assert imported_rooms(path) & set(FLOORS) <= {"common"}


def test_the_check_sees_imports_inside_functions() -> None:
    assert imported_rooms(PACKAGE / "index" / "graph.py") >= {"common", "quantize", "native"}
