from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.store import Store
from nearfield.store.search import nearest
from nearfield.store.snapshot import Scales


def ids_of(store: Store, view: Any) -> set[Any]:
    found = nearest(view, store.metric, np.ones((1, store.dim), np.float32), 1000)
    return {identifier for identifier in view.gather_ids(found.parts[0], found.rows[0]) if identifier is not None}


def test_a_view_never_changes(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    """Whatever happens later, an old view answers as it did: its files may be gone, its buffers grown."""
    store = make()
    views, expected = [], []
    alive: set[int] = set()
    for start in range(0, 300, 15):
        ids = set(range(start, start + 15))
        store.add(sorted(ids), vectors[start : start + 15])
        store.delete(sorted(ids)[:4])
        alive = alive | set(sorted(ids)[4:])
        if start % 45 == 0:
            store.seal()
        if start % 90 == 0:
            store.compact()
        views.append(store._viewer.current())
        expected.append(alive)
    for view, wanted in zip(views, expected, strict=True):
        assert ids_of(store, view) == wanted


def test_views_share_what_did_not_change(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.seal()
    before = store._viewer.current()
    assert store._viewer.current() is before
    store.add([100], vectors[100:101])
    store.delete([5])
    after = store._viewer.current()
    assert after is not before and after.parts[0].part is before.parts[0].part
    assert (before.parts[0].count, after.parts[0].count) == (100, 99)
    assert (before.items, after.items, after.pending, after.changes) == (100, 100, 1, 102)


def test_a_reader_follows_the_writer(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make(attributes={"year": "int"})
    with Store.open(store.path, read_only=True) as reader:
        for start in range(0, 240, 20):
            ids = list(range(start, start + 20))
            store.add(ids, vectors[ids], attributes={"year": ids}, payload=ids)
            if start % 60 == 0:
                store.compact()
            store.delete([start])
            hits = reader.search(vectors[ids[3]], 1, payload=True, attributes=True)
            assert (hits.ids, hits.payload, hits.attributes) == ([ids[3]], [ids[3]], [{"year": ids[3]}])
            assert len(reader) == len(store) and start not in reader
            assert reader.get(start) is None and reader.get(start + 1).payload == start + 1


def test_an_iteration_keeps_its_moment(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make()
    store.add(list(range(50)), vectors[:50], payload=list(range(50)))
    batches = store.iterate(10)
    first = next(batches)
    store.upsert(list(range(50)), vectors[100:150], payload=[-1] * 50)
    store.compact()
    rest = [first, *batches]
    assert [payload for batch in rest for payload in batch.payload] == list(range(50))
    assert np.array_equal(np.concatenate([batch.vectors for batch in rest]), vectors[:50])


def test_files_replaced_between_catalogue_and_disk_are_looked_up_again(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.seal()
    with Store.open(store.path, read_only=True) as reader:
        from nearfield.store import snapshot

        raced = []
        read = snapshot.own_segments

        def race(connection: sqlite3.Connection, path: Path) -> Any:
            described = read(connection, path)
            if not raced:
                raced.append(True)
                store.add([500], vectors[400:401])
                store.compact()  # removes the files just named
            return described

        monkeypatch.setattr(snapshot, "own_segments", race)
        assert reader.search(vectors[400], 1).ids == [500] and raced


def test_a_primary_file_that_is_gone_is_damage(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.seal()
    reader = Store.open(store.path, read_only=True)
    path = next((store.path / "segments").iterdir())
    path.unlink()
    with pytest.raises(CorruptFileError, match=f"{path}: missing, although the catalogue names it"):
        reader.search(vectors[0])
    reader.close()
    store.close()
    for read_only in (True, False):
        with pytest.raises(CorruptFileError, match=f"{path}: missing"):
            Store.open(store.path, read_only=read_only)


def test_an_older_transaction_is_told_to_begin_anew(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    with store._catalogue.reading() as old:
        old.execute("SELECT generation FROM state").fetchone()
        store.add([1], vectors[:1])
        assert store._viewer.current().items == 1
        assert store._viewer.at(old) is None


def test_scales_by_key() -> None:
    scales = Scales(np.array([2, 5, 9]), np.float32([0.2, 0.5, 0.9]))
    found = scales.of(np.array([[9, 1], [-1, 5]]))
    assert np.allclose(found, [[0.9, np.nan], [np.nan, 0.5]], equal_nan=True)
    assert np.isnan(Scales(np.empty(0, np.int64), np.empty(0, np.float32)).of(np.array([1]))).all()


@pytest.mark.parametrize("step", ["_settings", "_judge_of", "_expiring"])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_view_that_could_not_be_made_leaves_nothing_behind(
    make: Callable[..., Store], vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, step: str, sealed: bool
) -> None:
    """A read that fails once, half way, must not make deleted rows come back in the views after it."""
    store = make()
    store.add(range(100), vectors[:100], payload=list(range(100)))
    if sealed:
        store.seal()
    assert store.search(vectors[3], 1).ids == [3]
    store.upsert(range(10), vectors[100:110], payload=[0] * 10)
    store.delete(range(10, 20))
    with monkeypatch.context() as patch:
        patch.setattr(store._viewer, step, lambda *_: (_ for _ in ()).throw(OSError(5, "a sector that cannot be read")))
        with pytest.raises(OSError):
            store.search(vectors[3], 1)
    found = store.search(vectors[:20], 90).ids
    assert all(sorted(ids) == [*range(10), *range(20, 100)] for ids in found)
    assert sorted(identifier for batch in store.iterate() for identifier in batch.ids) == [*range(10), *range(20, 100)]
    assert store.verify().ok
