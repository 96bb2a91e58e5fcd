"""The tails extrapolate the right law, and share and score are each other's inverse."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nearfield.decide.tail import ScoreDistribution, fit_excess


@pytest.mark.parametrize("shape", [0.0, 0.2, 0.4])
def test_fit_excess_recovers_the_law(shape: float) -> None:
    uniform = np.random.default_rng(1).uniform(size=20_000)
    excess = -2.0 * np.log(uniform) if shape == 0 else 2.0 * (uniform**-shape - 1) / shape
    found, scale = fit_excess(excess)
    assert abs(found - shape) < 0.06
    assert abs(scale - 2.0) < 0.15


def test_a_bounded_tail_is_taken_as_exponential() -> None:
    shape, scale = fit_excess(np.random.default_rng(1).uniform(size=1000))
    assert shape == 0.0
    assert scale == pytest.approx(0.5, abs=0.05)


def test_fit_excess_of_nothing_but_zeros() -> None:
    assert fit_excess(np.zeros(5)) == (0.0, 1e-9)


def test_rare_shares_are_extrapolated() -> None:
    # 2,000 exponential values know nothing of one in 100,000; the law does: -log(1e-5) = 11.5.
    sample = np.random.default_rng(2).exponential(size=2000)
    fitted = ScoreDistribution.fit(-sample)
    assert fitted.at(1e-5) == pytest.approx(-11.5, abs=3.0)
    assert fitted.at(1e-5) < -sample.max()


def test_share_and_score_are_inverse_and_monotone() -> None:
    fitted = ScoreDistribution.fit(np.random.default_rng(0).standard_t(4, size=3000))
    shares = np.concatenate([np.geomspace(1e-6, 0.5, 40), 1 - np.geomspace(0.49, 1e-6, 40)])
    scores = np.array([fitted.at(share) for share in shares])
    assert (np.diff(scores) > 0).all()
    np.testing.assert_allclose(fitted.below(scores), shares, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(fitted.above(scores), 1 - shares, atol=1e-9)
    assert fitted.at(0.0) == -np.inf
    assert fitted.at(1.0) == np.inf


def test_weights_count() -> None:
    values = np.concatenate([np.linspace(0, 1, 500), np.linspace(10, 11, 500)])
    fitted = ScoreDistribution.fit(values, np.repeat([3.0, 1.0], 500))
    assert fitted.below(5.0) == pytest.approx(0.75, abs=0.01)


def test_ties_keep_both_directions_strict() -> None:
    fitted = ScoreDistribution.fit(np.repeat([0.0, 1.0], 500))
    assert fitted.below(-0.01) < fitted.below(0.5) < fitted.below(1.01)


def test_survives_json_exactly() -> None:
    fitted = ScoreDistribution.fit(np.random.default_rng(0).normal(size=400))
    again = ScoreDistribution.from_dict(json.loads(json.dumps(fitted.to_dict())))
    probe = np.linspace(-9, 9, 501)
    assert np.array_equal(fitted.below(probe), again.below(probe))
    assert fitted.at(0.003) == again.at(0.003)
