import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearfield.transform import SpikedCovarianceFilter


@parametrize_with_checks([SpikedCovarianceFilter(keep=0.5, center=False)])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def classes():
    """Four classes along three directions, three more that vary without telling classes apart, and noise, turned."""
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.standard_normal((60, 60)))[0]
    y = np.arange(2000) % 4
    x = rng.standard_normal((2000, 60))
    x[:, :3] += 6 * np.eye(4)[y][:, :3]
    x[:, 3:6] *= 5
    return x @ turn, y, turn


def within(fitted, turn, first, last):
    """How much of each kept direction lies in the directions given."""
    return (fitted.components_ @ turn[first:last].T) ** 2 @ np.ones(last - first)


def test_what_stands_out_is_found_and_labels_choose(classes):
    x, y, turn = classes
    every = SpikedCovarianceFilter().fit(x)
    assert every.n_spikes_ == every.n_directions_ == 6
    assert every.noise_variance_ == pytest.approx(1, rel=0.05)
    assert (within(every, turn, 0, 6) > 0.95).all()
    chosen = SpikedCovarianceFilter(keep=0.4).fit(x, y)  # ceil(0.4 * 7) = 3
    assert chosen.n_directions_ == 3 and chosen.threshold_ == np.sort(chosen.scores_)[2]
    assert (within(chosen, turn, 0, 3) > 0.9).all()
    np.testing.assert_allclose(
        chosen.transform(x), (x - x.mean(0)) @ chosen.components_.T @ chosen.components_, atol=1e-9
    )


def test_disturbed_rows_choose(classes):
    x, _, turn = classes
    disturbed = x + np.random.default_rng(1).standard_normal((2000, 3)) * 4 @ turn[:3]
    chosen = SpikedCovarianceFilter(keep=0.4).fit(x, perturbed=disturbed)
    assert (within(chosen, turn, 3, 6) > 0.9).all()


def test_pure_noise_has_no_spikes():
    noise = np.random.default_rng(0).standard_normal((1000, 30)).astype(np.float32)
    fitted = SpikedCovarianceFilter().fit(noise)
    assert fitted.n_spikes_ == 0 and not fitted.transform(noise).any()


def test_a_probe_behind_it_holds_up_against_noise_outside_the_span(classes):
    x, y, turn = classes
    rng = np.random.default_rng(2)
    disturbed = x + 12 * rng.standard_normal((2000, 54)) @ turn[6:]
    plain = LogisticRegression().fit(x, y)
    filtered = make_pipeline(SpikedCovarianceFilter(), LogisticRegression()).fit(x, y)
    assert filtered.score(x, y) > plain.score(x, y) - 0.01
    lost, left = plain.score(x, y) - plain.score(disturbed, y), filtered.score(x, y) - filtered.score(disturbed, y)
    assert lost > 0.05 and left < 0.2 * lost


def test_parts(classes):
    x, y, _ = classes
    whole = SpikedCovarianceFilter(keep=0.4).fit(x, y, perturbed=x + 1)
    parts = SpikedCovarianceFilter(keep=0.4)
    for start in range(0, 2000, 700):
        stop = start + 700
        parts.partial_fit(x[start:stop], y[start:stop], perturbed=x[start:stop] + 1)
    np.testing.assert_allclose(parts.components_, whole.components_, atol=1e-9)
    np.testing.assert_allclose(parts.scores_, whole.scores_, rtol=1e-9)
    with pytest.raises(ValueError, match="with every part or with none"):
        parts.partial_fit(x, y)
    with pytest.raises(ValueError, match="with every part or with none"):
        SpikedCovarianceFilter().fit(x).partial_fit(x, y)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"keep": 0.0}, r"keep: expected a number in \(0, 1\]"),
        ({"noise": -1.0}, "noise: expected"),
        ({"alpha": 1.0}, "alpha: expected"),
    ],
)
def test_bad_settings(classes, settings, text):
    with pytest.raises(ValueError, match=text):
        SpikedCovarianceFilter(**settings).fit(classes[0])


def test_bad_input(classes):
    x, y, _ = classes
    with pytest.raises(ValueError, match=r"perturbed: expected the shape of X, \(2000, 60\), got \(5, 60\)"):
        SpikedCovarianceFilter().fit(x, perturbed=x[:5])
    with pytest.raises(ValueError, match="at least 2 classes"):
        SpikedCovarianceFilter().fit(x, np.zeros(2000, int))
    with pytest.raises(ValueError, match="continuous"):
        SpikedCovarianceFilter().fit(x, x[:, 0])
    few = SpikedCovarianceFilter().fit(x[:10], y[:10])
    assert np.isfinite(few.transform(x)).all()
    assert SpikedCovarianceFilter().fit(np.ones((5, 3))).n_spikes_ == 0
