"""A view of the next space: as many items as the old one has, each once, encoded or mapped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from nearfield.store import Store
from nearfield.store.fusing import nearest_both
from nearfield.store.next_space import EncodedPart, MappedPart
from nearfield.store.order import next_keys
from nearfield.store.upgrading import encoded_among


@pytest.fixture
def moving(make: Callable[..., Store], vectors: np.ndarray) -> Store:
    store = make(attributes={"year": "int"})
    for start in (0, 100):
        ids = list(range(start, start + 100))
        store.add(ids, vectors[ids], attributes={"year": ids})
        if not start:
            store.seal()
    store.delete([3, 104])
    ids = [number for number in range(50, 150) if number != 104]
    store.upgrade(
        pairs=(ids, np.tile(vectors[ids], 2)), queries=np.tile(vectors[400:460], 2), old_queries=vectors[400:460]
    )
    return store


def test_every_item_is_there_once(moving: Store, vectors: np.ndarray) -> None:
    view = moving._viewer.current()
    newer = view.newer
    assert newer.items == view.items == 198 and newer.shape.dim == 16 and newer.next is None
    keys = np.concatenate([live.part.keys[live.rows()] for live in newer.parts])
    assert len(set(keys.tolist())) == 198
    kinds = {type(live.part) for live in newer.parts}
    assert kinds == {EncodedPart, MappedPart}
    encoded = view.next.encoded(view)
    assert len(encoded) == 99
    with moving._catalogue.reading() as connection:
        assert encoded_among(connection, keys.tolist()) == set(encoded.tolist())
    parts, rows = newer.locate(encoded)
    assert (newer.gather_vectors(parts, rows, newer.shape)[:, :8] == vectors[newer.gather_ids(parts, rows)]).all()
    found = newer.gather_attributes(parts, rows)
    assert [line["year"] for line in found] == newer.gather_ids(parts, rows)
    assert view.next.mapped.memory() > 0


def test_a_view_follows_what_is_written(moving: Store, vectors: np.ndarray) -> None:
    before = moving._viewer.current().newer
    moving.add([300], vectors[300:301], attributes={"year": [1]})
    moving.delete([60])
    view = moving._viewer.current()
    assert view.newer.items == 198 and len(view.next.encoded(view)) == 98
    assert before.items == 198 and sum(live.count for live in before.parts) == 198  # as it was
    moving.compact()
    view = moving._viewer.current()
    assert view.newer.items == 198 and len(view.next.encoded(view)) == 98


@pytest.mark.parametrize("first", [70, 300], ids=["encoded", "added"])
def test_vectors_of_the_new_model_become_segments_when_they_are_many(
    moving: Store, vectors: np.ndarray, low_limits: None, first: int
) -> None:
    """However they come, one by one, while views are looked at; what was replaced or deleted is left out."""
    left = [number for number in range(200) if not 50 <= number < 150 and number != 3]
    most = 0
    for step in range(130):
        if first == 300:
            number = first + step % 100
            moving.upsert([number], np.tile(vectors[number : number + 1], 2), attributes={"year": [number]})
        elif step < len(left):
            moving.upgrading.put([left[-step]], np.tile(vectors[[left[-step]]], 2))
        if step == 40:
            moving.delete([60])
        view = moving._viewer.current()
        newer = view.newer
        keys = np.concatenate([live.part.keys[live.rows()] for live in newer.parts])
        assert len(set(keys.tolist())) == len(keys) == newer.items == view.items
        with moving._catalogue.reading() as connection:
            most = max(most, connection.execute("SELECT SUM(rows) FROM incoming").fetchone()[0] or 0)
    encoded = view.next.encoded(view)
    assert len(encoded) == (198 if first == 300 else 197) and most <= 100
    parts, rows = newer.locate(encoded)
    assert (newer.gather_vectors(parts, rows, newer.shape)[:, :8] == vectors[newer.gather_ids(parts, rows)]).all()
    assert sum(live.part.index is None for live in newer.parts) > 1
    assert moving.verify().problems == []


def _seen(store: Store, vectors: np.ndarray) -> dict[str, object]:
    """What a view tells of the next space: the ids, those encoded, and digests of encoded and of mapped vectors."""
    view = store._viewer.current()
    newer = view.newer
    keys = np.sort(np.concatenate([np.empty(0, np.int64), *(live.part.keys[live.rows()] for live in newer.parts)]))
    parts, rows = newer.locate(keys)
    ids, found = newer.gather_ids(parts, rows), newer.gather_vectors(parts, rows, newer.shape)
    encoded = np.isin(keys, view.next.encoded(view))
    assert (found[encoded][:, :8] == vectors[np.array(ids, int)[encoded] % 500]).all()
    return {"ids": ids, "encoded": np.array(ids)[encoded].tolist(), "vectors": found.tobytes()}


@pytest.mark.parametrize("seed", range(4))
def test_any_order_of_writes_is_followed(moving: Store, vectors: np.ndarray, low_limits: None, seed: int) -> None:
    """By the view that goes on from write to write, as by one that begins anew; and earlier views stay as they were."""
    rng = np.random.default_rng(seed)
    items = {number: 50 <= number < 150 for number in range(200) if number not in (3, 104)}
    earlier = []
    for step in range(250):
        kind = rng.choice(["old", "new", "put", "delete", "seal", "compact"], p=[0.25, 0.35, 0.25, 0.11, 0.02, 0.02])
        some = sorted({int(number) for number in rng.integers(0, 400, rng.integers(1, 6))})
        rows = vectors[some]
        if kind in ("old", "new"):
            moving.upsert(some, rows if kind == "old" else np.tile(rows, 2), attributes={"year": some})
            items |= dict.fromkeys(some, kind == "new")
        elif kind == "put":
            asked = rng.permutation(np.array([number for number in some if number in items], int))
            moving.upgrading.put(asked.tolist(), np.tile(vectors[asked], 2).reshape(len(asked), 16))
            items |= dict.fromkeys(asked.tolist(), True)
        elif kind == "delete":
            moving.delete(some)
            items = {number: done for number, done in items.items() if number not in some}
        elif kind == "seal":
            moving.seal()
        else:
            moving.compact()
        if step % 5 == 0:
            seen = _seen(moving, vectors)
            assert sorted(seen["ids"]) == sorted(items)
            assert sorted(seen["encoded"]) == sorted(number for number, done in items.items() if done)
            with Store.open(moving.path, read_only=True) as anew:
                assert _seen(anew, vectors) == seen
            view = moving._viewer.current()
            earlier.append(
                (view, [live.part.vectors.tobytes() for live in view.newer.parts if live.part.index is None])
            )
    for view, held in earlier:
        assert [live.part.vectors.tobytes() for live in view.newer.parts if live.part.index is None] == held
    assert moving.verify().problems == []


def test_the_order_takes_what_answers_depend_on(moving: Store) -> None:
    view = moving._viewer.current()
    keys = next_keys(view, 20)
    assert len(set(keys.tolist())) == 20 and not set(keys.tolist()) & set(view.next.encoded(view).tolist())
    assert keys.tolist() == next_keys(view, 20).tolist()
    assert len(next_keys(view, 1000)) == 99
    queries = view.next.queries
    answers = nearest_both(view, queries["new"], queries["old"], 20).keys
    encoded = view.next.encoded(view).tolist()
    gains: dict[int, float] = {}
    for row in answers.tolist():
        for place, key in enumerate(row, 1):
            if key not in encoded:
                gains[key] = gains.get(key, 0) + 1 / place
    best = sorted(gains, key=lambda key: -gains[key])
    assert set(best[:5]) < set(keys.tolist()) and len(set(keys.tolist()) & set(best[:20])) > 10  # the rest: by nearness


def test_both_models_answer_as_the_weights_say(moving: Store, vectors: np.ndarray) -> None:
    view = moving._viewer.current()
    new, old = np.tile(vectors[470:480], 2), vectors[470:480]
    whole = nearest_both(view, new, old, 198)
    assert (np.sort(whole.keys, axis=1) == np.sort(whole.keys[0])).all() and whole.allowed == 198
    few = nearest_both(view, new, old, 10)
    assert np.mean([len(set(a[:10]) & set(b)) for a, b in zip(whole.keys, few.keys, strict=True)]) > 9
    assert (np.diff(whole.distances, axis=1) >= 0).all()


def test_mapped_rows_are_found_through_the_old_rows_index(
    make: Callable[..., Store], low_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    centers = rng.standard_normal((30, 8))
    old = np.float32(centers[rng.integers(0, 30, 3_300)] + 0.5 * rng.standard_normal((3_300, 8)))
    new = np.float32(np.tanh(0.5 * old @ rng.standard_normal((8, 12))))
    store = make(attributes={"half": "int"})
    store.add(list(range(3_000)), old[:3_000], attributes={"half": [number % 2 for number in range(3_000)]})
    store.compact()
    store.upgrade(pairs=(list(range(300)), new[:300]))
    asked = new[3_000:3_060]
    monkeypatch.setattr("nearfield.store.next_space._WORTH", 1)
    through = {where: store.search(asked, 10, where=where) for where in (None, "half = 1")}
    mapped = [live.part for live in store._viewer.current().newer.parts if isinstance(live.part, MappedPart)]
    assert mapped[0]._of.index is not None and mapped[0].vectors.dtype == np.float16
    monkeypatch.setattr("nearfield.store.next_space._WORTH", 10**9)  # from here on a scan
    for where, found in through.items():
        exact = store.search(asked, 10, where=where)
        assert np.mean([len(set(a) & set(b)) for a, b in zip(found.ids, exact.ids, strict=True)]) > 9.5
        assert found.status == exact.status
