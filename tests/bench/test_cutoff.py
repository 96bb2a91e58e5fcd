"""The benchmark of cut-offs on an invented space: it runs, and its figures mean what they say."""

from __future__ import annotations

import json

import numpy as np

from nearfield.bench.cutoff import empty_at, markdown, measure, precision_at
from nearfield.datasets.answers import Answers, Labelled


def test_precision_at_a_recall() -> None:
    score = np.array([[0.9, 0.8], [0.7, 0.1]])
    labels = np.array([[True, False], [True, False]])
    precision, hits = precision_at(score, labels, np.array([[1.0, 1.0], [2.0, 0.0]]), (1.0, 0.5))
    np.testing.assert_allclose(precision, [[2 / 3, 1.0], [1.0, 1.0]])
    np.testing.assert_allclose(hits, [[1.5, 0.5], [1.0, 1.0]])
    precision, hits = precision_at(np.zeros((2, 2)), labels, np.ones((1, 2)), (0.5,))  # ties stay together
    assert (precision[0, 0], hits[0, 0]) == (0.5, 2.0)


def test_empty_queries() -> None:
    inside = np.linspace(0, 1, 101)
    assert empty_at(inside, np.array([0.01, 0.04, 0.5, 0.9])) == 0.5


def test_every_rule_is_measured() -> None:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((40, 12))

    def draw(topics: np.ndarray) -> np.ndarray:
        rows = centers[topics] + 0.5 * rng.standard_normal((len(topics), 12))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    topics = np.repeat(np.arange(20), 15)

    def labelled(count: int) -> Labelled:
        asked = rng.integers(0, 20, count)
        return Labelled(draw(asked), tuple(np.flatnonzero(topics == topic) for topic in asked))

    outside = [draw(rng.integers(20, 40, 30)) for _ in range(2)]
    found = measure(Answers("invented", draw(topics), labelled(40), labelled(30), *outside))
    assert found["rules"]["calibrator, both"]["0.8"]["precision"] > 0.5
    for one in found["rules"].values():
        assert one["0.95"]["interval"][0] <= one["0.95"]["interval"][1] and 0 <= one["empty"] <= 1
    result = {"machine": {"cpu": {"model": "x"}, "date": "d"}, "sets": {"invented": found}}
    json.dumps(result)
    assert "| judge, labels |" in markdown(result) and "## invented" in markdown(result)
