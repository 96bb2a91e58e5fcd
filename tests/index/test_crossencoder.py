"""Search by a scorer that is called: what it finds, what it costs, and what it does with scorers that misbehave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.index import CrossEncoder, Flat, ScoredNeighbors
from nearfield.quantize import ScalarQuantizer

N, ANCHORS = 600, 40


@pytest.fixture(scope="module")
def world() -> Any:
    """A scorer of two parts: an inner product that a bi-encoder knows, and a smooth function of it and more."""
    rng = np.random.default_rng(0)
    items, anchors, queries = (rng.standard_normal((n, 12)).astype(np.float32) for n in (N, ANCHORS, 20))
    hidden, turn = rng.standard_normal((N, 6)), rng.standard_normal((12, 6))

    def scorer(query: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return items[rows] @ query + 9 * np.tanh(hidden[rows] @ (query @ turn) / 4)

    return items, anchors, queries, scorer


def truth(scorer: Any, query: Any, k: int) -> np.ndarray:
    return np.argsort(-scorer(query, np.arange(N)), kind="stable")[:k]


def share(index: CrossEncoder, world: Any, k: int, budget: int, **options: Any) -> float:
    found = index.search(world[2], k, budget=budget, **options)
    return float(
        np.mean([np.isin(truth(world[3], q, k), rows).mean() for q, rows in zip(world[2], found.rows, strict=True)])
    )


@pytest.fixture(scope="module")
def index(world: Any) -> CrossEncoder:
    items, anchors, _, scorer = world
    return CrossEncoder().build(scorer, N, anchors, item_vectors=items, anchor_vectors=anchors, k=20, budget=60)


def test_scores_of_low_rank_are_recovered() -> None:
    rng = np.random.default_rng(1)
    left, right = rng.standard_normal((30, 8)), rng.standard_normal((8, 500))
    level = rng.standard_normal(500) + 5
    index = CrossEncoder(noise=0.0).build(
        lambda query, rows: query @ right[:, rows] + query.sum() + level[rows], 500, left, k=10
    )
    query = rng.standard_normal(8)
    estimate = index.estimate(query, scored=np.arange(0, 500, 50))
    true = query @ right + query.sum() + level
    assert np.abs(estimate - true).max() <= 1e-6 * np.abs(true).max()


def test_it_finds_more_than_ranking_the_bi_encoders_best_again(world: Any, index: CrossEncoder) -> None:
    items, _, queries, scorer = world
    again = []
    for query, rows in zip(queries, Flat("ip").build(items).search(queries, 60).rows, strict=True):
        again.append(np.isin(truth(scorer, query, 20), rows).mean())
    assert index.setting_.rounds > 1
    assert share(index, world, 20, 60, vectors=queries) > np.mean(again) + 0.05
    tried = {(trial["rounds"], trial["noise"]): trial["recall"] for trial in index.trials_}
    assert max(tried.values()) == tried[index.setting_.rounds, index.setting_.noise]


@pytest.mark.parametrize("start", ["best", "mixed", "random"])
def test_without_a_bi_encoder(world: Any, start: str) -> None:
    items, anchors, queries, scorer = world
    index = CrossEncoder(noise=0.1, rounds=4, start=start).build(scorer, N, anchors)
    first = Flat("ip").build(items).search(queries, 60).rows
    assert share(index, world, 20, 60, first=first) > 0.6
    assert index.trials_ == []


def test_the_budget_is_kept_and_scores_are_the_scorers(world: Any, index: CrossEncoder) -> None:
    _, _, queries, scorer = world
    asked: list[np.ndarray] = []

    def counting(query: Any, rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return scorer(query, rows)

    index._scorer = counting
    found = index.search(queries[:1], 20, budget=45, vectors=queries[:1], batch=10)
    index._scorer = scorer
    scored = np.concatenate(asked)
    assert len(scored) == len(np.unique(scored)) == found.calls[0] == 45
    assert max(map(len, asked)) <= 10
    np.testing.assert_allclose(found.distances[0], -scorer(queries[0], found.rows[0]), rtol=1e-6)
    assert (np.diff(found.distances[0]) >= 0).all() and found.complete[0] and found.reasons == [None]


def test_filters_are_kept_and_few_allowed_items_are_all_scored(world: Any, index: CrossEncoder) -> None:
    _, _, queries, _scorer = world
    allow = np.arange(N) % 3 == 0
    found = index.search(queries, 10, budget=60, vectors=queries, allow=allow)
    assert allow[found.rows].all()
    few = np.zeros(N, bool)
    few[[5, 9, 300]] = True
    found = index.search(queries, 5, budget=60, vectors=queries, allow=few)
    assert (found.calls == 3).all() and (found.rows[:, 3:] == -1).all() and np.isinf(found.distances[:, 3:]).all()
    assert set(found.rows[0, :3]) == {5, 9, 300}
    none = index.search(queries[:1], 5, budget=60, vectors=queries[:1], allow=np.zeros(N, bool))
    assert none.calls[0] == 0 and (none.rows == -1).all() and none.complete[0]


def test_a_single_text_is_answered_in_kind() -> None:
    items = ["a cat on a mat", "a dog", "a cat", "stock prices"] * 30
    words = [set(item.split()) for item in items]

    def overlap(query: str, texts: list[str]) -> list[float]:
        return [len(set(query.split()) & set(text.split())) for text in texts]

    index = CrossEncoder().build(overlap, items, ["a mat", "prices", "the dog", "cat and dog", "on a mat"], k=5)
    found = index.search("cat on a mat", 3, budget=20)
    assert isinstance(found, ScoredNeighbors)
    assert found.rows.shape == (3,) and found.reasons is None
    assert all(len(words[row] & {"cat", "on", "a", "mat"}) == 4 for row in found.rows)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda scores: 1 / 0, "scorer: raised ZeroDivisionError"),
        (lambda scores: np.full(len(scores), np.nan), "expected finite scores of size up to 1e[+]15, got nan"),
        (lambda scores: scores[:-1], "expected scores of shape"),
        (lambda scores: np.full(len(scores), np.inf), "got inf"),
        (lambda scores: ["x"] * len(scores), "expected numbers"),
        (lambda scores: None, "expected numbers"),
    ],
)
def test_a_scorer_that_fails(
    world: Any, index: CrossEncoder, wrong: Callable[[Any], Any], message: str, tmp_path: Path
) -> None:
    _items, anchors, queries, scorer = world
    calls = [0]

    def failing(query: Any, rows: np.ndarray) -> Any:
        calls[0] += 1
        return wrong(scorer(query, rows)) if calls[0] > 1 else scorer(query, rows)

    index.save(tmp_path / "a.nfa")
    other = CrossEncoder.load(tmp_path / "a.nfa", failing, N)
    with pytest.raises(ValueError, match=message):
        other.search(queries[:1], 5, budget=60, vectors=queries[:1])
    calls[0] = 0
    found = other.search(queries[:1], 5, budget=60, vectors=queries[:1], on_error="partial")
    assert not found.complete[0] and found.reasons[0].startswith("scorer: ")
    assert found.calls[0] == 30 and (found.rows >= 0).all()  # the first round came
    with pytest.raises(ValueError, match=message + r".*anchor query 1"):
        calls[0] = 0
        CrossEncoder().build(failing, N, anchors)


def test_a_slow_scorer_gives_a_partial_answer_in_time(world: Any, index: CrossEncoder, tmp_path: Path) -> None:
    _, _, queries, scorer = world
    never, calls = threading.Event(), [0]

    def hanging(query: Any, rows: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] > 2:
            never.wait(30)
        return scorer(query, rows)

    index.save(tmp_path / "a.nfa")
    slow = CrossEncoder.load(tmp_path / "a.nfa", hanging, N)
    begun = time.monotonic()
    found = slow.search(queries[:1], 5, budget=60, vectors=queries[:1], timeout=1.0, batch=10)
    never.set()
    assert time.monotonic() - begun < 20
    assert not found.complete[0] and found.reasons[0].startswith("timeout") and found.calls[0] == 20
    assert (found.rows >= 0).all()
    nothing = slow.search(queries[:1], 5, budget=60, vectors=queries[:1], timeout=0.0)
    assert nothing.calls[0] == 0 and (nothing.rows == -1).all() and not nothing.complete[0]
    assert index.search(queries[:1], 5, budget=60, vectors=queries[:1], timeout=60.0).complete[0]


def test_a_saved_index_answers_the_same(world: Any, index: CrossEncoder, tmp_path: Path) -> None:
    _, _, queries, scorer = world
    before = index.search(queries, 20, budget=60, vectors=queries)
    assert index.save(tmp_path / "a.nfa") >= index.memory()["total"]
    other = CrossEncoder.load(tmp_path / "a.nfa", scorer, N)
    after = other.search(queries, 20, budget=60, vectors=queries)
    np.testing.assert_array_equal(before.rows, after.rows)
    assert other.setting_ == index.setting_ and other.trials_ == index.trials_
    with pytest.raises(ValueError, match="items: expected 600, got 599"):
        CrossEncoder.load(tmp_path / "a.nfa", scorer, N - 1)
    raw = bytearray((tmp_path / "a.nfa").read_bytes())
    raw[-100] ^= 1
    (tmp_path / "b.nfa").write_bytes(raw)
    with pytest.raises(CorruptFileError):
        CrossEncoder.load(tmp_path / "b.nfa", scorer, N)


def test_codes_of_eight_bits(world: Any) -> None:
    items, anchors, queries, scorer = world
    made = [
        CrossEncoder(noise=1.0, rounds=6, codec=codec).build(
            scorer, N, anchors, item_vectors=items, anchor_vectors=anchors
        )
        for codec in (None, ScalarQuantizer(8))
    ]
    exact, coded = (share(index, world, 20, 60, vectors=queries) for index in made)
    assert coded > exact - 0.05
    assert made[1].memory()["total"] < 0.4 * made[0].memory()["total"]


def test_the_same_seed_is_the_same_answer(world: Any) -> None:
    _items, anchors, queries, scorer = world
    answers = [
        CrossEncoder(start="mixed", random_state=3).build(scorer, N, anchors).search(queries, 10, budget=50).rows
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*answers)


def zeros(query: Any, rows: np.ndarray) -> np.ndarray:
    return np.zeros(len(rows))


def test_scores_that_are_all_alike_and_few_anchors() -> None:
    index = CrossEncoder().build(zeros, 30, [0, 1])
    found = index.search([5], 3, budget=10)
    assert found.rows.tolist() == [[*sorted(found.rows[0])]] and (found.distances == 0).all()
    assert CrossEncoder().build(zeros, 1, [0, 1]).search([5], 3, budget=10).rows.tolist() == [[0, -1, -1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"anchor_queries": [1]}, "anchor_queries: expected at least 2, got 1"),
        ({"items": 0}, "items: expected an integer from 1"),
        ({"items": []}, "items: expected at least 1, got 0"),
        ({"item_vectors": np.eye(30, 4, dtype=np.float32)}, "expected both or neither, got one"),
        ({"scores": np.zeros((2, 29))}, r"scores: expected numbers of shape \(2, 30\)"),
        ({"scores": np.full((2, 30), np.nan)}, "scores: expected finite scores"),
        ({"k": 0}, "k: expected an integer from 1"),
        ({"k": 5, "budget": 4}, "budget: expected an integer of at least 5, got 4"),
    ],
)
def test_build_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrossEncoder().build(**{"scorer": zeros, "items": 30, "anchor_queries": [0, 1], **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 4}, "budget: expected an integer of at least 5, got 4"),
        ({"first": [[31]]}, "first: expected rows from 0 to 29"),
        ({"first": [[0.5]]}, "first: expected ints"),
        ({"vectors": np.eye(1, 3, dtype=np.float32)}, "vectors: expected None, as in build"),
        ({"allow": np.ones(3, bool)}, "allow: expected"),
        ({"timeout": -1}, "timeout: expected a number"),
        ({"on_error": "ignore"}, "on_error: expected one of 'raise', 'partial'"),
    ],
)
def test_search_refuses(options: dict[str, Any], message: str) -> None:
    index = CrossEncoder().build(zeros, 30, [0, 1])
    with pytest.raises(ValueError, match=message):
        index.search([0], 5, **{"budget": 10, **options})


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match="CrossEncoder is empty; call build first"):
        CrossEncoder().search([0], 1, budget=1)
    with pytest.raises(TypeError, match="scorer: expected a function"):
        CrossEncoder().build("no", 30, [0, 1], scores=np.zeros((2, 30)))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="items: expected a sequence"):
        CrossEncoder().build(zeros, iter([1]), [0, 1])
    with pytest.raises(ValueError, match="noise: expected a number"):
        CrossEncoder(noise=-1.0).build(zeros, 30, [0, 1])
    with pytest.raises(ValueError, match="start: expected one of"):
        CrossEncoder(start="end").build(zeros, 30, [0, 1])
    with pytest.raises(ValueError, match="scored: expected row numbers"):
        CrossEncoder().build(zeros, 30, [0, 1]).estimate(0, scored=[])
