"""Pages: nothing twice, nothing left out, whatever happens in between."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.store import Hits, Store


def all_pages(store: Store, query: np.ndarray, k: int, **options: Any) -> list[Hits]:
    pages = [store.search(query, k, **options)]
    while pages[-1].cursor is not None:
        pages.append(store.search(query, k, after=pages[-1].cursor, **options))
    return pages


def ids_of(pages: list[Hits]) -> list[Any]:
    return [identifier for page in pages for identifier in page.ids if identifier is not None]


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_pages_are_one_long_answer(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, metric: str
) -> None:
    """Over a graph, segments and pending rows; the vectors come three times, so most distances are tied."""
    store = make(metric=metric, attributes={"year": "int"})
    store.add(list(range(120)), vectors[np.arange(120) % 60], attributes={"year": list(range(120))})
    store.compact()
    store.add(list(range(120, 180)), vectors[np.arange(120, 180) % 60], attributes={"year": list(range(120, 180))})
    store.delete([0, 61, 122])
    for where in (None, "year >= 30"):
        whole = store.search(vectors[300], 1000, where=where)
        expected = [identifier for identifier in whole.ids if identifier is not None]
        for k in (1, 7, 50, 177, 400):
            pages = all_pages(store, vectors[300], k, where=where)
            found = ids_of(pages)
            assert sorted(found) == sorted(expected) and len(found) == len(expected)
            if k > 1:
                assert np.array_equal(
                    np.concatenate([page.distances[: len(page)] for page in pages]), whole.distances[: len(expected)]
                )
            if len(expected) % k:
                assert pages[-1].status.startswith("the last page" if len(pages) > 1 else "only")
            assert {page.status for page in pages[:-1]} <= {"ok"}


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_items_of_one_distance_and_many_scores(
    make: Callable[..., Store], rng: np.random.Generator, metric: str
) -> None:
    """The same direction in many lengths: distances of 0 hide scores that differ, and they lie in several parts."""
    direction = rng.standard_normal(8, np.float32)
    rows = direction * rng.uniform(0.5, 2, (300, 1)).astype(np.float32)
    if metric == "l2":
        rows = direction + rng.integers(-3, 4, (300, 8)).astype(np.float32) * np.float32(1e-7)
    order = rng.permutation(300)
    store = make(metric=metric)
    for part in np.split(order, 3):
        store.add(part, rows[part])
        if part[0] != order[200]:
            store.seal()
    assert len(np.unique(store.search(direction, 300).distances)) < 200
    for k in (1, 7, 40, 299):
        found = ids_of(all_pages(store, direction, k))
        assert sorted(found) == list(range(300))


def test_many_queries_have_a_cursor_each(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(200)), vectors[:200])
    whole = store.search(vectors[300:310], 30)
    page = store.search(vectors[300:310], 10)
    rows = [list(row) for row in page.ids]
    for _ in range(2):
        assert page[3].cursor == page.cursor[3] and page[-1].cursor == page.cursor[-1]
        page = store.search(vectors[300:310], 10, after=page.cursor)
        rows = [row + more for row, more in zip(rows, page.ids, strict=True)]
    assert rows == whole.ids
    one = store.search(vectors[303], 10, after=store.search(vectors[300:310], 10)[3].cursor)
    assert one.ids == whole.ids[3][10:20]
    assert pickle.loads(pickle.dumps(page)).cursor == page.cursor


def test_a_page_may_have_another_size(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    first = store.search(vectors[200], 5)
    second = store.search(vectors[200], 20, after=first.cursor)
    third = store.search(vectors[200], 3, after=second.cursor)
    assert first.ids + second.ids + third.ids == store.search(vectors[200], 28).ids


def test_writing_between_pages(
    make: Callable[..., Store], vectors: np.ndarray, rng: np.random.Generator, low_limits: None
) -> None:
    """Every item that is there from the first page to the last is shown once, in order; none is shown twice."""
    store = make()
    store.add(list(range(150)), vectors[:150])
    steady = set(range(150))
    shown: list[int] = []
    page = store.search(vectors[400], 8)
    fresh = 1000
    for step in range(200):
        shown += [identifier for identifier in page.ids if identifier is not None]
        if page.cursor is None:
            break
        gone = rng.choice(150, 2, replace=False).tolist()
        store.delete(gone)
        steady -= set(gone)
        store.add(list(range(fresh, fresh + 6)), rng.standard_normal((6, 8), np.float32))
        fresh += 6
        if step % 5 == 2:
            store.compact()
        elif step % 5 == 4:
            store.seal()
        page = store.search(vectors[400], 8, after=page.cursor)
    else:
        pytest.fail("never came to an end")
    assert len(set(shown)) == len(shown) and steady <= set(shown)
    order = {identifier: place for place, identifier in enumerate(store.search(vectors[400], 1000).ids)}
    places = [order[identifier] for identifier in shown if identifier in order]
    assert places == sorted(places)


def test_an_item_that_moves_may_come_again_as_another(make: Callable[..., Store], vectors: np.ndarray) -> None:
    """A replaced item is a new one: it shows where it now lies."""
    store = make()
    store.add(list(range(30)), vectors[:30])
    first = store.search(vectors[0], 10)
    store.upsert([0], -vectors[:1])
    assert ids_of([first, *all_pages_from(store, vectors[0], 10, first)]).count(0) == 2


def all_pages_from(store: Store, query: np.ndarray, k: int, page: Hits) -> list[Hits]:
    pages = []
    while page.cursor is not None:
        page = store.search(query, k, after=page.cursor)
        pages.append(page)
    return pages


def test_a_hundred_pages_deep_in_a_graph(make: Callable[..., Store], rng: np.random.Generator) -> None:
    vectors = rng.standard_normal((6000, 8), np.float32)
    store = make(attributes={"half": "bool"})
    store.add(list(range(5000)), vectors[:5000], attributes={"half": [i % 2 == 0 for i in range(5000)]})
    from nearfield.store import maintenance

    maintenance_limit = maintenance.SCANNED_ROWS
    try:
        maintenance.SCANNED_ROWS = 1000
        store.compact()
    finally:
        maintenance.SCANNED_ROWS = maintenance_limit
    assert "graph" in store.stats()["segments"][0]["index"]
    for where in (None, "half"):
        truth = store.search(vectors[5500], 1000, where=where, beam=5000).ids
        pages = [store.search(vectors[5500], 10, where=where)]
        for _ in range(99):
            pages.append(store.search(vectors[5500], 10, where=where, after=pages[-1].cursor))
        found = ids_of(pages)
        assert len(found) == len(set(found)) == 1000
        assert len(set(found) & set(truth)) >= 980


def test_with_a_judge(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(400)), vectors[:400])
    store.fit_judge()
    whole = store.search(vectors[450], 30)
    pages = [store.search(vectors[450], 10)]
    for _ in range(2):
        pages.append(store.search(vectors[450], 10, after=pages[-1].cursor))
    assert ids_of(pages) == whole.ids
    assert np.array_equal(np.concatenate([page.relevance for page in pages]), whole.relevance)
    cut = store.search(vectors[450], 10, after=pages[0].cursor, max_false=0.0)
    assert cut.ids == [None] * 10 and "relevant" in cut.status and cut.cursor is None


def test_foreign_cursors_are_refused(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store, other = (make(name, attributes={"year": "int"}) for name in ("a.nf", "b.nf"))
    for one in (store, other):
        one.add(list(range(50)), vectors[:50], attributes={"year": list(range(50))})
    query = vectors[100]
    cursor = store.search(query, 5, where="year > 3").cursor
    good = {"queries": query, "k": 5, "where": "year > 3", "after": cursor}
    assert len(store.search(**good)) == 5
    identity, theirs = (one._viewer.current().identity.hex() for one in (store, other))
    with pytest.raises(
        ValueError, match=rf"after: expected a cursor of .*b\.nf \(store {theirs}\), got one of {identity}"
    ):
        other.search(**good)
    for changed, text in (
        ({"queries": vectors[101]}, r"query 0 \(digest [0-9a-f]{16}\), got one of another query \([0-9a-f]{16}\)"),
        ({"where": "year > 4"}, r"a search with where='year > 4' .*got one of another search"),
        ({"where": None}, r"a search with no where= .*got one of another search"),
        ({"after": "nonsense"}, "expected a cursor as hits.cursor gives it, got 'nonsense'"),
        ({"after": ""}, "expected a cursor as hits.cursor gives it"),
        ({"after": "ü"}, "expected a cursor as hits.cursor gives it"),
        ({"after": cursor[:-1]}, "none or altered"),
        ({"after": ("A" if cursor[9] != "A" else "B").join([cursor[:9], cursor[10:]])}, "none or altered"),
        ({"after": [cursor, cursor]}, "expected 1 cursors, one a query, got 2"),
        ({"after": cursor, "group_by": "year"}, "after: expected None with group_by"),
    ):
        with pytest.raises(ValueError, match=text):
            store.search(**{**good, **changed})
    for wrong in (5, [None], b"x", {"a": 1}):
        with pytest.raises(TypeError, match="after: expected a cursor"):
            store.search(**{**good, "after": wrong})


def test_a_copy_goes_on_where_its_original_was(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(50)), vectors[:50])
    first = store.search(vectors[100], 5)
    store.snapshot(store.path.with_name("copy.nf"))
    with Store.open(store.path.with_name("copy.nf")) as copy:
        assert copy.search(vectors[100], 5, after=first.cursor).ids == store.search(vectors[100], 10).ids[5:]


def test_hits_keep_no_view_alive(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.compact()
    hits = store.search(vectors[200], 5)
    view = weakref.ref(store._viewer.current())
    store.add([1000], vectors[100:101])
    store.compact()
    store.search(vectors[0])
    gc.collect()
    assert view() is None
    assert (
        store.search(vectors[200], 5, after=hits.cursor).ids
        == [identifier for identifier in store.search(vectors[200], 11).ids if identifier != 1000][5:10]
    )


def test_small_ends(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    empty = store.search(vectors[0], 3)
    assert empty.cursor is None
    store.add([1, 2, 3], vectors[:3])
    full = store.search(vectors[0], 3)
    assert full.cursor is not None  # three more may come
    last = store.search(vectors[0], 3, after=full.cursor)
    assert last.ids == [None] * 3 and last.cursor is None and last.status == "the last page: no further item"
    store.delete([1, 2, 3])
    assert len(store.search(vectors[0], 3, after=full.cursor)) == 0
    assert store.search(np.empty((0, 8), np.float32), 3).cursor == []
    assert store.search(np.empty((0, 8), np.float32), 3, after=[]).ids == []
