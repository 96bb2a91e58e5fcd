import numpy as np
import pytest

from nearfield.bench import data


def _brute(metric: str, base: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    wide, asked = base.astype(np.float64), queries.astype(np.float64)
    if metric == "cosine":
        distances = 1 - asked @ wide.T
    else:
        distances = np.linalg.norm(wide[None] - asked[:, None], axis=2)
    return np.sort(distances, axis=1)[:, :k]


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_exact_neighbours_are_exact(metric: str) -> None:
    rng = np.random.default_rng(0)
    base, queries = rng.standard_normal((500, 12), np.float32), rng.standard_normal((31, 12), np.float32)
    if metric == "cosine":
        base, queries = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (base, queries))
    else:
        base, queries = 200 * base, 200 * queries
    distances, rows = data.exact_neighbors(metric, base, queries, 7, block=8)
    np.testing.assert_allclose(distances, _brute(metric, base, queries, 7), rtol=1e-12, atol=1e-6)
    np.testing.assert_array_equal(data.exact_distances(metric, queries, base, rows), distances)


def test_a_missing_row_is_infinitely_far() -> None:
    base = np.eye(3, dtype=np.float32)
    assert np.isinf(data.exact_distances("l2", base[:1], base, np.array([[0, -1]]))[0, 1])


def test_more_than_there_are_is_not_asked() -> None:
    base = np.eye(4, dtype=np.float32)
    assert data.exact_neighbors("cosine", base, base, 10)[1].shape == (4, 4)


def test_the_fingerprint_sees_every_vector() -> None:
    base = np.eye(3, dtype=np.float32)
    one = data.Workload("w", "l2", base, {"w": base})
    other = data.Workload("w", "l2", base, {"w": base * 2})
    assert one.fingerprint() == data.Workload("w", "l2", base.copy(), {"w": base.copy()}).fingerprint()
    assert one.fingerprint() != other.fingerprint()


@pytest.mark.parametrize("name", list(data.WORKLOADS))
def test_real_workloads_hold_queries_out(name: str) -> None:
    try:
        workload = data.WORKLOADS[name](300, 20)
    except FileNotFoundError as error:
        pytest.skip(str(error).splitlines()[0])
    assert workload.base.shape[0] == 300 and workload.base.dtype == np.float32 and workload.base.flags.c_contiguous
    assert len(workload.queries[name]) == 20 and min(map(len, workload.queries.values())) >= 10
    if workload.metric == "cosine":
        np.testing.assert_allclose(np.linalg.norm(workload.base, axis=1), 1, rtol=1e-5)
