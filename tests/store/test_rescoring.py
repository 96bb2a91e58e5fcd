"""``search(rescore=)``: any scorer as a last stage under the filters, counted, timed, and partial where it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.encode import Bags
from nearfield.store import Hit, Rescore, Store

ITEMS = 120


@pytest.fixture
def store(make: Callable[..., Store], vectors: np.ndarray) -> Store:
    store = make(metric="l2", attributes={"year": "int", "topic": "string"}, bags=8)
    numbers = list(range(ITEMS))
    store.add(
        numbers,
        vectors[:ITEMS],
        attributes={"year": numbers, "topic": [f"t{number % 10}" for number in numbers]},
        payload=[{"n": number} for number in numbers],
        text=[f"word{number % 4}" for number in numbers],
        bags=list(vectors[:ITEMS, None]),
    )
    return store


def largest(query: Any, hits: list[Hit]) -> list[float]:
    """The newest first, by what every hit carries."""
    assert all(hit.id == hit.payload["n"] == hit.attributes["year"] and hit.text is not None for hit in hits)
    return [hit.payload["n"] for hit in hits]


def test_the_best_by_the_scorer_of_what_the_search_finds(store: Store, vectors: np.ndarray) -> None:
    found = store.search(vectors[0], k=30, where="year < 90").ids
    hits = store.search(vectors[0], k=5, where="year < 90", rescore=Rescore(largest, budget=30))
    assert hits.ids == sorted(found, reverse=True)[:5] and hits.status == "ok"
    assert hits.distances.tolist() == [-name for name in hits.ids]
    assert hits.payload is None and hits.attributes is None and hits.text is None and hits.cursor is None
    shown = store.search(vectors[0], k=5, where="year < 90", rescore=largest, payload=True, attributes=True)
    assert [one["n"] for one in shown.payload] == shown.ids == [one["year"] for one in shown.attributes]
    assert shown.ids == [89, 88, 87, 86, 85] and shown.text[0] == "word1"  # fewer pass than may be scored
    many = store.search(vectors[:4], k=3, rescore=Rescore(largest, budget=10))
    for number in range(4):
        assert many[number].ids == store.search(vectors[number], k=3, rescore=Rescore(largest, budget=10)).ids
    few = store.search(vectors[0], k=5, where="year < 3", rescore=largest)
    assert (few.ids, few.status) == ([2, 1, 0, None, None], "only 3 items pass the filter")
    assert few.distances[3:].tolist() == [np.inf, np.inf]
    none = store.search(vectors[0], k=2, where="year > 999", rescore=largest)
    assert (none.ids, none.status) == ([None, None], "no item passes the filter")


def test_every_kind_of_search_can_be_rescored(store: Store, vectors: np.ndarray) -> None:
    bag = vectors[:2]
    for given in (
        {"text": "word1"},
        {"text": "word1", "queries": vectors[0]},
        {"bags": bag, "queries": vectors[0]},
        {"bags": bag, "queries": vectors[0], "text": "word1"},
        {"like": 3},
    ):
        wide = store.search(k=20, where="year < 100", **given)
        hits = store.search(k=4, where="year < 100", rescore=Rescore(largest, queries="q", budget=20), **given)
        assert hits.ids == sorted((name for name in wide.ids if name is not None), reverse=True)[:4]
        assert (hits.legs is None) == (wide.legs is None)
        if hits.legs is not None:
            place = wide.ids.index(hits.ids[0])
            assert all(hits.legs[name][0] == wide.legs[name][place] for name in hits.legs)
    where = ["year < 5", None, "year < 5", "topic = 't3'"]
    many = store.search_many(vectors[:4], k=3, where=where, rescore=largest)
    assert many.ids[0] == many.ids[2] == [4, 3, 2] and many.ids[3] == [113, 103, 93]
    both = store.search_many(vectors[:2], k=3, bags=Bags.from_list([bag, bag]), where=where[:2], rescore=largest)
    assert both.ids[0] == [4, 3, 2]


def test_the_scorer_gets_what_was_asked(store: Store, vectors: np.ndarray) -> None:
    seen: list[Any] = []

    def score(query: Any, hits: list[Hit]) -> np.ndarray:
        seen.append(query)
        return np.zeros(len(hits))

    store.search(vectors[0], k=2, text="word1", rescore=score)
    store.search(vectors[0], k=2, rescore=score)
    store.search(vectors[:2], k=2, rescore=Rescore(score, queries=["a", "b"]))
    store.search(vectors[0], k=2, rescore=Rescore(score, queries="alone"))
    assert seen[0] == "word1" and (seen[1] == vectors[0]).all() and seen[2:] == ["a", "b", "alone"]
    equal = store.search(vectors[0], k=6, rescore=score)
    assert equal.ids == store.search(vectors[0], k=6).ids  # equals keep their order
    with pytest.raises(ValueError, match="rescore: queries: expected 2, one per query, got 3"):
        store.search(vectors[:2], k=2, rescore=Rescore(score, queries=["a", "b", "c"]))


def test_groups_are_those_of_the_best_by_the_scorer(store: Store, vectors: np.ndarray) -> None:
    hits = store.search(vectors[0], k=3, group_by="topic", group_size=2, rescore=Rescore(largest, budget=ITEMS))
    wide = store.search(vectors[0], k=60, group_by="topic", group_size=2).ids
    order = sorted((name for name in wide if name is not None), reverse=True)
    assert hits.ids[0] == order[0] and hits.status == "ok" and len({*hits.groups}) == 3
    assert all(name is None or hits.groups[place] == f"t{name % 10}" for place, name in enumerate(hits.ids))


def test_the_budget_and_the_batch_are_kept(store: Store, vectors: np.ndarray) -> None:
    calls: list[int] = []

    def score(query: Any, hits: list[Hit]) -> np.ndarray:
        calls.append(len(hits))
        return np.zeros(len(hits))

    store.search(vectors[0], k=3, rescore=Rescore(score, budget=50, batch=20))
    store.search(vectors[0], k=3, rescore=score)
    store.search(vectors[0], k=110, rescore=score)
    store.search(vectors[0], k=2, group_by="topic", group_size=3, rescore=Rescore(score, budget=10))
    assert calls == [20, 20, 10, 100, 110, 10]


def failing(after: int, how: Callable[[int], Any]) -> Callable[[Any, list[Hit]], Any]:
    done = [0]

    def score(query: Any, hits: list[Hit]) -> Any:
        done[0] += len(hits)
        return [hit.payload["n"] for hit in hits] if done[0] <= after else how(len(hits))

    return score


def raising(n: int) -> Any:
    raise RuntimeError("the model is gone")


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (raising, "raised RuntimeError: the model is gone"),
        (lambda n: [float("nan")] * n, "expected finite scores"),
        (lambda n: [0.0] * (n + 1), "expected scores of shape"),
        (lambda n: "text", "expected numbers"),
        (lambda n: None, "expected numbers"),
    ],
)
def test_a_scorer_that_fails(store: Store, vectors: np.ndarray, how: Callable[[int], Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"rescore: scorer: {said}.*\(query 1\)"):
        store.search(vectors[:2], k=3, rescore=Rescore(failing(40, how), budget=40))
    part = Rescore(failing(20, how), budget=40, batch=10, on_error="partial")
    hits = store.search(vectors[0], k=3, rescore=part)
    assert hits.status.startswith("partial: 20 of 40 hits scored: scorer: ") and said in hits.status
    assert hits.ids == sorted(store.search(vectors[0], k=20).ids, reverse=True)[:3]
    nothing = store.search(vectors[0], k=3, rescore=Rescore(failing(0, how), on_error="partial"))
    assert nothing.ids == [None] * 3 and nothing.status.startswith("partial: 0 of 100 hits scored")


def test_a_scorer_that_does_not_come_back(store: Store, vectors: np.ndarray) -> None:
    over = threading.Event()

    def score(query: Any, hits: list[Hit]) -> Any:
        if 0 not in [hit.id for hit in hits]:  # all but the first call
            over.wait(60)
        return [1.0] * len(hits)

    try:
        hits = store.search(vectors[0], k=3, rescore=Rescore(score, batch=5, timeout=1.5))
    finally:
        over.set()
    assert hits.status.startswith("partial: 5 of 100 hits scored: timeout: ")
    assert hits.ids == store.search(vectors[0], k=3).ids
    late = store.search(vectors[0], k=3, rescore=Rescore(largest, timeout=0))
    assert late.status.startswith("partial: 0 of 100 hits scored: timeout")


def test_the_judge_cuts_before(store: Store, vectors: np.ndarray) -> None:
    store.fit_judge()
    cut = store.search(vectors[0], k=60, max_false=0.3)
    hits = store.search(vectors[0], k=60, max_false=0.3, rescore=largest)
    assert {*hits.ids} == {*cut.ids} and hits.relevance is not None
    there = dict(zip(cut.ids, cut.relevance.tolist(), strict=True))
    assert [there[name] for name in hits.ids if name is not None] == hits.relevance[: len(hits)].tolist()


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"rescore": 5}, TypeError, "rescore: expected a function"),
        ({"rescore": Rescore("x")}, TypeError, "rescore: expected a function"),
        ({"rescore": Rescore(largest, budget=2)}, ValueError, "rescore: budget: expected .* from 3"),
        ({"rescore": Rescore(largest, batch=0)}, ValueError, "rescore: batch"),
        ({"rescore": Rescore(largest, timeout=-1)}, ValueError, "rescore: timeout"),
        ({"rescore": Rescore(largest, on_error="pass")}, ValueError, "rescore: on_error"),
        ({"rescore": largest, "after": "x"}, ValueError, "after: expected None with rescore"),
        ({"rescore": largest, "group_by": "nothing"}, ValueError, "group_by: unknown attribute"),
    ],
)
def test_what_makes_no_sense_is_refused(
    store: Store, vectors: np.ndarray, given: Any, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        store.search(vectors[0], k=3, **given)
    with pytest.raises(ValueError, match="attributes: this store has none"):
        Store.create(store.path.with_name("plain.nf"), 8).search(vectors[0], rescore=largest, attributes=True)
