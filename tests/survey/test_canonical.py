import numpy as np
import pytest

from nearfield.survey import canonical_correlation


def test_the_truth_is_inside(two, holds):
    def measure(seed):
        return canonical_correlation(*two(500, 15, 1.0, seed), variance=1.0, metric="l2", random_state=seed)

    assert holds(measure, 0.5) >= 18


@pytest.mark.parametrize(("rows", "dim"), [(100, 8), (60, 200)])
def test_chance_is_taken_out(two, holds, rows, dim):
    def measure(seed):
        return canonical_correlation(two(rows, dim, 0, seed)[0], two(rows, dim, 0, 100 + seed)[0], metric="l2")

    assert holds(measure, 0.0) >= 18
    assert measure(0).parts["uncorrected"] > 0.05


def test_any_invertible_map_is_read_back(two):
    x, _ = two(500, 10, 0, 0)
    mixed = (x @ np.random.default_rng(1).standard_normal((10, 14))).astype(np.float32)
    found = canonical_correlation(x, mixed, metric="l2", variance=1.0)
    assert found.value == pytest.approx(1, abs=1e-6)
    assert (found.parts["directions_first"], found.parts["directions_second"]) == (10, 10)
    assert found.low <= found.value <= found.high == 1


def test_a_space_within_the_other_is_told_whole(two):
    x, _ = two(500, 10, 0, 0)
    assert canonical_correlation(x, x[:, :3].copy(), metric="l2").value == pytest.approx(1, abs=1e-6)


def test_faint_noise_directions_are_left_out_below_a_variance_of_one(two):
    noise = [0.01 * two(500, 10, 0, seed)[0] for seed in (2, 3)]
    x, y = (np.hstack(parts) for parts in zip(two(500, 5, 0, 1), noise, strict=True))
    whole = canonical_correlation(x, y, variance=1.0, metric="l2").value
    assert canonical_correlation(x, y, metric="l2").value > 0.99 > 0.5 > whole


def test_a_ridge_damps_faint_directions_and_its_chance_is_shuffled(two):
    x, y = two(300, 12, 0.0, 0)
    found = canonical_correlation(x, y, ridge=1.0, variance=1.0, metric="l2")
    assert found.value < 0.6 and abs(found.parts["by_chance"]) < 1e-9


@pytest.mark.parametrize("options", [{"variance": 0}, {"variance": 1.1}, {"ridge": -1}, {"sample": 1}])
def test_bad_parameters(two, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        canonical_correlation(*two(50, 4, 0, 0), **options)
