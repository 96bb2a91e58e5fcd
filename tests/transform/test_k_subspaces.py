import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from nearfield.transform import PCA, KSubspaces


@parametrize_with_checks([KSubspaces(3, affine=True, n_init=2)])
def test_estimator_checks(estimator, check):
    check(estimator)


def union(groups, dim, ambient, rows, seed=0):
    """Rows of ``groups`` random subspaces, and the subspaces."""
    rng = np.random.default_rng(seed)
    bases = np.stack([np.linalg.qr(rng.standard_normal((ambient, dim)))[0].T for _ in range(groups)])
    labels = np.repeat(np.arange(groups), rows)
    x = np.concatenate([rng.standard_normal((rows, dim)) @ basis for basis in bases])
    return x, labels, bases


def test_a_union_of_subspaces_is_found():
    x, labels, bases = union(4, 3, 30, 60)
    fitted = KSubspaces(4, n_components=3).fit(x)
    assert adjusted_rand_score(labels, fitted.labels_) == 1.0 and fitted.inertia_ < 1e-9
    overlap = np.einsum("kid,ljd->klij", bases, fitted.components_)
    kept = (overlap**2).sum(axis=(2, 3)) / 3
    assert kept[linear_sum_assignment(-kept)].min() > 1 - 1e-9
    np.testing.assert_allclose(fitted.weights_, 0.25)
    assert not fitted.means_.any()
    np.testing.assert_array_equal(fitted.predict(x), fitted.labels_)
    far = fitted.transform(x)
    assert far.shape == (240, 4) and (far.argmin(axis=1) == fitted.labels_).all() and far.min(axis=1).max() < 1e-6


def test_affine_subspaces_have_centres():
    x, labels, _ = union(3, 2, 20, 80)
    x += np.random.default_rng(5).standard_normal((3, 20))[labels] * 3
    fitted = KSubspaces(3, n_components=2, affine=True).fit(x)
    assert adjusted_rand_score(labels, fitted.labels_) > 0.98 and fitted.inertia_ < 1
    assert KSubspaces(3, n_components=2).fit(x).inertia_ > 10


def test_denoising_is_the_posterior_mean():
    x, labels, _ = union(2, 2, 8, 4000)
    fitted = KSubspaces(2, n_components=2, max_iter=0).fit(x, assignment=labels)
    noisy = x[:5] + 0.5 * np.random.default_rng(1).standard_normal((5, 8))
    # By brute force: the mean of many clean rows, each weighted by the density of the noise that would be needed.
    weights = np.exp(-0.5 * ((noisy[:, None] - x[None]) ** 2).sum(axis=2) / 0.25)
    want = weights @ x / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(fitted.denoise(noisy, 0.5), want, atol=0.15)
    one = KSubspaces(1, n_components=2).fit(x[labels == 0])
    spread = one.components_[0].T * (one.variances_[0] / (one.variances_[0] + 0.25)) @ one.components_[0]
    np.testing.assert_allclose(one.denoise(noisy, 0.5), noisy @ spread, atol=1e-9)


def test_no_noise_projects_and_much_noise_answers_the_mean():
    x, _, _ = union(3, 2, 12, 50)
    fitted = KSubspaces(3, n_components=2).fit(x)
    np.testing.assert_allclose(fitted.denoise(x, 0.0), x, atol=1e-6)
    np.testing.assert_allclose(fitted.denoise(x, 1e-200), x, atol=1e-6)
    np.testing.assert_allclose(fitted.denoise(x, 1e9), 0, atol=1e-6)
    single = x.astype(np.float32)
    assert fitted.denoise(single, 0.1).dtype == np.float32


def test_it_cleans_better_than_one_pca_of_as_many_numbers():
    x, _, _ = union(4, 3, 30, 200)
    noisy = x + 0.3 * np.random.default_rng(1).standard_normal(x.shape)
    fitted = KSubspaces(4, n_components=3).fit(noisy)
    pca = PCA(3, center=False).fit(noisy)
    errors = [
        ((rows - x) ** 2).mean() for rows in (fitted.denoise(noisy, 0.3), pca.inverse_transform(pca.transform(noisy)))
    ]
    assert errors[0] < 0.3 * errors[1]


def test_given_assignments_and_threads():
    x, labels, _ = union(3, 2, 12, 50)
    kept = KSubspaces(3, n_components=2, max_iter=0).fit(x, assignment=labels)
    np.testing.assert_array_equal(kept.labels_, labels)
    wrong = np.where(np.random.default_rng(0).random(150) < 0.2, (labels + 1) % 3, labels)
    mended = KSubspaces(3, n_components=2).fit(x, assignment=wrong)
    np.testing.assert_array_equal(mended.labels_, labels)
    made = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            made.append(KSubspaces(3, n_components=2).fit(x).components_.tobytes())
    assert made[0] == made[1]


def test_few_equal_and_zero_rows():
    x = np.random.default_rng(0).standard_normal((5, 6))
    few = KSubspaces(4, n_components=3).fit(x)
    assert np.bincount(few.labels_, minlength=4).min() >= 1 and np.isfinite(few.denoise(x, 0.1)).all()
    np.testing.assert_allclose(few.components_ @ few.components_.swapaxes(1, 2), np.stack([np.eye(3)] * 4), atol=1e-9)
    for rows in (np.ones((6, 3)), np.zeros((6, 3))):
        same = KSubspaces(2, n_components=1).fit(rows)
        np.testing.assert_allclose(same.denoise(rows, 0.0), rows, atol=1e-9)
        assert np.isfinite(same.denoise(rows, 0.5)).all()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"n_subspaces": 0}, ValueError, "n_subspaces: expected an integer of at least 1"),
        ({"n_subspaces": 21}, ValueError, "at least n_subspaces = 21 rows, got n_samples = 20"),
        ({"n_components": 5}, ValueError, "n_components: expected an integer from 1 to 4"),
        ({"n_components": 1.0}, TypeError, "n_components: expected an integer from 1 to 4"),
        ({"n_init": 0}, ValueError, "n_init: expected"),
        ({"random_state": -1}, ValueError, "random_state"),
    ],
)
def test_bad_settings(settings, error, text):
    with pytest.raises(error, match=text):
        KSubspaces(**{"n_subspaces": 2} | settings).fit(np.eye(20, 4))


def test_bad_input():
    x = np.eye(20, 4) + 1
    with pytest.raises(ValueError, match="assignment: expected 20 integers"):
        KSubspaces(2).fit(x, assignment=np.zeros(3, int))
    with pytest.raises(ValueError, match="assignment: expected numbers from 0 to 1, got 0 to 5"):
        KSubspaces(2).fit(x, assignment=np.arange(20) // 4 + (np.arange(20) > 15))
    with pytest.raises(ValueError, match="noise: expected"):
        KSubspaces(2).fit(x).denoise(x, -1)
    with pytest.raises(ValueError, match="4 features"):
        KSubspaces(2).fit(x).denoise(x[:, :2], 0.1)
