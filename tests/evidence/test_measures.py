import numpy as np
import pytest

from nearfield.evidence.measures import (
    calibration_error,
    cost_at,
    exact,
    places_moved,
    precision_at_recall,
    recall,
    walk,
)
from nearfield.index import Graph


def test_exact_finds_the_rows_themselves() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 8), np.float32)
    truth = exact(rows, rows[:5], 3, "l2")
    assert truth.rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert recall(truth.rows, truth) == 1.0
    assert recall(truth.rows[:, :1], truth) == pytest.approx(1 / 3)


def test_cost_is_read_off_between_two_beams() -> None:
    table = {4: (0.5, 40.0), 8: (0.75, 80.0), 16: (1.0, 160.0)}
    assert cost_at(table.__getitem__, 0.625, [4, 8, 16]) == (60.0, 8)
    assert cost_at(table.__getitem__, 0.3, [4, 8, 16]) == (40.0, 4)
    with pytest.raises(RuntimeError, match=r"do not reach recall 0\.9"):
        cost_at(table.__getitem__, 0.9, [4, 8])


def test_a_walk_costs_more_with_a_wider_beam() -> None:
    rows = np.random.default_rng(0).standard_normal((800, 16), np.float32)
    run = walk(Graph("l2").build(rows), rows[:20], exact(rows, rows[:20], metric="l2"))
    (narrow, few), (wide, many) = run(10), run(100)
    assert wide >= narrow > 0.5 and many > few > 10


def test_places() -> None:
    assert places_moved({"a": 3, "b": 2, "c": 1}, {"a": 0, "b": 2, "c": 1}) == {"a": 2, "b": -1, "c": -1}


def test_precision_at_recall_and_calibration_error() -> None:
    rng = np.random.default_rng(0)
    stated = rng.random(20_000)
    truth = rng.random(20_000) < stated
    assert calibration_error(stated, truth) < 0.02
    assert abs(calibration_error(np.full(1000, 0.9), np.zeros(1000, bool)) - 0.9) < 1e-9
    assert precision_at_recall(stated, truth, 0.01) > precision_at_recall(stated, truth, 0.95) > 0.5
    assert precision_at_recall(stated, truth, 1.0) < 0.55
