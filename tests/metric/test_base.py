import pickle

import numpy as np
import pytest

from nearfield.metric import Cosine, Euclidean, InnerProduct, Metric, get_metric

NAMES = ["cosine", "ip", "l2"]


def reference(name, a, b):
    a, b = a.astype(np.longdouble), b.astype(np.longdouble)
    if name == "ip":
        return -(a @ b.T)
    if name == "cosine":
        a = a / np.sqrt((a * a).sum(1))[:, None]
        b = b / np.sqrt((b * b).sum(1))[:, None]
    squared = ((a[:, None] - b[None]) ** 2).sum(2)
    return squared / 2 if name == "cosine" else np.sqrt(squared)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((200, 33), dtype=np.float32) * rng.uniform(0.1, 3, (200, 1)).astype(np.float32)
    return base, rng.standard_normal((17, 33), dtype=np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_pairwise_is_the_definition_to_float32(name, data):
    base, queries = data
    found = get_metric(name).pairwise(queries, base)
    assert found.dtype == np.float32 and found.shape == (17, 200)
    np.testing.assert_allclose(found, reference(name, queries, base).astype(np.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["cosine", "l2"])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_near_duplicates_keep_their_digits(name, shift):
    rng = np.random.default_rng(1)
    base = (rng.standard_normal((40, 64)) + shift).astype(np.float32)
    near = np.nextafter(base, np.float32(np.inf))
    found = get_metric(name).pairwise(base, near)
    want = reference(name, base, near).astype(np.float64)
    assert (np.diag(want) > 0).all()
    # Rounding of the unit vectors themselves bounds what cosine can know of an angle of 1e-8.
    np.testing.assert_allclose(found, want, rtol=1e-6 if name == "l2" else 1e-4)
    assert (np.diag(get_metric(name).pairwise(base, base)) == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_blocks_do_not_show(name, data, monkeypatch):
    base, queries = data
    whole = get_metric(name).pairwise(queries, base)
    monkeypatch.setattr("nearfield.metric.base._BLOCK", 450)
    monkeypatch.setattr("nearfield.metric.inner_product._BLOCK", 450)
    np.testing.assert_allclose(get_metric(name).pairwise(queries, base), whole, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_single_vectors_are_answered_in_kind(name, data):
    base, queries = data
    metric = get_metric(name)
    whole = metric.pairwise(queries, base)
    np.testing.assert_allclose(metric.pairwise(queries[0], base), whole[0], rtol=1e-6)
    np.testing.assert_allclose(metric.pairwise(queries, base[3]), whole[:, 3], rtol=1e-6)
    np.testing.assert_allclose(metric.to_many(queries[2], base), whole[2], rtol=1e-6)
    assert metric.to_many(queries[2], base[0]).shape == (1,)
    assert metric.prepare_base(base[0]).shape == (33,) and metric.prepare_queries(base[0]).shape == (33,)
    assert metric.pairwise(queries[:0], base).shape == (0, 200)


@pytest.mark.parametrize("name", NAMES)
def test_native_scores_of_prepared_vectors_are_the_distances(name, data):
    base, queries = data
    metric = get_metric(name)
    prepared, prepared_queries = metric.prepare_base(base), metric.prepare_queries(queries)
    scores = -(prepared_queries @ prepared.T)
    if metric.native == "l2":
        scores = ((prepared_queries[:, None] - prepared[None]) ** 2).sum(2)
    want = metric.pairwise(queries, base)
    np.testing.assert_allclose(metric.distances_from_scores(scores), want, rtol=1e-4, atol=2e-6)
    np.testing.assert_allclose(metric.scores_from_distances(want), scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(np.argsort(scores, axis=1)[:, :5], np.argsort(want, axis=1)[:, :5])


@pytest.mark.parametrize("name", NAMES)
def test_reduced_vectors_have_the_same_neighbours_under_l2(name, data):
    base, queries = data
    metric = get_metric(name)
    reduced = Euclidean().pairwise(metric.reduce_queries(queries), metric.reduce_base(base))
    np.testing.assert_array_equal(
        np.argsort(reduced, axis=1)[:, :20], np.argsort(metric.pairwise(queries, base), axis=1)[:, :20]
    )


@pytest.mark.parametrize("name", NAMES)
def test_missing_stays_missing(name):
    missing = np.float32([np.inf])
    assert get_metric(name).distances_from_scores(missing) == np.inf
    assert get_metric(name).scores_from_distances(missing) == np.inf


def test_half_precision_is_accepted(data):
    half = data[0].astype(np.float16)
    for name in NAMES:
        prepared = get_metric(name).prepare_base(half)
        np.testing.assert_array_equal(prepared, get_metric(name).prepare_base(half.astype(np.float32)))
        assert prepared.dtype == np.float32 and prepared.flags.c_contiguous


def test_get_metric():
    for name, cls in zip(NAMES, (Cosine, InnerProduct, Euclidean), strict=True):
        metric = get_metric(name)
        assert isinstance(metric, cls) and isinstance(metric, Metric) and metric.name == name
        assert get_metric(metric) is metric
        copy = pickle.loads(pickle.dumps(metric))
        assert copy == metric and hash(copy) == hash(metric)
    assert Cosine() != Euclidean()
    for bad in ("dot", None, 3, Cosine):
        with pytest.raises(ValueError, match="'cosine', 'ip', 'l2'"):
            get_metric(bad)


@pytest.mark.parametrize("name", NAMES)
def test_bad_input(name, data):
    base, _ = data
    metric = get_metric(name)
    with pytest.raises(ValueError, match="expected 33 dimensions as in a, got 32"):
        metric.pairwise(base, base[:, :32])
    with pytest.raises(ValueError, match="NaN or infinity in row 2"):
        broken = base.copy()
        broken[2, 1] = np.nan
        metric.prepare_base(broken)
    with pytest.raises(ValueError, match=r"query: expected one vector of shape \(d,\)"):
        metric.to_many(base[:2], base)
    with pytest.raises(TypeError, match="expected an array of numbers"):
        metric.pairwise([["a"]], base)
