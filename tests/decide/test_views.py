from __future__ import annotations

import numpy as np
import pytest

from nearfield.decide import Views


def test_parts_stay_together() -> None:
    rng = np.random.default_rng(0)
    tokens = [rng.standard_normal((size, 4)).astype(np.float16) for size in (3, 0, 2)]
    views = Views(rng.standard_normal((3, 4)), tokens=iter(tokens), second=[None, np.ones(6), np.zeros(6)])
    assert views.has_tokens.tolist() == [True, False, True] and views.has_second.tolist() == [False, True, True]
    part = views[np.array([2, 0])]
    assert np.array_equal(part.vectors, views.vectors[[2, 0]]) and np.array_equal(part.tokens[0], tokens[2])
    assert part.has_second.tolist() == [True, False] and len(views[1:]) == 2 and len(views[views.has_tokens]) == 2
    assert views[:1].second is None and "no second view" in repr(views[:1])
    assert not Views(np.ones((2, 3))).has_tokens.any()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"tokens": [np.ones((2, 4))]}, "expected 2 arrays"),
        ({"tokens": [np.ones((2, 4)), np.ones((2, 5))]}, r"shape \(t, 4\), as the vectors, got float64 \(2, 5\) at 1"),
        ({"tokens": [np.full((2, 4), np.nan), None]}, "finite values, got NaN or infinity at 0"),
        ({"tokens": [np.array([["a"] * 4]), None]}, "expected numbers"),
        ({"second": np.ones((3, 5))}, "expected 2 rows, one a vector, got 3"),
        ({"second": [np.ones(5)]}, "expected 2 rows, one a vector, got 1"),
        ({"second": [None, None]}, "got None for all"),
        ({"second": [np.ones(5), np.ones(4)]}, "of one dimension"),
        ({"second": np.full((2, 5), np.inf)}, "infinity"),
        ({"second": [None, np.full(5, np.nan)]}, "NaN"),
    ],
)
def test_refusals(options: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Views(np.ones((2, 4)), **options)


def test_vectors_are_checked() -> None:
    for vectors in (np.full((2, 3), np.nan), np.ones((0, 3)), np.ones(3), [["a"]]):
        with pytest.raises(ValueError):
            Views(vectors)
