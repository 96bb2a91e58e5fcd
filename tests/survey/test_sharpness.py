import numpy as np
import pytest

from nearfield.survey import label_sharpness
from nearfield.survey.sharpness import _expected_greatest, _weights


def test_corners_have_a_known_sharpness():
    corners = np.float32([[0, 0], [3, 0], [0, 4]]).repeat(50, axis=0)
    measure = label_sharpness(corners, np.repeat(["a", "b", "c"], 50), metric="l2")
    assert measure.parts["unscaled"] == pytest.approx(1 / 3)
    assert measure.low <= measure.value <= measure.high
    # Of random pairs one in nine pairs is a-b, one b-c, ...: distances 3, 4, 5 and 0.
    usual = np.sqrt((9 + 16 + 25) * 2 / 9)
    assert measure.value == pytest.approx(usual / 3, rel=0.02)
    assert measure.parts["mean"] == pytest.approx(2 / 9 * usual * (1 / 3 + 1 / 4 + 1 / 5), rel=0.02)


def test_the_expected_greatest_of_many_is_that_of_simulation():
    rng = np.random.default_rng(0)
    values = rng.exponential(size=20_000)
    found = _expected_greatest(values, _weights(len(values), 100))
    assert found == pytest.approx(np.mean(rng.choice(values, (4000, 100)).max(axis=1)), rel=0.02)
    assert _weights(10, 3).sum() == pytest.approx(1)


def test_scale_plays_no_part_and_more_pairs_are_sharper():
    rng = np.random.default_rng(0)
    x, kind = rng.standard_normal((500, 6)).astype(np.float32), rng.integers(0, 4, 500)
    one, ten = (label_sharpness(scale * x, kind, metric="l2") for scale in (1, np.float32(10)))
    assert one.value == pytest.approx(ten.value, rel=1e-4)
    assert one.parts["unscaled"] == pytest.approx(10 * ten.parts["unscaled"], rel=1e-4)
    assert label_sharpness(x, kind, metric="l2", pairs=5000).value > one.value


def test_clean_classes_are_less_sharp_than_random_labels():
    rng = np.random.default_rng(0)
    kind = np.repeat(np.arange(5), 100)
    x = (3 * np.eye(5)[kind] + 0.3 * rng.standard_normal((500, 5))).astype(np.float32)
    clean, random = label_sharpness(x, kind, metric="l2"), label_sharpness(x, rng.permutation(kind), metric="l2")
    assert clean.verdict == "good" and random.verdict == "poor"
    assert clean.parts["relative"] < 0.3 < 0.9 < random.parts["relative"]


def test_interval(holds):
    def measured(seed):
        rng = np.random.default_rng(seed)
        return label_sharpness(
            rng.standard_normal((400, 3)).astype(np.float32), rng.integers(0, 3, 400), metric="l2", random_state=seed
        )

    truth = np.mean([measured(seed).value for seed in range(100, 115)])
    assert holds(measured, truth) >= 16


def test_copies_with_other_labels_are_left_out_and_counted():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20, 3)).astype(np.float32).repeat(10, axis=0)
    measure = label_sharpness(x, np.arange(200) % 2, metric="l2")
    assert measure.parts["conflicting_copies"] == 20 and "have another label" in measure.meaning
    assert np.isfinite(measure.value)
    assert "coincide" in label_sharpness(np.ones((40, 3), np.float32), np.arange(40) % 2).meaning
    assert "2 classes" in label_sharpness(x, [1] * 200).meaning
    with pytest.raises(ValueError, match="pairs"):
        label_sharpness(x, np.arange(200) % 2, pairs=0)
