import numpy as np
import pytest

from nearfield.survey import procrustes_residual


def test_the_truth_is_inside(two, holds):
    # 1 - (d a)^2 / (d * d (a^2 + s^2)) with a = s = 1.
    assert holds(lambda seed: procrustes_residual(*two(2000, 6, 1.0, seed), metric="l2"), 0.5) >= 18


def test_in_sample_is_scipys(two):
    from scipy.spatial import procrustes

    x, y = two(200, 6, 0.7, 0)
    found = procrustes_residual(x, y, metric="l2")
    assert found.parts["in_sample"] == pytest.approx(procrustes(x, y)[2], abs=1e-5)
    assert found.value > found.parts["in_sample"]


def test_the_smaller_is_placed_in_the_larger(two):
    x, _ = two(300, 6, 0, 0)
    wide = np.hstack([x, np.zeros((300, 4), np.float32)])[:, ::-1].copy()
    assert procrustes_residual(x, wide, metric="l2").value == pytest.approx(0, abs=1e-4)
    assert procrustes_residual(wide, x, metric="l2").value == pytest.approx(0, abs=1e-4)


def test_few_rows_do_not_flatter(two):
    found = procrustes_residual(two(40, 100, 0, 0)[0], two(40, 100, 0, 1)[0], metric="l2")
    assert found.value > 0.95 and found.parts["in_sample"] < 0.2
    assert found.parts["by_chance"] == pytest.approx(1, abs=0.05)
