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
    scores = metric.scores_from_distances(distances)
    expected = np.maximum(0, scores / 2 - 0.25) if name == "l2" else scores / 2 - 0.25
    assert np.allclose(metric.scores_from_distances(moved)[0, :3], expected[0, :3], atol=1e-6)
    assert np.isinf(moved[0, 3]) and (np.diff(moved[0]) >= 0).all()
    for distance in distances[0, 1:3]:
        there = float(line.distances(np.float32([distance]), metric)[0])
        assert line.before(there, metric) == pytest.approx(float(distance), rel=1e-3) or (name == "l2" and there == 0)
