"""The share of neighbours that a map keeps."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.view import neighbors_kept
from nearfield.view.graph import nearest_rows


def test_a_map_that_is_the_space_keeps_all() -> None:
    places = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    assert neighbors_kept(places, nearest_rows(places, 15, "l2")).min() == 1.0


def test_a_shuffled_map_keeps_what_chance_gives() -> None:
    rng = np.random.default_rng(0)
    places = rng.normal(size=(2000, 2)).astype(np.float32)
    kept = neighbors_kept(rng.permutation(places), nearest_rows(places, 20, "l2")).mean()
    assert 0.002 < kept < 0.03


def test_rows_at_one_place_and_rows_without_neighbours() -> None:
    kept = neighbors_kept(np.zeros((30, 2), np.float32), np.roll(np.arange(30), 1)[:, None])
    assert kept.shape == (30,) and ((kept == 0) | (kept == 1)).all()
    assert neighbors_kept(np.zeros((3, 2), np.float32), np.full((3, 2), -1)).tolist() == [0, 0, 0]
    assert neighbors_kept(np.zeros((3, 2), np.float32), np.empty((3, 0), int)).tolist() == [0, 0, 0]


def test_what_does_not_fit_is_refused() -> None:
    places = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"neighbors: expected shape \(3, k\)"):
        neighbors_kept(places, [[0]])
    with pytest.raises(TypeError, match="neighbors: expected row numbers"):
        neighbors_kept(places, np.zeros((3, 1)))
