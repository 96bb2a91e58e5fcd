import numpy as np
import pytest

from nearfield.survey.collection import Collection


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_representatives_are_the_first_equal_row(dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 7)).astype(dtype)
    x[200:250] = x[3]
    x[10] = x[5]
    space = Collection.of(x)
    expected = np.arange(300)
    expected[200:250] = 3
    expected[10] = 5
    assert np.array_equal(space.representative, expected)
    assert space.repeats.sum() == 51


def test_minus_zero_equals_zero():
    assert Collection.of(np.float32([[0.0, 1], [-0.0, 1], [1, 1]])).representative.tolist() == [0, 0, 2]


def test_equal_keys_do_not_make_rows_equal(monkeypatch):
    monkeypatch.setattr("nearfield.survey.collection._row_keys", lambda x: np.zeros(len(x), np.uint64))
    space = Collection.of(np.float32([[1, 2], [3, 4], [1, 2]]))
    assert space.representative.tolist() == [0, 1, 0]


def test_float16_stays_where_it_is_and_rows_come_at_length_one():
    x = np.random.default_rng(1).standard_normal((50, 9)).astype(np.float16)
    space = Collection.of(x, "cosine")
    assert space.vectors is x
    taken = space.take(np.array([3, 1]))
    assert taken.dtype == np.float32
    assert np.allclose(np.linalg.norm(taken, axis=1), 1, atol=1e-6)
    assert space.ambient == 8


def test_a_mapped_file_is_read_in_place(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(1).standard_normal((40, 5)).astype(np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(Collection.of(mapped, "l2").vectors, mapped)


@pytest.mark.parametrize(
    ("bad", "metric", "text"),
    [
        (np.float32([[1, 2], [np.nan, 1]]), "l2", "row 1"),
        (np.float32([[np.inf, 2]]), "cosine", "row 0"),
        (np.float32([1, 2, 3]), "l2", r"shape \(n, d\)"),
        (np.zeros((0, 3), np.float32), "l2", "at least 1 row"),
        (np.zeros((3, 0), np.float32), "l2", "at least 1 dimension"),
        (np.float32([[1, 2], [0, 0]]), "cosine", "the first is row 1"),
        (np.float32([[1, 2]]), "manhattan", "metric: expected one of 'cosine', 'ip', 'l2'"),
    ],
)
def test_bad_input_is_refused_by_name(bad, metric, text):
    with pytest.raises(ValueError, match=text):
        Collection.of(bad, metric)


def test_changing_to_cosine_refuses_zeros_too():
    space = Collection.of(np.float32([[0, 0], [1, 0]]), "l2")
    assert Collection.of(space) is space
    with pytest.raises(ValueError, match="nonzero"):
        Collection.of(space, "cosine")


def test_lossy_float64_is_refused():
    with pytest.raises(TypeError, match="lose precision"):
        Collection.of(np.array([[0.1, 0.2]]))
