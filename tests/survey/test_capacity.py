import numpy as np
import pytest
from scipy import integrate, stats

from nearfield.survey import manifold_capacity


def lines(radius, classes=20, scale=10.0):
    """Segments of half-length ``radius`` (of the centre's distance) in orthogonal directions."""
    corner = scale * np.eye(2 * classes)
    centre, arm = corner[:classes], radius * corner[classes:]
    x = np.stack([centre + arm, centre - arm], axis=1).reshape(-1, 2 * classes)
    return x.astype(np.float32), np.arange(2 * classes) // 2


def expected(radius):
    """Mean-field capacity of a ball of one dimension (Chung, Lee and Sompolinsky, 2018)."""
    density = stats.norm.pdf

    def inner(t):
        outside = integrate.quad(lambda s: density(s) * (radius * t - s) ** 2, -t / radius, radius * t)
        inside = integrate.quad(lambda s: density(s) * (s * s + t * t), -np.inf, -t / radius)
        return 2 * density(t) * (outside[0] / (1 + radius**2) + inside[0])

    return 1 / integrate.quad(inner, 0, 12)[0]


def test_points_have_the_capacity_of_cover():
    measure = manifold_capacity(np.eye(30, dtype=np.float32).repeat(2, axis=0), np.arange(60) // 2, draws=300)
    assert measure.value == pytest.approx(2, rel=0.05)
    assert measure.low <= 2 <= measure.high and measure.parts["classes"] == 30


@pytest.mark.parametrize("radius", [0.3, 1.0])
def test_lines_have_the_capacity_of_the_theory(radius):
    measure = manifold_capacity(*lines(radius), metric="l2", draws=200)
    assert measure.value == pytest.approx(expected(radius), rel=0.06)


def test_interval(holds):
    truth = manifold_capacity(*lines(0.5), metric="l2", draws=600).value
    assert holds(lambda seed: manifold_capacity(*lines(0.5), metric="l2", random_state=seed), truth) >= 17


def test_compact_classes_need_less_room_than_shuffled_ones():
    rng = np.random.default_rng(0)
    kind = np.repeat(np.arange(20), 15)
    x = (rng.standard_normal((20, 60))[kind] + 0.2 * rng.standard_normal((300, 60))).astype(np.float32)
    clean, mixed = manifold_capacity(x, kind), manifold_capacity(x, rng.permutation(kind))
    assert clean.value > 2 * mixed.value
    assert (clean.verdict, mixed.verdict) == ("good", "poor")
    assert clean.parts["shuffled"] == pytest.approx(mixed.parts["dimensions"], rel=0.1)


def test_more_rows_than_dimensions_can_hold_are_said_to_be():
    rng = np.random.default_rng(0)
    measure = manifold_capacity(rng.standard_normal((400, 4)).astype(np.float32), np.arange(400) % 10)
    assert "at least 4 dimensions" in measure.meaning


def test_turning_and_padding_change_nothing():
    rng = np.random.default_rng(0)
    x, kind = rng.standard_normal((60, 8)).astype(np.float32), np.arange(60) % 6
    turn = np.linalg.qr(rng.standard_normal((200, 200)))[0][:8]
    plain, turned = (manifold_capacity(y, kind, metric="l2", draws=100) for y in (x, (x @ turn).astype(np.float32)))
    assert turned.low <= plain.value <= turned.high
    assert manifold_capacity(x, kind).to_dict() == manifold_capacity(x, kind).to_dict()


def test_what_cannot_be_measured_says_why():
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    assert "3 classes of 2 rows" in manifold_capacity(x, np.arange(40) % 2).meaning
    assert "one place" in manifold_capacity(np.ones((40, 3), np.float32), np.arange(40) % 4).meaning
    with pytest.raises(ValueError, match="draws"):
        manifold_capacity(x, np.arange(40) % 4, draws=1)
