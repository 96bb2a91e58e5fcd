import numpy as np
import pytest

from nearfield.metric import InnerProduct


@pytest.fixture(scope="module")
def base():
    rng = np.random.default_rng(0)
    return rng.standard_normal((300, 20), dtype=np.float32) * rng.uniform(0, 5, (300, 1)).astype(np.float32)


def test_reduction_keeps_inner_products_and_equals_lengths(base):
    metric = InnerProduct()
    queries = base[:10] + 1
    reduced, reduced_queries = metric.reduce_base(base), metric.reduce_queries(queries)
    assert reduced.shape == (300, 21) and reduced.dtype == np.float32
    np.testing.assert_array_equal(metric.pairwise(reduced_queries, reduced), metric.pairwise(queries, base))
    norms = np.linalg.norm(reduced.astype(np.float64), axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(base.astype(np.float64), axis=1).max(), rtol=1e-7)


def test_blocks_reduce_as_the_whole(base):
    metric = InnerProduct()
    largest = float(np.linalg.norm(base.astype(np.float64), axis=1).max())
    blocks = np.concatenate([metric.reduce_base(base[s : s + 70], max_norm=largest) for s in range(0, 300, 70)])
    np.testing.assert_allclose(blocks, metric.reduce_base(base), atol=1e-6)
    with pytest.raises(ValueError, match="max_norm: expected at least the longest row"):
        metric.reduce_base(base, max_norm=largest * 0.9)
    assert metric.reduce_base(base[0], max_norm=largest).shape == (21,)
    assert metric.reduce_queries(base[0]).shape == (21,)
