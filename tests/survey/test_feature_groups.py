import numpy as np
import pytest

from nearfield.survey import feature_groups, matched_features


def turned_within(x, size, seed):
    rng = np.random.default_rng(seed)
    blocks = [
        x[:, i : i + size] @ np.linalg.qr(rng.standard_normal((size, size)))[0] for i in range(0, x.shape[1], size)
    ]
    return np.hstack(blocks).astype(np.float32)


def test_groups_turned_within_themselves_are_found(two):
    x, _ = two(3000, 24, 0, 0)
    y = turned_within(x, 6, 1)[:, np.random.default_rng(2).permutation(24)]
    found = feature_groups(x, y, groups=4, metric="l2")
    assert found.value > 0.99 and found.verdict == "good"
    assert matched_features(x, y, metric="l2").value < 0.9
    assert sorted(found.arrays["sizes_second"]) == [6, 6, 6, 6]
    assert found.parts["random_groups"] < 0.5 and abs(found.parts["by_chance"]) < 0.05
    groups = found.arrays["group_first"].reshape(4, 6)
    assert (groups == groups[:, :1]).all()


def test_half_of_it_noise_is_half_told(two, holds):
    def measure(seed):
        x, _ = two(1500, 12, 0, seed)
        y = turned_within(x, 4, seed) + np.random.default_rng(seed).standard_normal((1500, 12))
        return feature_groups(x, y.astype(np.float32), groups=3, metric="l2", random_state=seed)

    assert holds(measure, 0.5, 10) >= 8


def test_a_freely_turned_copy_has_no_groups(two):
    found = feature_groups(*two(3000, 32, 0, 0), groups=8, metric="l2")
    assert found.value < 0.5 and found.parts["all"] > 0.99


def test_few_coordinates_say_why(two):
    x, _ = two(100, 8, 0, 0)
    assert "at least 4 coordinates" in feature_groups(x, x[:, :3].copy()).meaning
    with pytest.raises(ValueError, match="groups"):
        feature_groups(x, x, groups=1)
