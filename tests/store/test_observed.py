"""The record of repeated queries: recall by class, alarms, drift, advice, files that may be damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from nearfield.common.interval import difference_interval, mean_interval
from nearfield.store import Store
from nearfield.store.observed import EARLY, KEPT, LEAST, Advice, Observation, Record, _classes

PLAN = {
    "recall": 0.95,
    "recipe": {"kind": "graph"},
    "trials": [{"recipe": {"kind": "graph"}, "recall": 0.96, "recall_low": 0.95, "recall_high": 0.97}],
    "queries_from": "held-out rows",
    "rows": 90,
}


def observed(
    recall: float, share: float = 1.0, stored: bool = False, nearest: float = 0.5, changes: int = 3
) -> Observation:
    return Observation(np.float32([1, 2]), recall, 10, share, nearest, 1.0, changes, stored)


def view(plan: Any = PLAN) -> Any:
    return SimpleNamespace(meta={"plan": plan}, items=100, parts=(), segments=[], pending=4, changes=3)


def test_ties_and_rounding_count_as_found() -> None:
    truth = np.float32([0.1, 0.2, 0.2])
    found = np.float32([0.1, 0.2, np.nextafter(np.float32(0.2), np.float32(1))])
    assert Observation.of(np.zeros(2), found, truth, 1.0, 0).recall == 1
    assert Observation.of(np.zeros(2), np.float32([0.1, 0.3, np.inf]), truth, 1.0, 0).recall == pytest.approx(1 / 3)
    # More found than there are, where many lie at the same distance, is no more than all.
    assert Observation.of(np.zeros(2), np.float32([0.1] * 9), truth, 1.0, 0).recall == 1


def test_classes_follow_what_the_filter_lets_pass() -> None:
    shares = (1.0, 0.99, 0.1, 0.09, 0.01, 0.005, 0.0001)
    lines = _classes([observed(0.9, share) for share in shares], None)
    assert [(line["queries"], line["sampled"]) for line in lines] == [
        ("without a filter", 1),
        ("whose filter passes 10% or more", 2),
        ("whose filter passes 1 to 10%", 2),
        ("whose filter passes 0.1 to 1%", 1),
        ("whose filter passes fewer than 0.1%", 1),
    ]
    assert all(line["low"] <= line["recall"] <= line["high"] and line["alarm"] is None for line in lines)


def test_an_alarm_needs_enough_queries_and_certainty() -> None:
    def alarm(recalls: list[float]) -> str | None:
        return _classes([observed(recall) for recall in recalls], 0.95)[0]["alarm"]

    assert alarm([0.5] * (LEAST - 1)) is None
    assert alarm([0.94] * LEAST + [1.0] * LEAST) is None
    text = alarm([0.5, 0.7] * LEAST)
    assert text is not None and "0.600" in text and "0.95" in text and 'optimize(queries="observed")' in text


def test_alarms_are_told_once(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.follow(view())
    for _ in range(LEAST):
        record.add(observed(0.5))
    assert len(record.new_alarms()) == 1
    record.add(observed(0.4))
    assert record.new_alarms() == []


def test_another_plan_begins_anew(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.follow(view())
    record.add(observed(0.5))
    record.follow(view({**PLAN, "recall": 0.9}))
    assert record.target == 0.9 and record.all() == ([], None)


def test_the_interval_of_a_difference_covers() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        a, b = rng.binomial(10, 0.97, 80) / 10, rng.binomial(10, 0.9, 200) / 10
        _, low, high = difference_interval(mean_interval(a), mean_interval(b))
        covered += low <= 0.07 <= high
    assert covered >= 0.93 * 400


def test_drift_is_told_in_points_of_recall(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.follow(view())
    for _ in range(LEAST):
        record.add(observed(0.9, nearest=0.6))
        record.add(observed(1.0, stored=True, nearest=0.3))
    report = record.report(view(), 17, 0.01)
    queries, data = report["drift"]
    assert "lose 6.0 points" in queries and "2.00 times as far" in queries
    assert "90 when planned" in data and "points" not in data
    assert report["asked"] == 17 and report["target"] == 0.95 and "0.900" in report["alarm"]


def test_items_that_changed_are_held_against_the_first(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.follow(view())
    for number in range(3 * KEPT):
        late = number >= EARLY
        record.add(observed(0.8 if late else 0.9, stored=True, changes=3 + late))
    assert "lose 10.0 points" in record.report(view(), 17, 0.01)["drift"][0]


def test_without_a_plan_nothing_is_promised(tmp_path: Path) -> None:
    record = Record(tmp_path)
    for _ in range(LEAST):
        record.add(observed(0.2))
    report = record.report(view(None), 1, 0.01)
    assert report["alarm"] is None and report["drift"] == [] and report["classes"][0]["recall"] == pytest.approx(0.2)


def test_what_is_kept_is_bounded(tmp_path: Path) -> None:
    record = Record(tmp_path)
    for number in range(KEPT + 10):
        record.add(observed(number / (2 * KEPT)))
    assert len(record.all()[0]) == KEPT


@pytest.mark.parametrize(
    ("tried", "target", "expected"),
    [
        ([(5, 0.9, 0.5), (10, 0.93, 1.0), (20, 0.96, 1.5), (40, 0.99, 2.0)], 0.95, "3.0 points of recall: beam 20"),
        ([(5, 0.9, 0.5), (10, 0.91, 1.0), (20, 0.92, 1.5)], 0.95, "still short of the target"),
        ([(5, 0.97, 0.6), (10, 0.99, 1.0), (20, 1.0, 1.5)], 0.95, "gains speed: beam 5 would take 0.60"),
        ([(5, 0.9, 0.6), (10, 0.96, 1.0), (20, 1.0, 1.5)], 0.95, "gains nothing"),
        ([(5, 0.9, 0.6), (10, 0.96, 1.0), (20, 1.0, 1.5)], None, "gains nothing"),
    ],
)
def test_advice_says_what_is_gained(tried: list[tuple[int, float, float]], target: float | None, expected: str) -> None:
    assert expected in str(Advice.of(tried, 1, target))


def test_processes_share_what_they_found(tmp_path: Path) -> None:
    first, second = Record(tmp_path), Record(tmp_path)
    for record in (first, second):
        record.follow(view())
        record.add(observed(0.5))
        record.add(observed(0.75, stored=True))
    first.advice = Advice(20, 0.96, 1.5, 0.93, 10, True)
    first.save()
    first.save()
    seen, advice = second.all()
    assert sorted(o.recall for o in seen) == [0.5, 0.5, 0.75, 0.75] and advice == first.advice
    assert seen[0].vector.tolist() == [1, 2] and seen[0].kth == 1.0 and seen[0].changes == 3
    other = Record(tmp_path)
    other.follow(view({**PLAN, "recall": 0.5}))
    assert other.all() == ([], None)


@pytest.mark.parametrize("damage", [b"", b"NEARFLD\0", b"x" * 500])
def test_damaged_files_are_passed_over(tmp_path: Path, damage: bytes) -> None:
    record = Record(tmp_path)
    record.add(observed(0.5))
    record.save()
    (record.folder / "0-1.nfa").write_bytes(damage)
    (record.folder / "0-2.nfa").write_bytes((record.folder / record._name).read_bytes()[:-70])
    assert len(Record(tmp_path).all()[0]) == 1


def test_the_oldest_files_go(tmp_path: Path) -> None:
    for _ in range(12):
        record = Record(tmp_path)
        record.add(observed(0.5))
        record.save()
    assert len(os.listdir(tmp_path / "watch")) == 8
    assert len(record.all()[0]) == 8


def test_files_stay_when_a_writer_opens(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(range(20), vectors[:20])
    record = Record(store.path)
    record.add(Observation(vectors[0], 0.5, 10, 1.0, 0.1, 0.2, 1))
    record.save()
    store.close()
    with Store.open(store.path) as again:
        assert again.stats()["recall"]["classes"][0]["sampled"] == 1
        assert again.verify().ok
