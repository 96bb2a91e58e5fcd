import numpy as np
import pytest

from nearfield.survey import predicted_features


def test_a_reordered_copy_needs_one_term_and_a_rotated_one_all(two):
    x, turned = two(2000, 32, 0, 0)
    one = predicted_features(x, x[:, ::-1].copy(), metric="l2")
    assert one.parts["one"] == pytest.approx(1, abs=1e-6)
    many = predicted_features(x, turned, metric="l2")
    told = many.arrays["explained"]
    assert many.arrays["terms"].tolist() == [1, 2, 4, 8, 16, 32]
    assert told[0] < 0.3 and told[-1] > 0.999 and (np.diff(told) > 0).all()


def test_the_truth_is_inside(two, holds):
    def measure(seed):
        x, _ = two(800, 8, 0, seed)
        noise = np.random.default_rng(seed).standard_normal((800, 4))
        y = x[:, :4] + x[:, 4:] + 1.4142135 * noise  # half of the variance is the sum of two
        return predicted_features(x, y.astype(np.float32), terms=2, metric="l2", random_state=seed)

    assert holds(measure, 0.5) >= 17  # less by 2 / 400, what fitting two weights costs


def test_unrelated_features_are_not_predicted(two):
    found = predicted_features(two(1000, 10, 0, 0)[0], two(1000, 10, 0, 1)[0], metric="l2")
    assert found.verdict == "poor" and found.value < 0.01 and found.parts["by_chance"] < 0.01


def test_repeated_coordinates_do_not_hang(two):
    x, _ = two(200, 4, 0, 0)
    assert predicted_features(np.hstack([x, x, x]), x, terms=3, metric="l2").value > 0.99


@pytest.mark.parametrize("options", [{"terms": 0}, {"targets": 0}])
def test_bad_parameters(two, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        predicted_features(*two(50, 4, 0, 0), **options)
