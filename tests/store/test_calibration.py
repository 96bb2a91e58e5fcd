from __future__ import annotations

import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.store.calibration import Calibration


@pytest.mark.parametrize("name", ["cosine", "ip", "l2"])
def test_a_line_over_scores(name: str) -> None:
    metric, line = get_metric(name), Calibration(0.5, -0.25)
    distances = np.float32([[0.1, 0.7, 1.4, np.inf]])
    moved = line.distances(distances, metric)
    scores = metric.scores_from_distances(distances)[0, :3]
    expected = scores / 2 - 0.25
    if name != "ip":
        origin = 0 if name == "l2" else -1
        expected = np.maximum(expected, origin + (scores - origin) / 2)
    assert np.allclose(metric.scores_from_distances(moved)[0, :3], expected, atol=1e-6)
    assert np.isinf(moved[0, 3]) and (np.diff(moved[0]) > 0).all()
    for distance, there in zip(distances[0, :3], moved[0, :3], strict=True):
        assert line.before(float(there), metric) == pytest.approx(float(distance), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("name", ["cosine", "l2"])
def test_what_was_asked_for_comes_first(name: str) -> None:
    metric, generous = get_metric(name), Calibration(0.8, -0.9)
    moved = generous.distances(np.float32([1e-3, 0.1, 0.5, 1.0]), metric)
    assert (moved > 0).all() and (np.diff(moved) > 0).all()
    assert generous.distances(np.float32([0]), metric)[0] == 0
