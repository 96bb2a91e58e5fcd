import numpy as np
import pytest

from nearfield.evidence import material


def test_planted_dimension_is_the_rank() -> None:
    assert np.linalg.matrix_rank(material.planted(7, 200, 40), tol=1e-3) == 7


def test_clusters_are_far_apart() -> None:
    base, queries = material.clusters(5, 500, 50)
    assert base.shape == (500, 32) and queries.shape == (50, 32)
    nearest = np.sort(np.linalg.norm(base[None] - queries[:, None], axis=2), axis=1)
    assert np.median(nearest[:, -1] / nearest[:, 9]) > 10


def test_orders_are_orders() -> None:
    rng = np.random.default_rng(0)
    base = np.concatenate([rng.random((150, 1)) @ np.eye(1, 8), rng.random((150, 8)) + 5]).astype(np.float32)
    orders = material.insertion_orders(base, np.repeat([1, 0], 150), "l2")
    assert all(sorted(order) == list(range(300)) for order in orders.values())
    assert np.mean(orders["rising"][:150] < 150) > 0.9 and np.mean(orders["falling"][:150] >= 150) > 0.9
    assert (orders["by category"][:150] >= 150).all()


def test_a_missing_encoder_says_where_to_put_it(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("NEARFIELD_MODELS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"minilm: no exported all-MiniLM-L6-v2 here; put model.onnx"):
        material.minilm()


def test_wordnet_holds_queries_out() -> None:
    try:
        base, queries = material.wordnet(500, 20)
    except FileNotFoundError as error:
        pytest.skip(str(error).splitlines()[0])
    assert base.shape == (500, 384) and queries.shape == (20, 384)
    np.testing.assert_allclose(np.linalg.norm(queries, axis=1), 1, rtol=1e-5)
