import numpy as np
import pytest

from nearfield.survey.intrinsic import _fit_twonn
from nearfield.survey.neighbors import sample_neighbors
from nearfield.survey.reference import ball_curves, corrected, expected_mle, expected_twonn, gaussian_curves


def fit(log_ratio):
    return _fit_twonn(log_ratio, 0.1)


@pytest.mark.parametrize(("kind", "curves"), [("gaussian", gaussian_curves), ("ball", ball_curves)])
@pytest.mark.parametrize("dim", [1, 2, 5, 10, 20, 40])
def test_the_foreseen_answer_is_the_simulated_one(kind, curves, dim, cloud):
    simulated = []
    log_ratio = []
    for seed in range(4):
        lists = sample_neighbors(cloud(kind, 1500, dim, seed), 20, metric="l2", sample=None).distances
        simulated.append(np.log(lists[:, -1:] / lists[:, :-1]).mean())
        log_ratio.append(np.log(lists[:, 1] / lists[:, 0]))
    assert expected_mle(curves(dim), 1499, 20) == pytest.approx(1 / np.mean(simulated), rel=0.015)
    assert expected_twonn(curves(dim), 1499, fit) == pytest.approx(fit(np.concatenate(log_ratio)), rel=0.05)


@pytest.mark.parametrize("curves", [gaussian_curves, ball_curves])
def test_correction_undoes_the_bias(curves):
    for dim in (1.0, 3.3, 12.0, 30.0):
        raw = expected_mle(curves(dim), 9999, 20)
        assert corrected(raw, lambda d: expected_mle(curves(d), 9999, 20), 500) == pytest.approx(dim, rel=2e-3)


def test_the_bias_vanishes_with_rows():
    few, many = (expected_mle(gaussian_curves(8), n, 20) for n in (300, 10_000_000))
    assert few < 7 and many == pytest.approx(8, rel=0.03)


def test_correction_stops_at_the_dimensions_there_are():
    assert corrected(9.0, lambda d: expected_mle(gaussian_curves(d), 999, 20), 10) == 10
    assert corrected(12.0, lambda d: d, 10) == 10
    assert np.isnan(corrected(np.nan, lambda d: d, 10))


def test_thousands_of_dimensions_do_not_overflow():
    for curves in (gaussian_curves, ball_curves):
        assert np.isfinite(expected_mle(curves(4000), 50, 20))
