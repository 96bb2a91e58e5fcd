from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.decide import Judge, QueryJudge
from nearfield.store import Store
from nearfield.store.query_judging import Labelled
from nearfield.store.tables import set_meta

NAMES = [f"ding-ü{number}" for number in range(600)]


@pytest.fixture
def topics(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """100 topics of six items each, two queries on each of them."""
    centers = rng.standard_normal((100, 24))
    items = np.repeat(centers, 6, axis=0) + 0.4 * rng.standard_normal((600, 24))
    queries = np.repeat(centers, 2, axis=0) + 0.4 * rng.standard_normal((200, 24))
    return items.astype(np.float32), queries.astype(np.float32)


def answers(count: int) -> list[list[str]]:
    return [NAMES[6 * (number // 2) : 6 * (number // 2) + 6] for number in range(count)]


@pytest.fixture
def judged(make: Callable[..., Store], topics: tuple[np.ndarray, np.ndarray], low_limits: None) -> Store:
    store = make(dim=24, attributes={"topic": "int", "half": "int"})
    numbers = np.arange(600)
    store.add(NAMES, topics[0], attributes={"topic": numbers // 6, "half": numbers % 2})
    store.fit_query_judge(topics[1][:120], answers(120))
    return store


def shown(store: Store, queries: np.ndarray, level: float, **given: Any) -> float:
    return float(np.mean([len(hits) > 0 for hits in store.search(queries, 5, max_false=level, **given)]))


def test_hits_carry_its_relevance_and_the_promise_holds(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    judge = judged.judge
    assert isinstance(judge, QueryJudge) and judge.unanswerable_ == "hidden" and judge.n_set_aside_ == 60
    asked = topics[1][120:]
    hits = judged.search(asked, 20)
    assert hits.relevance.shape == (80, 20) and (np.diff(hits.relevance, axis=1) <= 0).all()
    right = np.array([[name in answers(200)[120 + row] for name in names] for row, names in enumerate(hits.ids)])
    assert hits.relevance[right].mean() > 3 * hits.relevance[~right].mean()
    assert abs(hits.relevance.sum() / right.sum() - 1) < 0.25  # it is a probability
    assert shown(judged, asked, 0.1) > 0.8
    assert shown(judged, asked, 0.1, where="topic < 60") < 0.25  # their answers do not pass
    judged.delete([name for names in answers(200)[120:] for name in names])
    assert judged.refit() == ["judge"]  # it is another store now
    assert shown(judged, asked, 0.1) < 0.25
    assert shown(judged, asked, 0.1, where="half = 1") < 0.25


def test_every_kind_of_search_asks_it(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    asked = topics[1][120:124]
    hits = judged.search(asked, 6)
    many = judged.search_many(asked, 6, max_false=1.0)
    assert np.allclose(many.relevance, hits.relevance, atol=1e-6)
    within = judged.search_range(asked[0], float(hits.distances[0, -1]))
    assert np.allclose(within.relevance, hits.relevance[0], atol=1e-5)
    grouped = judged.search(asked, 3, group_by="topic", max_false=0.5)
    assert grouped.relevance.shape == (4, 3)
    with pytest.raises(ValueError, match=r"max_false: expected at least 0\.0164, or 0"):
        judged.search(asked, 3, max_false=0.001)


def test_it_is_kept(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    before = judged.search(topics[1], 5).relevance
    assert judged.compact()
    assert np.allclose(judged.search(topics[1], 5).relevance, before, atol=1e-5)
    with Store.open(judged.path, read_only=True) as reader:
        assert isinstance(reader.judge, QueryJudge)
        assert np.allclose(reader.search(topics[1], 5).relevance, before, atol=1e-5)
    assert judged.stats()["judge"] == {"fitted_on_items": 600, "changed_since": 0.0, "stale": False}
    assert judged.verify().ok


def test_the_later_judge_counts(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    judged.fit_judge()
    assert isinstance(judged.judge, Judge)
    judged.fit_query_judge(topics[1][:40], answers(40))
    assert isinstance(judged.judge, QueryJudge) and judged.judge.n_set_aside_ == 20


def test_queries_that_have_no_answer(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    noise = 4 * np.random.default_rng(5).standard_normal((120, 24)).astype(np.float32)
    queries = np.concatenate([topics[1][:120], noise[:60]])
    judge = judged.fit_query_judge(queries, [*answers(120), *([] for _ in range(60))])
    assert judge.unanswerable_ == "labelled" and judge.n_set_aside_ == 30
    assert shown(judged, noise[60:], 0.1) < 0.25 and shown(judged, topics[1][120:], 0.1) > 0.9


def test_clicks(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    """Who clicks takes one of the right hits and passes over the wrong ones above it."""
    pages = judged.search(topics[1][:120], 10).ids
    clicked = [
        [[name for name in names if name in right][-1]] for names, right in zip(pages, answers(120), strict=True)
    ]
    clicked[0] = []  # nothing was clicked: it tells nothing
    judge = judged.fit_query_judge(topics[1][:120], clicked, shown=pages)
    assert judge.n_learnt_ + judge.n_set_aside_ <= 119 and judge.unanswerable_ == "hidden"
    hits = judged.search(topics[1][120:], 10)
    assert (hits.relevance[:, 0] >= hits.relevance[:, 9]).all()


def test_labels_follow_ids_and_vanish_with_the_items(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    columns = {"topic": np.arange(60) // 6, "half": np.arange(60) % 2}
    judged.upsert(NAMES[:60], topics[0][:60], attributes=columns)  # other keys, the same ids
    assert judged.refit() == ["judge"] and judged.judge.n_set_aside_ == 60
    judged.delete(NAMES[:126])
    assert judged.stats()["judge"]["stale"]
    judged.compact()  # fits it again
    assert judged.judge.n_set_aside_ == 39 and not judged.stats()["judge"]["stale"]
    judged.delete(NAMES[126:500])
    assert judged.refit() == []  # too few are left: it stays as it was
    assert judged.judge.n_set_aside_ == 39 and judged.search(topics[1][190], 3).relevance is not None


def test_a_move_fits_it_again_with_encoded_or_with_mapped_queries(
    judged: Store, topics: tuple[np.ndarray, np.ndarray], rng: np.random.Generator
) -> None:
    items, queries = topics
    turn = np.linalg.qr(rng.standard_normal((32, 24)))[0].T.astype(np.float32)
    texts = [str(number) for number in range(120)]

    class Encoder:
        dim = 32

        def __init__(self) -> None:
            self.asked: list[str] = []

        def encode(self, found: Any, *, progress: bool | None = None) -> np.ndarray:
            self.asked += found
            return queries[[int(text) for text in found]] @ turn

        def fingerprint(self) -> dict[str, Any]:
            return {"encoder": "new", "dim": 32}

    judged.fit_query_judge(queries[:120], answers(120), text=texts)
    for encoder in (Encoder(), None):
        judged.tag("before")
        upgrade = judged.upgrade(pairs=(NAMES[:200], items[:200] @ turn), embedding={"encoder": "new", "dim": 32})
        upgrade.put(NAMES[200:], items[200:] @ turn)
        upgrade.finish(encoder)
        assert encoder is None or encoder.asked == texts
        assert isinstance(judged.judge, QueryJudge) and judged.judge.n_set_aside_ == 60
        assert shown(judged, queries[120:] @ turn, 0.1) > 0.7
        assert shown(judged, queries[120:] @ turn, 0.1, where="topic < 60") < 0.25
        judged.restore("before")
        judged.untag("before")


def test_few_items_are_enough(make: Callable[..., Store], topics: tuple[np.ndarray, np.ndarray]) -> None:
    store = make(dim=24)
    store.add(list(range(30)), topics[0][:30])
    store.fit_query_judge(topics[1][:20], [[6 * (n // 2) % 30, 6 * (n // 2) % 30 + 1] for n in range(20)])
    assert store.search(topics[1][0], 30).relevance.shape == (30,)


@pytest.mark.parametrize(
    ("changed", "error", "text"),
    [
        ({"queries": np.ones((2, 24), np.float32)}, ValueError, "relevant: expected 2 lists"),
        ({"queries": np.ones((40, 5), np.float32)}, ValueError, "24 dimensions, got 5"),
        ({"queries": np.full((40, 24), np.nan, np.float32)}, ValueError, "queries"),
        ({"relevant": "abc"}, TypeError, "relevant: expected a list"),
        ({"relevant": ["abc"] * 40}, TypeError, "relevant: expected a list of ids for each query, got str"),
        ({"relevant": [["nobody"]] * 40}, ValueError, "got none that it holds"),
        ({"relevant": [[1.5]] * 40}, TypeError, "ids: expected int or str"),
        ({"relevant": [[]] * 40}, ValueError, "expected"),
        ({"shown": [["a"]]}, ValueError, "shown: expected 40 lists"),
        ({"text": ["a"]}, ValueError, "text: expected 40 texts"),
        ({"text": "a"}, TypeError, "text: expected a list"),
        ({"set_aside": 0.0}, ValueError, "set_aside: expected"),
        ({"hidden": -1.0}, ValueError, "hidden: expected"),
    ],
)
def test_bad_arguments_change_nothing(
    judged: Store,
    topics: tuple[np.ndarray, np.ndarray],
    changed: dict[str, Any],
    error: type[Exception],
    text: str,
) -> None:
    before = judged.stats()
    given = {"queries": topics[1][:40], "relevant": answers(40), **changed}
    with pytest.raises(error, match=text):
        judged.fit_query_judge(given.pop("queries"), given.pop("relevant"), **given)
    assert judged.stats() == before


def test_what_does_not_fit_is_damage(judged: Store) -> None:
    kept = judged._meta()["judge"]["fit"]
    for damage in ({"queries": "AAAA"}, {"relevant": [1]}, {"shown": []}, {"text": ["a"]}):
        with pytest.raises(CorruptFileError, match="the labelled queries of the judge"):
            Labelled.of({**kept, **damage}, judged._shape, judged.path)
    stored = judged._meta()["judge"]
    with judged._catalogue.writing() as connection:
        set_meta(connection, "judge", {**stored, "judge": {**stored["judge"], "false": []}})
    with pytest.raises(CorruptFileError, match="the judge"):
        judged.search(np.ones(24, np.float32))
