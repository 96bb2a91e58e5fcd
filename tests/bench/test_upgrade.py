from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nearfield.bench import judged_moves
from nearfield.bench.data import unit
from nearfield.bench.upgrade import (
    BACK,
    SHARES,
    Task,
    halfway,
    markdown,
    measure,
    measure_mapped,
    recall,
    run_upgrade,
)


def small(rows: int = 120) -> Task:
    rng = np.random.default_rng(0)
    things = rng.standard_normal((rows + 40, 6))
    old, new = (
        (things @ rng.standard_normal((6, dim)) + 0.3 * rng.standard_normal((rows + 40, dim))).astype(np.float32)
        for dim in (8, 12)
    )
    nearest = np.argsort(-(new[rows : rows + 20] @ new[:rows].T), axis=1)[:, :1]
    return Task(
        "small",
        "hit",
        old[:rows],
        new[:rows],
        *(part[rows : rows + 20] for part in (old, new)),
        *(part[rows + 20 :] for part in (old, new)),
        lambda answer: float((answer == nearest).any(axis=1).mean()),
    )


def test_every_order_goes_from_nothing_to_the_end() -> None:
    found = measure(small(), pairs=40, step=0.25)
    names = [curve["name"] for curve in found["curves"]]
    assert len(names) == 5 and found["new"] >= found["old"] - 0.2
    for curve in found["curves"]:
        assert len(curve["points"]) == len(SHARES) and curve["points"][-1]["share"] == 1
        assert curve["points"][-1]["new"] == found["new"]  # nothing is mapped any more
        assert {point["old"] for point in curve["points"]} == {found["old"]}
    rng = np.random.default_rng(0)
    old, new = (rng.standard_normal((300, dim)).astype(np.float32) for dim in (6, 8))
    result = {"machine": {"cpu": {"model": "x"}, "date": "today"}, "pairs": 40, "step": 0.25, "tasks": [found]}
    mapped = measure_mapped(old, new, pairs=40, queries=10)
    assert mapped["recall_10"] == mapped["recall_100"] == 1 and mapped["bytes"] == 250 * 8 * 2  # so few are scanned
    text = markdown(result | {"mapped": mapped})
    assert all(f"| {name} | both |" in text for name in names)


def test_back_is_the_other_way() -> None:
    task = small(60)
    back = task.back(recall(unit(task.old), unit(task.old_queries)))
    assert back.old is task.new and back.new_samples is task.old_samples and back.name == "small, back"
    found = measure(back, pairs=30, step=0.5, names=BACK)
    assert [curve["name"] for curve in found["curves"]] == list(BACK)
    assert found["new"] == 1  # the new model's own nearest, when all are encoded


def test_what_a_share_brings_of_the_whole_gain() -> None:
    points = [{"share": 0.0, "new": 0.2}, {"share": 0.2, "new": 0.3}, {"share": 1.0, "new": 0.6}]
    assert halfway(points, "new") == 0.25


def test_judged_questions_by_share_and_by_number() -> None:
    task = small()
    nearest = np.argsort(-(task.new_samples @ task.new.T), axis=1)[:, :2].tolist()
    hits = np.argsort(-(task.new_queries @ task.new.T), axis=1)[:, :1]

    def each(answer: np.ndarray) -> np.ndarray:
        return (answer == hits).any(axis=1).astype(float)

    judged = replace(task, each=each, relevant=nearest)
    found = judged_moves.measure(judged, pairs=40, step=0.5, shares=(0.0, 0.5, 1.0), counts=(10,))
    assert [round(point["share"], 6) for point in found["points"]] == [0.0, 0.5, 1.0]
    for point in found["points"]:
        assert len(point["weights"]) == 11 and abs(point["weights"][0] - found["old"]) < 1e-9
        assert abs(point["both"] - point["weights"][round(10 * point["weight"])]) < 1e-9
        low, high = point["interval"]
        assert low <= point["more"] <= high and len(point["fewer"]["10"]) == judged_moves.DRAWS
    text = "\n".join(judged_moves.markdown([found]))
    assert "| judged |" in text and "The least over the old model:" in text and "judged questions (20)" in text
    found |= {"old": 0.2, "new": 0.6}
    found["points"][1] |= {"share": 0.2, "more": 0.1, "interval": [0.04, 0.2]}
    text = "\n".join(judged_moves.markdown([found]))
    assert "By 20% it has 0.25 [0.10, 0.50] of what the new model alone gains over the old one." in text
    assert "By 20%" not in "\n".join(judged_moves.markdown([found | {"new": 0.1}]))


def test_parts_that_are_not_measured_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nearfield.bench import upgrade

    with pytest.raises(ValueError, match="parts: expected some of orders, back, judged, nouns, mapped, got 'x'"):
        run_upgrade(tmp_path, parts=["x"])
    tasks = [small(), small(60)]
    monkeypatch.setattr(upgrade, "scifact", lambda rows: tasks[0])
    monkeypatch.setattr(upgrade, "wordnet", lambda rows, queries: tasks[1])
    measured: list[str] = []

    def stand_in(task: Task, **_: object) -> dict[str, object]:
        measured.append(task.name)
        return {"name": task.name, "mark": len(measured)}

    monkeypatch.setattr(judged_moves, "measure", stand_in)
    monkeypatch.setattr(upgrade, "markdown", lambda result: "")
    (tmp_path / "upgrade.json").write_text(
        json.dumps({"machine": "then", "tasks": [{"name": "kept"}], "mapped": {"items": 1}})
    )
    run_upgrade(tmp_path, quick=True, parts=["judged"])
    result = json.loads((tmp_path / "upgrade.json").read_text())
    assert result["tasks"] == [{"name": "kept"}] and result["mapped"] == {"items": 1}
    assert result["machine"] == "then"  # of what is timed, which was not measured again
    assert {task["name"] for task in result["judged"]} == {"small", "small, back"} and len(measured) == 4

    monkeypatch.setattr(upgrade, "nouns", lambda rows, questions: replace(small(), name="nouns"))
    monkeypatch.setattr(upgrade, "measure", stand_in)
    run_upgrade(tmp_path, quick=True, parts=["nouns"])
    result = json.loads((tmp_path / "upgrade.json").read_text())
    assert [task["name"] for task in result["tasks"]] == ["kept", "nouns"]
    assert {"nouns", "nouns, back"} < {task["name"] for task in result["judged"]} and len(measured) == 7
