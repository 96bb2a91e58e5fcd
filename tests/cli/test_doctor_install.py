from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from nearfield.cli import doctor_install
from nearfield.cli.doctor_install import installation

REQUIRES = [
    "numpy>=1.26",
    "absent-package>=2.1",
    'wordllama>=0.3; extra == "text"',
    "faiss-cpu>=1.8; extra == 'bench'",
    'svs>=0.1; platform_machine == "vax" and extra == "bench"',
    'nearfield[bench,text]; extra == "all"',
    'nearfield[all]; extra == "bench"',
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"numpy": "1.9.3", "wordllama": "0.3.0", "faiss-cpu": "1.10"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "requires", lambda _: REQUIRES)
    monkeypatch.setattr(metadata, "version", version)


@pytest.mark.usefixtures("installed")
def test_what_is_missing_or_too_old_is_said_with_the_line_that_mends_it() -> None:
    found = installation()
    old, absent = found["problems"]
    assert old.startswith("numpy is 1.9.3, 1.26 or newer is needed; run: ") and old.endswith("install 'numpy>=1.26'")
    assert absent.startswith("absent-package is missing")
    assert found["extras"]["text"] == {
        "there": {"wordllama": "0.3.0"},
        "lacking": {},
        "install": "pip install 'nearfield[text]'",
    }
    # Extras that name extras, in a ring; nothing for another machine.
    assert set(found["extras"]["all"]["there"]) == {"wordllama", "faiss-cpu"} == set(found["extras"]["bench"]["there"])


def test_run_from_its_sources_it_knows_what_the_project_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> list[str]:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "requires", absent)
    found = installation()
    assert found["problems"] == []
    if "sources" in found["from"] and found["extras"]:
        assert set(found["needs"]) >= {"numpy", "scipy", "sqlglot"} and "text" in found["extras"]


def test_without_either_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_install, "_requirements", lambda: ([], "nowhere"))
    assert "not known" in installation()["remarks"][0]


def test_sources_without_a_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool]")
    assert doctor_install._of_sources(tmp_path / "pyproject.toml") == []
    assert doctor_install._of_sources(tmp_path / "nothing") == []


@pytest.mark.parametrize(("one", "other"), [("1.26", "1.26.0"), ("2.0rc1", "2"), ("0.10", "0.9"), ("26.4+cpu", "26.4")])
def test_versions_are_compared_by_number(one: str, other: str) -> None:
    assert doctor_install._enough(one, other)
    assert not doctor_install._enough(None, other)
