import numpy as np
import pytest

from nearfield.metric import get_metric
from nearfield.tune.truth import Truth, check_rows, hold_out


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((600, 10), dtype=np.float32) * rng.uniform(0.5, 2, (600, 1)).astype(np.float32)
    return base, rng.standard_normal((40, 10), dtype=np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("name", ["cosine", "ip", "l2"])
def test_the_truth_is_brute_force(name, dtype, data):
    base, queries = data[0].astype(dtype), data[1]
    metric = get_metric(name)
    truth = Truth.find(base, queries, 7, metric)
    distances = metric.pairwise(queries, base)
    want = np.argsort(distances, axis=1)[:, :7]
    np.testing.assert_array_equal(truth.rows, want)
    farthest = np.take_along_axis(distances, want, 1)[:, -1]
    np.testing.assert_allclose(metric.distances_from_scores(truth.farthest), farthest, rtol=1e-5, atol=1e-5)


def test_shares(data):
    truth = Truth.find(*data, 4, get_metric("l2"))
    np.testing.assert_array_equal(truth.shares(truth.rows), 1)
    found = truth.rows.copy()
    found[:, 0] = -1
    np.testing.assert_array_equal(truth.shares(found), 0.75)
    found[0] = -1
    assert truth.shares(found)[0] == 0
    order = np.argsort(get_metric("l2").pairwise(data[1], data[0]), axis=1)
    np.testing.assert_array_equal(truth.shares(order[:, 2:6]), 0.5)


@pytest.mark.parametrize("name", ["cosine", "ip", "l2"])
def test_a_row_as_far_as_the_kth_is_a_hit(name, data):
    base = np.concatenate([data[0], data[0], data[0]])
    truth = Truth.find(base, data[1], 4, get_metric(name))
    other = (truth.rows + 600) % 1800
    np.testing.assert_array_equal(truth.shares(other), 1)


def test_under_cosine_parallel_rows_tie(data):
    base = np.concatenate([data[0], data[0] * np.float32(1.7)])
    truth = Truth.find(base, data[1], 5, get_metric("cosine"))
    np.testing.assert_array_equal(truth.shares((truth.rows + 600) % 1200), 1)
    assert Truth.find(base, data[1], 5, get_metric("ip")).shares((truth.rows + 600) % 1200).mean() < 0.9


def test_hold_out_is_a_partition_by_seed():
    queries, base = hold_out(5000, 1000, 10, 0)
    assert len(queries) == 500
    np.testing.assert_array_equal(np.sort(np.concatenate([queries, base])), np.arange(5000))
    np.testing.assert_array_equal(queries, hold_out(5000, 1000, 10, 0)[0])
    assert (queries != hold_out(5000, 1000, 10, 1)[0]).any()
    assert len(hold_out(100_000, 1000, 10, 0)[0]) == 1000
    assert len(hold_out(100, 1000, 97, 0)[0]) == 3
    assert len(hold_out(10, 1000, 10, 0)[0]) == 0


def test_check_rows_keeps_half_precision_and_names_the_row(monkeypatch):
    monkeypatch.setattr("nearfield.tune.truth._BLOCK", 16)
    half = np.ones((50, 3), np.float16)
    assert check_rows(half, get_metric("cosine")) is half
    half[37, 1] = np.nan
    with pytest.raises(ValueError, match="vectors: expected finite values, got NaN or infinity in row 37"):
        check_rows(half, get_metric("l2"))
    half[37] = 0
    with pytest.raises(ValueError, match="zeros in row 37"):
        check_rows(half, get_metric("cosine"))
    check_rows(half, get_metric("ip"))
    for empty in (np.empty((0, 3), np.float16), np.empty((0, 3), np.float32)):
        with pytest.raises(ValueError, match="at least 1 row"):
            check_rows(empty, get_metric("l2"))
    with pytest.raises(ValueError, match=r"expected shape \(n, d\), got \(3,\)"):
        check_rows(np.ones(3, np.float32), get_metric("l2"))
