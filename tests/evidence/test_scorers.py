from __future__ import annotations

import numpy as np

from nearfield.evidence.scorers import TokenMaxSim


def test_maxsim_is_the_sum_of_the_best_cosines() -> None:
    rng = np.random.default_rng(0)
    tokens = [rng.standard_normal((rng.integers(1, 6), 4)) for _ in range(600)]
    query = rng.standard_normal((3, 4)).astype(np.float32)
    scorer = TokenMaxSim(tokens)
    expected = [(query @ (one / np.linalg.norm(one, axis=1, keepdims=True)).T).max(axis=1).sum() for one in tokens]
    np.testing.assert_allclose(scorer(query, np.arange(600)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        scorer(query, np.array([5, 2, 599])), np.array(expected)[[5, 2, 599]], rtol=1e-4, atol=1e-5
    )
    assert scorer(query, np.array([], int)).shape == (0,)
