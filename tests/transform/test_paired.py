"""One suite for every map fitted to pairs: what they share as estimators, exports and refusals."""

from __future__ import annotations

import numpy as np
import pytest

from nearfield import native
from nearfield.transform import (
    AffineMap,
    KernelMap,
    LowRankMap,
    OrthogonalExtension,
    Procrustes,
    ResidualMap,
    RidgeMap,
    VectorMap,
)
from nearfield.transform.paired import AffinePairedMap, centred

RNG = np.random.default_rng(0)
X = RNG.standard_normal((240, 6)).astype(np.float32)
Y = (X @ RNG.standard_normal((6, 9)) + 2 + 0.01 * RNG.standard_normal((240, 9))).astype(np.float32)
MAPS = [
    AffineMap(),
    KernelMap(centers=100),
    LowRankMap(),
    Procrustes(scale=True),
    ResidualMap(16, epochs=20),
    RidgeMap(),
]
NAMES = [type(one).__name__ for one in MAPS]


@pytest.fixture(params=MAPS, ids=NAMES)
def fitted(request):
    return request.param.fit(X, Y)


def test_rows_land_in_the_other_space_and_the_export_agrees(fitted):
    mapped = fitted.transform(X)
    assert mapped.shape == (240, 9) and mapped.dtype == np.float32
    exported = fitted.export()
    assert isinstance(exported, VectorMap)
    np.testing.assert_allclose(exported.transform(X), mapped, atol=2e-4)
    again = VectorMap.from_arrays(exported.to_arrays())
    assert again.transform(X).tobytes() == exported.transform(X).tobytes()


def test_a_fit_is_better_than_the_mean(fitted):
    error = np.square(fitted.transform(X) - Y).sum()
    assert error < 0.6 * np.square(Y - Y.mean(axis=0)).sum()


def test_the_same_bytes_on_any_number_of_threads_alone_or_in_a_batch(fitted):
    exported, before = fitted.export(), native.threads()
    try:
        native.set_threads(1)
        one = exported.transform(X)
        native.set_threads(3)
        assert exported.transform(X).tobytes() == one.tobytes()
    finally:
        native.set_threads(before)
    assert exported.transform(X[7]).tobytes() == one[7].tobytes()


@pytest.mark.parametrize("one", MAPS, ids=NAMES)
def test_fewer_pairs_than_dimensions_work(one):
    few = type(one)(**one.get_params()).fit(X[:4], Y[:4])
    assert np.isfinite(few.transform(X)).all()


@pytest.mark.parametrize("one", MAPS, ids=NAMES)
def test_constant_dimensions_and_rank_one_work(one):
    flat = np.outer(np.arange(30), np.r_[np.ones(5), 0]).astype(np.float32)
    again = type(one)(**one.get_params()).fit(flat, np.c_[flat, np.full(30, 7)])
    assert np.isfinite(again.transform(flat)).all()


@pytest.mark.parametrize("one", MAPS, ids=NAMES)
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (X, Y[:-1]),
        (X, np.full_like(Y, np.nan)),
        (np.full_like(X, np.inf), Y),
        (X[:0], Y[:0]),
        (X, None),
    ],
    ids=["unpaired", "nan", "inf", "empty", "no second space"],
)
def test_what_does_not_fit_is_refused(one, x, y):
    with pytest.raises(ValueError):
        type(one)(**one.get_params()).fit(x, y)


def test_exact_maps_invert():
    fitted = AffineMap().fit(X, Y)
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(X)), X, atol=1e-3)
    assert isinstance(fitted, AffinePairedMap)


def test_a_turn_is_found_and_extended():
    turn = np.linalg.qr(RNG.standard_normal((6, 6)))[0]
    fitted = Procrustes().fit(X, X @ turn)
    np.testing.assert_allclose(fitted.transform(X), X @ turn, atol=1e-4)
    wider = OrthogonalExtension().fit(X, X @ RNG.standard_normal((6, 3)))
    moved = wider.transform(X)
    np.testing.assert_allclose(moved @ moved.T, X @ X.T, atol=1e-3)


def test_a_low_rank_is_found():
    target = X @ RNG.standard_normal((6, 2)) @ RNG.standard_normal((2, 9)) + 0.3 * RNG.standard_normal((240, 9))
    assert LowRankMap().fit(X, target).rank_ == 2
    with pytest.raises(ValueError, match="rank"):
        LowRankMap(rank=0).fit(X, target)


def test_ridge_shrinks_where_there_is_only_noise():
    noise = RNG.standard_normal((60, 9))
    assert np.square(RidgeMap().fit(X[:60], noise).transform(X)).mean() < 0.5 * np.square(noise).mean()


def test_centred():
    rows, mean = centred(np.float64([[1, 3], [3, 5]]), True)
    assert rows.tolist() == [[-1, -1], [1, 1]] and mean.tolist() == [2, 4]
