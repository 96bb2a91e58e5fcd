"""The best of many scores, as sorting all of them would have it."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield.serve.qdrant.scores import largest


@pytest.mark.parametrize("odd", [[0.5], [np.nan], [np.inf, -np.inf]])
def test_the_largest_are_those_of_a_full_sort(odd: list[float]) -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 7, 60, 500):
        values = rng.choice(np.array([0.0, 1.0, 2.0, -3.0, *odd], np.float32), size)
        for count in (0, 1, 2, 5, size, size + 3):
            assert np.array_equal(largest(values, count), np.argsort(-values, kind="stable")[:count])
