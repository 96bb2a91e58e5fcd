"""What all estimators of maps between spaces promise."""

import numpy as np
import pytest
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from nearfield.transform import (
    AffineMap,
    CanonicalCorrelation,
    KernelMap,
    LowRankMap,
    OrthogonalExtension,
    Procrustes,
    ResidualMap,
    RidgeMap,
    VectorMap,
)
from nearfield.transform.paired import centred

MAPS = [
    AffineMap(),
    KernelMap(),
    KernelMap(centers=40),
    LowRankMap(),
    OrthogonalExtension(),
    OrthogonalExtension(extra=3),
    Procrustes(),
    ResidualMap(8, epochs=5),
    RidgeMap(),
]


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 6))
    return x, np.tanh(x @ rng.standard_normal((6, 9))) + 0.5


@pytest.mark.parametrize("estimator", MAPS, ids=str)
def test_float32_and_float64_agree_and_a_row_is_the_same_alone(estimator, pairs) -> None:
    x, y = pairs
    fitted = estimator.fit(x, y)
    single = np.float32(x)
    whole = fitted.transform(single)
    assert whole.dtype == np.float32 and fitted.transform(x).dtype == np.float64
    np.testing.assert_allclose(whole, fitted.transform(x), atol=2e-4)
    rows = np.concatenate([fitted.transform(single[i : i + 1]) for i in range(7)])
    np.testing.assert_array_equal(rows, whole[:7])
    again = VectorMap.from_arrays(fitted.export().to_arrays())
    np.testing.assert_array_equal(again.transform(single), whole)


@pytest.mark.parametrize("estimator", MAPS, ids=str)
def test_the_same_bytes_on_any_number_of_threads(estimator, pairs) -> None:
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(estimator.fit(*pairs).export().to_arrays())
    for name in found[0]:
        np.testing.assert_array_equal(found[0][name], found[1][name])


@pytest.mark.parametrize("estimator", [one for one in MAPS if getattr(one, "extra", None) is None], ids=str)
def test_poor_data_is_fitted_without_nonsense(estimator) -> None:
    rng = np.random.default_rng(1)
    few, wide = rng.standard_normal((5, 40)), rng.standard_normal((5, 30))
    line = np.outer(np.arange(20.0), np.ones(4))
    still = np.ones((20, 4))
    half_still = np.column_stack([rng.standard_normal((20, 2)), np.ones((20, 3))])
    twice = np.repeat(rng.standard_normal((10, 4)), 2, axis=0)
    for x, y in ((few, wide), (wide, few), (line, line), (still, line), (half_still, twice), (twice, half_still)):
        assert np.isfinite(estimator.fit(x, y).transform(x)).all()


@pytest.mark.parametrize("estimator", MAPS, ids=str)
def test_bad_input_is_refused_by_name(estimator, pairs) -> None:
    x, y = pairs
    with pytest.raises(ValueError, match="y: expected 120 rows"):
        estimator.fit(x, y[:50])
    with pytest.raises(ValueError, match="y: expected shape"):
        estimator.fit(x, y[:, :0])
    for bad in (np.nan, np.inf):
        spoilt = y.copy()
        spoilt[3, 2] = bad
        with pytest.raises(ValueError, match="y contains"):
            estimator.fit(x, spoilt)
    with pytest.raises(ValueError, match="y: expected the same 120 things"):
        estimator.fit(x, None)


def test_centred_rows() -> None:
    rows, mean = centred(np.float64([[1, 2], [3, 4]]), False)
    assert (mean == 0).all() and (rows == [[1, 2], [3, 4]]).all()


SUMMED = [
    AffineMap(),
    CanonicalCorrelation(shrinkage=0.1),
    CanonicalCorrelation(3, shrinkage=1.0, power=0.0),
    LowRankMap(1),
    LowRankMap(4, alpha=0.5),
    LowRankMap(6),
    OrthogonalExtension(),
    OrthogonalExtension(extra=3),
    Procrustes(),
    Procrustes(center=False, scale=True),
    RidgeMap(),
    RidgeMap(0.0),
]


@pytest.mark.parametrize("estimator", SUMMED, ids=str)
@pytest.mark.parametrize("count", [120, 5], ids=["many", "fewer than dimensions"])
def test_in_parts_is_as_at_once(estimator, pairs, count) -> None:
    x, y = (side[:count] for side in pairs)
    whole = clone(estimator).fit(x, y)
    parts, after = clone(estimator), clone(estimator).fit(x[:3], y[:3])
    for rows in (slice(0, 3), slice(3, 4), slice(4, None)):
        parts.partial_fit(x[rows], y[rows])
    after.partial_fit(x[3:], y[3:])
    for fitted in (parts, after):
        assert fitted.n_pairs_ == count
        first = slice(getattr(whole, "n_old_", None))  # an extension's further coordinates are completed in some way
        np.testing.assert_allclose(fitted.transform(x)[:, first], whole.transform(x)[:, first], atol=1e-6)
        told = {"alpha_", "scale_", "residual_", "rank_", "correlations_", "shrinkage_", "n_components_"}
        for name in told & vars(whole).keys():
            assert getattr(fitted, name) == pytest.approx(getattr(whole, name), abs=1e-9)
        if isinstance(fitted, CanonicalCorrelation):
            np.testing.assert_allclose(fitted.transform_other(y), whole.transform_other(y), atol=1e-6)


def test_parts_of_other_dimensions_are_refused(pairs) -> None:
    x, y = pairs
    fitted = RidgeMap().partial_fit(x, y)
    with pytest.raises(ValueError, match="y: expected 9 dimensions, as before, got 8"):
        fitted.partial_fit(x, y[:, :8])
    with pytest.raises(ValueError, match="5 features"):
        fitted.partial_fit(x[:, :5], y)
    with pytest.raises(ValueError, match="1 sample"):
        RidgeMap().partial_fit(x[:1], y[:1])
