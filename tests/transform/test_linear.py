import pickle

import numpy as np
import pytest

from nearfield.transform import LinearMap


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((40, 40)))[0].astype(np.float32)
    return rotation, rng.standard_normal((10_000, 40), dtype=np.float32), rng.standard_normal(40).astype(np.float32)


def test_transform_is_the_product(data):
    rotation, x, offset = data
    mapped = LinearMap(rotation[:13], offset)
    assert (mapped.n_features_in, mapped.n_features_out) == (40, 13)
    want = (x.astype(np.float64) - offset) @ rotation[:13].T.astype(np.float64)
    np.testing.assert_allclose(mapped.transform(x), want, atol=1e-5)
    assert mapped.transform(x).dtype == np.float32
    single = mapped.transform(x[5])
    assert single.shape == (13,)
    np.testing.assert_allclose(single, want[5], atol=1e-5)
    np.testing.assert_allclose(LinearMap(rotation[:13]).transform(x[5]), rotation[:13] @ x[5], atol=1e-5)
    assert mapped.transform(x[:0]).shape == (0, 13)


@pytest.mark.parametrize("rows", [1, 13, 40])
@pytest.mark.parametrize("step", [1, 7, 64, 1000])
def test_blocks_give_the_bytes_of_the_whole(data, step, rows, monkeypatch):
    rotation, x, offset = data
    x = x[:2000]
    whole = LinearMap(rotation[:rows], offset).transform(x)
    monkeypatch.setattr("nearfield.transform.linear._MATRIX_BYTES", 1000)
    mapped = LinearMap(rotation[:rows], offset)
    blocks = [mapped.transform(x[start : start + step]) for start in range(0, len(x), step)]
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    np.testing.assert_array_equal(mapped.transform(x[5]), whole[5])


def test_inverse(data):
    rotation, x, offset = data
    full = LinearMap(rotation, offset)
    np.testing.assert_allclose(full.inverse_transform(full.transform(x)), x, atol=1e-5)
    np.testing.assert_allclose(full.inverse_transform(full.transform(x[0])), x[0], atol=1e-5)
    skewed = LinearMap(rotation[:13] * np.linspace(0.1, 9, 13, dtype=np.float32)[:, None], offset)
    projected = skewed.inverse_transform(skewed.transform(x))
    np.testing.assert_allclose(skewed.transform(projected), skewed.transform(x), atol=1e-3)


def test_arrays_round_trip_and_are_frozen(data):
    rotation, x, offset = data
    mapped = LinearMap(rotation[:13], offset)
    arrays = mapped.to_arrays()
    copy = LinearMap.from_arrays(arrays)
    np.testing.assert_array_equal(copy.transform(x), mapped.transform(x))
    assert copy.matrix is arrays["matrix"]
    with pytest.raises(ValueError, match="read-only"):
        mapped.matrix[0, 0] = 1
    assert rotation.flags.writeable
    again = pickle.loads(pickle.dumps(mapped))
    np.testing.assert_array_equal(again.transform(x[:3]), mapped.transform(x[:3]))
    assert repr(mapped) == "LinearMap(40 -> 13)"


def test_queries_may_have_a_matrix_of_their_own(data):
    rotation, x, offset = data
    one, two = LinearMap(rotation[:13], offset), LinearMap(rotation[:13], offset, rotation[13:26])
    np.testing.assert_array_equal(one.transform_queries(x[:9]), one.transform(x[:9]))
    np.testing.assert_array_equal(two.transform(x[:9]), one.transform(x[:9]))
    want = LinearMap(rotation[13:26], offset).transform(x[:300])
    np.testing.assert_array_equal(two.transform_queries(x[:300]), want)
    np.testing.assert_array_equal(two.transform_queries(x[5]), want[5])
    assert "queries" not in one.to_arrays()
    for again in (LinearMap.from_arrays(two.to_arrays()), pickle.loads(pickle.dumps(two))):
        np.testing.assert_array_equal(again.transform_queries(x[:300]), want)
        np.testing.assert_array_equal(again.transform(x[:300]), two.transform(x[:300]))
    assert repr(two) == "LinearMap(40 -> 13, queries by a matrix of their own)"
    with pytest.raises(ValueError, match=r"queries: expected the shape of matrix, \(13, 40\), got \(12, 40\)"):
        LinearMap(rotation[:13], offset, rotation[:12])
    with pytest.raises(ValueError, match="queries: expected finite values"):
        LinearMap(rotation[:13], offset, np.full((13, 40), np.inf))


def test_bad_input(data):
    rotation, x, _ = data
    with pytest.raises(ValueError, match="expected 40 dimensions, got 39"):
        LinearMap(rotation).transform(x[:, :39])
    with pytest.raises(ValueError, match="expected 13 dimensions, got 40"):
        LinearMap(rotation[:13]).inverse_transform(x)
    with pytest.raises(ValueError, match="offset: expected 40 values"):
        LinearMap(rotation, np.zeros(3))
    with pytest.raises(ValueError, match="matrix: expected 2 dimensions"):
        LinearMap(np.zeros(3))
    with pytest.raises(ValueError, match="at least one row"):
        LinearMap(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="NaN"):
        LinearMap(np.full((2, 3), np.nan))
    with pytest.raises(TypeError, match="dtype"):
        LinearMap(np.full((2, 3), "a"))
    with pytest.raises(ValueError, match="'matrix' and 'offset'"):
        LinearMap.from_arrays({"matrix": rotation})


def test_rotated_keeps_products_and_evens_out_what_components_hold(data):
    rotation, x, offset = data
    spread = x * np.float32(0.9) ** np.arange(40, dtype=np.float32)
    plain = LinearMap(np.eye(40, dtype=np.float32)[:21], offset)
    turned = plain.rotated()
    assert repr(turned) == repr(plain) and (turned.offset == offset).all()
    a, b = plain.transform(spread[:500]), turned.transform(spread[:500])
    np.testing.assert_allclose(b @ b.T, a @ a.T, atol=1e-3)
    assert b.std(0).max() / b.std(0).min() < 0.5 * a.std(0).max() / a.std(0).min()
    assert (plain.rotated(0).matrix == turned.matrix).all() and not (plain.rotated(1).matrix == turned.matrix).all()
    pair = LinearMap(rotation[:13], queries=rotation[1:14])
    asked, stored = pair.rotated().transform_queries(x[:9]), pair.rotated().transform(x[:50])
    np.testing.assert_allclose(asked @ stored.T, pair.transform_queries(x[:9]) @ pair.transform(x[:50]).T, atol=1e-3)
    with pytest.raises(ValueError, match="random_state"):
        plain.rotated(-1)
