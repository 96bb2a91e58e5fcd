import numpy as np
import pytest

from nearfield.survey import factor_share


def mixture(shares, rows=4000, seed=0, dim=32):
    """Independent binary factors along directions of their own, and noise; variance 1 in all."""
    rng = np.random.default_rng(seed)
    factors = rng.integers(0, 2, (len(shares), rows))
    basis = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    rest = 1 - sum(shares)
    x = rng.standard_normal((rows, dim - len(shares))) @ basis[len(shares) :] * np.sqrt(rest / (dim - len(shares)))
    for share, factor, direction in zip(shares, factors, basis, strict=False):
        x += np.sqrt(share) * np.outer(2 * factor - 1, direction)
    return x.astype(np.float32), factors


def test_planted_shares():
    x, factors = mixture((0.5, 0.2, 0.02))
    for share, factor in zip((0.5, 0.2, 0.02), factors, strict=True):
        assert factor_share(x, factor).value == pytest.approx(share, abs=0.02)


def test_interval(holds):
    def measured(seed):
        x, factors = mixture((0.3,), rows=600, seed=seed)
        return factor_share(x, factors[0], random_state=seed)

    assert holds(measured, 0.3) >= 17


def test_many_random_values_explain_nothing():
    x, _ = mixture((0.5,), rows=2000)
    measure = factor_share(x, np.random.default_rng(1).integers(0, 200, 2000))
    assert measure.low == 0 and measure.value < 0.01
    assert abs(measure.parts["rsa"]) < 0.05 and measure.parts["density"] < 0.1


def test_density_counts_coordinates():
    rng = np.random.default_rng(0)
    factor = rng.integers(0, 2, 2000)
    x = rng.standard_normal((2000, 10))
    x[:, :3] += 2.0 * factor[:, None]
    measure = factor_share(x.astype(np.float32), factor)
    assert measure.parts["density"] == pytest.approx(0.3)
    assert measure.arrays["per_coordinate"][:3] == pytest.approx(0.5, abs=0.05)
    assert measure.parts["rsa"] > 0.1 and measure.verdict == "unknown"


def test_scale_does_not_matter_and_samples_agree():
    x, factors = mixture((0.3,))
    whole = factor_share(x, factors[0])
    assert factor_share(1000 * x, factors[0]).value == pytest.approx(whole.value, rel=1e-4)
    part = factor_share(x, factors[0], sample=1000)
    assert part.low <= whole.value <= part.high and "1,000 rows" in part.detail


def test_what_cannot_be_measured_says_why():
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    assert "2 classes" in factor_share(x, [1] * 40).meaning
    assert "coincide" in factor_share(np.ones((40, 3), np.float32), np.arange(40) % 2).meaning
    assert "values in common" in factor_share(x, [*range(36), 0, 0, 1, 1], sample=10).meaning
