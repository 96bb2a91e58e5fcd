import numpy as np
import pytest

from nearfield.transform import RidgeMap
from nearfield.tune.map_pairs import MapPairs


def made(n: int = 60, **given) -> MapPairs:
    rng = np.random.default_rng(0)
    old, new = (rng.standard_normal((n, d)).astype(np.float32) for d in (4, 6))
    parts, *asked = (given.get(name) for name in ("parts", "queries", "old_queries"))
    return MapPairs.of(old, new, "cosine", None, 10, parts, *asked, 0)


def test_rows_ask_for_the_others_and_parts_ask_in_their_place() -> None:
    pairs = made()
    assert (pairs.own == np.arange(60)).all() and pairs.k == 3
    rng = np.random.default_rng(1)
    parts = rng.standard_normal((90, 4)), rng.standard_normal((90, 6)), np.arange(90) % 60
    parts = (np.float32(parts[0]), np.float32(parts[1]), parts[2])
    pairs = made(parts=parts)
    assert (pairs.own == np.arange(90) % 60).all() and pairs.asked.shape == (90, 6)
    rows = np.array([3, 5, 8])
    whole = RidgeMap().fit(
        np.concatenate([pairs.old[rows], pairs.parts.old[np.isin(parts[2], rows)]]),
        np.concatenate([pairs.new[rows], pairs.parts.new[np.isin(parts[2], rows)]]),
    )
    fitted = pairs.fitted(RidgeMap(), "old-to-new", rows, np.arange(0))
    np.testing.assert_allclose(fitted.transform(pairs.old), whole.transform(pairs.old), atol=1e-5)


def test_queries_of_their_own_are_no_rows() -> None:
    pairs = made(queries=np.eye(6, dtype=np.float32))
    assert (pairs.own == -1).all() and len(pairs.asked) == 6
    rows = np.arange(0, 60, 2)
    shares = pairs.lost(np.arange(6), rows, pairs.new[rows], "old-to-new")
    assert (shares == 0).all()


def test_queries_by_both_models_are_pairs_too() -> None:
    rng = np.random.default_rng(2)
    asked, before = (rng.standard_normal((30, d)).astype(np.float32) for d in (6, 4))
    pairs = made(queries=asked, old_queries=before)
    lengths = np.linalg.norm(before, axis=1, keepdims=True)
    np.testing.assert_allclose(pairs.asked_old, before / lengths, atol=1e-6)
    rows, some = np.arange(5), np.array([3, 9])
    fitted = pairs.fitted(RidgeMap(), "old-to-new", rows, some)
    whole = RidgeMap().fit(
        np.concatenate([pairs.old[rows], pairs.asked_old[some]]), np.concatenate([pairs.new[rows], pairs.asked[some]])
    )
    np.testing.assert_allclose(fitted.transform(pairs.old), whole.transform(pairs.old), atol=1e-5)
    for words, given in {
        "expected queries= beside it": {"old_queries": before},
        "expected 30 rows": {"queries": asked, "old_queries": before[:25]},
        "expected at least 20 rows": {"queries": asked[:9], "old_queries": before[:9]},
        "expected 4 dimensions": {"queries": asked, "old_queries": asked},
    }.items():
        with pytest.raises(ValueError, match=f"old_queries: {words}"):
            made(**given)


@pytest.mark.parametrize(
    ("parts", "error", "words"),
    [
        ([1, 2], TypeError, "parts: expected"),
        ((np.ones((3, 4), np.float32), np.ones((2, 6), np.float32), [0, 1, 2]), ValueError, r"parts\[1\]: expected 3"),
        ((np.ones((2, 5), np.float32), np.ones((2, 6), np.float32), [0, 1]), ValueError, r"parts\[0\]: expected 4"),
        ((np.ones((2, 4), np.float32), np.ones((2, 6), np.float32), [0, 60]), ValueError, r"parts\[2\]: expected row"),
        ((np.ones((2, 4), np.float32), np.ones((2, 6), np.float32), [0.5, 1]), ValueError, r"parts\[2\]: expected 2"),
    ],
)
def test_bad_parts_are_refused_by_name(parts, error, words) -> None:
    with pytest.raises(error, match=words):
        made(parts=parts)
