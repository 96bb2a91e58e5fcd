import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nearfield.transform.moments import LengthMoments, Moments, PairedMoments, leading


@pytest.fixture(scope="module")
def rows():
    return (np.random.default_rng(0).standard_normal((9001, 7)) * np.arange(1, 8) + 5).astype(np.float32)


@pytest.mark.parametrize("step", [9001, 4096, 1000])
def test_moments_are_those_of_all_rows_at_once(rows, step):
    moments = Moments(7)
    for start in range(0, len(rows), step):
        moments.add(rows[start : start + step])
    exact = rows.astype(np.float64)
    assert moments.count == 9001
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.scatter, np.cov(exact.T) * 9000, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(moments.square, exact.T @ exact / 9001, rtol=1e-10)


def test_same_bytes_for_any_number_of_threads(rows):
    made = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            made.append(Moments(7).add(rows).scatter.tobytes())
    assert made[0] == made[1]


def test_leading_directions(rows):
    square = Moments(7).add(rows).square
    values, directions = leading(square, 3)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(square)[:3:-1], rtol=1e-9)
    np.testing.assert_allclose(directions @ directions.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(directions @ square, values[:, None] * directions, atol=1e-9 * values[0])
    assert (directions[np.arange(3), np.abs(directions).argmax(1)] > 0).all()


def test_no_spread_at_all():
    values, directions = leading(Moments(4).add(np.zeros((3, 4))).square, 2)
    assert (values == 0).all()
    np.testing.assert_allclose(directions @ directions.T, np.eye(2), atol=1e-12)


@pytest.mark.parametrize("step", [9001, 1000])
@pytest.mark.parametrize("center", [True, False])
def test_fourth_powers_of_lengths(rows, step, center):
    moments = LengthMoments(7)
    for start in range(0, len(rows), step):
        moments.add(rows[start : start + step])
    exact = rows.astype(np.float64) - (rows.mean(axis=0, dtype=np.float64) if center else 0)
    assert moments.fourth(center=center) == pytest.approx(((exact**2).sum(axis=1) ** 2).mean(), rel=1e-9)


@pytest.mark.parametrize("step", [9001, 4096, 1000])
def test_paired_moments_are_those_of_all_pairs_at_once(rows, step):
    x, y = rows[:, :4].astype(np.float64), rows[:, 4:].astype(np.float64)
    moments = PairedMoments(4, 3)
    for start in range(0, len(rows), step):
        moments.add(x[start : start + step], y[start : start + step])
    both = np.cov(rows.astype(np.float64).T) * 9000
    np.testing.assert_allclose(moments.scatter, both[:4, :4], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(moments.cross, both[:4, 4:], rtol=1e-9, atol=1e-5)
    np.testing.assert_allclose(moments.total, np.trace(both[4:, 4:]), rtol=1e-9)
    raw = moments.about_zero()
    np.testing.assert_allclose(raw.cross, x.T @ y, rtol=1e-9)
    np.testing.assert_allclose(raw.total, (y**2).sum(), rtol=1e-9)
    two_sided = PairedMoments(4, 3, both=True)
    for start in range(0, len(rows), step):
        two_sided.add(x[start : start + step], y[start : start + step])
    np.testing.assert_array_equal(two_sided.cross, moments.cross)
    np.testing.assert_allclose(two_sided.other_scatter, both[4:, 4:], rtol=1e-9, atol=1e-5)
    np.testing.assert_allclose(two_sided.about_zero().other_scatter, y.T @ y, rtol=1e-9)
    np.testing.assert_allclose(two_sided.mirrored().other_scatter, 2 * (y.T @ y), rtol=1e-9)
    assert moments.mirrored().other_scatter.size == 0
    mirrored = PairedMoments(4, 3).add(np.concatenate([x, -x]), np.concatenate([y, -y]))
    np.testing.assert_allclose(moments.mirrored().scatter, mirrored.scatter, rtol=1e-9)
    assert moments.mirrored().count == mirrored.count and not moments.mirrored().mean.any()
