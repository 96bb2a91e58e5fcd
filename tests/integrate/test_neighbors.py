"""The neighbour graph against scikit-learn's own, and in the pipelines that read one."""

from __future__ import annotations

import importlib.util
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, HDBSCAN, SpectralClustering
from sklearn.manifold import TSNE, Isomap
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neighbors import KNeighborsTransformer as Theirs
from sklearn.pipeline import make_pipeline

from nearfield.integrate import KNeighborsTransformer, neighbors
from nearfield.integrate.neighbors import without_own
from nearfield.tune import Recipe

GROUPS = np.random.default_rng(3).integers(0, 5, 300)
ROWS = np.random.default_rng(0).standard_normal((5, 16))[GROUPS] * 3 + np.random.default_rng(1).standard_normal(
    (300, 16)
)
MANY = (
    np.random.default_rng(0).standard_normal((40, 16))[np.random.default_rng(1).integers(0, 40, 5000)]
    + 0.5 * np.random.default_rng(2).standard_normal((5000, 16))
).astype(np.float32)


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_graph_is_scikit_learns(mode: str, metric: str, dtype: type) -> None:
    rows = ROWS.astype(dtype)
    ours, theirs = (kind(n_neighbors=7, mode=mode, metric=metric).fit(rows) for kind in (KNeighborsTransformer, Theirs))
    for queries in (rows, rows[:20] + 0.1):
        found, expected = ours.transform(queries), theirs.transform(queries)
        assert found.shape == expected.shape and found.nnz == expected.nnz and found.dtype == dtype
        # float32 tells distances near zero apart to some 1e-3 of the lengths in theirs, not in ours
        np.testing.assert_allclose(found.toarray(), expected.toarray(), atol=2e-3 if dtype == np.float32 else 1e-5)
    again = KNeighborsTransformer(n_neighbors=7, mode=mode, metric=metric).fit_transform(rows)
    np.testing.assert_allclose(again.toarray(), ours.transform(rows).toarray(), atol=1e-5)
    assert (ours.recall_, ours.recipe_) == (1.0, None)
    assert ours.get_feature_names_out()[0] == "kneighborstransformer0"


def test_neighbours_are_scikit_learns() -> None:
    ours, theirs = KNeighborsTransformer(n_neighbors=4).fit(ROWS), Theirs(n_neighbors=4).fit(ROWS)
    for arguments in ({}, {"X": ROWS[:5]}, {"n_neighbors": 9}, {"X": ROWS[:5], "n_neighbors": 1}):
        distances, rows = ours.kneighbors(**arguments)
        expected, numbers = theirs.kneighbors(**arguments)
        np.testing.assert_array_equal(rows, numbers)
        np.testing.assert_allclose(distances, expected, atol=1e-5)
    assert np.array_equal(ours.kneighbors(return_distance=False), theirs.kneighbors(return_distance=False))
    for mode in ("connectivity", "distance"):
        found, expected = (kind.kneighbors_graph(mode=mode).toarray() for kind in (ours, theirs))
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_a_graph_keeps_the_recall_it_says(metric: str) -> None:
    ours = KNeighborsTransformer(n_neighbors=10, metric=metric, recall=0.9)
    found = ours.fit_transform(MANY)
    assert np.array_equal(found.indices.reshape(5000, 11)[:, 0], np.arange(5000))
    exact = KNeighborsTransformer(n_neighbors=10, metric=metric, recall=1.0).fit_transform(MANY)
    assert ours.recipe_ is not None and ours.recipe_.kind == "graph" and ours.recipe_.beam is not None
    low, high = ours.recall_interval_
    assert 0.9 <= low <= ours.recall_ <= high
    pairs = [set(zip(*graph.nonzero(), strict=True)) for graph in (found, exact)]
    assert len(pairs[0] & pairs[1]) / len(pairs[1]) > 0.9
    both = found.multiply(exact != 0) - exact.multiply(found != 0)
    assert abs(both).max() < 1e-5  # distances are exact
    assert (found.diagonal() == 0).all()
    wider = ours.kneighbors(MANY[:50], 60, return_distance=False)
    truth = KNeighborsTransformer(metric=metric, recall=1.0).fit(MANY).kneighbors(MANY[:50], 60, False)
    assert np.mean([len(set(a) & set(b)) / 60 for a, b in zip(wider, truth, strict=True)]) > 0.85
    one = KNeighborsTransformer(n_neighbors=10, metric=metric, recall=0.9, n_jobs=1).fit_transform(MANY)
    assert (one != found).nnz == 0  # the number of threads changes nothing


def test_pickles_answer_alike() -> None:
    for fitted in (KNeighborsTransformer(recall=0.9).fit(MANY), KNeighborsTransformer().fit(ROWS)):
        again = pickle.loads(pickle.dumps(fitted))
        rows = MANY[:20] if fitted.n_features_in_ == MANY.shape[1] and fitted.n_samples_fit_ == len(MANY) else ROWS[:20]
        assert (again.transform(rows) != fitted.transform(rows)).nnz == 0 and again.recall_ == fitted.recall_


def test_recipes_are_taken_as_they_are() -> None:
    for recipe in (Recipe("ivf", bits=8), Recipe("graph", bits=4, beam=50), Recipe("flat", bits=8, rescore="vectors")):
        ours = KNeighborsTransformer(n_neighbors=5, recall=0.8, recipe=recipe).fit(MANY)
        assert ours.recipe_ is not None and ours.recipe_.kind == recipe.kind and ours.recipe_.rescore == "vectors"
        assert ours.recall_ > 0.8
    assert KNeighborsTransformer(recipe=Recipe("graph", beam=50)).fit(MANY).recipe_.beam == 50  # type: ignore[union-attr]


def test_where_no_width_is_enough_rows_are_scanned() -> None:
    noise = np.random.default_rng(0).standard_normal((4500, 64)).astype(np.float32)
    ours = KNeighborsTransformer(recall=0.999999, recipe=Recipe("graph", degree=2, build_beam=2)).fit(noise)
    assert (ours.recipe_, ours.recall_) == (None, 1.0)
    assert ours.kneighbors(noise[:3], 1)[1].ravel().tolist() == [0, 1, 2]


def test_copies_are_their_own_first_neighbours() -> None:
    rows = np.repeat(np.eye(4, dtype=np.float32), 50, axis=0)
    graph = KNeighborsTransformer(n_neighbors=3).fit_transform(rows)
    assert np.array_equal(graph.indices.reshape(200, 4)[:, 0], np.arange(200)) and graph.max() == 0
    distances, numbers = KNeighborsTransformer(n_neighbors=3).fit(rows).kneighbors()
    assert not (numbers == np.arange(200)[:, None]).any() and (distances == 0).all()
    single = KNeighborsTransformer(n_neighbors=1, mode="connectivity").fit_transform(rows)
    assert (single.toarray() == np.eye(200)).all()


def test_own_rows_are_left_out() -> None:
    distances, rows = np.array([[0.0, 1, 2], [0, 1, 2]]), np.array([[5, 0, 7], [1, 2, 3]])
    near, others = without_own(distances, rows, np.array([0, 9]))
    assert others.tolist() == [[5, 7], [1, 2]] and near.tolist() == [[0, 2], [0, 1]]


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"mode": "both"}, ValueError, "mode: expected one of 'distance', 'connectivity'"),
        ({"metric": "ip"}, ValueError, "metric: expected one of 'l2', 'euclidean', 'cosine', got 'ip'"),
        ({"n_neighbors": 0}, ValueError, "n_neighbors: expected an integer"),
        ({"n_neighbors": 2.5}, TypeError, "n_neighbors: expected an integer"),
        ({"recall": 0.0}, ValueError, "recall: expected a number"),
        ({"recipe": "graph"}, TypeError, "recipe: expected a nearfield.tune.Recipe"),
        ({"n_jobs": 0}, ValueError, "n_jobs: expected a number of threads"),
        ({"random_state": -1}, ValueError, "random_state"),
        ({"n_neighbors": 300}, ValueError, r"n_neighbors: expected at most 300 of 300 rows \(n_samples_fit\), got 301"),
    ],
)
def test_bad_settings(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        KNeighborsTransformer(**options).fit(ROWS).transform(ROWS)


def test_bad_rows() -> None:
    with pytest.raises(ValueError, match="NaN"):
        KNeighborsTransformer().fit([[1.0, np.nan]] * 9)
    with pytest.raises(ValueError, match="X: expected nonzero vectors"):
        KNeighborsTransformer(metric="cosine").fit(np.zeros((9, 2)))
    with pytest.raises(ValueError, match="expected at most 8 of 9 rows"):
        KNeighborsTransformer(n_neighbors=9).fit(ROWS[:9]).kneighbors()


@pytest.mark.slow
@pytest.mark.parametrize("scanned", [100, 4096])
def test_pipelines_that_read_a_precomputed_graph(scanned: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What each makes of our graph, walked or scanned, is what it makes of scikit-learn's."""
    monkeypatch.setattr(neighbors, "_SCANNED", scanned)

    def run(kind: Any, k: int, last: Any, **more: Any) -> np.ndarray:
        return np.asarray(make_pipeline(kind(n_neighbors=k, **more), last).fit_transform(ROWS))

    def groups(kind: Any, k: int, last: Any, **more: Any) -> np.ndarray:
        return np.asarray(make_pipeline(kind(n_neighbors=k, **more), last).fit_predict(ROWS))

    ours = {"recall": 0.99}
    isomap = Isomap(metric="precomputed", n_neighbors=149)
    flat, expected = run(KNeighborsTransformer, 150, isomap, **ours), run(Theirs, 150, isomap)
    assert np.corrcoef(flat[:, 0], expected[:, 0])[0, 1] ** 2 > 0.99
    for last in (
        DBSCAN(metric="precomputed", eps=5.0),
        SpectralClustering(5, affinity="precomputed_nearest_neighbors"),
    ):
        if isinstance(last, SpectralClustering):
            last.set_params(random_state=0, n_neighbors=10)
        k = 299 if isinstance(last, DBSCAN) else 20
        found, expected = groups(KNeighborsTransformer, k, last, **ours), groups(Theirs, k, last)
        assert len(set(found)) == len(set(zip(found, expected, strict=True)))
    picture = TSNE(metric="precomputed", init="random", perplexity=10, max_iter=250, random_state=0)
    assert run(KNeighborsTransformer, 31, picture, **ours).shape == (300, 2)
    dense = KNeighborsTransformer(n_neighbors=299, **ours).fit_transform(ROWS)
    found = HDBSCAN(metric="precomputed", min_cluster_size=20).fit_predict(dense.toarray())
    assert len(set(found) - {-1}) == 5
    classifier = make_pipeline(
        KNeighborsTransformer(n_neighbors=9, **ours), KNeighborsClassifier(8, metric="precomputed")
    )
    assert classifier.fit(ROWS, GROUPS).score(ROWS, GROUPS) > 0.95


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason="needs nearfield[umap]")
def test_umap_takes_the_neighbours() -> None:
    import umap

    distances, rows = KNeighborsTransformer(n_neighbors=15).fit(MANY[:1000]).kneighbors(MANY[:1000])
    fitted = umap.UMAP(n_neighbors=15, precomputed_knn=(rows, distances), n_epochs=20, random_state=0)
    assert fitted.fit_transform(MANY[:1000]).shape == (1000, 2)
