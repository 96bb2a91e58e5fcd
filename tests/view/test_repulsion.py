"""The sums by FFT agree with the sums over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.view.repulsion import Repulsion


@pytest.mark.parametrize(("spread", "most"), [(1.0, 0.02), (8.0, 0.04), (60.0, 0.2)])  # the last is on a coarser grid
def test_it_agrees_with_the_sum_over_pairs(spread: float, most: float) -> None:
    points = np.random.default_rng(0).normal(0, spread, (1500, 2)).astype(np.float32)
    x, y, total = Repulsion().push(points[:, 0].copy(), points[:, 1].copy())
    gap = points[:, None].astype(np.float64) - points[None]
    near = 1 / (1 + (gap**2).sum(axis=2))
    wanted = (gap * near[:, :, None] ** 2).sum(axis=1)
    found = np.stack([x, y], axis=1)
    assert np.linalg.norm(found - wanted) < most * np.linalg.norm(wanted)
    assert abs(total - (near.sum() - len(points))) < most * total


def test_few_rows_are_summed_pair_by_pair() -> None:
    points = np.random.default_rng(0).normal(0, 300, (200, 2)).astype(np.float32)
    x, _, total = Repulsion().push(points[:, 0].copy(), points[:, 1].copy())
    gap = points[:, None].astype(np.float64) - points[None]
    near = 1 / (1 + (gap**2).sum(axis=2))
    assert np.allclose(x, (gap[:, :, 0] * near**2).sum(axis=1), rtol=1e-3, atol=1e-6)
    assert total == pytest.approx(near.sum() - 200, rel=1e-3)


def test_a_wide_map_gets_a_coarser_grid_and_is_still_finite() -> None:
    points = np.random.default_rng(0).uniform(-5000, 5000, (1500, 2)).astype(np.float32)
    x, y, total = Repulsion().push(points[:, 0].copy(), points[:, 1].copy())
    assert np.isfinite(x).all() and np.isfinite(y).all() and total > 0


def test_rows_at_one_place_do_not_push() -> None:
    x, y, total = Repulsion().push(np.zeros(2000, np.float32), np.zeros(2000, np.float32))
    assert np.abs(x).max() < 0.1 and np.abs(y).max() < 0.1
    assert total == pytest.approx(2000 * 1999, rel=1e-3)
