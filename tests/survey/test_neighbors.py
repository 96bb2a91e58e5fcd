import numpy as np
import pytest

from nearfield.survey import Neighborhood, sample_neighbors
from nearfield.survey.neighbors import list_length, without_own


def brute(x, metric):
    """Every distance, float64, the row itself excluded."""
    x = x.astype(np.float64)
    if metric == "ip":
        distances = -x @ x.T
    else:
        if metric == "cosine":
            x = x / np.linalg.norm(x, axis=1, keepdims=True)
        distances = np.sqrt(np.maximum(((x[:, None] - x[None]) ** 2).sum(-1), 0))
    np.fill_diagonal(distances, np.inf)
    return distances


@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_agrees_with_brute_force(metric, dtype):
    x = np.random.default_rng(0).standard_normal((400, 11)).astype(dtype)
    found = sample_neighbors(x, 7, metric=metric, sample=None)
    expected = brute(x, metric)
    assert np.array_equal(found.rows, np.arange(400))
    assert np.allclose(found.distances, np.sort(expected, axis=1)[:, :7], atol=1e-5)
    assert np.allclose(found.distances, np.take_along_axis(expected, found.ids, 1), atol=1e-5)
    assert not (found.ids == found.rows[:, None]).any()


def test_sampling_is_the_seed_s():
    x = np.random.default_rng(0).standard_normal((500, 5)).astype(np.float32)
    a, b, c = (sample_neighbors(x, 3, sample=50, random_state=s) for s in (1, 1, 2))
    assert np.array_equal(a.rows, b.rows) and np.array_equal(a.ids, b.ids)
    assert not np.array_equal(a.rows, c.rows)
    assert len(a.rows) == 50 and len(a.searched) == 500
    assert a.scope == "neighbours of 50 sampled rows among 500 distinct rows"


def test_a_limited_base_is_searched_and_said():
    x = np.random.default_rng(0).standard_normal((500, 5)).astype(np.float32)
    found = sample_neighbors(x, 3, sample=20, base=100)
    assert len(found.searched) == 100
    assert np.isin(found.ids, found.searched).all() and np.isin(found.rows, found.searched).all()
    assert "100 distinct rows (of 500 rows)" in found.scope


def test_repeats_are_left_out_unless_asked_for():
    x = np.repeat(np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32), 3, axis=0)
    assert len(sample_neighbors(x, 2, metric="l2").searched) == 30
    assert (sample_neighbors(x, 2, metric="l2").distances > 0).all()
    assert (sample_neighbors(x, 2, metric="l2", distinct=False).distances == 0).all()


def test_rows_of_one_direction_are_at_distance_zero_under_cosine():
    x = (np.arange(1, 40)[:, None] * np.random.default_rng(0).standard_normal(8)).astype(np.float32)
    assert (sample_neighbors(x, 3).distances == 0).all()


def test_missing_neighbours_are_marked():
    found = sample_neighbors(np.eye(3, dtype=np.float32), 5)
    assert found.ids.shape == (3, 5)
    assert (found.ids[:, 2:] == -1).all() and np.isinf(found.distances[:, 2:]).all()
    assert len(found.nearest(2).rows) == 3
    assert len(found.nearest(3).rows) == 0
    assert len(sample_neighbors(np.ones((1, 3), np.float32), 2).nearest(1).rows) == 0


def test_without_is_a_new_search_without_those_rows():
    x = np.random.default_rng(3).standard_normal((300, 6)).astype(np.float32)
    found = sample_neighbors(x, list_length(5), metric="l2", sample=None)
    gone = np.random.default_rng(0).random(300) < 0.05
    kept = np.flatnonzero(~gone)
    fresh = sample_neighbors(x[kept], 5, metric="l2", sample=None)
    cut = found.without(gone, 5)
    assert np.array_equal(cut.rows, kept) and np.array_equal(cut.searched, kept)
    assert np.array_equal(cut.ids, kept[fresh.ids])
    assert np.allclose(cut.distances, fresh.distances)


def test_jackknife_is_the_standard_error_of_a_mean():
    # The statistic is a mean over rows whose spread is known, so its standard error is known too.
    x = np.random.default_rng(0).standard_normal((2000, 3)).astype(np.float32)
    found = sample_neighbors(x, 10, metric="l2", sample=None)
    noise = np.random.default_rng(1).standard_normal(2000)
    errors = [found.jackknife(1, lambda lists: float(noise[lists.rows].mean()), seed) for seed in range(10)]
    assert np.mean(errors) == pytest.approx(1 / np.sqrt(2000), rel=0.15)


def test_jackknife_needs_two_rows():
    found = sample_neighbors(np.ones((1, 3), np.float32), 2)
    assert np.isnan(found.jackknife(1, lambda lists: 1.0))


@pytest.mark.parametrize("scale", [1e30, 1e-30, 1e-41])
@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_extreme_lengths_change_no_order(scale, metric):
    x = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
    scaled = (x * scale).astype(np.float32)
    expected = brute(scaled.astype(np.float64) / scale, metric)
    found = sample_neighbors(scaled, 3, metric=metric, sample=None)
    assert np.mean(found.ids == np.argsort(expected, axis=1)[:, :3]) > 0.99


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"k": 0}, "k: "),
        ({"sample": 0}, "sample: "),
        ({"base": 1}, "base: "),
        ({"metric": "dot"}, "metric: "),
        ({"random_state": -1}, "random_state: "),
    ],
)
def test_bad_parameters(options, text):
    with pytest.raises(ValueError, match=text):
        sample_neighbors(np.eye(4, dtype=np.float32), **options)


def test_is_public():
    assert isinstance(sample_neighbors(np.eye(4, dtype=np.float32), 1), Neighborhood)


def test_own_rows_are_taken_out_or_the_last():
    assert without_own(np.array([[3, 1, 2], [5, 6, 7]]), np.array([1, 9]), 2).tolist() == [[3, 2], [5, 6]]
