"""Every public name is documented, shown by an example, listed in the API docs, and tested."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from nearfield.common.registry import FLOORS, public_names, public_objects

REPOSITORY = Path(__file__).parents[1]
PUBLIC = public_objects()
DOCUMENTED = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing) or inspect.isroutine(thing)}


def test_every_room_shows_something_or_is_a_command() -> None:
    shown = {name.split(".")[0] for name in public_names()}
    assert set(FLOORS) - shown <= {"cli"}


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_has_a_docstring_with_an_example(name: str) -> None:
    doc = inspect.getdoc(DOCUMENTED[name]) or ""
    assert doc, f"{name} has no docstring"
    if inspect.isclass(DOCUMENTED[name]):
        assert ">>>" in doc, f"{name} has no example"


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_is_in_the_api_docs(name: str) -> None:
    room, thing = name.split(".")
    page = REPOSITORY / "docs" / "api" / f"{room}.md"
    assert page.exists(), f"docs/api/{room}.md is missing"
    assert re.search(rf"^::: nearfield\.{room}\.{thing}$", page.read_text(), re.MULTILINE), (
        f"docs/api/{room}.md does not list {thing}"
    )


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_has_a_test(name: str) -> None:
    room, thing = name.split(".")
    tests = "\n".join(path.read_text() for path in sorted((REPOSITORY / "tests" / room).rglob("*.py")))
    assert re.search(rf"\b{thing}\b", tests), f"no test under tests/{room} mentions {thing}"


def test_the_api_docs_name_nothing_that_is_not_there() -> None:
    for page in sorted((REPOSITORY / "docs" / "api").glob("*.md")):
        for name in re.findall(r"^::: nearfield\.(\S+)$", page.read_text(), re.MULTILINE):
            assert name in public_names(), f"{page.name} lists {name}, which is not public"
