from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
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
    assert judged.stats()["judge"] == {"fitted_on_items": 600, "changed_since": 0.0, "stale": False, "promises": True}
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


class Turning:
    """The new model: what the old one says, turned into more dimensions."""

    dim = 32

    def __init__(self, queries: np.ndarray, name: str = "new"):
        rng = np.random.default_rng(len(name))
        self.turn = np.linalg.qr(rng.standard_normal((32, 24)))[0].T.astype(np.float32)
        self.name, self.queries, self.asked = name, queries, list[str]()

    def encode(self, found: Any, *, progress: bool | None = None) -> np.ndarray:
        self.asked += found
        return self.queries[[int(text) for text in found]] @ self.turn

    def fingerprint(self) -> dict[str, Any]:
        return {"encoder": self.name, "dim": 32}


def moved(store: Store, items: np.ndarray, model: Turning, encoder: Any = None, **given: Any) -> QueryJudge:
    """The store's judge after a move of all items."""
    new = items @ model.turn
    upgrade = store.upgrade(pairs=(NAMES[:60], new[:60]), embedding=model.fingerprint(), **given)
    upgrade.put(NAMES[60:], new[60:])
    upgrade.finish(encoder)
    assert isinstance(store.judge, QueryJudge)
    return store.judge


def test_a_move_with_the_new_model_keeps_the_promise(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    items, queries = topics
    model, texts = Turning(queries), [str(number) for number in range(120)]
    judged.fit_query_judge(queries[:120], answers(120), text=texts)
    judge = moved(judged, items, model, model)
    assert model.asked == texts and judge.n_set_aside_ == 60 and not judge.mapped_
    assert shown(judged, queries[120:] @ model.turn, 0.1) > 0.7
    assert shown(judged, queries[120:] @ model.turn, 0.1, where="topic < 60") < 0.25


def test_a_move_that_maps_the_labelled_queries_promises_nothing(
    judged: Store, topics: tuple[np.ndarray, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    items, queries = topics
    model, texts = Turning(queries), [str(number) for number in range(120)]
    judged.fit_query_judge(queries[:120], answers(120), text=texts)
    with caplog.at_level(logging.WARNING, logger="nearfield"):
        judge = moved(judged, items, model)
    assert "the judge promises no rates any more, and max_false is refused" in caplog.text
    asked = queries[120:] @ model.turn
    for level in (0.05, 0.5):
        with pytest.raises(ValueError, match="max_false: expected None, 0 or 1, as the labelled queries were mapped"):
            judged.search(asked, 5, max_false=level)
    for refused in (judge.expected_lost, judge.guarantee, judge.max_false_for):
        with pytest.raises(ValueError, match="mapped"):
            refused(0.1)
    assert (judged.search(asked, 5).relevance[:, 0] > 0.2).mean() > 0.9  # it still is an estimate
    assert shown(judged, asked, 0.0) == 0.0 and shown(judged, asked, 1.0) == 1.0
    assert not judged.stats()["judge"]["promises"]
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="nearfield"):
        assert judged.refit() == ["judge"] and judged.judge.mapped_  # vectors in the store are mapped ones now
    assert not caplog.text
    with Store.open(judged.path, read_only=True) as reader, pytest.raises(ValueError, match="mapped"):
        reader.search(asked, 5, max_false=0.1)
    further = Turning(queries, "third")
    assert not moved(judged, items, further, further).mapped_  # it encodes the texts that were kept
    assert judged.stats()["judge"]["promises"] and shown(judged, queries[120:] @ further.turn, 0.1) > 0.7


def test_what_was_mapped_is_encoded_later(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    items, queries = topics
    model = Turning(queries)
    judged.fit_query_judge(queries[:120], answers(120), text=[str(number) for number in range(120)])
    assert moved(judged, items, model).mapped_
    with pytest.raises(ValueError, match=r"encoder: expected the model of .*'new'.*, got that of .*'other'"):
        judged.refit(Turning(queries, "other"))
    assert judged.refit(model) == ["judge"] and not judged.judge.mapped_
    assert shown(judged, queries[120:] @ model.turn, 0.1) > 0.7
    judged.fit_query_judge(queries[:120] @ model.turn, answers(120))
    assert judged.refit(model) == ["judge"]  # there are no texts: their vectors stay


def test_a_move_takes_what_both_models_said_of_the_labelled_queries(
    judged: Store, topics: tuple[np.ndarray, np.ndarray]
) -> None:
    items, queries = topics
    model = Turning(queries)
    new = queries @ model.turn
    judge = moved(judged, items, model, queries=new[30:], old_queries=queries[30:])  # 90 of the 120, and others
    assert not judge.mapped_ and judge.n_set_aside_ == 45
    assert len(judged._meta()["judge"]["fit"]["relevant"]) == 90
    assert shown(judged, new[120:], 0.1) > 0.7
    assert shown(judged, new[120:], 0.1, where="topic < 60") < 0.25


def test_a_move_with_judged_questions_fits_it_to_these(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    items, queries = topics
    model = Turning(queries)
    new = queries @ model.turn
    relevant = answers(200)[120:]
    judge = moved(judged, items, model, queries=new[120:], old_queries=queries[120:], relevant=relevant)
    assert not judge.mapped_ and judge.n_set_aside_ == 40
    assert shown(judged, new[:120], 0.1) > 0.7


def test_a_move_that_changes_what_is_promised_says_so(
    judged: Store, topics: tuple[np.ndarray, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    """The questions without an answer were labelled, and those that both models encoded are fewer than it needs."""
    items, queries = topics
    noise = 4 * np.random.default_rng(5).standard_normal((60, 24)).astype(np.float32)
    labelled, model = np.concatenate([queries[:120], noise]), Turning(queries)
    some = np.concatenate([queries[:120], noise[:31]])
    judge = judged.fit_query_judge(labelled, [*answers(120), *([] for _ in range(60))])
    assert judge.unanswerable_ == "labelled"
    with caplog.at_level(logging.WARNING, logger="nearfield"):
        judge = moved(judged, items, model, queries=some @ model.turn, old_queries=some)
    assert judge.unanswerable_ == "hidden" and not judge.mapped_
    assert "max_false was about labelled queries without an answer, and is about hidden ones now" in caplog.text


def test_few_items_are_enough(make: Callable[..., Store], topics: tuple[np.ndarray, np.ndarray]) -> None:
    store = make(dim=24)
    store.add(list(range(30)), topics[0][:30])
    store.fit_query_judge(topics[1][:20], [[6 * (n // 2) % 30, 6 * (n // 2) % 30 + 1] for n in range(20)])
    assert store.search(topics[1][0], 30).relevance.shape == (30,)


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
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
]


def test_bad_arguments_change_nothing(judged: Store, topics: tuple[np.ndarray, np.ndarray]) -> None:
    before = judged.stats()
    for changed, error, text in BAD:
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


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_scifact_keeps_the_promise_without_answers_and_under_filters(make: Callable[..., Store]) -> None:
    """Fitted to training claims about other abstracts; three standard errors of 300 claims are allowed."""
    pytest.importorskip("onnxruntime", reason="needs nearfield[text]")
    folder = Path(os.environ.get("NEARFIELD_MODELS", "")) / "minilm"
    if not (folder / "model.onnx").is_file() or not (Path(os.environ.get("NEARFIELD_DATA", "")) / "scifact").is_dir():
        pytest.skip("needs NEARFIELD_MODELS with minilm/ and NEARFIELD_DATA with scifact/")
    from nearfield.datasets import load
    from nearfield.encode import OnnxText

    found, train = load("scifact"), load("scifact_train")
    there = {name for grades in found.judgements.values() for name, grade in grades.items() if grade > 0}
    columns = {
        "place": np.random.default_rng(0).random(len(found.document_ids)).tolist(),
        "answer": [name in there for name in found.document_ids],
    }
    store = make(dim=384, attributes={"place": "float", "answer": "bool"})
    store.add(found.document_ids, found.vectors.astype(np.float32), attributes=columns)
    labels = [[name for name, grade in train.judgements[key].items() if grade > 0] for key in train.query_ids]
    store.fit_query_judge(OnnxText(folder, max_tokens=256).encode(train.queries, progress=False), labels)
    asked = found.query_vectors.astype(np.float32)
    allowed = {level: level + 3 * (level * (1 - level) / len(asked)) ** 0.5 for level in (0.05, 0.1, 0.2)}
    assert all(shown(store, asked, level, where="not answer") <= most for level, most in allowed.items())
    store.delete(sorted(there))
    for level, most in allowed.items():
        assert shown(store, asked, level) <= most
        for share in (0.5, 0.1, 0.01):
            assert shown(store, asked, level, where=f"place < {share}") <= most
