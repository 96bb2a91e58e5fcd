import numpy as np
import pytest

from nearfield.metric import Cosine


def test_prepared_vectors_have_unit_length_whatever_their_size():
    x = np.random.default_rng(0).standard_normal((9000, 24), dtype=np.float32)
    for scale in (1e-30, 1.0, 1e30):
        prepared = Cosine().prepare_base(x * np.float32(scale))
        np.testing.assert_allclose(np.linalg.norm(prepared.astype(np.float64), axis=1), 1, atol=2e-7)
        np.testing.assert_allclose(prepared, Cosine().prepare_queries(x), atol=1e-6)


def test_distance_is_half_the_squared_distance_of_unit_vectors_and_ignores_length():
    x = np.random.default_rng(0).standard_normal((50, 24), dtype=np.float32)
    unit = x / np.linalg.norm(x.astype(np.float64), axis=1)[:, None]
    squared = ((unit[:, None] - unit[None]) ** 2).sum(2)
    np.testing.assert_allclose(Cosine().pairwise(x, 4 * x), squared / 2, atol=1e-6)
    distances = Cosine().pairwise(x, -x)
    assert distances.min() >= 0 and distances.max() <= 2
    np.testing.assert_array_equal(np.diag(distances), 2)


def test_zero_vectors_are_refused_by_row():
    x = np.ones((4, 3), np.float32)
    x[2] = 0
    for call in (
        Cosine().prepare_base,
        Cosine().prepare_queries,
        Cosine().reduce_base,
        lambda v: Cosine().pairwise(v, v),
    ):
        with pytest.raises(ValueError, match="zeros in row 2"):
            call(x)
