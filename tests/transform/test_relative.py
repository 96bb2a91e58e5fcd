import numpy as np
import pytest
from scipy.stats import kstest
from threadpoolctl import threadpool_limits

from nearfield.common.container import read_container, write_container
from nearfield.index import Flat
from nearfield.transform import RelativeRepresentation

FORMS = [
    {},
    {"center": False},
    {"normalization": "standard"},
    {"normalization": "quantile"},
    {"normalization": "whitened"},
    {"similarity": "gaussian", "normalization": "whitened"},
    {"similarity": "euclidean"},
]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.standard_normal((600, 12)) * np.linspace(3, 0.5, 12) + 0.5


def turned(rows, seed=0, dim=12):
    return 2.5 * rows @ np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))[0]


def found(left, right):
    left, right = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (left, right))
    cosines = left @ right.T
    return (cosines.argmax(axis=1) == np.arange(len(left))).mean()


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_turning_and_stretching_changes_nothing(rows, form, dtype):
    one = RelativeRepresentation(40, **form).fit(rows.astype(dtype))
    moved = (turned(rows) + (1 if form.get("center", True) else 0)).astype(dtype)
    other = RelativeRepresentation(**form).fit(moved, anchors=moved[one.anchor_rows_])
    a, b = one.transform(rows.astype(dtype)), other.transform(moved)
    assert a.dtype == dtype and a.shape == (600, 40)
    # A quantile jumps by a whole step where a similarity is the smallest or the largest of all.
    inner = np.abs(a) < 2.5 if form.get("normalization") == "quantile" else np.full(a.shape, True)
    np.testing.assert_allclose(a[inner], b[inner], atol=1e-6 if dtype == "float64" else 2e-3)


def test_coordinates_are_the_similarities_they_are_called(rows):
    def placed(rows, center):
        rows = rows - center
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    plain = RelativeRepresentation(30, center=False).fit(rows)
    anchors = rows[plain.anchor_rows_]
    np.testing.assert_allclose(plain.transform(rows), placed(rows, 0) @ placed(anchors, 0).T, atol=1e-12)
    mean = rows.mean(axis=0)
    gaussian = RelativeRepresentation(30, similarity="gaussian").fit(rows).transform(rows)
    squares = np.square(placed(rows, mean)[:, None] - placed(anchors, mean)[None]).sum(axis=2)
    np.testing.assert_allclose(gaussian, np.exp(-squares / 2), atol=1e-12)
    distances = RelativeRepresentation(30, similarity="euclidean").fit(rows).transform(rows)
    want = -np.linalg.norm(rows[:, None] - anchors[None], axis=2)
    between = np.linalg.norm(anchors[:, None] - anchors[None], axis=2)
    unit = np.sqrt(np.square(between).sum() / (30 * 29))
    np.testing.assert_allclose(distances, want / unit, atol=1e-6)


def test_normalizations_do_what_they_say(rows):
    standard = RelativeRepresentation(30, normalization="standard").fit_transform(rows)
    np.testing.assert_allclose([standard.mean(axis=0), standard.std(axis=0)], [[0] * 30, [1] * 30], atol=1e-9)
    quantile = RelativeRepresentation(30, normalization="quantile").fit_transform(rows)
    assert min(kstest(column, "norm").pvalue for column in quantile.T) > 0.5
    whitened = RelativeRepresentation(30, normalization="whitened", center=False).fit(rows)
    cosines = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    products = whitened.transform(rows[:50]) @ whitened.transform(rows[50:100]).T
    # Thirty anchors span the twelve dimensions: products come back but for the raised eigenvalues.
    assert np.corrcoef(products.ravel(), (cosines[:50] @ cosines[50:100].T).ravel())[0, 1] > 0.98


def test_two_encoders_meet_and_whitening_helps(rows):
    """Two noisy nonlinear views of six hidden numbers, in spaces that share nothing."""
    rng = np.random.default_rng(1)
    hidden = rng.standard_normal((800, 6))
    views = [np.tanh(hidden @ rng.standard_normal((6, d)) / 2) + 0.05 * rng.standard_normal((800, d)) for d in (20, 30)]
    scores = {}
    for name in (None, "whitened"):
        one, other = (RelativeRepresentation(normalization=name).fit(v, anchors=v[:100]) for v in views)
        scores[name] = found(one.transform(views[0][100:]), other.transform(views[1][100:]))
    assert scores["whitened"] > 0.5 and scores[None] > 0.1 > 50 / 700


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_state_is_kept_as_arrays(rows, form, tmp_path):
    small = rows.astype(np.float32)
    made = RelativeRepresentation(25, selection="farthest", **form).fit(small)
    write_container(tmp_path / "relative.nfa", "relative", 1, {}, made.to_arrays())
    back = RelativeRepresentation.from_arrays(read_container(tmp_path / "relative.nfa", "relative", 1).arrays)
    assert back.transform(small).tobytes() == made.transform(small).tobytes()
    assert (back.n_anchors_, back.n_features_in_) == (25, 12)
    assert made.transform(small[:1]).tobytes() == made.transform(small)[:1].tobytes()


def test_an_index_takes_the_linear_forms(rows):
    small = rows.astype(np.float32)
    # The index brings rows to length one first, so the mean must be that of such rows.
    unit = small / np.linalg.norm(small, axis=1, keepdims=True)
    made = RelativeRepresentation(40, normalization="whitened").fit(unit)
    index = Flat("cosine", transform=made).build(small[100:])
    plain = Flat("cosine").build(made.transform(unit[100:]))
    same = index.search(small[:100], 5).rows == plain.search(made.transform(unit[:100]), 5).rows
    assert same.mean() > 0.99
    with pytest.raises(ValueError, match="similarity: expected 'cosine' with normalization None"):
        RelativeRepresentation(5, similarity="gaussian").fit(rows).export()


def test_the_same_bytes_for_any_number_of_threads(rows):
    made = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            form = {"similarity": "gaussian", "normalization": "whitened", "selection": "kmeans"}
            made.append(RelativeRepresentation(30, **form).fit(rows).to_arrays())
    assert all(made[0][name].tobytes() == made[1][name].tobytes() for name in made[0])


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", ["all equal", "rank one", "constant dimension", "wide", "two rows", "repeated"])
def test_hard_rows(form, kind):
    rng = np.random.default_rng(0)
    rows = {
        "all equal": np.ones((20, 4)),
        "rank one": rng.standard_normal((30, 1)) @ rng.standard_normal((1, 5)),
        "constant dimension": np.hstack([rng.standard_normal((30, 3)), np.full((30, 1), 7.0)]),
        "wide": rng.standard_normal((5, 300)),
        "two rows": rng.standard_normal((2, 4)),
        "repeated": np.repeat(rng.standard_normal((3, 4)), 20, axis=0),
    }[kind]
    made = RelativeRepresentation(8, **form).fit(rows)
    assert np.isfinite(made.transform(rows)).all() and made.n_anchors_ == min(8, len(rows))


@pytest.mark.parametrize(
    ("options", "anchors", "message"),
    [
        ({"n_anchors": 0}, None, "n_anchors: expected an integer of at least 1, got 0"),
        ({"similarity": "dot"}, None, "similarity: expected one of 'cosine', 'euclidean', 'gaussian', got 'dot'"),
        ({"normalization": "rank"}, None, "normalization: expected one of"),
        ({"similarity": "euclidean", "normalization": "whitened"}, None, "normalization: expected None, 'standard'"),
        ({"selection": "best"}, None, "selection"),
        ({"random_state": -1}, None, "random_state"),
        ({}, np.ones((3, 5)), "anchors: expected 12 dimensions, as X has, got 5"),
        ({}, np.full((3, 12), np.nan), "anchors contains NaN"),
    ],
)
def test_what_is_wrong_is_refused(rows, options, anchors, message):
    with pytest.raises(ValueError, match=message):
        RelativeRepresentation(**options).fit(rows, anchors=anchors)
    with pytest.raises(ValueError, match="arrays: expected a dict of kind, anchors, center, table"):
        RelativeRepresentation.from_arrays({})
