from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.cli import upgrade
from nearfield.store import Store

ROWS = np.random.default_rng(0).standard_normal((120, 4)).astype(np.float32)


class Turned:
    """The old vectors in other dimensions; a text is the number of its item."""

    dim = 6

    def encode(self, items: Any, *, progress: bool | None = None) -> np.ndarray:
        matrix = np.linalg.qr(np.random.default_rng(1).standard_normal((6, 4)))[0].astype(np.float32)
        return ROWS[[int(text) for text in items]] @ matrix.T

    def fingerprint(self) -> dict[str, Any]:
        return {"encoder": "Turned", "dim": 6}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(upgrade, "make_encoder", lambda name: Turned())
    with Store.create(tmp_path / "a.nf", 4) as store:
        ids = list(range(100))
        store.add(ids, ROWS[:100], payload=[{"body": str(number)} for number in ids])
    (tmp_path / "queries.txt").write_text("101\n\n102\n103\n")
    return tmp_path / "a.nf"


def test_from_begin_to_finish(run, place: Path) -> None:
    assert run("upgrade", place).code == 1
    begun = run("upgrade", place, "--encoder", "x", "--pairs", 40, "--text", "body", "--queries", "queries.txt")
    assert begun.code == 0 and begun.out.startswith("40 of 100 items encoded") and "loses" in begun.out
    assert run("upgrade", place, "--encoder", "x", "--text", "body", "--share", 0.6).out.startswith("60 of 100")
    state = run("upgrade", place, "--json").json
    assert (state["moving"], state["done"]) == (True, 60)
    done = run("upgrade", place, "--encoder", "x", "--text", "body", "--finish")
    assert done.code == 0 and "100 items of 6 dimensions" in done.out
    with Store.open(place) as store:
        assert store.dim == 6 and store.search(Turned().encode(["7"])[0], 1).ids == [7] and store.verify().ok


class Same(Turned):
    """The old model."""

    def encode(self, items: Any, *, progress: bool | None = None) -> np.ndarray:
        return ROWS[[int(text) for text in items]]


def test_the_old_model_encodes_the_sample_queries_too(
    run, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(upgrade, "make_encoder", lambda name: Same() if name == "old" else Turned())
    (tmp_path / "many.txt").write_text("\n".join(map(str, range(60, 120))))
    begin = ("upgrade", place, "--encoder", "x", "--pairs", 40, "--text", "body", "--old-encoder", "old")
    assert "expected with --queries" in run(*begin).err
    assert run(*begin, "--queries", "many.txt").code == 0
    with Store.open(place) as store:
        moving = store.upgrading
        assert moving is not None and any(tried["queries"] for tried in moving.choice["candidates"])


def test_judged_questions_say_which_model_is_believed(
    run, place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(upgrade, "make_encoder", lambda name: Same() if name == "old" else Turned())
    nearest = np.argsort(-(ROWS[100:] @ (ROWS[:100] / np.linalg.norm(ROWS[:100], axis=1, keepdims=True)).T), axis=1)
    lines = [
        json.dumps({"text": str(number), "relevant": row[:2].tolist()})
        for number, row in enumerate(nearest[:, :2], 100)
    ]
    (tmp_path / "judged.jsonl").write_text("\n".join([*lines[:10], "", *lines[10:]]) + "\n")
    begin = ("upgrade", place, "--encoder", "x", "--pairs", 40, "--text", "body")
    assert "--judged: expected with --old-encoder" in run(*begin, "--judged", "judged.jsonl").err
    assert "--judged: expected with --encoder" in run("upgrade", place, "--judged", "judged.jsonl").err
    judged = ("--judged", "judged.jsonl", "--old-encoder", "old")
    begun = run(*begin, *judged, "--queries", "queries.txt")
    assert begun.code == 0 and "judged questions (20): old 1." in begun.out
    assert run("upgrade", place, "--json").json["judged"]["questions"] == 20
    run("upgrade", place, "--abandon")
    assert "judged" not in run(*begin).out
    assert "judged questions (20)" in run(*begin, *judged).out  # a move that has begun
    for bad in ("nothing", "[1]", '{"text": 1, "relevant": []}', '{"text": "a"}', '{"text": "a", "relevant": "b"}', ""):
        (tmp_path / "judged.jsonl").write_text(bad)
        said = run(*begin, *judged).err
        assert ("in line 1" if bad else "found none") in said


def test_giving_up(run, place: Path) -> None:
    run("upgrade", place, "--encoder", "x", "--pairs", 40, "--text", "body")
    assert "given up" in run("upgrade", place, "--abandon").out
    run("upgrade", place, "--encoder", "x", "--pairs", 40, "--text", "body")
    told = run("upgrade", place, "--abandon", "--json").json
    assert told == {"moving": False, "abandoned": True, "items": 100, "dim": 4}
    state = run("upgrade", place, "--json")
    assert (state.code, state.json) == (1, {"moving": False})
    assert run("upgrade", place).out == "not being moved; begin with --encoder\n"


def test_errors_are_lines(run, place: Path) -> None:
    assert "begin with --encoder" in run("upgrade", place, "--finish").err
    assert "begin with --encoder" in run("upgrade", place, "--abandon").err
    assert "expected with --encoder" in run("upgrade", place, "--share", 0.5).err
    assert "'text' in the payload" in run("upgrade", place, "--encoder", "x", "--pairs", 40).err
    run("upgrade", place, "--encoder", "x", "--pairs", 40, "--text", "body")
    assert "this move has begun" in run("upgrade", place, "--encoder", "x", "--metric", "l2").err
    assert "60 items are not encoded" in run("upgrade", place, "--finish").err
