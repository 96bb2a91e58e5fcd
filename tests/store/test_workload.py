from __future__ import annotations

import numpy as np
import pytest

from nearfield.common.errors import FilterError
from nearfield.store.snapshot import Shape
from nearfield.store.workload import MAX_CONDITIONS, MAX_VECTORS, Workload, conjuncts

SHAPE = Shape(4, np.dtype(np.float32), "cosine", {"year": "int", "topic": "string"})


def test_conditions_are_counted() -> None:
    log = Workload.check(["year = 1", None, "year = 1", "topic = 'é'"], SHAPE)
    assert log.conditions == ["year = 1", None, "topic = 'é'"] and log.weights.tolist() == [2, 1, 1]
    again = Workload.from_dict(log.to_dict())
    assert again.conditions == log.conditions and (again.weights == log.weights).all() and again.vectors is None


def test_vectors_go_with_their_conditions() -> None:
    rows = np.eye(4, dtype=np.float32)
    log = Workload.check([(rows[0], "year = 1"), ([0, 1, 0, 0], None), "year = 1", (rows[3], "year = 1")], SHAPE)
    assert [log.conditions[i] for i in log.of] == ["year = 1", None, "year = 1"]
    assert (log.vectors == rows[[0, 1, 3]]).all()


def test_a_long_log_is_cut_to_the_most_frequent() -> None:
    texts = [f"year = {i}" for i in range(MAX_CONDITIONS + 50)]
    log = Workload.check([(np.ones(4, np.float32), text) for text in texts + texts[60:70] * 40], SHAPE)
    assert len(log.conditions) == MAX_CONDITIONS and set(log.conditions[:10]) == set(texts[60:70])
    assert len(log.vectors) == MAX_VECTORS and log.of.min() >= 0


def test_cuts_are_the_conditions_and_their_parts() -> None:
    log = Workload.check(["year = 1 and (topic = 'a' and year < 9)", "year = 1", None], SHAPE)
    keys = [cut.key for cut in log.cuts(SHAPE)]
    assert len(keys) == 4 and "sql:topic = 'a'" in keys and "sql:year < 9" in keys


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("year = 1", []),
        ("year = 1 or topic = 'a'", []),
        ("year = 1 and topic like '%x''y%'", ["year = 1", "topic LIKE '%x''y%'"]),
        ('("weird name" = 1) and year in (1, 2)', ['"weird name" = 1', "year IN (1, 2)"]),
    ],
)
def test_conjuncts(text: str, parts: list[str]) -> None:
    assert conjuncts(text) == parts


@pytest.mark.parametrize(
    ("log", "error", "text"),
    [
        ([], ValueError, "workload: expected a sequence"),
        ("year = 1", ValueError, "workload: expected a sequence"),
        ([3], TypeError, "workload: expected a condition as SQL text or None at position 0, got int"),
        ([("year = 1",)], ValueError, "workload: expected .vector, condition. at 0, got 1 values"),
        (["yeer = 1"], FilterError, "unknown column 'yeer'"),
        ([(np.ones(3, np.float32), None)], ValueError, "workload: expected 4 dimensions, got 3"),
        ([(np.zeros(4, np.float32), None)], ValueError, "workload: expected nonzero"),
    ],
)
def test_what_is_no_log_is_refused(log, error, text) -> None:
    with pytest.raises(error, match=text):
        Workload.check(log, SHAPE)
