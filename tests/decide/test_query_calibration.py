from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from nearfield.decide import QueryCalibrator, labels_from_clicks


def draw(n: int, seed: int, hits: int = 25) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distances, labels, vectors: where relevance ends lies on the query's level and on its first coordinate."""
    rng = np.random.default_rng(seed)
    queries = rng.standard_normal((n, 8)).astype(np.float32)
    level = rng.uniform(0.2, 0.6, (n, 1))
    distances = np.sort(level + rng.uniform(0, 0.3, (n, hits)), axis=1)
    noise = 0.01 * rng.standard_normal((n, hits))
    relevant = distances + noise < level + 0.05 + 0.06 * np.tanh(queries[:, :1])
    return distances, relevant, queries


def precision(kept: np.ndarray, relevant: np.ndarray) -> float:
    return float((kept & relevant).sum() / kept.sum())


@pytest.fixture(scope="module")
def fitted() -> QueryCalibrator:
    distances, relevant, queries = draw(200, 0)
    return QueryCalibrator().fit(distances, relevant, queries=queries)


def test_it_beats_one_distance_for_all_and_the_vector_helps(fitted: QueryCalibrator) -> None:
    distances, relevant, queries = draw(1000, 1)
    train = draw(200, 0)
    one = np.quantile(train[0][train[1]], 0.95)
    without = QueryCalibrator().fit(*train[:2])
    assert fitted.uses_queries_ and not without.uses_queries_
    kept = fitted.keep(distances, 0.05, queries=queries)
    plain = without.keep(distances, 0.05)
    for some in (kept, plain, distances <= one):
        assert abs((relevant & ~some).sum() / relevant.sum() - 0.05) < 0.025
    assert precision(kept, relevant) > precision(plain, relevant) + 0.05
    assert precision(plain, relevant) > precision(distances <= one, relevant) + 0.2
    assert fitted.losses_[str(fitted.penalty_)] == min(fitted.losses_.values())


def test_relevance_is_a_probability_and_keeps_the_order(fitted: QueryCalibrator) -> None:
    distances, relevant, queries = draw(1000, 2)
    found = fitted.relevance(distances, queries=queries)
    assert found.dtype == np.float32 and (np.diff(found, axis=1) <= 0).all()
    edges = np.quantile(found, [0.5, 0.7, 0.8, 0.9])
    cell = np.searchsorted(edges, found)
    for one in range(5):
        assert abs(found[cell == one].mean() - relevant[cell == one].mean()) < 0.05


def test_a_filter_changes_the_hits_and_not_the_function(fitted: QueryCalibrator) -> None:
    distances, _, queries = draw(50, 3)
    whole = fitted.relevance(distances, queries=queries)
    few = fitted.relevance(distances[:, ::3], queries=queries, neighbors=distances)
    np.testing.assert_array_equal(whole[:, ::3], few)
    missing = np.where(np.arange(25) < 5, distances, np.inf)
    assert (fitted.relevance(missing, queries=queries, neighbors=distances)[:, 5:] == 0).all()
    assert not fitted.keep(missing, 0.0, queries=queries, neighbors=distances)[:, 5:].any()


@pytest.mark.parametrize("form", ["shift", "linear", "power"])
def test_forms_and_json(form: str) -> None:
    distances, relevant, queries = draw(120, 4)
    one = QueryCalibrator(form=form, penalty=1.0).fit(distances, relevant, queries=queries)
    two = QueryCalibrator.from_dict(json.loads(json.dumps(one.to_dict())))
    np.testing.assert_array_equal(*(each.relevance(distances, queries=queries) for each in (one, two)))
    assert one.threshold(0.1) == two.threshold(0.1) and one.k == two.k == 25
    single = two.relevance(distances[0], queries=queries[0])
    np.testing.assert_allclose(single, one.relevance(distances, queries=queries)[0], rtol=1e-6)
    saved = one.to_dict()
    del saved["state"]["weights_"]
    with pytest.raises(ValueError, match="missing weights_"):
        QueryCalibrator.from_dict(saved)
    with pytest.raises(ValueError, match="expected kind 'QueryCalibrator'"):
        QueryCalibrator.from_dict({"kind": "Judge", "version": 1})


def test_any_scale_of_distances_gives_the_same_decisions() -> None:
    distances, relevant, _ = draw(150, 5)
    one, two = QueryCalibrator().fit(distances, relevant), QueryCalibrator().fit(30 * distances - 7, relevant)
    np.testing.assert_allclose(one.relevance(distances), two.relevance(30 * distances - 7), atol=0.01)


def test_clicks() -> None:
    distances, relevant, _ = draw(400, 6)
    rows = np.tile(np.arange(25), (400, 1))
    clicked = [row[hit] for row, hit in zip(rows, relevant, strict=True)]
    labels = labels_from_clicks(rows, clicked)
    assert np.isnan(labels[~relevant.any(axis=1)]).all()
    rng = np.random.default_rng(0)
    some = [np.append(row[hit], rng.integers(25)) for row, hit in zip(rows, relevant, strict=True)]
    calibrator = QueryCalibrator().fit(distances, labels_from_clicks(rows, some))
    assert np.corrcoef(calibrator.relevance(distances).ravel(), relevant.ravel())[0, 1] > 0.6
    np.testing.assert_array_equal(labels_from_clicks([[3, 5, -1]], [[-1, 5]]), [[0, 1, np.nan]])
    with pytest.raises(ValueError, match="clicked: expected one list for each of 1 queries, got 2"):
        labels_from_clicks([[3]], [[1], [2]])
    with pytest.raises(ValueError, match="rows: expected ints"):
        labels_from_clicks([[0.5]], [[1]])


def test_the_same_seed_gives_the_same_bytes() -> None:
    distances, relevant, queries = draw(40, 7)
    one, two = (
        QueryCalibrator(penalty=10.0, random_state=3).fit(distances, relevant, queries=queries).to_dict()
        for _ in range(2)
    )
    assert one == two


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, r: (d[:5], r[:5]), "expected at least 10 labelled queries"),
        (lambda d, r: (d[:, ::-1], r), "distances: expected ascending"),
        (lambda d, r: (d, r[:, :3]), "relevant: expected bools, or 1, 0 and NaN, of shape"),
        (lambda d, r: (d, 2.0 * r), "got other numbers"),
        (lambda d, r: (d, np.zeros_like(r)), "got no relevant ones"),
        (lambda d, r: (d, np.ones_like(r)), "got only relevant ones"),
        (lambda d, r: (np.full_like(d, 0.5), r), "expected distances that differ"),
    ],
)
def test_fit_refuses(change: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QueryCalibrator().fit(*change(*draw(40, 8)[:2]))


def test_other_refusals(fitted: QueryCalibrator) -> None:
    distances, relevant, queries = draw(20, 9)
    with pytest.raises(RuntimeError, match="not fitted"):
        QueryCalibrator().relevance(distances)
    with pytest.raises(ValueError, match="queries: this calibrator was fitted with query vectors"):
        fitted.relevance(distances)
    with pytest.raises(ValueError, match="neighbors: expected shape"):
        fitted.relevance(distances[:, :4], queries=queries)
    with pytest.raises(ValueError, match="max_lost, threshold: expected one of them"):
        fitted.keep(distances, queries=queries)
    with pytest.raises(ValueError, match="form: expected one of 'shift', 'linear', 'power'"):
        QueryCalibrator(form="cubic").fit(distances, relevant)
    with pytest.raises(ValueError, match="queries: expected 20 rows, got 3"):
        QueryCalibrator().fit(distances, relevant, queries=queries[:3])
