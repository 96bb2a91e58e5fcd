import numpy as np
import pytest

from nearfield.survey import cluster_tendency


@pytest.mark.parametrize(("kind", "dim"), [("gaussian", 3), ("gaussian", 60), ("gaussian", 20)])
def test_one_even_cloud_is_a_half(cloud, holds, kind, dim):
    def measured(seed):
        return cluster_tendency(cloud(kind, 800, dim, seed), metric="l2", random_state=seed)

    assert holds(measured, 0.5) >= 17


def test_any_shape_of_cloud_is_a_half(cloud):
    flat = cloud("gaussian", 2000, 12, 0) * 2.0 ** -np.arange(12) + 5
    assert cluster_tendency(flat.astype(np.float32), metric="l2").value == pytest.approx(0.5, abs=0.05)


def test_groups_are_seen_and_the_more_the_tighter(cloud):
    centres = np.random.default_rng(1).standard_normal((40, 16)).astype(np.float32)[np.arange(2000) % 40]
    values = [cluster_tendency(centres + w * cloud("gaussian", 2000, 16, 0)).value for w in (0.1, 0.5, 2.0)]
    assert values[0] > 0.999 and values[0] >= values[1] > values[2]
    assert values[2] < 0.65


def test_a_grid_keeps_apart():
    grid = np.stack(np.meshgrid(*[np.arange(12)] * 3), -1).reshape(-1, 3)
    measure = cluster_tendency(grid.astype(np.float32), metric="l2")
    assert measure.value < 0.4 and "grid" in measure.meaning


def test_repeats_do_not_count_as_groups(cloud):
    x = cloud("gaussian", 1000, 8, 0)
    twice = np.concatenate([x, x])
    assert cluster_tendency(twice, metric="l2").value == pytest.approx(0.5, abs=0.06)


def test_a_sample_of_a_large_collection(cloud):
    x = cloud("gaussian", 5000, 10, 0)
    found = cluster_tendency(x, metric="l2", sample=1000)
    assert found.parts["searched"] == 1000 and found.value == pytest.approx(0.5, abs=0.06)
    assert cluster_tendency(x, metric="l2", sample=1000).value == found.value


def test_what_cannot_be_measured_says_why():
    assert "at least 20 different rows, and there is 1" in cluster_tendency(np.ones((50, 3), np.float32)).meaning
    with pytest.raises(ValueError, match="sample"):
        cluster_tendency(np.eye(30, dtype=np.float32), sample=1)
