from __future__ import annotations

import os
from pathlib import Path

import pytest

from nearfield.cli import doctor_search


def test_all_is_well_here(run, tmp_path: Path) -> None:
    answer = run("doctor")
    assert answer.code == 0, answer.out
    titles = [line for line in answer.out.splitlines() if not line.startswith((" ", "note: "))]
    assert titles == ["machine", "installation", "disk", "self-test", "all is well"]
    assert list(tmp_path.iterdir()) == []


def test_json_has_what_a_report_of_a_bug_needs(run) -> None:
    answer = run("doctor", "--json").json
    assert (answer["ok"], answer["problems"]) == (True, [])
    assert answer["machine"]["level"] in answer["machine"]["levels"]
    assert answer["machine"]["threads"] >= 1
    assert answer["installation"]["needs"]["numpy"]
    assert answer["installation"]["extras"]["text"]["install"] == "pip install 'nearfield[text]'"
    assert answer["disk"]["works"]["locks"] is True and answer["disk"]["free_bytes"] > 0
    assert min(answer["self_test"]["recall"].values()) > 0.9
    assert "lines" not in answer["disk"]


@pytest.mark.parametrize("name", ["not/yet/there", "x" * 5000, "file/below", "a\0b"])
def test_any_path_will_do(run, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_search, "self_test", dict)
    (tmp_path / "file").touch()
    answer = run("doctor", name, "--json")
    assert answer.code == 0
    assert answer.json["disk"]["path"] == str(tmp_path) or "\0" in name


def test_a_wrong_answer_is_exit_code_1(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_search, "_recall", lambda truth, rows: 0.5)
    answer = run("doctor")
    assert answer.code == 1
    assert "PROBLEM: self_test: scan, scalar finds 0.500 of the nearest" in answer.out
    assert answer.out.splitlines()[-1].endswith("problems")


def test_whatever_happens_is_reported(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("illegal instruction")

    monkeypatch.setattr(doctor_search, "self_test", broken)
    answer = run("doctor", "--json")
    assert answer.code == 1 and answer.json["problems"] == ["self_test: RuntimeError: illegal instruction"]
    assert "PROBLEM: self_test: RuntimeError: illegal instruction\n1 problem\n" in run("doctor").out


def test_the_level_is_as_it_was(run) -> None:
    from nearfield import native

    before = native.simd_level()
    native.set_simd_level("scalar")
    try:
        assert run("doctor", "--json").json["machine"]["level"] == "scalar" == native.simd_level()
    finally:
        native.set_simd_level(before)


@pytest.mark.skipif(os.name != "posix", reason="asks for a process of its own")
def test_as_users_call_it(command) -> None:
    answer = command("doctor", "--json", "/")
    assert answer.err == "" and answer.json["self_test"]["seconds"] > 0
