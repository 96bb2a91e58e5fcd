import os
from pathlib import Path

import numpy as np
import pytest

from nearfield.transform import PCA, LinearMap, RankingLoss, ranking_loss


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return (rng.standard_normal((2000, 12)) * np.arange(1, 13) ** -0.7 + 0.2).astype(np.float32)


def brute_force(base, queries, k, metric):
    if metric == "l2":
        distances = np.linalg.norm(queries[:, None] - base[None], axis=2)
    else:
        if metric == "cosine":
            base = base / np.linalg.norm(base, axis=1)[:, None]
        distances = -(queries @ base.T)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_recall_is_the_share_found_again(data, metric):
    base, queries = data[100:], data[:100]
    mapped = PCA(5, center=False).fit(base).export()
    found = ranking_loss(mapped, base, queries, k=7, metric=metric)
    truth = brute_force(base, queries, 7, metric)
    reduced = brute_force(mapped.transform(base), mapped.transform(queries), 7, metric)
    want = np.mean([len(set(a) & set(b)) / 7 for a, b in zip(truth, reduced, strict=True)])
    assert found.recall == pytest.approx(want)
    assert found.low < found.recall < found.high
    assert (found.k, found.queries) == (7, 100)
    assert found.loss == pytest.approx(1 - want)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_rotation_loses_nothing(data, metric):
    found = ranking_loss(PCA(center=False).fit(data).export(), data, metric=metric)
    assert found.recall > 0.999
    assert found.queries == 400


def test_held_out_rows_depend_on_the_seed_alone(data):
    mapped = PCA(4, center=False).fit(data).export()
    assert ranking_loss(mapped, data) == ranking_loss(mapped, data)
    assert ranking_loss(mapped, data) != ranking_loss(mapped, data, random_state=1)


def test_a_map_to_zero_is_answered(data):
    assert 0 <= ranking_loss(LinearMap(np.zeros((2, 12))), data[:100], k=3).recall < 0.3


def test_text():
    assert str(RankingLoss(0.9, 0.88, 0.92, 10, 500)) == "recall@10 0.900 [0.880, 0.920] over 500 queries"


def test_bad_input(data):
    mapped = LinearMap(np.eye(12))
    with pytest.raises(ValueError, match="metric: expected one of"):
        ranking_loss(mapped, data, metric="dot")
    with pytest.raises(ValueError, match="expected 12 dimensions, got 11"):
        ranking_loss(mapped, data[:, :11])
    with pytest.raises(ValueError, match="queries: expected 12 dimensions, got 11"):
        ranking_loss(mapped, data, data[:, :11])
    with pytest.raises(ValueError, match="k: expected an integer from 1 to 8, got 9"):
        ranking_loss(mapped, data[:10], k=9)
    with pytest.raises(ValueError, match="zeros in row"):
        ranking_loss(mapped, np.zeros((20, 12), np.float32))


@pytest.mark.slow
def test_wordnet_figures_of_the_docstrings():
    path = Path(os.environ.get("NEARFIELD_DATA", "")) / "wordnet" / "minilm.npy"
    if not path.is_file():
        pytest.skip("needs $NEARFIELD_DATA/wordnet/minilm.npy")
    x = np.load(path).astype(np.float32)
    elsewhere = np.load(path.parent / "debian_queries.npy")[:500].astype(np.float32)
    pca = PCA(128, center=False).fit(x)
    assert pca.loss_ == pytest.approx(0.23, abs=0.01)
    assert pca.ranking_loss(x).recall == pytest.approx(0.79, abs=0.02)
    assert pca.ranking_loss(x, elsewhere).recall == pytest.approx(0.54, abs=0.03)
    assert PCA(128).fit(x).loss_ == pytest.approx(0.25, abs=0.01)
