import numpy as np
import pytest

from nearfield.survey import contrast, sample_neighbors
from nearfield.survey.collection import Collection
from nearfield.survey.contrast import random_distances


def test_planted_ratio():
    # Pairs 1 apart, pairs 100 apart from each other: along a line of well separated pairs.
    corners = 100 * np.eye(50).repeat(2, axis=0)
    corners[::2, 0] += 0.5
    corners[1::2, 0] -= 0.5
    measure = contrast(corners.astype(np.float32), metric="l2")
    assert measure.arrays["nearest"] == pytest.approx(1)
    assert measure.value == pytest.approx(100 * np.sqrt(2) * 98 / 99, rel=0.02)
    assert measure.verdict == "good"


def test_falls_with_dimension(cloud):
    values = [contrast(cloud("gaussian", 800, dim, 0), metric="l2").value for dim in (2, 10, 50, 400)]
    assert values == sorted(values, reverse=True)
    assert contrast(cloud("gaussian", 800, 400, 0), metric="l2").verdict == "poor"


def test_interval(cloud, holds):
    truth = np.mean([contrast(cloud("gaussian", 600, 10, seed), metric="l2").value for seed in range(100, 120)])
    assert holds(lambda seed: contrast(cloud("gaussian", 600, 10, seed), metric="l2", random_state=seed), truth) >= 17
    assert (
        holds(lambda s: contrast(cloud("gaussian", 600, 10, s), metric="l2", sample=150, random_state=s), truth) >= 17
    )


def test_cosine_speaks_of_cosines(cloud):
    assert "cosine" in contrast(cloud("gaussian", 200, 5, 0)).meaning
    assert "distance" in contrast(cloud("gaussian", 200, 5, 0), metric="ip").meaning


def test_random_distances_never_meet_themselves(cloud):
    space = Collection.of(cloud("gaussian", 20, 3, 0), "l2")
    assert (random_distances(space, np.arange(20), 0, pairs=200) > 0).all()


def test_shared_search(cloud):
    x = cloud("gaussian", 500, 6, 0)
    shared = sample_neighbors(x, 20, sample=100)
    assert contrast(x, neighbors=shared).value == contrast(x, sample=100).value


def test_what_cannot_be_measured_says_why():
    assert "at least 10 different rows" in contrast(np.ones((40, 3), np.float32)).meaning
    line = (np.arange(1, 40)[:, None] * np.float32([1, 2, 3])).astype(np.float32)
    assert "coincide" in contrast(line).meaning
