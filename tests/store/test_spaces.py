from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nearfield.store.spaces import space_of

A, B = {"encoder": "a"}, {"encoder": "b"}


@pytest.mark.parametrize(
    ("vectors", "embedding", "own", "following", "answer"),
    [
        (np.ones(3), None, (3, A), None, "old"),
        (np.ones(5), None, (3, A), None, "old"),  # whose dimensions are wrong is for others to say
        (np.ones((2, 4)), None, (3, A), (4, B), "new"),
        ([[1.0, 2, 3]], None, (3, A), (4, B), "old"),
        ([], None, (3, A), (4, B), "old"),
        (np.ones(3), A, (3, A), (3, B), "old"),
        (np.ones(3), B, (3, A), (3, B), "new"),
        (np.ones(3), "new", (3, None), (3, None), "new"),
        (np.ones(3), "old", (3, None), (3, None), "old"),
    ],
)
def test_a_space_is_found(vectors: Any, embedding: Any, own: Any, following: Any, answer: str) -> None:
    assert space_of(vectors, embedding, own, following, "queries") == answer


@pytest.mark.parametrize(
    ("vectors", "embedding", "own", "following", "message"),
    [
        (np.ones(3), B, (3, A), None, "holds vectors of"),
        (np.ones(3), A, (3, None), None, "an unnamed encoder"),
        (np.ones(3), "new", (3, A), None, "the store is not being moved"),
        (np.ones(3), "newer", (3, A), (3, B), "expected 'old', 'new' or a fingerprint"),
        (np.ones(3), None, (3, A), (3, B), "queries: |whose queries these are"),
        (np.ones(5), None, (3, A), (4, B), r"queries: expected 3 dimensions \(old\) or 4 \(new\), got 5"),
        (np.ones(3), {"a": {1}}, (3, A), None, "expected JSON values"),
        (np.ones(3), 7, (3, A), None, "expected a dict"),
    ],
)
def test_no_space_is_guessed(vectors: Any, embedding: Any, own: Any, following: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        space_of(vectors, embedding, own, following, "queries")
