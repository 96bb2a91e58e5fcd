import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nearfield.index import Flat, Graph, load
from nearfield.transform import PCA, LeanVec, LinearMap, RandomProjection, Subspace, Whitening, linear_map
from nearfield.transform.chain import is_fitted, is_linear, output_dim


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((1500, 24)) * np.arange(1, 25) ** -0.5 + 0.5).astype(np.float32)


@pytest.mark.parametrize(
    "steps",
    [
        [Subspace(2, center=True), Whitening(), PCA(8)],
        [RandomProjection(16), Whitening(strength=0.5), PCA(5, center=False)],
        [PCA(8), make_pipeline(Whitening(method="pca"), Subspace(1))],
    ],
)
def test_a_pipeline_is_one_map(data, steps):
    pipeline = make_pipeline(*steps, "passthrough")
    assert is_linear(pipeline) and not is_fitted(pipeline)
    whole = linear_map(pipeline.fit(data))
    assert is_fitted(pipeline) and whole.n_features_out == output_dim(pipeline, 24)
    np.testing.assert_allclose(whole.transform(data), pipeline.transform(data), atol=1e-4)


def test_an_index_takes_a_pipeline_and_keeps_the_map(data, tmp_path):
    for kind, fresh in ((Flat, True), (Graph, False)):
        pipeline = make_pipeline(Whitening(), PCA(12))
        if not fresh:
            pipeline.fit(data)
        index = kind("l2", transform=pipeline, rescore="vectors").build(data)
        index_alone = kind("l2", transform=pipeline).build(data)
        mapped = pipeline.transform(data)
        want = Flat("l2").build(mapped).search(mapped[:30], 5).rows
        found = index_alone.search(data[:30], 5).rows
        assert np.mean([np.isin(a, b).mean() for a, b in zip(want, found, strict=True)]) > 0.95
        assert index.memory()["transform"] == index_alone.memory()["transform"]
        assert index_alone.estimate_build(1500, 24).resident == pytest.approx(index_alone.memory()["total"], rel=0.1)
    index_alone.save(tmp_path / "index.nfa")
    again = load(tmp_path / "index.nfa")
    np.testing.assert_array_equal(again.search(data[:30], 5).rows, index_alone.search(data[:30], 5).rows)


def test_maps_of_their_own_for_queries_go_through(data):
    asked = data[:300][:, ::-1].copy()
    lean = LeanVec(12, method="frank-wolfe").fit(data, queries=asked)
    turned = make_pipeline(PCA(center=False).fit(data))
    both = linear_map(make_pipeline(turned, "passthrough"))
    assert both.queries is None
    later = PCA(6, center=False).fit(lean.transform(data))
    pair = make_pipeline(lean, later)
    one, exported = linear_map(pair), lean.export()
    np.testing.assert_allclose(
        one.transform_queries(asked), later.transform(exported.transform_queries(asked)), atol=1e-4
    )
    np.testing.assert_allclose(one.transform(data), later.transform(lean.transform(data)), atol=1e-4)
    with pytest.raises(ValueError, match="no mean to be subtracted"):
        linear_map(make_pipeline(lean, PCA(6).fit(lean.transform(data))))


def test_what_is_not_linear_is_refused(data):
    assert not is_linear(make_pipeline(Whitening(), StandardScaler()))
    with pytest.raises(TypeError, match="transform: expected None, a LinearMap or an estimator"):
        Flat(transform=make_pipeline(Whitening(), StandardScaler()))
    flat = LinearMap(np.float32([[1, 0], [1, 0]]))
    moved = LinearMap(np.eye(2, dtype=np.float32), np.float32([1, 2]))
    with pytest.raises(ValueError, match="cannot come from the step before it"):
        linear_map(make_pipeline(flat, moved))


def test_dimensions_known_beforehand():
    assert output_dim(make_pipeline(PCA(0.9), RandomProjection(5)), 24) == 5
    assert output_dim(make_pipeline(RandomProjection(5), Subspace(2)), 24) == 5
    assert output_dim(LinearMap(np.ones((3, 24))), 24) == 3
