import numpy as np
import pytest

from nearfield.survey import real_directions
from nearfield.survey.noise import standing_out


def planted(rows, dim, strong, seed, strength=2.0):
    rng = np.random.default_rng(seed)
    scale = np.r_[np.full(strong, np.sqrt(1 + strength**2)), np.ones(dim - strong)]
    turn = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    return (0.5 * (rng.standard_normal((rows, dim)) * scale) @ turn + 3).astype(np.float32)


@pytest.mark.parametrize(("rows", "dim", "strong"), [(4000, 100, 10), (2000, 200, 60), (150, 300, 3)])
def test_planted_directions_are_counted_and_the_noise_is_measured(rows, dim, strong):
    strength = 2.0 if rows > dim else 6.0
    measure = real_directions(planted(rows, dim, strong, 0, strength))
    assert measure.value == strong
    assert measure.parts["noise"] == pytest.approx(0.5, rel=0.03)
    assert measure.low <= strong <= measure.high


def test_the_interval_holds_the_truth(holds):
    assert holds(lambda seed: real_directions(planted(1000, 50, 8, seed)), 8) >= 19
    assert holds(lambda seed: real_directions(planted(1000, 50, 0, seed)), 0) >= 19


def test_one_odd_direction_or_dead_ones_do_not_move_the_noise():
    x = planted(3000, 60, 5, 0)
    x[:, :4] = 1.0
    x[:, 10] *= 100
    measure = real_directions(x)
    assert measure.parts["dead"] == 4
    assert measure.parts["noise"] == pytest.approx(0.5, rel=0.05)


def test_without_a_floor_all_that_vary_count():
    x = np.random.default_rng(0).standard_normal((4000, 40)) * 0.8 ** np.arange(40)
    measure = real_directions(x.astype(np.float32))
    assert measure.value >= 36 and measure.verdict == "good"
    assert "no floor of noise" in measure.meaning


def test_words_follow_the_value():
    assert "No direction stands out" in real_directions(planted(2000, 30, 0, 0)).meaning
    assert "4 directions of 60 stand out" in real_directions(planted(2000, 60, 4, 0)).meaning
    assert "More rows would show weaker ones" in real_directions(planted(100, 60, 2, 0, 5.0)).meaning
    assert "equal" in real_directions(np.ones((50, 3), np.float32)).meaning
    assert "at least 10 rows" in real_directions(np.eye(4, dtype=np.float32)).meaning


def test_the_median_of_the_law_is_that_of_noise():
    rng = np.random.default_rng(0)
    for rows, dim in ((1500, 300), (300, 900)):
        levels = np.maximum(np.linalg.eigvalsh(np.cov(rng.standard_normal((rows, dim)), rowvar=False))[::-1], 0)
        found, noise, edge = standing_out(levels, rows, dim)
        assert found == 0 and noise == pytest.approx(1, rel=0.03) and levels[0] < edge < 1.1 * levels[0]
