import numpy as np
import pytest

from nearfield.survey import norm_spread


def with_lengths(lengths, dim=8, seed=0):
    x = np.random.default_rng(seed).standard_normal((len(lengths), dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True) * np.asarray(lengths)[:, None]).astype(np.float32)


def test_known_spread():
    measure = norm_spread(with_lengths([1.0] * 50 + [3.0] * 50))
    assert measure.value == pytest.approx(0.5, rel=1e-5)
    assert measure.parts["mean"] == pytest.approx(2, rel=1e-5)
    assert (measure.parts["minimum"], measure.parts["maximum"]) == pytest.approx((1, 3), rel=1e-5)


def test_interval_holds_the_truth(holds):
    def lognormal(seed):
        return norm_spread(
            with_lengths(np.exp(0.5 * np.random.default_rng(1000 + seed).standard_normal(1000)), seed=seed)
        )

    assert holds(lognormal, np.sqrt(np.exp(0.25) - 1)) >= 16
    assert (
        holds(lambda s: norm_spread(with_lengths(np.random.default_rng(s).random(500) + 1)), np.sqrt(1 / 12) / 1.5)
        >= 17
    )


@pytest.mark.parametrize("law", ["exponential", "uniform"])
def test_the_interval_is_as_wide_as_the_spread_over_trials(law):
    def lengths(seed):
        rng = np.random.default_rng(seed)
        return rng.exponential(size=2000) + 0.1 if law == "exponential" else rng.random(2000) + 0.05

    found = [norm_spread(with_lengths(lengths(seed), 2, seed)) for seed in range(150)]
    width = np.mean([np.log(m.high / m.low) for m in found]) / (2 * 1.96)
    assert width == pytest.approx(np.std([np.log(m.value) for m in found]), rel=0.2)


def test_equal_lengths():
    measure = norm_spread(np.full((100, 4), 0.3, np.float32))
    assert (measure.value, measure.low, measure.high) == (0, 0, 0)
    assert "agree on who is near" in measure.meaning
    assert norm_spread(with_lengths(np.ones(100)).astype(np.float16)).verdict == "good"


def test_meaning_depends_on_the_metric():
    x = with_lengths(np.exp(np.random.default_rng(0).standard_normal(500)))
    assert norm_spread(x, metric="ip").verdict == "poor"
    assert "cosine search ignores" in norm_spread(x, metric="cosine").meaning
    assert "counts as distance" in norm_spread(x, metric="l2").meaning
    assert norm_spread(with_lengths(1 + 0.1 * np.random.default_rng(0).random(500))).verdict == "fair"


def test_zero_rows_are_counted():
    assert "2 row(s) are zero" in norm_spread(np.float32([[0, 0], [0, 0], [1, 0], [3, 0]])).meaning


def test_what_cannot_be_measured_says_why():
    assert "at least 2 rows" in norm_spread(np.ones((1, 3), np.float32)).meaning
    assert "every row is zero" in norm_spread(np.zeros((5, 3), np.float32)).meaning


def test_long_collections_keep_only_quantiles():
    assert len(norm_spread(np.ones((10_000, 2), np.float32)).arrays["norms"]) == 4096
