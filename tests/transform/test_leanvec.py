import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from nearfield.transform import PCA, LeanVec

METHODS = ["shared", "frank-wolfe"]


@parametrize_with_checks([LeanVec(), LeanVec(1, method="frank-wolfe")])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    """Rows and queries whose strong directions are turned against each other."""
    rng = np.random.default_rng(0)
    spectrum = np.arange(1, 25) ** -0.8
    turned = [np.linalg.qr(rng.standard_normal((24, 24)))[0] for _ in range(2)]
    x, q = (rng.standard_normal((n, 24)) * spectrum @ turn for n, turn in zip((6000, 1500), turned, strict=True))
    return x.astype(np.float32), (q + 0.1).astype(np.float32)


def relative(queries, rows, theirs, ours):
    """The loss by its definition, over every pair."""
    whole = queries.astype(np.float64) @ rows.T.astype(np.float64)
    kept = (queries @ theirs.T) @ (rows @ ours.T).T
    return float(((kept - whole) ** 2).sum() / (whole**2).sum())


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_is_the_error_of_all_inner_products(data, method):
    x, q = data
    found = LeanVec(6, method=method).fit(x, queries=q)
    assert found.loss_ == pytest.approx(relative(q, x, found.query_components_, found.components_), rel=1e-5)
    for components in (found.components_, found.query_components_):
        np.testing.assert_allclose(components @ components.T, np.eye(6), atol=1e-9)
    assert (found.n_samples_seen_, found.n_queries_, found.n_components_) == (6000, 1500, 6)


@pytest.mark.parametrize("kept", [1, 6, 12, 23])
def test_queries_lower_the_loss_and_no_pair_of_maps_beats_the_closed_form(data, kept):
    x, q = data
    pca = PCA(kept, center=False).fit(x).components_
    shared = LeanVec(kept).fit(x, queries=q).loss_
    both = LeanVec(kept, method="frank-wolfe").fit(x, queries=q).loss_
    # The best product A^T B of this rank, orthonormal or not, is a truncated SVD of K_Q^(1/2) K_X^(1/2).
    roots = []
    for part in (q, x):
        values, vectors = np.linalg.eigh(part.T.astype(np.float64) @ part)
        roots.append(vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T)
    squares = np.linalg.svd(roots[0] @ roots[1], compute_uv=False) ** 2
    bound = squares[kept:].sum() / squares.sum()
    assert bound * (1 - 1e-6) <= both <= shared * (1 + 1e-9) <= relative(q, x, pca, pca) * (1 + 1e-6)
    if kept == 6:
        assert shared < 0.85 * relative(q, x, pca, pca) and both < shared


@pytest.mark.parametrize("method", METHODS)
def test_without_queries_it_is_pca_that_does_not_centre(data, method):
    x, _ = data
    found, pca = LeanVec(5, method=method).fit(x), PCA(5, center=False).fit(x)
    np.testing.assert_allclose(found.components_, pca.components_, atol=1e-9)
    assert found.query_components_ is found.components_ and found.blend_ == 1.0 and found.n_queries_ == 0
    assert found.export().queries is None
    assert found.loss_ == pytest.approx(relative(x, x, pca.components_, pca.components_), rel=1e-4)


def test_queries_like_the_rows_cost_nothing(data):
    x, _ = data
    for method in METHODS:
        found = LeanVec(5, method=method).fit(x[:5000], queries=x[5000:])
        assert found.loss_ <= 1.01 * LeanVec(5).fit(x[:5000]).loss_


@pytest.mark.parametrize("method", METHODS)
def test_export_maps_queries_and_rows_as_the_estimator_does(data, method):
    x, q = data
    found = LeanVec(6, method=method).fit(x, queries=q)
    exported = found.export()
    assert (exported.queries is None) == (method == "shared")
    np.testing.assert_array_equal(exported.transform(x), found.transform(x))
    np.testing.assert_array_equal(exported.transform_queries(q), found.transform_queries(q))
    np.testing.assert_allclose(found.transform(x.astype(np.float64)), found.transform(x), atol=1e-5)
    np.testing.assert_allclose(found.transform_queries(q.astype(np.float64)), found.transform_queries(q), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("count", [1, 2, 5, 12, 40])
def test_few_queries_do_no_harm_to_others(data, method, count):
    x, q = data
    for seen, others in ((x[-count:], x[:1500]), (q[:count], q[100:])):
        found = LeanVec(6, method=method).fit(x, queries=seen)
        plain = LeanVec(6).fit(x)
        lost = relative(others, x, found.query_components_, found.components_)
        assert lost <= 1.25 * relative(others, x, plain.components_, plain.components_)
    single = LeanVec(6, method=method).fit(x, queries=q[:1])
    assert single.blend_ == 1.0 and single.n_queries_ == 1


def test_all_dimensions_lose_nothing(data):
    x, q = data
    for method in METHODS:
        found = LeanVec(method=method).fit(x, queries=q)
        assert found.loss_ == 0.0 and found.n_components_ == 24
        kept = found.transform_queries(q[:50]) @ found.transform(x[:50]).T
        np.testing.assert_allclose(kept, q[:50] @ x[:50].T, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_same_bytes_for_any_number_of_threads(data, method):
    x, q = data
    made = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found = LeanVec(8, method=method).fit(x, queries=q)
            made.append(found.components_.tobytes() + found.query_components_.tobytes())
    assert made[0] == made[1]
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.transform(x[:5]), found.transform(x[:5]))


@pytest.mark.parametrize("method", METHODS)
def test_in_parts_is_as_at_once(data, method):
    x, q = data
    whole, parts = LeanVec(6, method=method).fit(x, queries=q), LeanVec(6, method=method)
    parts.partial_fit(x[:1000])
    assert parts.n_queries_ == 0 and parts.blend_ == 1.0
    parts.partial_fit(x[1000:1001], queries=q[:1])
    assert parts.n_queries_ == 1 and parts.blend_ == 1.0
    parts.partial_fit(x[1001:3000], queries=q[1:1000])  # an odd number before: the halves go on in turn
    parts.partial_fit(x[3000:], queries=q[1000:])
    after = LeanVec(6, method=method).fit(x[:1000], queries=q[:501]).partial_fit(x[1000:], queries=q[501:])
    for fitted in (parts, after):
        assert (fitted.n_samples_seen_, fitted.n_queries_, fitted.blend_) == (6000, 1500, whole.blend_)
        assert fitted.loss_ == pytest.approx(whole.loss_, rel=1e-9 if method == "shared" else 0.01)
        for ours, all_at_once in zip(fitted._halves, whole._halves, strict=True):
            np.testing.assert_allclose(ours.square, all_at_once.square, atol=1e-12)
        if method == "shared":
            np.testing.assert_allclose(fitted.components_, whole.components_, atol=1e-7)
    assert parts.fit(x[:50]).n_samples_seen_ == 50 and parts.n_queries_ == 0


def test_refused_parts_leave_no_trace(data):
    x, q = data
    fitted = LeanVec(3).partial_fit(x[:100], queries=q[:100])
    before = fitted.components_
    for queries, text in ((q[:, :23], "queries: expected 24"), (np.full((2, 24), np.nan), "queries: expected finite")):
        with pytest.raises(ValueError, match=text):
            fitted.partial_fit(x[100:], queries=queries)
    with pytest.raises(ValueError, match="23 features"):
        fitted.partial_fit(x[:, :23])
    assert (fitted.n_samples_seen_, fitted.n_queries_) == (100, 100)
    fitted.partial_fit(x[100:200])
    assert fitted.n_samples_seen_ == 200 and np.isfinite(fitted.components_).all() and fitted.components_ is not before


@pytest.mark.parametrize("method", METHODS)
def test_hard_input(method):
    rng = np.random.default_rng(0)
    one = LeanVec(1, method=method).fit(np.float32([[3.0]]), queries=np.float32([[2.0]]))
    assert one.loss_ == 0.0 and one.transform(np.float32([[3.0]])).tolist() == [[3.0]]
    same = LeanVec(2, method=method).fit(np.ones((50, 6), np.float32), queries=np.ones((1, 6), np.float32))
    assert same.loss_ == pytest.approx(0.0, abs=1e-9)
    nothing = LeanVec(2, method=method).fit(np.zeros((5, 6), np.float32), queries=np.zeros((2, 6), np.float32))
    assert nothing.loss_ == 0.0 and np.isfinite(nothing.components_).all()
    few = LeanVec(10, method=method).fit(rng.standard_normal((3, 40)), queries=rng.standard_normal((2, 40)))
    np.testing.assert_allclose(few.components_ @ few.components_.T, np.eye(10), atol=1e-9)
    np.testing.assert_allclose(few.query_components_ @ few.query_components_.T, np.eye(10), atol=1e-9)
    assert few.loss_ < 1e-6
    copies = np.repeat(rng.standard_normal((20, 12)), 10, axis=0).astype(np.float16)
    assert 0 <= LeanVec(4, method=method).fit(copies, queries=copies[:7]).loss_ < 1


@pytest.mark.parametrize("bad", [0, 25, -1, 0.5, 1.0, True, "all"])
def test_bad_n_components(data, bad):
    with pytest.raises(ValueError, match="n_components: expected None or an integer from 1 to 24"):
        LeanVec(bad).fit(data[0])


def test_bad_input(data):
    x, q = data
    with pytest.raises(ValueError, match="method: expected one of"):
        LeanVec(method="svd").fit(x)
    with pytest.raises(ValueError, match="random_state"):
        LeanVec(random_state=-1).fit(x)
    with pytest.raises(ValueError, match="queries: expected 24 dimensions, got 23"):
        LeanVec(3).fit(x, queries=q[:, :23])
    with pytest.raises(ValueError, match="queries: expected at least 1 row or None, got 0"):
        LeanVec(3).fit(x, queries=q[:0])
    with pytest.raises(ValueError, match="queries: expected finite values"):
        LeanVec(3).fit(x, queries=np.full((2, 24), np.nan, np.float32))
    with pytest.raises(ValueError, match="NaN"):
        LeanVec(3).fit(np.full((4, 3), np.nan))
    with pytest.raises(ValueError, match="24 features"):
        LeanVec(3).fit(x).transform(x[:, :23])


def test_ranking_loss_is_smaller_for_the_queries_it_knows(data):
    x, q = data
    for method in METHODS:
        lean = LeanVec(8, method=method).fit(x, queries=q[:1000])
        pca = PCA(8, center=False).fit(x)
        assert lean.ranking_loss(x, q[1000:], metric="ip").loss < pca.ranking_loss(x, q[1000:], metric="ip").loss - 0.03


@pytest.mark.slow
def test_wordnet_figures_of_the_docstring():
    path = Path(os.environ.get("NEARFIELD_DATA", "")) / "wordnet" / "minilm.npy"
    if not path.is_file():
        pytest.skip("needs $NEARFIELD_DATA/wordnet/minilm.npy")
    x = np.load(path).astype(np.float32)
    q = np.load(path.parent / "debian_queries.npy").astype(np.float32)
    found = LeanVec(160).fit(x, queries=q[:5000])
    assert found.loss_ == pytest.approx(0.039, abs=0.005)
    assert found.ranking_loss(x, q[5000:]).recall > PCA(160, center=False).fit(x).ranking_loss(x, q[5000:]).recall + 0.1
