import pickle

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from nearfield.index import Flat
from nearfield.transform import PCA, Subspace
from nearfield.transform.subspace import orthonormal_basis


@parametrize_with_checks([Subspace(1, action="keep", strength=0.5, center=True)])
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((3000, 12)) * np.arange(12, 0, -1) + 2.0).astype(np.float32)


@pytest.mark.parametrize("action", ["remove", "keep"])
@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_the_formula(data, action, strength):
    span = np.random.default_rng(1).standard_normal((3, 12))
    span[2] = span[0] - span[1]  # not independent
    fitted = Subspace(span, action=action, strength=strength).fit(data)
    assert fitted.n_directions_ == 2
    x = data[:50].astype(np.float64)
    inside = x @ np.linalg.pinv(span) @ span
    want = x - strength * (inside if action == "remove" else x - inside)
    np.testing.assert_allclose(fitted.transform(x), want, atol=1e-9)
    np.testing.assert_allclose(fitted.transform(data[:50]), want, atol=1e-4)
    if strength < 1:
        np.testing.assert_allclose(fitted.inverse_transform(want), x, atol=1e-9)
    else:
        np.testing.assert_allclose(fitted.inverse_transform(want), want, atol=1e-9)


def test_all_but_the_top_as_the_paper_has_it(data):
    x = data.astype(np.float64)
    centred = x - x.mean(axis=0)
    top = np.linalg.svd(centred, full_matrices=False)[2][:2]
    want = centred - centred @ top.T @ top
    fitted = Subspace(2, center=True).fit(data)
    np.testing.assert_allclose(fitted.transform(x), want, atol=1e-4)
    assert fitted.share_ == pytest.approx(1 - (want**2).sum() / (centred**2).sum(), abs=1e-5)


def test_spans_of_every_kind(data):
    leading = Subspace(2, center=True).fit(data)
    pca = PCA(2).fit(data)
    given = Subspace(pca.components_, center=True).fit(data)
    found = Subspace(PCA(2), center=True).fit(data)
    for other in (given, found):
        np.testing.assert_allclose(other.transform(data), leading.transform(data), atol=1e-4)
        assert other.share_ == pytest.approx(leading.share_)
    one = Subspace(pca.components_[0]).fit(data)
    assert one.components_.shape == (1, 12)


def test_parts_and_threads(data):
    whole = Subspace(2, center=True).fit(data)
    parts = Subspace(2, center=True)
    for start in range(0, len(data), 700):
        parts.partial_fit(data[start : start + 700])
    np.testing.assert_allclose(parts.components_, whole.components_, atol=1e-9)
    blocks = Subspace(2, center=True).fit_blocks(data[start : start + 700] for start in range(0, len(data), 700))
    np.testing.assert_array_equal(blocks.components_, parts.components_)
    with threadpool_limits(2):
        again = pickle.loads(pickle.dumps(Subspace(2, center=True).fit(data)))
    assert again.transform(data).tobytes() == whole.transform(data).tobytes()


def test_in_an_index_and_a_pipeline(data):
    index = Flat("cosine", transform=Subspace(2)).build(data)
    mapped = Subspace(2).fit(data / np.linalg.norm(data, axis=1, keepdims=True)).transform(data)
    truth = Flat("cosine").build(mapped).search(mapped[:20], 5).rows
    assert (index.search(data[:20], 5).rows == truth).mean() > 0.99
    piped = make_pipeline(Subspace(2, center=True), PCA(4)).fit_transform(data)
    assert piped.shape == (3000, 4) and piped.dtype == np.float32


def test_rows_with_nothing_in_them():
    same = Subspace(2, center=True).fit(np.ones((4, 3)))
    assert same.n_directions_ == 0 and same.share_ == 0.0
    np.testing.assert_allclose(same.transform(np.full((1, 3), 3.0)), [[2.0, 2.0, 2.0]])
    line = Subspace(3).fit(np.outer([1.0, 2.0], [1.0, 0.0, 0.0]))
    assert line.n_directions_ == 1
    assert Subspace(1).fit(np.ones((1, 3))).n_directions_ == 1


@pytest.mark.parametrize(
    ("span", "error", "text"),
    [
        (0, ValueError, "span: expected an integer from 1 to 12"),
        (13, ValueError, "span: expected an integer from 1 to 12"),
        (np.zeros((2, 12)), ValueError, "not zero, got zeros"),
        (np.ones((2, 11)), ValueError, r"span: expected vectors of shape \(k, 12\), got \(2, 11\)"),
        (np.full(12, np.nan), ValueError, "span: expected finite"),
        ("top", TypeError, "span: expected vectors"),
        (True, TypeError, "span: expected vectors"),
    ],
)
def test_bad_spans(data, span, error, text):
    with pytest.raises(error, match=text):
        Subspace(span).fit(data)


def test_bad_input(data):
    with pytest.raises(ValueError, match="action: expected one of 'remove', 'keep', got 'drop'"):
        Subspace(action="drop").fit(data)
    with pytest.raises(ValueError, match=r"strength: expected a number in \[0, 1\], got 1.5"):
        Subspace(strength=1.5).fit(data)
    with pytest.raises(ValueError, match="to be fitted in parts, got an estimator"):
        Subspace(PCA(2)).partial_fit(data)
    with pytest.raises(TypeError, match="components_ once fitted"):
        from sklearn.preprocessing import StandardScaler

        Subspace(StandardScaler()).fit(data)
    with pytest.raises(ValueError, match=r"X: expected shape \(n, 12\)"):
        Subspace().fit(data).inverse_transform(data[:, :3])
    with pytest.raises(ValueError, match="expected finite"):
        orthonormal_basis([np.inf], "v", 1)
