import pickle

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage, oas
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from nearfield.index import Flat
from nearfield.transform import Whitening


@parametrize_with_checks([Whitening(method="pca", strength=0.5, shrinkage="oas", center=False)])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((20, 20)))[0]
    return (rng.standard_normal((3000, 20)) * np.arange(1, 21) ** -1.0 @ turn + 0.3).astype(np.float32)


@pytest.mark.parametrize("method", ["zca", "pca"])
def test_the_covariance_becomes_the_identity(data, method):
    whitening = Whitening(method=method, shrinkage=0.0).fit(data)
    white = whitening.transform(data.astype(np.float64))
    np.testing.assert_allclose(np.cov(white.T), np.eye(20), atol=1e-6)
    np.testing.assert_allclose(whitening.inverse_transform(white), data, atol=1e-6)
    np.testing.assert_array_equal(whitening.export().transform(data), whitening.transform(data))
    half = Whitening(method=method, shrinkage=0.0, strength=0.5).fit(data)
    want = np.sort(np.sqrt(np.linalg.eigvalsh(np.cov(data.T.astype(np.float64)))))
    np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(half.transform(data).T)), want, rtol=1e-4)
    np.testing.assert_allclose(half.inverse_transform(half.transform(data)), data, atol=1e-4)


def test_zca_moves_rows_least_and_both_methods_give_the_same_distances(data):
    zca, pca = (Whitening(method=method).fit(data).transform(data[:50]) for method in ("zca", "pca"))
    gram = [np.linalg.norm(rows[:, None] - rows[None], axis=2) for rows in (zca, pca)]
    np.testing.assert_allclose(*gram, atol=1e-3)
    centred = data[:50] - data.mean(0)
    assert np.linalg.norm(zca - centred) < np.linalg.norm(pca - centred)
    matrix = Whitening().fit(data).components_
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-9)


@pytest.mark.parametrize("rows", [10, 40, 3000])
def test_shrinkage_is_scikit_learns(data, rows):
    part = data[:rows].astype(np.float64)
    fitted = Whitening().fit(part)
    assert fitted.shrinkage_ == pytest.approx(ledoit_wolf_shrinkage(part), rel=1e-6)
    assert Whitening(shrinkage="oas").fit(part).shrinkage_ == pytest.approx(oas(part)[1], rel=1e-6)
    plain = Whitening(center=False).fit(part).shrinkage_
    assert plain == pytest.approx(ledoit_wolf_shrinkage(part, assume_centered=True), rel=1e-6)


def test_parts_large_offsets_and_threads(data):
    shifted = data.astype(np.float64) + 1e4
    whole = Whitening().fit(shifted)
    assert whole.shrinkage_ == pytest.approx(Whitening().fit(data.astype(np.float64)).shrinkage_, rel=1e-3)
    parts = Whitening()
    for start in range(0, 3000, 700):
        parts.partial_fit(shifted[start : start + 700])
    assert parts.shrinkage_ == pytest.approx(whole.shrinkage_, rel=1e-6)
    np.testing.assert_allclose(parts.components_, whole.components_, rtol=1e-5, atol=1e-7)
    with threadpool_limits(2):
        again = pickle.loads(pickle.dumps(Whitening().fit(shifted)))
    assert again.components_.tobytes() == whole.components_.tobytes()


def test_few_rows_and_rows_without_spread(data):
    few = Whitening().fit(data[:8])
    assert 0.05 < few.shrinkage_ <= 1 and np.linalg.cond(few.components_) < 100
    np.testing.assert_allclose(few.inverse_transform(few.transform(data)), data, atol=1e-4)
    for settings in ({}, {"shrinkage": 0.0}, {"shrinkage": "oas"}):
        same = Whitening(**settings).fit(np.ones((5, 3)))
        np.testing.assert_allclose(same.transform(np.ones((1, 3))), 0, atol=1e-12)
        line = Whitening(**settings).fit(np.outer(np.arange(5.0), [1, 2, 3]))
        assert np.isfinite(line.transform(np.ones((1, 3)))).all()
        np.testing.assert_allclose(line.inverse_transform(line.transform(np.eye(3))), np.eye(3), atol=1e-6)


def test_in_an_index_the_metric_is_of_the_whitened_rows(data):
    index = Flat("l2", transform=Whitening()).build(data)
    white = Whitening().fit(data).transform(data)
    want = Flat("l2").build(white).search(white[:20], 5)
    np.testing.assert_array_equal(index.search(data[:20], 5).rows, want.rows)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"method": "cholesky"}, "method: expected one of 'zca', 'pca', got 'cholesky'"),
        ({"strength": 1.1}, "strength: expected"),
        ({"shrinkage": "lw"}, "shrinkage: expected one of"),
        ({"shrinkage": -0.1}, "shrinkage: expected"),
    ],
)
def test_bad_settings(data, settings, text):
    with pytest.raises(ValueError, match=text):
        Whitening(**settings).fit(data)
