"""Every reason a search can lose an item for is named, with figures that an exact search confirms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.store import Explanation, Store
from nearfield.tune import Recipe

DIM = 8


@pytest.fixture
def rows() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((400, DIM)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path, rows: np.ndarray) -> Store:
    made = Store.create(tmp_path / "a.nf", dim=DIM, attributes={"year": "int"})
    made.add(range(400), rows, attributes={"year": [2000 + number % 5 for number in range(400)]})
    return made


def ranked(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return np.argsort(1 - unit @ (query / np.linalg.norm(query)), kind="stable")


def test_what_is_found_and_what_lies_beyond(store: Store, rows: np.ndarray) -> None:
    order = ranked(rows, rows[0] + 0.1)
    for place in (0, 9, 10, 57, 399):
        told = store.explain(rows[0] + np.float32(0.1), int(order[place]))
        assert (told.rank, told.of) == (place + 1, 400)
        assert told.verdict == ("found" if place < 10 else "beyond")
    assert told.reason == "the 400th nearest of 400, and k is 10"
    assert told.farthest == pytest.approx(float(store.search(rows[0] + np.float32(0.1)).distances[-1]))


def test_ranks_are_the_same_across_segments_and_pending_rows(store: Store, rows: np.ndarray) -> None:
    store.compact()
    more = np.random.default_rng(4).standard_normal((50, DIM)).astype(np.float32)
    store.add(range(400, 450), more, attributes={"year": [2001] * 50})
    order = ranked(np.concatenate([rows, more]), rows[5])
    for place in (0, 3, 30, 200):
        assert store.explain(rows[5], int(order[place])).rank == place + 1


def test_filter_absence_and_expiry(store: Store, rows: np.ndarray) -> None:
    told = store.explain(rows[3], 3, where="year < 2003")
    assert (told.verdict, told.attributes, told.rank) == ("filtered", {"year": 2003}, None)
    passing = store.explain(rows[3], 3, where="year = 2003")
    assert (passing.verdict, passing.rank, passing.of) == ("found", 1, 80)
    store.delete([3])
    assert store.explain(rows[3], 3).verdict == "absent"
    assert store.explain(rows[3], 4000).verdict == "absent"
    store.upsert([7], rows[7], attributes={"year": [2000]}, expires="2001-01-01")
    assert store.explain(rows[7], 7).verdict in ("expired", "absent")  # a write may have removed it already


def test_what_the_judge_cuts(store: Store, rows: np.ndarray) -> None:
    store.fit_judge(sample=200, background=200)
    query = np.random.default_rng(9).standard_normal(DIM).astype(np.float32)
    best = store.search(query, k=1).ids[0]
    told = store.explain(query, best, max_false=0.0)
    assert told.verdict == "cut"
    assert told.relevance == pytest.approx(float(store.search(query, k=1).relevance[0]), abs=1e-5)
    assert store.explain(query, best, max_false=1.0).verdict == "found"


def test_what_the_index_misses(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((4000, 48)).astype(np.float32)
    store = Store.create(tmp_path / "a.nf", dim=48)
    store.add(range(4000), rows)
    store.optimize(recall=0.5, recipes=[Recipe("graph", degree=8, build_beam=10, beam=10, candidates=10)])
    verdicts = set()
    for number in range(40):
        query = rng.standard_normal(48).astype(np.float32)
        hits = set(store.search(query, k=10, beam=10).ids)
        for identifier in ranked(rows, query)[:10].tolist():
            told = store.explain(query, identifier, k=10, beam=10)
            assert (told.verdict == "found") == (identifier in hits), number
            verdicts.add(told.verdict)
            if told.verdict == "missed" and told.beam is not None:
                assert identifier in store.search(query, k=10, beam=told.beam).ids
    assert "missed" in verdicts


def test_bad_questions(store: Store, rows: np.ndarray) -> None:
    with pytest.raises(TypeError, match="id: expected one id"):
        store.explain(rows[0], [1, 2])
    with pytest.raises(ValueError, match="query: expected 8 dimensions"):
        store.explain(rows[0][:3], 1)
    with pytest.raises(ValueError, match="query: expected one vector"):
        store.explain(rows[:2], 1)
    with pytest.raises(ValueError, match="no judge"):
        store.explain(rows[0], 1, max_false=0.1)
    with pytest.raises(TypeError, match="int ids"):
        store.explain(rows[0], "a")


def test_it_says_itself_in_a_line() -> None:
    told = Explanation("a", "absent", "no item has this id")
    assert str(told) == "absent: no item has this id"
    assert told.to_dict()["rank"] is None
