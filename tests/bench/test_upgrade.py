from __future__ import annotations

import numpy as np

from nearfield.bench.data import unit
from nearfield.bench.upgrade import BACK, SHARES, Task, halfway, markdown, measure, measure_mapped, recall


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
