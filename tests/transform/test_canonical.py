import numpy as np
import pytest
from sklearn.cross_decomposition import CCA
from threadpoolctl import threadpool_limits

from nearfield.transform import CanonicalCorrelation, LinearMap


def views(n, shared=4, seed=0, noise=0.1):
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((n, shared))
    mixing = np.random.default_rng(99)
    made = []
    for d in (20, 26):
        parts = np.hstack([common + noise * rng.standard_normal(common.shape), rng.standard_normal((n, d - shared))])
        made.append(parts @ np.linalg.qr(mixing.standard_normal((d, d)))[0] + 3)
    return made


def correlations(x, y):
    return [np.corrcoef(a, b)[0, 1] for a, b in zip(x.T, y.T, strict=True)]


def test_without_shrinkage_it_is_the_textbooks():
    X, Y = views(500)
    ours = CanonicalCorrelation(4, shrinkage=0.0, power=0.0).fit(X, Y)
    x, y = ours.transform(X), ours.transform_other(Y)
    np.testing.assert_allclose(ours.correlations_, correlations(x, y), atol=1e-9)
    theirs = CCA(4, max_iter=5000, tol=1e-10).fit_transform(X, Y)
    np.testing.assert_allclose(ours.correlations_, correlations(*theirs), atol=1e-4)
    np.testing.assert_allclose(x.T @ x / len(x), np.eye(4), atol=1e-9)


def test_the_shared_directions_are_found_and_no_others():
    X, Y = views(400)
    fresh = views(400, seed=1)
    fitted = CanonicalCorrelation(8).fit(X, Y)
    held = correlations(fitted.transform(fresh[0]), fitted.transform_other(fresh[1]))
    assert min(held[:4]) > 0.95 and max(np.abs(held[4:])) < 0.3
    assert 0.5 < fitted.score_ < 1 and 0 <= fitted.shrinkage_ <= 1


def test_shrinkage_saves_what_few_pairs_overfit():
    """Sixty pairs in 150 and 200 dimensions."""
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal((1060, 30)) / np.arange(1, 31) ** 0.5
    X, Y = (hidden @ rng.standard_normal((30, d)) + 2 * rng.standard_normal((1060, d)) for d in (150, 200))

    def found(fitted):
        x, y = fitted.transform(X[60:]), fitted.transform_other(Y[60:])
        cosines = (x / np.linalg.norm(x, axis=1, keepdims=True)) @ (y / np.linalg.norm(y, axis=1, keepdims=True)).T
        return (cosines.argmax(axis=1) == np.arange(1000)).mean()

    chosen = found(CanonicalCorrelation().fit(X[:60], Y[:60]))
    assert chosen > 0.3 > 3 * found(CanonicalCorrelation(shrinkage=0.0).fit(X[:60], Y[:60]))


def test_both_sides_are_plain_maps():
    X, Y = (side.astype(np.float32) for side in views(200))
    fitted = CanonicalCorrelation(5).fit(X, Y)
    for map_, rows, mapped in (
        (fitted.export(), X, fitted.transform(X)),
        (fitted.export_other(), Y, fitted.transform_other(Y)),
    ):
        assert isinstance(map_.linear, LinearMap) and mapped.dtype == np.float32
        assert map_.transform(rows).tobytes() == mapped.tobytes()
    np.testing.assert_allclose(fitted.transform_other(Y.astype(np.float64)), fitted.transform_other(Y), atol=1e-4)


def test_the_same_bytes_for_any_number_of_threads():
    X, Y = views(120)
    made = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            made.append(CanonicalCorrelation().fit(X, Y))
    assert made[0].matrix_.tobytes() == made[1].matrix_.tobytes()
    assert made[0].other_matrix_.tobytes() == made[1].other_matrix_.tobytes()


@pytest.mark.parametrize("shrinkage", [0.0, 0.2])
def test_in_parts_is_as_at_once(shrinkage):
    X, Y = views(500)
    whole, parts = (CanonicalCorrelation(4, shrinkage=shrinkage) for _ in range(2))
    whole.fit(X, Y)
    for start in range(0, 500, 130):
        parts.partial_fit(X[start : start + 130], Y[start : start + 130])
    assert (parts.n_pairs_, parts.n_components_, parts.shrinkage_) == (500, 4, shrinkage) and np.isnan(parts.score_)
    for name in ("matrix_", "other_matrix_", "offset_", "other_offset_", "correlations_"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-9)
    np.testing.assert_allclose(parts.correlations_, correlations(parts.transform(X), parts.transform_other(Y)))
    # Fewer pairs than dimensions, whose correlations are all one where nothing is shrunk: only the products are told.
    few, some = (CanonicalCorrelation(shrinkage=shrinkage) for _ in range(2))
    few.fit(X[:15], Y[:15])
    some.partial_fit(X[:9], Y[:9]).partial_fit(X[9:15], Y[9:15])
    assert some.n_components_ == few.n_components_ == 14
    np.testing.assert_allclose(
        some.matrix_.T @ some.other_matrix_, few.matrix_.T @ few.other_matrix_, atol=1e-8 * np.abs(few.matrix_).max()
    )


def test_in_parts_the_shrinkage_is_given():
    X, Y = views(100)
    found = CanonicalCorrelation().fit(X[:60], Y[:60])
    for estimator in (found, CanonicalCorrelation()):
        with pytest.raises(ValueError, match="shrinkage: expected a number to be fitted in parts, got None"):
            estimator.partial_fit(X[60:], Y[60:])
    found.set_params(shrinkage=found.shrinkage_).partial_fit(X[60:], Y[60:])
    again = CanonicalCorrelation(shrinkage=found.shrinkage_).fit(X, Y)
    np.testing.assert_allclose(found.transform(X), again.transform(X), atol=1e-7)


@pytest.mark.parametrize("kind", ["all equal", "rank one", "two pairs", "wide", "repeated"])
@pytest.mark.parametrize("shrinkage", [None, 0.0, 1.0])
def test_hard_pairs(kind, shrinkage):
    rng = np.random.default_rng(0)
    X = {
        "all equal": np.ones((30, 4)),
        "rank one": rng.standard_normal((30, 1)) @ rng.standard_normal((1, 5)),
        "two pairs": rng.standard_normal((2, 4)),
        "wide": rng.standard_normal((12, 300)),
        "repeated": np.repeat(rng.standard_normal((3, 4)), 10, axis=0),
    }[kind]
    Y = rng.standard_normal((len(X), 6))
    fitted = CanonicalCorrelation(2, shrinkage=shrinkage).fit(X, Y)
    assert np.isfinite(fitted.transform(X)).all() and np.isfinite(fitted.transform_other(Y)).all()
    if shrinkage is not None:
        parts = CanonicalCorrelation(2, shrinkage=shrinkage).partial_fit(X, Y)
        assert np.isfinite(parts.transform(X)).all() and np.isfinite(parts.transform_other(Y)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 21}, r"n_components: expected None or an integer from 1 to 20 \(dimensions of the smaller"),
        ({"n_components": True}, "n_components"),
        ({"shrinkage": 1.5}, r"shrinkage: expected a number in \[0, 1\], got 1.5"),
        ({"power": -1}, r"power: expected a number in \[0, 16\]"),
        ({"random_state": -1}, "random_state"),
    ],
)
def test_what_is_wrong_is_refused(options, message):
    X, Y = views(50)
    with pytest.raises(ValueError, match=message):
        CanonicalCorrelation(**options).fit(X, Y)
    with pytest.raises(ValueError, match="y: expected 50 rows, one for each of X, got 49"):
        CanonicalCorrelation().fit(X, Y[1:])
    with pytest.raises(ValueError, match="Y: expected 26 dimensions, got 20"):
        CanonicalCorrelation(2, shrinkage=0.5).fit(X, Y).transform_other(X)
