import numpy as np
import pytest
from scipy import stats

from nearfield.survey import distribution_shift


def test_the_coefficient_of_two_gaussians_on_a_line():
    # E|X - Y| of a Gaussian gap of mean m and deviation s: s sqrt(2/pi) exp(-m^2 / 2s^2) + m (1 - 2 cdf(-m/s)).
    def gap(mean, deviation):
        z = mean / deviation
        return deviation * np.sqrt(2 / np.pi) * np.exp(-z * z / 2) + mean * (1 - 2 * stats.norm.cdf(-z))

    rng = np.random.default_rng(0)
    old, new = rng.standard_normal((1200, 1)), 1 + 2 * rng.standard_normal((1200, 1))
    across = gap(1, np.sqrt(5))
    truth = 1 - (gap(0, np.sqrt(2)) + gap(0, np.sqrt(8))) / (2 * across)
    measure = distribution_shift(old.astype(np.float32), new.astype(np.float32), metric="l2")
    assert measure.low <= truth <= measure.high
    assert measure.value == pytest.approx(truth, rel=0.15)
    assert measure.parts["shifted"] == 1 and measure.parts["p_value"] == pytest.approx(1 / 500)


def test_interval(holds):
    def measured(seed):
        rng = np.random.default_rng(seed)
        old, new = rng.standard_normal((150, 4)), 0.7 + rng.standard_normal((120, 4))
        return distribution_shift(old.astype(np.float32), new.astype(np.float32), metric="l2", permutations=19)

    truth = np.mean([measured(seed).value for seed in range(200, 260)])
    assert holds(measured, truth) >= 17


@pytest.mark.parametrize("level", [0.05, 0.2])
def test_false_alarms_are_as_rare_as_the_level_says(level):
    # Heavy tails, few rows, unequal sizes: the test is exact whatever the rows are.
    trials = 250
    alarms = 0
    for seed in range(trials):
        x = np.random.default_rng(seed).standard_t(2, (70, 5)).astype(np.float32)
        found = distribution_shift(x[:45], x[45:], metric="l2", level=level, permutations=59, random_state=seed)
        alarms += found.parts["shifted"]
    assert stats.binomtest(alarms, trials, level).pvalue > 0.003


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + np.float32(0.4),
        lambda x: x * np.float32(1.4),
        lambda x: np.concatenate([x[:280], 3 + x[280:]]),
        lambda x: x @ np.diag([2, 1, 1, 0.3]).astype(np.float32),
    ],
)
def test_every_kind_of_change_is_noticed(change):
    rng = np.random.default_rng(0)
    old, new = rng.standard_normal((400, 4)).astype(np.float32), rng.standard_normal((400, 4)).astype(np.float32)
    assert distribution_shift(old, new, metric="l2").parts["shifted"] == 0
    assert distribution_shift(old, change(new), metric="l2").parts["shifted"] == 1


def test_cosine_sees_directions_only():
    x = np.random.default_rng(0).standard_normal((600, 6)).astype(np.float32)
    assert distribution_shift(x[:300], 5 * x[300:]).parts["shifted"] == 0
    assert distribution_shift(x[:300], 5 * x[300:], metric="ip").parts["shifted"] == 1


def test_samples_copies_and_repeatability():
    x = np.random.default_rng(0).standard_normal((3000, 6)).astype(np.float16)
    found = distribution_shift(x[:2000], x[2000:], sample=300)
    assert (found.parts["old_rows"], found.parts["new_rows"]) == (300, 300)
    assert found.to_dict(arrays=True) == distribution_shift(x[:2000], x[2000:], sample=300).to_dict(arrays=True)
    assert distribution_shift(x[:500], x[:500]).parts["shifted"] == 0
    assert "coincide" in distribution_shift(np.ones((20, 3), np.float32), np.ones((20, 3), np.float32)).meaning
    assert "10 rows" in distribution_shift(x[:500], x[:3]).meaning


@pytest.mark.parametrize(
    ("old", "new", "options", "text"),
    [
        (np.eye(20), np.ones((20, 3)), {}, "new: expected 20 dimensions as in old, got 3"),
        (np.full((20, 3), np.nan), np.eye(3), {}, "old: expected finite"),
        (np.eye(20), np.zeros((20, 20)), {}, "new: expected nonzero"),
        (np.eye(20), np.eye(20), {"level": 0}, "level"),
        (np.eye(20), np.eye(20), {"level": 0.001}, "permutations: expected an integer of at least|permutations"),
        (np.eye(20), np.eye(20), {"sample": 3}, "sample"),
    ],
)
def test_bad_input(old, new, options, text):
    with pytest.raises(ValueError, match=text):
        distribution_shift(old.astype(np.float32), new.astype(np.float32), **options)
