from __future__ import annotations

import json

import numpy as np
import pytest

from nearfield.decide import QueryCalibrator, QueryJudge, conformal_cut


def invented(count: int, seed: int = 0, width: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Distances whose level differs by query, three answers in front of things that are a little farther."""
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.2, 0.6, (count, 1))
    near = level + rng.uniform(0, 0.1, (count, 3))
    far = level + rng.uniform(0.02, 0.4, (count, width - 3))
    distances = np.concatenate([near, far], axis=1)
    order = np.argsort(distances, axis=1)
    return np.take_along_axis(distances, order, axis=1), order < 3


def without(distances: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    return np.stack([row[~hit] for row, hit in zip(distances, relevant, strict=True)])


def test_the_rate_holds_on_average_whether_answers_are_missing_or_filtered_out() -> None:
    apart, filtered = [], []
    for seed in range(12):
        judge = QueryJudge(random_state=seed).fit(*invented(120, seed))
        distances, relevant = invented(400, 1000 + seed)
        left = without(distances, relevant)
        apart.append(judge.keep(left, 0.1)[:, 0].mean())
        filtered.append(judge.keep(left, 0.1, neighbors=distances)[:, 0].mean())
    assert 0.02 < np.mean(apart) < 0.12 and np.mean(filtered) < 0.12
    assert judge.unanswerable_ == "hidden" and judge.n_set_aside_ == 60 and judge.n_learnt_ == 60


def test_labelled_queries_without_an_answer_are_taken_where_there_are_enough() -> None:
    distances, relevant = invented(200)
    none = without(*invented(100, 1)) + 0.15
    both = np.concatenate([distances[:, :57], none])
    labels = np.concatenate([relevant[:, :57], np.zeros(none.shape, bool)])
    judge = QueryJudge().fit(both, labels)
    assert judge.unanswerable_ == "labelled" and judge.n_set_aside_ == 50
    few = QueryJudge().fit(both[:230], labels[:230])
    assert few.unanswerable_ == "hidden"
    assert judge.expected_lost(0.1).value <= few.expected_lost(0.1).value


def test_it_is_the_calibrator_with_a_conformal_cut() -> None:
    distances, relevant = invented(100)
    judge = QueryJudge().fit(distances, relevant)
    assert isinstance(judge.calibrator_, QueryCalibrator) and judge.k == 50
    found = judge.relevance(distances)
    assert np.array_equal(found, judge.calibrator_.relevance(distances)) and (np.diff(found, axis=1) <= 0).all()
    assert judge.threshold(0.1) == conformal_cut(judge.false_, max_false=0.1).threshold
    assert judge.guarantee(0.2, confidence=0.9).threshold >= judge.threshold(0.2)
    assert not judge.keep(distances, 0.0).any() and judge.keep(distances, 1.0).all()


def test_the_cut_for_a_loss() -> None:
    judge = QueryJudge().fit(*invented(200))
    for lost in (0.02, 0.1, 0.3):
        level = judge.max_false_for(lost)
        assert judge.expected_lost(level).value <= lost
    assert judge.max_false_for(1.0) == 0.0
    assert judge.expected_lost(0.3).value <= judge.expected_lost(0.05).value


def test_the_topic_can_be_hidden_as_well() -> None:
    distances, relevant = invented(300, width=200)
    judge = QueryJudge(hidden=0.03)
    assert QueryJudge().width(1000, 3) == 53 and judge.width(1000, 3) == 83 and judge.width(60, 3) == 55
    judge.fit(distances[:120], relevant[:120], n_items=1000)
    far = distances[120:, 30:]
    assert judge.n_set_aside_ == 60 and judge.keep(far, 0.1)[:, 0].mean() < 0.25


def test_too_few_labels_for_a_rate_say_so() -> None:
    judge = QueryJudge().fit(*invented(40))
    judge.threshold(0.05)
    with pytest.raises(ValueError, match=r"max_false: expected at least 0\.0476, or 0, .* 20 labelled queries"):
        judge.keep(invented(1)[0], 0.01)


def test_clicks() -> None:
    distances, relevant = invented(100)
    labels = relevant.astype(float)
    labels[:, 5:] = np.nan
    labels[0] = np.nan
    judge = QueryJudge().fit(distances, labels)
    found = judge.relevance(distances).mean(axis=0)
    assert judge.n_set_aside_ <= 50 and found[0] > 2 * found[20]


def test_it_goes_into_json_and_comes_back() -> None:
    rng = np.random.default_rng(0)
    distances, relevant = invented(100)
    vectors = rng.standard_normal((100, 8)).astype(np.float32)
    judge = QueryJudge(hidden=0.01).fit(distances, relevant, queries=vectors, n_items=300)
    again = QueryJudge.from_dict(json.loads(json.dumps(judge.to_dict())))
    assert again.to_dict() == judge.to_dict() and again.n_set_aside_ == judge.n_set_aside_
    kept = [one.keep(distances[3], 0.1, queries=vectors[3]) for one in (judge, again)]
    assert np.array_equal(*kept)
    for damage in ({"kind": "Judge"}, {"version": 2}, {"false": []}, {"calibrator": {}}, {"answered": None}):
        with pytest.raises(ValueError, match="saved: expected"):
            QueryJudge.from_dict({**judge.to_dict(), **damage})
    broken = judge.to_dict()
    del broken["params"]
    with pytest.raises(ValueError, match="saved: expected a complete judge"):
        QueryJudge.from_dict(broken)


@pytest.mark.parametrize(
    ("settings", "changed", "text"),
    [
        ({}, {"distances": np.ones((5, 60))}, "distances: expected at least 20"),
        ({}, {"relevant": np.ones((60, 3), bool)}, "relevant: expected shape"),
        ({}, {"relevant": np.zeros((60, 60), bool)}, "relevant: expected relevant hits"),
        ({}, {"answered": np.zeros(60, bool)}, "answered: expected True where a hit is relevant"),
        ({}, {"answered": np.ones(3, bool)}, "answered: expected 60 bools"),
        ({}, {"queries": np.ones((3, 4), np.float32)}, "queries: expected 60 rows"),
        ({"hidden": 0.1}, {}, "n_items: expected the number of items"),
        ({"hidden": 0.5}, {}, "hidden: expected"),
        ({"set_aside": 0.95}, {}, "set_aside: expected to leave at least 10"),
        ({"set_aside": 1.0}, {}, "set_aside: expected"),
        ({"form": "odd"}, {}, "form: expected"),
    ],
)
def test_bad_arguments(settings: dict[str, object], changed: dict[str, object], text: str) -> None:
    distances, relevant = invented(60)
    given = {"distances": distances, "relevant": relevant, **changed}
    with pytest.raises(ValueError, match=text):
        QueryJudge(**settings).fit(given.pop("distances"), given.pop("relevant"), **given)


def test_rows_too_short_to_take_anything_away_are_refused() -> None:
    distances, _ = invented(60, width=50)
    with pytest.raises(ValueError, match="expected more hits than are relevant"):
        QueryJudge().fit(distances, np.arange(50) < np.full((60, 1), 45))


def test_not_fitted() -> None:
    with pytest.raises(RuntimeError, match="not fitted yet"):
        QueryJudge().relevance(np.ones(60))
