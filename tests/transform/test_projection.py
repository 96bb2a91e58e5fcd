import numpy as np
import pytest
from scipy import sparse
from sklearn.utils.estimator_checks import parametrize_with_checks

from nearfield.index import Flat
from nearfield.transform import PCA, RandomProjection


@parametrize_with_checks([RandomProjection(1, density=0.5)])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    return np.random.default_rng(0).standard_normal((400, 900), dtype=np.float32)


@pytest.mark.parametrize("density", [1.0, 1 / 3, "very-sparse"])
def test_products_are_kept_with_the_error_foretold(data, density):
    projection = RandomProjection(300, density=density).fit(data)
    mapped = projection.transform(data)
    assert mapped.shape == (400, 300) and mapped.dtype == np.float32
    unit = data / np.linalg.norm(data, axis=1, keepdims=True)
    image = projection.transform(unit)
    off = (image @ image.T - unit @ unit.T)[np.triu_indices(400, 1)]
    assert abs(off.mean()) < 0.005 and off.std() == pytest.approx(300**-0.5, rel=0.1)
    share = 1.0 if density == 1.0 else 900**-0.5 if density == "very-sparse" else density
    matrix = projection.components_
    assert (matrix.nnz if sparse.issparse(matrix) else (matrix != 0).sum()) == pytest.approx(share * 270_000, rel=0.05)


def test_sparse_rows_are_mapped_as_dense_ones(data):
    few = np.where(np.abs(data) > 2, data, 0).astype(np.float32)
    for density in (1.0, 0.1):
        projection = RandomProjection(20, density=density).fit(sparse.csr_matrix(few))
        mapped = projection.transform(sparse.csr_matrix(few))
        assert isinstance(mapped, np.ndarray) and mapped.dtype == np.float32
        np.testing.assert_allclose(mapped, projection.transform(few), atol=1e-4)


def test_only_the_seed_and_the_shape_matter(data):
    one, two = (RandomProjection(20, density=0.1).fit(rows) for rows in (data, data[:3] * 2))
    assert (one.components_ != two.components_).nnz == 0
    assert (RandomProjection(20, random_state=1).fit(data).components_ != one.components_.toarray()).any()
    again = RandomProjection(20, density=0.1).fit_blocks(iter([data[:9], data[9:]]))
    assert (again.components_ != one.components_).nnz == 0
    with pytest.raises(ValueError, match="at least 1 block"):
        RandomProjection().fit_blocks([])
    assert RandomProjection(random_state=2**62).fit(data[:, :5]).components_.shape == (5, 5)


def test_in_parts_the_matrix_of_the_first_stands(data):
    whole = RandomProjection(20, density=0.1).fit(data)
    parts = RandomProjection(20, density=0.1)
    for rows in (data[:9], sparse.csr_matrix(data[9:100]), data[100:]):
        drawn = getattr(parts, "components_", None)
        parts.partial_fit(rows)
        assert drawn is None or parts.components_ is drawn
    assert (parts.components_ != whole.components_).nnz == 0
    assert parts.n_samples_seen_ == whole.n_samples_seen_ == 400
    with pytest.raises(ValueError, match="899 features"):
        parts.partial_fit(data[:, :899])
    with pytest.raises(ValueError, match="NaN"):
        parts.partial_fit(np.full((2, 900), np.nan))
    assert parts.n_samples_seen_ == 400
    assert parts.fit(data[:7, :30]).n_samples_seen_ == 7 and parts.components_.shape == (20, 30)


def test_in_an_index_and_what_it_loses_beside_pca(data):
    rows = data * (np.arange(1, 901) ** -0.5).astype(np.float32)
    index = Flat("cosine", transform=RandomProjection(200, density="very-sparse"), rescore="vectors").build(rows)
    truth = Flat("cosine").build(rows).search(rows[:20], 10).rows
    found = index.search(rows[:20], 10, candidates=200).rows
    assert np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]) > 0.9
    losses = [kind.fit(rows).ranking_loss(rows).loss for kind in (RandomProjection(100), PCA(100, center=False))]
    assert losses[0] > losses[1]


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"n_components": 0}, "n_components: expected None or an integer from 1 to 900"),
        ({"n_components": 901}, "n_components: expected None or an integer from 1 to 900"),
        ({"density": 0.0}, r"density: expected a number in \(0, 1\]"),
        ({"density": "sparse"}, r"density: expected a number in \(0, 1\] or 'very-sparse', got 'sparse'"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_bad_settings(data, settings, text):
    with pytest.raises(ValueError, match=text):
        RandomProjection(**settings).fit(data)
