"""What an aspect is worth."""

from __future__ import annotations

import numpy as np
from held_out import agreement


def test_a_hidden_respect_is_found_and_none_is_made_up() -> None:
    rng = np.random.default_rng(0)
    kind, topic = rng.integers(3, size=300), rng.integers(10, size=300)
    vectors = rng.standard_normal((3, 32))[kind] + 3 * rng.standard_normal((10, 32))[topic]
    vectors += 0.5 * rng.standard_normal((300, 32))
    found = agreement(vectors, [f"kind {one}" for one in kind], 0.3)
    assert found is not None and found.low > 0.2 and found.aspect > 0.9
    chance = agreement(vectors, [f"kind {one}" for one in rng.integers(3, size=300)], 0.3)
    assert chance is not None and chance.low < 0 < chance.high
    assert "points" in str(found)


def test_too_few_labels_are_not_measured() -> None:
    vectors = np.eye(40, dtype=np.float32)
    assert agreement(vectors, ["a"] * 20 + [None] * 20, 0.3) is None
    assert agreement(vectors, ["a"] * 40, 0.3) is None
