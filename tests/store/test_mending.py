"""Every living item is reachable, proved by following links; what is not is linked again at the cost of two walks."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield import native
from nearfield.common import files
from nearfield.index import Graph
from nearfield.store import Store
from nearfield.store.mending import Missed, mend_index
from nearfield.store.segment import Segment


def cut_links(store: Store, lost: np.ndarray) -> np.ndarray:
    """Publish an index of the first segment in which nothing leads to ``lost``; returns the rows it is true of."""
    segment = store._viewer.current().segments[0]
    index = segment.index
    lost = np.setdiff1d(lost, index._entries)
    cut = index._neighbors.copy()
    cut[np.isin(cut, lost)] = native.NO_LINK
    index._neighbors = np.take_along_axis(cut, np.argsort(cut == native.NO_LINK, axis=1, kind="stable"), axis=1)
    if index.layout == "fast":
        index._sign()
    path = segment.next_index()
    index.save(path)
    entry = segment.description["index"]
    from nearfield.store.segment import describe_file

    fresh = {**entry, **describe_file(path)}
    assert store._maintenance._replace(segment.number, segment.description, "index", fresh)
    return lost


@pytest.fixture
def cut(make: Callable[..., Store], rng: np.random.Generator, low_limits: None) -> tuple[Store, np.ndarray, np.ndarray]:
    """A store with a graph in which some rows cannot be reached; those rows; all vectors."""
    vectors = rng.standard_normal((1200, 8), np.float32)
    store = make()
    store.add(list(range(1200)), vectors)
    store.compact()
    return store, cut_links(store, np.arange(0, 1200, 60)), vectors


def test_unreachable_items_are_counted_named_and_linked(cut: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lost, vectors = cut
    report = store.verify(sample=1)
    assert not report.ok and not report.repairs
    assert report.counts["walked"] == 1200 and report.counts["unreachable"] == len(lost)
    assert f"no walk can come to {len(lost)} of 1,200 items, such as {lost[:5].tolist()}; repair links" in str(report)
    old = store._viewer.current().segments[0].description["index"]

    monkeypatch.setattr(Graph, "build", lambda *_, **__: pytest.fail("a repair of links is no build"))
    report = store.verify(repair=True)
    new = store._viewer.current().segments[0].description["index"]
    assert report.repairs == [f"{new['file']}: linked what was missed"] and report.repairs[0] in str(report)
    assert new["file"] == "000002.index.3.nfa" != old["file"] and new["recipe"] == old["recipe"]
    assert sorted(os.listdir(store.path / "segments")) == [new["file"], "000002.vectors.nfa"]
    after = store.verify(repair=True)
    assert after.ok and after.counts["unreachable"] == after.counts["not_found"] == 0 and not after.repairs
    assert [ids[0] for ids in store.search(vectors[lost], 1).ids] == lost.tolist()
    with Store.open(store.path, read_only=True) as reader:
        assert reader.verify().ok


def test_the_dead_may_be_unreachable_and_lead_the_way(cut: Any) -> None:
    store, lost, _ = cut
    store.delete(lost.tolist())
    report = store.verify()
    assert report.ok and report.counts["walked"] == 1200 - len(lost)
    assert not store.verify(repair=True).repairs
    # Most rows are dead, and walks pass through them to the living.
    store.delete(list(range(2, 1200)))
    assert store.verify().ok


def test_an_item_that_is_reached_but_not_found_gets_a_link(
    make: Callable[..., Store], rng: np.random.Generator, low_limits: None
) -> None:
    store = make()
    store.add(list(range(300)), rng.standard_normal((300, 8), np.float32))
    store.compact()
    segment = store._viewer.current().segments[0]
    before = int((segment.index._neighbors == 7).sum())
    missed = Missed(segment, np.empty(0, np.int64), np.array([7]))
    assert len(missed) == 1
    assert store._maintenance.mend([missed]) == ["000002.index.2.nfa"]
    assert int((store._viewer.current().segments[0].index._neighbors == 7).sum()) > before
    assert store.verify().ok


def test_a_segment_that_was_replaced_meanwhile_stays_gone(cut: Any) -> None:
    store, lost, _ = cut
    segment = store._viewer.current().segments[0]
    missed = Missed(segment, lost, np.empty(0, np.int64))
    store.delete([3])
    description = mend_index(missed)
    store.compact()
    named = store._viewer.current().segments[0].description
    assert not store._maintenance._replace(segment.number, segment.description, "index", description["index"])
    assert len(store._viewer.current().segments) == 1
    assert sorted(os.listdir(store.path / "segments")) == [named["index"]["file"], named["vectors"]["file"]]
    assert store.verify().ok


def test_a_repair_that_fails_changes_nothing(cut: Any) -> None:
    store, _, vectors = cut
    truth = store.search(vectors[:50], 5).ids
    count = 0

    def at(number: int) -> Callable[..., None]:
        def hook(operation: str, path: Any) -> None:
            nonlocal count
            count += 1
            if count == number and operation not in ("stat", "map", "list"):
                raise OSError(28, "injected", str(path))

        return hook

    number, failed = 0, 0
    while True:
        number, count = number + 1, 0
        try:
            with files.fault_injection(at(number)):
                store.verify(sample=1, repair=True)
            if count < number:
                break
        except OSError:
            failed += 1
            assert store.search(vectors[:50], 5).ids == truth
        if store.verify(sample=1).ok:  # mended, in spite of the fault or before it
            cut_links(store, np.arange(0, 1200, 60))
    assert failed > 3
    assert isinstance(store._viewer.current().segments[0], Segment)
