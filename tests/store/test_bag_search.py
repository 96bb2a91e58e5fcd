"""``search(bags=)``: MaxSim over what vectors name, under every filter; with words a third leg; refused by name."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from nearfield.encode import Bags
from nearfield.index import Flat, MeanEncoding, MultiVector, exact_maxsim
from nearfield.quantize import Float32
from nearfield.store import Store, bag_search

DIM, ITEMS = 16, 300
YEARS = [2000 + number % 10 for number in range(ITEMS)]


def make_bags(count: int, seed: int = 0) -> Bags:
    """Like those of texts: vectors around the mean of their bag, means around twenty topics."""
    rng = np.random.default_rng(seed)
    topics = np.random.default_rng(99).standard_normal((20, DIM))
    found = []
    for _ in range(count):
        middle = topics[rng.integers(20)] + 0.7 * rng.standard_normal(DIM)
        found.append((middle + rng.standard_normal((rng.integers(2, 12), DIM))).astype(np.float32))
    return Bags.from_list(found).unit()


BAGS, QUERIES = make_bags(ITEMS), make_bags(60, seed=1)
# Items that are there, each with the number of its bag; every eleventh has none.
GONE, WITHOUT = set(range(0, ITEMS, 7)), set(range(3, ITEMS, 11))


@pytest.fixture
def store(make: Callable[..., Store], low_limits: None) -> Store:
    """In a graph, in segments and pending; some deleted, some without a bag."""
    kept = {"dim": DIM, "codec": Float32(), "encoding": MeanEncoding()}
    store = make(dim=DIM, metric="cosine", attributes={"year": "int", "topic": "string"}, bags=kept)
    for start in range(0, ITEMS, 50):
        numbers = list(range(start, start + 50))
        store.add(
            numbers,
            BAGS[start : start + 50].means(normalize=True),
            bags=[None if number in WITHOUT else BAGS[number] for number in numbers],
            attributes={"year": YEARS[start : start + 50], "topic": [f"t{number % 40}" for number in numbers]},
            text=[f"word{number % 30} common" for number in numbers],
        )
        if start == 100:
            store.compact()
        if start == 200:
            store.seal()
    store.delete(sorted(GONE))
    return store


def allowed(passes: Callable[[int], bool] = lambda number: True) -> np.ndarray:
    return np.array([passes(n) and n not in GONE and n not in WITHOUT for n in range(ITEMS)])


CONDITIONS: list[tuple[str | None, Callable[[int], bool]]] = [
    (None, lambda number: True),
    ("year >= 2007", lambda number: YEARS[number] >= 2007),
    ("year = 2003 and topic = 't13'", lambda number: YEARS[number] == 2003 and number % 40 == 13),
    ("topic in ('t1', 't2') or not year < 2009", lambda n: n % 40 in (1, 2) or YEARS[n] >= 2009),
]


@pytest.mark.parametrize(("where", "passes"), CONDITIONS)
def test_with_all_as_candidates_it_is_exact_under_any_filter(
    store: Store, where: str | None, passes: Callable[[int], bool]
) -> None:
    wanted = exact_maxsim(BAGS, QUERIES, 7, allow=allowed(passes))
    with Store.open(store.path, read_only=True) as reader:
        for asked in (store, reader):
            hits = asked.search(bags=QUERIES, k=7, where=where, candidates=ITEMS)
            assert [[-1 if name is None else name for name in ids] for ids in hits.ids] == wanted.rows.tolist()
            np.testing.assert_allclose(hits.distances, wanted.distances, rtol=1e-5)
            found = np.where(np.isfinite(hits.distances), -hits.distances, np.nan)
            np.testing.assert_array_equal(hits.legs["bags"], found)
    many = store.search_many(bags=QUERIES, k=7, where=where, candidates=ITEMS)
    assert many.ids == hits.ids and many.status == hits.status
    one = store.search(bags=QUERIES[3], k=7, where=where, candidates=ITEMS)
    assert one.ids == hits.ids[3] and one.status == hits.status[3]


def test_candidates_are_the_nearest_that_pass(store: Store) -> None:
    """As many are found as the same candidates find in the index for arrays."""
    index = MultiVector(MeanEncoding(), index=Flat("ip"), codec=Float32()).build(BAGS)
    for where, passes in CONDITIONS[:2]:
        hits = store.search(bags=QUERIES, k=10, where=where, candidates=30)
        same = index.search(QUERIES, 10, candidates=30, allow=allowed(passes))
        exact = exact_maxsim(BAGS, QUERIES, 10, allow=allowed(passes)).rows
        ours, theirs = (
            np.mean([len(set(one) & set(other)) / 10 for one, other in zip(found, exact.tolist(), strict=True)])
            for found in (hits.ids, same.rows.tolist())
        )
        assert ours >= theirs - 0.02 and ours > 0.7
    narrow, wide = (store.search(bags=QUERIES, k=10, candidates=count) for count in (10, ITEMS))
    assert (narrow.distances >= wide.distances - 1e-5).all()


def test_each_of_many_queries_has_its_own_condition(store: Store) -> None:
    where = [CONDITIONS[number % 4][0] for number in range(len(QUERIES))]
    many = store.search_many(bags=QUERIES, k=5, where=where, attributes=True, payload=True, candidates=20)
    for number, condition in enumerate(where):
        one = store.search(bags=QUERIES[number], k=5, where=condition, candidates=20, attributes=True, payload=True)
        assert many[number].ids == one.ids and many[number].status == one.status
        assert (many[number].distances == one.distances).all() and many[number].attributes == one.attributes
        assert many[number].text == one.text
    empty = store.search_many(bags=QUERIES[:0], k=5)
    assert len(empty) == 0 and empty.distances.shape == (0, 5)


def test_groups_have_the_items_of_largest_maxsim(store: Store) -> None:
    hits = store.search(bags=QUERIES[:6], k=3, group_by="topic", group_size=2, candidates=ITEMS)
    for number in range(6):
        order = exact_maxsim(BAGS, QUERIES[number : number + 1], ITEMS, allow=allowed()).rows[0]
        groups: dict[int, list[int]] = {}
        for row in order[order >= 0].tolist():
            own = groups.setdefault(row % 40, []) if len(groups) < 3 or row % 40 in groups else []
            if len(own) < 2:
                own.append(row)
        named = [name for name in hits.ids[number] if name is not None]
        assert sorted(named) == sorted(row for own in groups.values() for row in own)
        assert hits.status[number] == "ok" and set(hits.groups[number]) - {None} == {f"t{topic}" for topic in groups}
    few = store.search(bags=QUERIES[:1], k=30, group_by="topic", candidates=1)
    assert len({name for name in few.groups[0] if name is not None}) == 30


def test_why_there_are_fewer_is_said(make: Callable[..., Store], store: Store) -> None:
    hits = store.search(bags=QUERIES[0], k=99, where="year = 2003", candidates=9)
    more = len([number for number in WITHOUT - GONE if YEARS[number] == 2003])
    assert hits.status == f"only {len(hits)} items pass the filter; {more} more have no bag" and more > 1
    assert store.search(bags=QUERIES[0], k=2, where="year > 3000").status == "no item passes the filter"
    fresh = make("fresh.nf", dim=2, bags=DIM)
    assert fresh.search(np.ones(2, np.float32), bags=QUERIES[0], k=2).status == "the store is empty"
    fresh.add([1], np.ones((1, 2), np.float32))
    assert fresh.search(np.ones(2, np.float32), bags=QUERIES[0], k=2).status == "no item has a bag"
    fresh.seal()
    assert fresh.search(np.ones((2, 2), np.float32), bags=QUERIES[:2], k=2).status == ["no item has a bag"] * 2
    fresh.add([2], np.ones((1, 2), np.float32), bags=BAGS[:1])
    hits = fresh.search(np.ones(2, np.float32), bags=QUERIES[0], k=2)
    assert (hits.ids, hits.status) == ([2, None], "only 1 item; 1 more has no bag")
    fresh.upsert([1], np.ones((1, 2), np.float32), bags=BAGS[:1])
    hits = fresh.search(np.ones(2, np.float32), bags=QUERIES[0], k=2)
    assert (hits.ids, hits.status) == ([1, 2], "ok") or hits.ids == [2, 1]


def test_equals_are_in_the_order_of_their_arrival(make: Callable[..., Store]) -> None:
    store = make(dim=2, bags=DIM)
    for number in (5, 3, 9):
        store.add([number], np.ones((1, 2), np.float32), bags=BAGS[:1])
        store.seal()
    assert store.search(np.ones(2, np.float32), bags=QUERIES[0], k=3).ids == [5, 3, 9]


def test_what_makes_no_sense_with_bags_is_refused(store: Store, make: Callable[..., Store]) -> None:
    one = QUERIES[0]
    vector = np.ones(DIM, np.float32)
    for given, error, said in (
        ({"bags": one[0]}, ValueError, r"one bag of shape \(t, d\), or Bags, got shape \(16,\)"),
        ({"bags": one[:, :3]}, ValueError, "expected vectors of 16 dimensions|expected 16 dimensions"),
        ({"bags": one[:0]}, ValueError, "bag 0 has none"),
        ({"bags": "text"}, TypeError, "got str"),
        ({"bags": np.full_like(one, np.nan)}, ValueError, "bags: "),
        ({"bags": QUERIES[:2], "queries": vector}, ValueError, "expected 1 bags, one per query, got 2"),
        ({"bags": one, "queries": np.ones(3, np.float32)}, ValueError, "queries: expected"),
        ({"bags": one, "after": "x"}, ValueError, "after: expected None with bags"),
        ({"bags": one, "like": 1}, ValueError, "like, unlike, aspect, to: expected None with bags"),
        ({"bags": one, "old_queries": vector}, ValueError, "old_queries: expected None with bags"),
        ({"bags": one, "max_false": 0.1}, ValueError, r"show some with fit_fusion\(bags=\)"),
        ({"bags": one, "candidates": 0}, ValueError, "candidates"),
        ({"bags": one, "text": "word1", "candidates": 5}, ValueError, "candidates: expected None with text"),
        ({"queries": vector, "candidates": 5}, ValueError, "candidates: expected None without bags"),
        ({"bags": QUERIES[:2], "text": "word1"}, (TypeError, ValueError), "text: expected"),
        ({"bags": QUERIES[:2], "text": ["word1"]}, ValueError, "text: expected 2 texts"),
    ):
        with pytest.raises(error, match=said):
            store.search(**given)
    with pytest.raises(ValueError, match="where: expected one condition"):
        store.search_many(bags=QUERIES[:2], where=["year > 1"])
    other = make("other.nf", dim=2, bags=DIM)
    with pytest.raises(ValueError, match="no encoding to compute them by"):
        other.search(bags=one)


def test_a_huge_k_and_more_candidates_than_items(store: Store) -> None:
    hits = store.search(bags=QUERIES[0], k=5000, candidates=100_000)
    assert len(hits) == int(allowed().sum()) and hits.status.startswith(f"only {len(hits)} items; ")
    assert (store.search(bags=QUERIES[0], k=200, candidates=1).distances >= hits.distances[:200] - 1e-5).all()


def test_bags_are_a_third_leg_beside_vector_and_words(store: Store) -> None:
    hits = store.search(bags=QUERIES[:9], text=[f"word{n}" for n in range(9)], k=12, where="year < 2008", payload=True)
    assert set(hits.legs) == {"vector", "text", "bags"} and hits.relevance is None
    for number in range(9):
        one = hits[number]
        assert one.status == "ok" and (np.diff(one.distances) >= 0).all()
        for rank, name in enumerate(one.ids):
            assert name not in GONE and YEARS[name] < 2008
            if name in WITHOUT:
                assert np.isnan(one.legs["bags"][rank])
                continue
            products = QUERIES[number] @ BAGS[name].T
            assert one.legs["bags"][rank] == pytest.approx(products.max(axis=1).sum(), rel=1e-5)
    every = {name for ids in hits.ids for name in ids}
    assert every & WITHOUT  # found by their words or their vector
    single = store.search(bags=QUERIES[2], text="word2", k=12, where="year < 2008")
    assert single.ids == hits.ids[2] and set(single.legs) == {"vector", "text", "bags"}
    grouped = store.search(bags=QUERIES[2], text="word2", k=4, group_by="year")
    assert len(set(grouped.groups)) == 4


def test_a_fusion_of_three_legs_is_calibrated_and_cut(store: Store) -> None:
    """The answer of a question is the item its vectors were drawn from: each leg knows something of it."""
    rng = np.random.default_rng(4)
    alive = [n for n in range(ITEMS) if n not in GONE and n not in WITHOUT]
    chosen = rng.permutation(alive)[:100].tolist()
    asked = Bags.from_list([(BAGS[n] + 0.8 * rng.standard_normal(BAGS[n].shape)).astype(np.float32) for n in chosen])
    texts = [f"word{n % 30}" for n in chosen]
    report = store.fit_fusion(None, texts, [[n] for n in chosen], bags=asked)
    assert set(report.legs) == {"vector", "text", "bags"} and report.fused[0] > max(
        value for value, _, _ in report.legs.values()
    )
    hits = store.search(bags=asked[:20], text=texts[:20], k=5)
    assert hits.relevance.shape == (20, 5) and (hits.relevance[:, 0] > hits.relevance[:, 4]).all()
    np.testing.assert_allclose(hits.distances, 1 - hits.relevance, atol=1e-6)
    cut = store.search(bags=asked[:20], text=texts[:20], k=50, max_false=0.05)
    assert (cut.relevance > 0).sum() < (store.search(bags=asked[:20], text=texts[:20], k=50).relevance > 0).sum()
    alone = store.search(bags=asked[:20], k=50, max_false=0.05)
    assert 0 < (alone.relevance > 0).sum() < 20 * 50 and all(
        "cut" in text or "nothing" in text for text in alone.status
    )
    assert store.search(bags=asked[0], k=5).ids == store.search(bags=asked[0], k=5, candidates=100).ids
    both = store.search(asked[:20].means(normalize=True), text=texts[:20], k=5, max_false=0.5)
    assert set(both.legs) == {"vector", "text"}
    with Store.open(store.path, read_only=True) as reader:
        again = reader.search(bags=asked[:20], text=texts[:20], k=5)
        assert again.ids == hits.ids and (again.relevance == hits.relevance).all()
    many = store.search_many(bags=asked[:20], k=50, max_false=0.05)
    assert many.ids == alone.ids and many.status == alone.status


def test_a_fusion_fitted_without_bags_says_nothing_of_them(store: Store) -> None:
    rng = np.random.default_rng(4)
    chosen = rng.permutation([n for n in range(ITEMS) if n not in GONE])[:100].tolist()
    vectors = BAGS.means(normalize=True)[chosen]
    store.fit_fusion(vectors, [f"word{n % 30}" for n in chosen], [[n] for n in chosen])
    assert store.search(vectors[0], text="word1", k=3).relevance is not None
    assert store.search(bags=QUERIES[0], text="word1", k=3).relevance is None
    with pytest.raises(ValueError, match="max_false"):
        store.search(bags=QUERIES[0], text="word1", k=3, max_false=0.1)


def test_scores_of_few_parts_are_those_of_many(store: Store) -> None:
    view = store._viewer.current()
    keys = np.concatenate([live.part.keys[live.rows()] for live in view.parts])
    parts, rows = view.locate(keys)
    shape = (len(QUERIES), len(keys))
    together = bag_search.maxsims(view, QUERIES, np.broadcast_to(parts, shape), np.broadcast_to(rows, shape))
    dice = np.random.default_rng(0)
    mixed = np.stack([dice.permutation(len(keys))[:17] for _ in range(len(QUERIES))])
    mixed_parts = np.where(dice.random(mixed.shape) < 0.2, -1, parts[mixed])
    apart = bag_search.maxsims(view, QUERIES, mixed_parts, rows[mixed])
    wanted = np.where(mixed_parts < 0, np.nan, np.take_along_axis(together, mixed, axis=1))
    np.testing.assert_array_equal(apart, wanted)


def test_a_moment_keeps_its_bags_when_files_go(store: Store) -> None:
    """A compaction removes the files that an older view has open, perhaps not read yet."""
    store.close()
    with Store.open(store.path) as store:
        view = store._viewer.current()
        store.delete([1, 2])
        store.compact()
        keys = np.concatenate([live.part.keys[live.rows()] for live in view.parts])[None]
        parts, rows = (column.reshape(keys.shape) for column in view.locate(keys[0]))
        found = bag_search.maxsims(view, QUERIES[:1], parts, rows)
        assert np.isfinite(found).sum() == allowed().sum()


def test_threads_search_while_others_write(store: Store) -> None:
    wrong: list[str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            hits = store.search(bags=QUERIES[0], k=20, candidates=60, where="year < 2008")
            for name, distance in zip(hits.ids, hits.distances.tolist(), strict=True):
                own = BAGS[name % ITEMS] if name is not None else None
                if own is None or abs(distance + (QUERIES[0] @ own.T).max(axis=1).sum()) > 1e-4:
                    wrong.append(f"{name}: {distance}")

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for round_ in range(6):
            numbers = [ITEMS + number for number in range(30 * (round_ % 3), 30 * (round_ % 3) + 30)]
            years = {"year": [YEARS[number - ITEMS] for number in numbers]}
            store.upsert(numbers, bags=[BAGS[number - ITEMS] for number in numbers], attributes=years)
            if round_ % 2:
                store.compact()
            store.delete(numbers[::3])
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:5]
    assert store.verify().ok


def test_allow_is_for_an_index_beside_the_store(store: Store, make: Callable[..., Store]) -> None:
    ids = [5, 3, 7, 999, 5, 0]
    assert store.allow(ids).tolist() == [True, True, False, False, True, False]
    wanted = [identifier < ITEMS and identifier not in GONE and YEARS[identifier] > 2004 for identifier in ids]
    assert store.allow(ids, "year > 2004").tolist() == wanted
    assert store.allow([], "year > 2004").tolist() == []
    with pytest.raises(TypeError, match="ids: this store has int ids"):
        store.allow(["a"])
    named = make("named.nf", dim=2)
    named.add(["größe", "b"], np.eye(2, dtype=np.float32))
    assert named.allow(["b", "größe", "gross"]).tolist() == [True, True, False]
    assert make("empty.nf", dim=2).allow([1, 2]).tolist() == [False, False]
