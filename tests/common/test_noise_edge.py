import numpy as np
import pytest

from nearfield.common.noise_edge import bulk_median, noise_edge


def spectrum(rows, dim, seed, strong=0, dead=0):
    rng = np.random.default_rng(seed)
    x = 3.0 * rng.standard_normal((rows, dim))
    x[:, :strong] *= np.linspace(3, 8, strong)
    x[:, dim - dead :] = 0
    return np.linalg.eigvalsh(np.cov(x.T))


@pytest.mark.parametrize(("rows", "dim"), [(2000, 100), (200, 100), (100, 100), (80, 200)])
def test_noise_has_no_spikes_and_signal_is_counted(rows, dim):
    found = [noise_edge(spectrum(rows, dim, seed), rows - 1) for seed in range(20)]
    assert sum(edge.spikes for edge in found) == 0
    assert np.mean([edge.variance for edge in found]) == pytest.approx(9, rel=0.03)
    assert noise_edge(spectrum(rows, dim, 0, strong=4), rows - 1).spikes == 4


def test_the_chance_of_a_spike_is_alpha():
    hits = [noise_edge(spectrum(300, 40, seed), 299, alpha=0.1, variance=9.0).spikes > 0 for seed in range(400)]
    assert 0.06 < np.mean(hits) < 0.14


def test_dead_dimensions_and_a_known_variance():
    dead = noise_edge(spectrum(500, 60, 0, strong=2, dead=40), 499)
    assert dead.spikes == 2 and dead.variance == pytest.approx(9, rel=0.15)
    assert noise_edge(spectrum(500, 60, 0, strong=3), 499, variance=9.0).spikes == 3
    assert noise_edge(np.zeros(4), 9).spikes == 0
    assert noise_edge([2.0], 5).variance > 0


def test_the_median_is_that_of_noise():
    for rows, dim in ((1000, 200), (200, 1000)):
        values = np.linalg.eigvalsh(np.cov(np.random.default_rng(0).standard_normal((rows + 1, dim)).T))
        assert np.median(values[values > 1e-9]) == pytest.approx(bulk_median(dim, rows), rel=0.02)


@pytest.mark.parametrize(
    ("values", "rows", "settings", "text"),
    [
        ([np.nan], 5, {}, "eigenvalues: expected finite"),
        ([], 5, {}, "eigenvalues: expected finite"),
        ([1.0], 0, {}, "rows: expected"),
        ([1.0], 5, {"alpha": 0.0}, "alpha: expected"),
        ([1.0], 5, {"variance": -1.0}, "variance: expected"),
    ],
)
def test_bad_input(values, rows, settings, text):
    with pytest.raises(ValueError, match=text):
        noise_edge(values, rows, **settings)
