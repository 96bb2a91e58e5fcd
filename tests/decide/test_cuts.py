from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import cut_at_count, cut_at_distance, cut_at_jump

DISTANCES = np.array([[0.1, 0.12, 0.5, 0.52, 0.9, 0.91], [0.2, 0.3, 0.4, np.inf, np.inf, np.inf]])


def test_a_distance_and_a_count() -> None:
    assert cut_at_distance(DISTANCES, 0.5).sum(axis=1).tolist() == [3, 3]
    assert cut_at_distance(DISTANCES, np.inf).sum(axis=1).tolist() == [6, 3]
    assert cut_at_count(DISTANCES, 4).sum(axis=1).tolist() == [4, 3]
    assert not cut_at_count(DISTANCES[0], 0).any()


def test_jumps() -> None:
    assert cut_at_jump(DISTANCES).sum(axis=1).tolist() == [2, 3]  # even steps have no leap
    assert cut_at_jump(DISTANCES, jumps=2)[0].sum() == 4
    assert cut_at_jump(DISTANCES, jumps=9)[0].sum() == 6
    assert cut_at_jump(DISTANCES[0]).shape == (6,)


@pytest.mark.parametrize("row", [[], [0.3], [0.3, 0.4], [0.3] * 5, [np.inf] * 3])
def test_too_little_to_jump(row: list[float]) -> None:
    assert cut_at_jump(np.array(row, float)).sum() == np.isfinite(row).sum()


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="distances: expected ascending"):
        cut_at_jump([0.4, 0.3])
    with pytest.raises(ValueError, match=r"distances: expected distances .* got NaN"):
        cut_at_distance([np.nan], 1.0)
    with pytest.raises(ValueError, match="jumps: expected an integer of at least 1"):
        cut_at_jump([0.1], jumps=0)
