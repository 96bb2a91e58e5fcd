from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.decide import Judge
from nearfield.metric import get_metric
from nearfield.store import Store, judging
from nearfield.store.tables import read_meta, set_meta


@pytest.fixture
def topics(rng: np.random.Generator) -> np.ndarray:
    """60 topics of 20 items each, and after them 20 queries on the topics."""
    centers = rng.standard_normal((60, 16))
    items = np.repeat(centers, 20, axis=0) + 0.3 * rng.standard_normal((1200, 16))
    queries = centers[:20] + 0.3 * rng.standard_normal((20, 16))
    return np.concatenate([items, queries]).astype(np.float32)


@pytest.fixture
def judged(make: Callable[..., Store], topics: np.ndarray, low_limits: None) -> Store:
    store = make(dim=16, attributes={"topic": "int", "half": "int"})
    store.add(
        list(range(1200)), topics[:1200], attributes={"topic": np.arange(1200) // 20, "half": np.arange(1200) % 2}
    )
    store.fit_judge(hidden=0.02)
    return store


def test_relevance_tells_topics_from_noise(judged: Store, topics: np.ndarray, rng: np.random.Generator) -> None:
    on_topic = judged.search(topics[1200:], 5, max_false=0.05)
    noise = judged.search(rng.standard_normal((40, 16)).astype(np.float32) * 5, 5, max_false=0.05)
    assert np.mean([len(hits) > 0 for hits in on_topic]) > 0.8
    assert np.mean([len(hits) > 0 for hits in noise]) < 0.2
    empty = next(hits for hits in noise if len(hits) == 0)
    assert empty.status == "nothing is relevant at max_false=0.05"
    assert empty.ids == [None] * 5 and np.isinf(empty.distances).all() and not empty.relevance.any()
    wide = judged.search(topics[1200], 200, max_false=0.05)
    assert 5 < len(wide) < 200 and wide.status == "cut: nothing else is relevant at max_false=0.05"


def test_relevance_comes_with_every_search_and_does_not_rise(judged: Store, topics: np.ndarray) -> None:
    hits = judged.search(topics[1200:], 8)
    assert hits.relevance.shape == (20, 8) and hits.relevance.dtype == np.float32
    assert (np.diff(hits.relevance, axis=1) <= 1e-6).all() and hits.relevance.max() <= 1
    few = judged.search(topics[1200:], 3)
    assert np.array_equal(few.relevance, hits.relevance[:, :3])  # whatever k, the same neighbourhood is looked at


def test_a_filter_does_not_change_what_is_relevant(judged: Store, topics: np.ndarray) -> None:
    free = judged.search(topics[1200], 30)
    kept = judged.search(topics[1200], 30, where="half = 1")
    known = {hit.id: hit.relevance for hit in free}
    shared = [hit for hit in kept if hit.id in known]
    assert len(shared) > 10 and all(hit.relevance == pytest.approx(known[hit.id], abs=1e-6) for hit in shared)
    far = judged.search(topics[1200], 5, where="topic = 40", max_false=0.05)
    assert len(far) < 5 and "max_false=0.05" in far.status


def test_the_judge_is_kept(judged: Store, topics: np.ndarray, low_limits: None) -> None:
    before = judged.search(topics[1200:], 5).relevance
    judged.compact()  # keys outlive it, so do the local scales
    assert np.allclose(judged.search(topics[1200:], 5).relevance, before, atol=1e-5)
    with Store.open(judged.path, read_only=True) as reader:
        assert reader.judge.n_items_ == 1200
        assert np.allclose(reader.search(topics[1200:], 5).relevance, before, atol=1e-5)


def test_stats_say_when_it_is_stale(judged: Store, topics: np.ndarray) -> None:
    assert judged.stats()["judge"] == {"fitted_on_items": 1200, "changed_since": 0.0, "stale": False, "promises": True}
    judged.delete(list(range(300)))
    assert judged.stats()["judge"] == {"fitted_on_items": 1200, "changed_since": 0.25, "stale": True, "promises": True}
    judged.fit_judge()
    assert judged.stats()["judge"] == {"fitted_on_items": 900, "changed_since": 0.0, "stale": False, "promises": True}


def test_new_items_are_judged_too(judged: Store, topics: np.ndarray) -> None:
    judged.add([5000], topics[1200:1201])
    hits = judged.search(topics[1200], 3)
    assert hits.ids[0] == 5000 and hits.relevance[0] > 0.5


def test_labels_refine(judged: Store, topics: np.ndarray, rng: np.random.Generator) -> None:
    queries = np.concatenate([topics[1200:], rng.standard_normal((20, 16)).astype(np.float32) * 5])
    judge = judged.fit_judge(queries, np.arange(40) < 20, hidden=0.02)
    assert judge.labels_ == 40 and judged.judge.labels_ == 40


def test_local_scales_are_the_fifth_nearest_other(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.delete([3])
    alive = np.delete(np.arange(100), 3)
    truth = np.sort(get_metric("cosine").pairwise(vectors[alive], vectors[alive]), axis=1)[:, 5]
    scales = judging.local_scales(store._viewer.current(), store._shape)
    assert np.allclose(scales.values, truth, atol=1e-5)


def test_no_item_is_its_own_neighbour_or_background(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {}
    fit = Judge.fit

    def watched(self: Judge, neighbors: np.ndarray, background: np.ndarray, **options: Any) -> Judge:
        given.update(neighbors=neighbors, background=background, **options)
        return fit(self, neighbors, background, **options)

    monkeypatch.setattr(Judge, "fit", watched)
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.fit_judge()
    assert given["neighbors"].shape == given["neighbor_scales"].shape == (100, 21)
    assert given["neighbors"].min() > 1e-4
    background = given["background"]
    assert background.shape == (100, 100) and np.isnan(background).sum() == 100 and np.nanmin(background) > 1e-4


def test_many_copies_of_one_vector(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(200)), np.concatenate([np.repeat(vectors[:1], 100, axis=0), vectors[1:101]]))
    store.fit_judge()
    assert store.search(vectors[0], 5).relevance[0] > 0.5


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"sample": 0}, ValueError, "sample: expected"),
        ({"background": 1.5}, TypeError, "background: expected"),
        ({"hidden": 2.0}, ValueError, "hidden: expected"),
        ({"labels": np.ones(2, bool)}, ValueError, "queries: expected the labelled queries, got None"),
        ({"queries": np.ones((2, 16), np.float32), "labels": [1, 2]}, ValueError, "labels: expected 2 bools"),
        ({"queries": np.ones((2, 16), np.float32), "labels": [True]}, ValueError, "labels: expected 2 bools"),
        ({"queries": np.ones((2, 5), np.float32), "labels": [True, False]}, ValueError, "16 dimensions, got 5"),
    ],
)
def test_bad_arguments_change_nothing(
    judged: Store, arguments: dict[str, object], error: type[Exception], text: str
) -> None:
    before = judged.stats()
    with pytest.raises(error, match=text):
        judged.fit_judge(**arguments)
    assert judged.stats() == before


def test_too_few_items(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(49)), vectors[:49])
    with pytest.raises(ValueError, match="at least 50 items to learn from, the store has 49"):
        store.fit_judge()
    store.add([49], vectors[49:50])
    assert store.fit_judge().n_items_ == 50


def test_damaged_scales_are_named(judged: Store, topics: np.ndarray) -> None:
    judged.close()
    connection = sqlite3.connect(judged.path / "catalogue.sqlite", isolation_level=None)
    connection.execute("UPDATE scales SET scales = zeroblob(length(scales))")
    connection.close()
    with (
        Store.open(judged.path, read_only=True) as store,
        pytest.raises(CorruptFileError, match="checksum of the local scales from 0 on differs"),
    ):
        store.search(topics[0])


def test_a_move_to_another_model_fits_the_judge_again_with_its_labels(
    judged: Store, topics: np.ndarray, rng: np.random.Generator
) -> None:
    turn = np.linalg.qr(rng.standard_normal((24, 16)))[0].T.astype(np.float32)
    noise = 5 * rng.standard_normal((40, 16)).astype(np.float32)
    asked = np.concatenate([topics[1200:1210], noise[:20]])
    judged.fit_judge(asked, np.arange(30) < 10, hidden=0.02, sample=900, background=300)
    upgrade = judged.upgrade(pairs=(list(range(200)), topics[:200] @ turn))
    ids = list(range(200, 1200))
    upgrade.put(ids, topics[ids] @ turn)
    upgrade.finish()
    judge = judged.judge
    assert judge is not None and judge.labels_ == 30 and judge.hidden == 0.02 and judge.uses_queries_
    stored = judging.fit_of(judged._meta()["judge"], judged._shape, judged.path)
    assert (stored.sample, stored.background, stored.queries.shape) == (900, 300, (30, 24))
    on_topic = judged.search(topics[1210:] @ turn, 5, max_false=0.05)
    off_topic = judged.search(noise[20:] @ turn, 5, max_false=0.05)
    assert np.mean([len(hits) > 0 for hits in on_topic]) > 0.7
    assert np.mean([len(hits) > 0 for hits in off_topic]) < 0.3
    assert judged.verify().ok and not judged.stats()["judge"]["stale"]


def test_a_move_fits_a_judge_without_labels_again(judged: Store, topics: np.ndarray) -> None:
    """The usual judge: an array of no rows has no width that NumPy could tell."""
    assert judged._meta()["judge"]["fit"]["labels"] == []
    upgrade = judged.upgrade(pairs=(list(range(1200)), -topics[:1200]))
    upgrade.finish()
    assert judged.judge is not None and judged.judge.hidden == 0.02 and not judged.stats()["judge"]["stale"]


def test_a_judge_stored_before_labels_were_kept_is_fitted_again_without(judged: Store, topics: np.ndarray) -> None:
    with judged._catalogue.writing() as connection:
        stored = dict(read_meta(connection, judged.path, "judge")["judge"])
        del stored["fit"]
        set_meta(connection, "judge", stored)
    for _ in range(2):  # the second time it is one stored without labels
        topics = -topics
        judged.upgrade(pairs=(list(range(1200)), topics[:1200])).finish()
        assert judged.judge is not None and judged.judge.labels_ == 0 and judged.judge.hidden == 0.02


def test_labels_that_do_not_fit_are_damage(judged: Store) -> None:
    from nearfield.store.judging import fit_of

    wrong = {"fit": {"sample": 9, "background": 9, "queries": "AAAA", "labels": [1, 0]}}
    with pytest.raises(CorruptFileError, match="how the judge was fitted"):
        fit_of(wrong, judged._shape, judged.path)
