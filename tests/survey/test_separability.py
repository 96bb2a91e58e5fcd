import numpy as np
import pytest

from nearfield.survey import class_separability


def classes(between, within, seed=0, count=60, rows=40, dim=20):
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(count), rows)
    centres = between * rng.standard_normal((count, dim))
    return kind, (centres[kind] + within * rng.standard_normal((len(kind), dim))).astype(np.float32)


@pytest.mark.parametrize(("between", "within"), [(1, 1), (1, 2), (3, 1)])
def test_the_ratio_of_planted_variances(between, within):
    values = [class_separability(*classes(between, within, seed)[::-1], metric="l2").value for seed in range(4)]
    assert np.mean(values) == pytest.approx((between / within) ** 2, rel=0.06)


def test_interval_holds_the_ratio_of_these_classes(holds):
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((30, 10))
    truth = float(((centres - centres.mean(axis=0)) ** 2).sum() / 29 / 10)

    def measured(seed):
        kind = np.repeat(np.arange(30), 30)
        x = centres[kind] + np.random.default_rng(seed).standard_normal((900, 10))
        return class_separability(x.astype(np.float32), kind, metric="l2", random_state=seed)

    assert holds(measured, truth) >= 17


def test_random_labels_give_nothing():
    kind, x = classes(3, 1)
    measure = class_separability(x, np.random.default_rng(0).permutation(kind), metric="l2")
    assert measure.low == 0 and measure.value < 0.01
    assert measure.parts["same_nearer"] == pytest.approx(0.5, abs=0.02)
    assert measure.verdict == "poor"


def test_how_often_the_same_is_nearer_is_the_area_under_the_curve():
    kind, x = classes(1, 1, dim=2)
    measure = class_separability(x, kind, metric="l2")
    same, different = measure.arrays["same"], measure.arrays["different"]
    expected = (same[:2000, None] < different[None, :2000]).mean()
    assert measure.parts["same_nearer"] == pytest.approx(expected, abs=0.03)
    assert (same > 0).all() and (different > 0).all()


def test_a_linear_map_that_would_help_is_seen_and_random_labels_are_not_overfitted():
    rng = np.random.default_rng(0)
    kind = np.repeat(np.arange(10), 100)
    signal = rng.standard_normal((10, 5))[kind] + 0.3 * rng.standard_normal((1000, 5))
    x = np.concatenate([signal, 5 * rng.standard_normal((1000, 40))], axis=1)
    measure = class_separability(x.astype(np.float32), kind, metric="l2")
    assert measure.value < 0.05 and measure.parts["after_map"] > 1 and "linear map" in measure.meaning
    shuffled = class_separability(x.astype(np.float32), rng.permutation(kind), metric="l2")
    assert shuffled.parts["after_map"] < 0.05


def test_what_cannot_be_measured_says_why():
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    assert "2 classes of 2 rows" in class_separability(x, range(40)).meaning
    corners = np.eye(2, dtype=np.float32).repeat(20, axis=0)
    assert "infinite" in class_separability(corners, np.repeat([0, 1], 20)).meaning
    assert "coincide" in class_separability(np.ones((40, 3), np.float32), np.repeat([0, 1], 20)).meaning
