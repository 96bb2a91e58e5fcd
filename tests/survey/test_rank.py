import numpy as np
import pytest

from nearfield.survey import effective_rank, participation_ratio
from nearfield.survey.rank import Spectrum


def rankme(x):
    """The paper's formula, straight from the singular values."""
    sigma = np.linalg.svd(x.astype(np.float64), compute_uv=False)
    p = sigma / sigma.sum() + 1e-7
    return np.exp(-(p * np.log(p)).sum())


@pytest.mark.parametrize("shape", [(400, 30), (30, 400), (64, 64), (2, 5), (500, 1)])
def test_effective_rank_is_the_paper_s(shape):
    x = (np.random.default_rng(0).standard_normal(shape) + 0.5).astype(np.float32)
    assert effective_rank(x).value == pytest.approx(rankme(x), rel=1e-6)


@pytest.mark.parametrize("k", [1, 3, 17])
def test_a_rank_k_isotropic_cloud_has_rank_k(k):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((60, 60)))[0][:k]
    measure = effective_rank((rng.standard_normal((5000, k)) @ basis).astype(np.float32))
    assert measure.value == pytest.approx(k, rel=0.003)
    assert measure.parts["dimensions_99"] == k


def decaying(rows, dim, seed):
    return (np.random.default_rng(seed).standard_normal((rows, dim)) / np.sqrt(np.arange(1, dim + 1))).astype(
        np.float32
    )


@pytest.mark.parametrize("rows", [40, 100, 400, 2000])
def test_effective_rank_interval_holds_the_truth_for_many_rows(rows, holds):
    sigma = 1 / np.sqrt(np.arange(1, 65))
    p = sigma / sigma.sum()
    assert holds(lambda seed: effective_rank(decaying(rows, 64, seed)), np.exp(-(p * np.log(p)).sum())) >= 17
    assert (
        holds(lambda s: effective_rank(np.random.default_rng(s).standard_normal((rows, 64)).astype(np.float32)), 64)
        >= 17
    )


def test_the_derivative_behind_the_interval():
    from nearfield.survey.rank import _rankme

    levels = np.sort(np.random.default_rng(0).random(8))
    _, slope = _rankme(levels, 1e-7)
    step = 1e-6
    numeric = [
        (_rankme(levels + step * row, 1e-7)[0] - _rankme(levels - step * row, 1e-7)[0]) / (2 * step)
        for row in np.eye(8)
    ]
    assert np.allclose(slope, numeric, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rows", [40, 200, 2000])
def test_participation_ratio_interval(rows, holds):
    variance = 1 / np.arange(1, 33)
    truth = variance.sum() ** 2 / (variance**2).sum()
    assert holds(lambda seed: participation_ratio(decaying(rows, 32, seed)), truth) >= 16


def test_participation_ratio_is_unbiased_with_fewer_rows_than_dimensions():
    clouds = (np.random.default_rng(seed).standard_normal((50, 1000)).astype(np.float32) for seed in range(10))
    values = [participation_ratio(x).value for x in clouds]
    assert np.mean(values) == pytest.approx(1000, rel=0.02)


def test_participation_ratio_ignores_an_offset():
    x = decaying(1000, 16, 0)
    assert participation_ratio(x + 3).value == pytest.approx(participation_ratio(x).value, rel=1e-4)
    assert effective_rank(x + 3).value < effective_rank(x).value


def test_sampling_is_stated_and_close():
    x = decaying(6000, 8, 0)
    sampled = effective_rank(x, sample=500, random_state=3)
    assert "500 sampled rows of 6,000" in sampled.detail
    assert sampled.low <= effective_rank(x).value <= sampled.high
    assert sampled.value == effective_rank(x, sample=500, random_state=3).value


def test_the_sample_never_falls_below_eight_times_the_dimensions():
    assert len(Spectrum.of(decaying(3000, 100, 0), 50, 0).rows) == 800


def test_what_cannot_be_measured_says_why():
    one, equal, zero = np.ones((1, 4), np.float32), np.full((50, 4), 0.3, np.float32), np.zeros((20, 4), np.float32)
    assert "at least 2 rows" in effective_rank(one).meaning
    assert "every row is zero" in effective_rank(zero).meaning
    assert effective_rank(equal).value == pytest.approx(1, rel=1e-4)
    assert "All rows are equal" in effective_rank(equal).meaning
    assert "at least 10 rows, and there is 1" in participation_ratio(one).meaning
    assert "all rows are equal" in participation_ratio(equal).meaning
    assert not participation_ratio(zero).known


def test_meaning_follows_the_value():
    rng = np.random.default_rng(0)
    wide = effective_rank(rng.standard_normal((2000, 40)).astype(np.float32))
    thin = effective_rank((rng.standard_normal((2000, 2)) @ rng.standard_normal((2, 40))).astype(np.float32))
    assert (wide.verdict, thin.verdict) == ("good", "poor")
    assert "2 principal dimensions hold" in thin.meaning


def test_few_long_rows_decide_the_spectrum_and_are_not_missed():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30_000, 20)).astype(np.float32)
    x[::1500] *= 150  # twenty rows
    truth = effective_rank(x, sample=None).value
    found = effective_rank(x, sample=1000)
    assert "the longer the likelier" in found.detail and found.value == pytest.approx(truth, rel=0.03)
    assert found.low <= truth <= found.high
    blind = [effective_rank(x, sample=1000, sampling="uniform", random_state=seed).value for seed in range(5)]
    assert max(abs(value / truth - 1) for value in blind) > 0.2
    assert found.arrays["variances"].sum() == pytest.approx(x.var(axis=0).sum(), rel=0.1)
    even = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert effective_rank(even, sample=1000).value == effective_rank(even, sample=1000, sampling="uniform").value
