"""House rules that a machine can hold: sizes of files, words that do not belong, tests that mirror the source."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PYTHON = sorted((REPOSITORY / "src" / "nearfield").rglob("*.py"))
NATIVE = sorted(path for path in (REPOSITORY / "src" / "native").iterdir() if path.suffix in (".cpp", ".hpp"))
FORBIDDEN = ("TO" + "DO", "FIX" + "ME", "raise NotImplemented" + "Error")


@pytest.mark.parametrize("path", [*PYTHON, *NATIVE], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_file_is_small_and_finished(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= (500 if path.suffix == ".py" else 700)
    for word in FORBIDDEN:
        assert word not in text


def test_every_room_has_its_tests() -> None:
    rooms = {path.name for path in (REPOSITORY / "src" / "nearfield").iterdir() if (path / "__init__.py").exists()}
    for room in rooms:
        assert list((REPOSITORY / "tests" / room).glob("test_*.py")), f"tests/{room} is empty"


def test_the_changelog_names_the_version() -> None:
    import nearfield

    assert nearfield.__version__ in (REPOSITORY / "CHANGELOG.md").read_text()
