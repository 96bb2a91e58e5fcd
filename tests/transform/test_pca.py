import pickle
import tracemalloc

import numpy as np
import pytest
from sklearn.decomposition import PCA as SklearnPCA
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from nearfield.transform import PCA


@parametrize_with_checks([PCA(), PCA(n_components=0.9, whiten=True), PCA(center=False)])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, 25) ** -1.0
    rotation = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    return (rng.standard_normal((9000, 24)) * spectrum @ rotation + 0.3).astype(np.float32)


@pytest.mark.parametrize("whiten", [False, True])
def test_agrees_with_scikit_learn(data, whiten):
    ours = PCA(n_components=7, whiten=whiten).fit(data)
    theirs = SklearnPCA(n_components=7, whiten=whiten, svd_solver="full").fit(data.astype(np.float64))
    np.testing.assert_allclose(ours.explained_variance_, theirs.explained_variance_, rtol=1e-6)
    np.testing.assert_allclose(ours.explained_variance_ratio_, theirs.explained_variance_ratio_, rtol=1e-6)
    np.testing.assert_allclose(ours.mean_, theirs.mean_, atol=1e-6)
    signs = np.sign((ours.components_ * theirs.components_).sum(1))
    np.testing.assert_allclose(ours.components_, theirs.components_ * signs[:, None], atol=1e-5)
    np.testing.assert_allclose(ours.transform(data), theirs.transform(data) * signs, atol=1e-3)
    assert ours.loss_ == pytest.approx(1 - theirs.explained_variance_ratio_.sum(), abs=1e-6)


def test_full_rank_keeps_distances_and_uncentred_keeps_inner_products(data):
    x, y = data[:200], data[200:400]
    centred = PCA().fit(data)
    a, b = centred.transform(x), centred.transform(y)
    want = np.linalg.norm(x[:, None] - y[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(a[:, None] - b[None], axis=2), want, atol=1e-5)
    assert centred.loss_ == 0.0 and centred.n_components_ == 24
    uncentred = PCA(center=False).fit(data)
    np.testing.assert_allclose(uncentred.transform(x) @ uncentred.transform(y).T, x @ y.T, atol=1e-5)
    assert not uncentred.export().offset.any() and centred.export().offset.any()


@pytest.mark.parametrize("center", [True, False])
def test_a_share_of_variance_keeps_the_fewest_that_reach_it(data, center):
    for share in (0.5, 0.9, 0.99):
        pca = PCA(n_components=share, center=center).fit(data)
        kept = pca.explained_variance_ratio_
        assert kept.sum() >= share > kept[:-1].sum()
        assert pca.loss_ == pytest.approx(1 - kept.sum())
        assert pca.components_.shape == (pca.n_components_, 24)


def test_whitened_components_have_unit_variance_and_invert(data):
    pca = PCA(n_components=24, whiten=True).fit(data)
    np.testing.assert_allclose(np.cov(pca.transform(data).T), np.eye(24), atol=1e-3)
    np.testing.assert_allclose(pca.inverse_transform(pca.transform(data)), data, atol=1e-4)
    np.testing.assert_allclose(pca.export().inverse_transform(pca.export().transform(data)), data, atol=1e-4)


def test_export_is_the_same_map(data):
    for pca in (PCA(5), PCA(5, whiten=True), PCA(5, center=False)):
        pca.fit(data)
        np.testing.assert_array_equal(pca.export().transform(data), pca.transform(data))
        np.testing.assert_allclose(pca.transform(data.astype(np.float64)), pca.transform(data), atol=1e-4)


def test_partial_fit_is_fit_in_parts(data):
    for center in (True, False):
        whole = PCA(6, center=center).fit(data)
        parts = PCA(6, center=center)
        for start in range(0, len(data), 1234):
            parts.partial_fit(data[start : start + 1234])
        assert parts.n_samples_seen_ == len(data)
        np.testing.assert_allclose(parts.components_, whole.components_, atol=1e-9)
        np.testing.assert_allclose(parts.mean_, whole.mean_, atol=1e-12)
        refitted = parts.fit(data[:100])
        assert refitted.n_samples_seen_ == 100


def test_a_large_offset_does_not_eat_the_variance():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5000, 6)) * [3, 2, 1, 0.5, 0.2, 0.1] + 1e6
    np.testing.assert_allclose(PCA().fit(x).explained_variance_, PCA().fit(x - 1e6).explained_variance_, rtol=1e-6)


def test_same_bytes_for_any_number_of_threads_and_a_stated_sign(data):
    fitted = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fitted.append(PCA(8).fit(data).components_)
    np.testing.assert_array_equal(*fitted)
    assert (fitted[0][np.arange(8), np.abs(fitted[0]).argmax(1)] > 0).all()
    again = pickle.loads(pickle.dumps(PCA(8).fit(data)))
    np.testing.assert_array_equal(again.components_, fitted[0])


def test_mapped_half_precision_is_read_in_blocks(tmp_path):
    x = np.random.default_rng(0).standard_normal((60_000, 64)).astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    tracemalloc.start()
    PCA(4).fit(np.load(tmp_path / "x.npy", mmap_mode="r"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < x.nbytes * 1.5  # as float64 it would be four times its size


def test_fewer_rows_than_dimensions():
    x = np.random.default_rng(0).standard_normal((5, 12)).astype(np.float32)
    pca = PCA().fit(x)
    assert pca.n_components_ == 12
    np.testing.assert_allclose(pca.components_ @ pca.components_.T, np.eye(12), atol=1e-9)
    np.testing.assert_allclose(pca.inverse_transform(pca.transform(x)), x, atol=1e-5)
    assert np.isfinite(PCA(whiten=True).fit(x).transform(x)).all()
    one = PCA(1, center=False).fit(x[:1])
    np.testing.assert_allclose(np.abs(one.transform(x[:1])), [[np.linalg.norm(x[0])]], rtol=1e-6)
    same = PCA(2).fit(np.ones((4, 3)))
    assert same.loss_ == 0.0 and (same.explained_variance_ == 0).all()


@pytest.mark.parametrize("bad", [0, 25, -1, 1.0, 1.5, 0.0, True, "mle", float("nan")])
def test_bad_n_components(data, bad):
    with pytest.raises(ValueError, match="n_components: expected None, an integer from 1 to 24"):
        PCA(n_components=bad).fit(data)


def test_bad_input(data):
    with pytest.raises(ValueError, match="random_state"):
        PCA(random_state=-1).fit(data)
    with pytest.raises(ValueError, match="NaN"):
        PCA().fit(np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="minimum of 2"):
        PCA().fit(data[:1])
    with pytest.raises(ValueError, match="24 features"):
        PCA().fit(data).transform(data[:, :23])
    with pytest.raises(ValueError, match=r"X: expected shape \(n, 3\)"):
        PCA(3).fit(data).inverse_transform(data)


def test_ranking_loss_falls_with_the_dimensions_kept(data):
    found = [PCA(kept, center=False).fit(data).ranking_loss(data, k=10) for kept in (2, 8, 24)]
    assert found[0].recall < found[1].recall < found[2].recall
    assert found[2].recall > 0.999
