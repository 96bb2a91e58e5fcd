import numpy as np
import pytest

from nearfield.survey import duplicates, sample_neighbors


def planted(exact=0, near=0, rows=2000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 32))
    x[:exact] = x[rows - exact :]
    x[exact : exact + near] = x[rows // 2 : rows // 2 + near] + 0.01 * rng.standard_normal((near, 32))
    return x.astype(np.float32)


def test_exact_twins_are_counted_over_all_rows():
    measure = duplicates(planted(exact=100), sample=50)
    assert measure.parts["exact_rows"] == 100
    assert measure.parts["exact"] == 0.05
    assert measure.parts["with_exact_twin"] == 0.1
    assert measure.parts["largest_group"] == 2
    assert "saves 5% of the memory" in measure.meaning


def test_near_twins_are_found():
    measure = duplicates(planted(near=200), sample=None)
    assert measure.value == measure.low == measure.high == pytest.approx(0.2)
    assert measure.parts["near"] == pytest.approx(0.2)
    assert measure.parts["exact_rows"] == 0
    assert 0.98 < measure.parts["near_cosine"] < 1
    assert duplicates(planted(near=200), sample=None, near=0.0).value == 0


def test_both_kinds_together():
    measure = duplicates(planted(exact=100, near=200), sample=None)
    assert measure.value == pytest.approx(0.1 + 0.2)


def test_interval(holds):
    assert holds(lambda seed: duplicates(planted(100, 200, seed=seed), sample=300, random_state=seed), 0.3) >= 17
    assert holds(lambda seed: duplicates(planted(seed=seed), sample=300, random_state=seed), 0.0) == 20


def test_scaled_copies_are_twins_under_cosine_only():
    x = np.random.default_rng(0).standard_normal((500, 16)).astype(np.float32)
    x[250:] = x[:250] * 3
    assert duplicates(x).value == pytest.approx(1)
    assert duplicates(x, metric="l2").value < 0.1


def test_shared_search_and_partial_base():
    x = planted(near=200)
    shared = sample_neighbors(x, 5, sample=300, base=1000)
    measure = duplicates(x, neighbors=shared)
    assert "missed" in measure.detail
    assert measure.value < 0.2


def test_verdicts():
    assert duplicates(planted()).verdict == "good"
    assert duplicates(planted(exact=50)).verdict == "fair"
    assert duplicates(planted(exact=500)).verdict == "poor"
    dense = np.random.default_rng(0).random((2000, 2)).astype(np.float32)
    assert "dense everywhere" in duplicates(dense, metric="l2").meaning


def test_edge_cases():
    assert "at least 2 rows" in duplicates(np.ones((1, 3), np.float32)).meaning
    every = duplicates(np.ones((30, 3), np.float32))
    assert (every.value, every.parts["exact_rows"], every.parts["largest_group"]) == (1, 29, 30)
    with pytest.raises(ValueError, match="near"):
        duplicates(np.eye(3, dtype=np.float32), near=1.0)
