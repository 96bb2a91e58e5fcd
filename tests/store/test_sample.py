"""Samples of a store, and the text that says whether its items are still the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.store import Store


@pytest.fixture
def store(tmp_path: Path):
    rows = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    with Store.create(tmp_path / "a.nf", dim=4, attributes={"year": "int"}, text="text") as made:
        made.add(
            [f"i{n}" for n in range(300)],
            rows,
            attributes={"year": list(range(300))},
            payload=[{"text": f"text {n}"} for n in range(300)],
        )
        made.seal()
        made.upsert(
            ["i5", "new"], rows[:2], attributes={"year": [5, 300]}, payload=[{"text": "text 5"}, {"text": "text 300"}]
        )
        made.delete(["i7"])
        yield made


def test_a_sample_is_of_living_items_in_their_order(store: Store) -> None:
    batch = store.sample(100)
    assert len(batch) == len(set(batch.ids)) == 100 and "i7" not in batch.ids
    every = [name for some in store.iterate() for name in some.ids]
    assert [name for name in every if name in set(batch.ids)] == batch.ids
    for place in (0, 50, 99):
        item = store.get(batch.ids[place])
        assert np.array_equal(item.vector, batch.vectors[place])
        assert batch.attributes is not None and batch.attributes["year"][place].as_py() == item.attributes["year"]
        assert batch.payload[place] == item.payload and batch.text[place] == item.text


def test_all_of_them_where_there_are_fewer(store: Store) -> None:
    assert store.sample(10_000).ids == [name for some in store.iterate() for name in some.ids]


def test_it_hangs_on_the_seed_alone(store: Store) -> None:
    assert store.sample(20).ids == store.sample(20).ids != store.sample(20, random_state=1).ids


def test_without_payload(store: Store) -> None:
    batch = store.sample(20, payload=False)
    assert batch.ids == store.sample(20).ids and batch.payload == [None] * 20 and batch.text is None


def test_an_empty_store(tmp_path: Path) -> None:
    with Store.create(tmp_path / "b.nf", dim=4, attributes={"year": "int"}) as empty:
        batch = empty.sample(5)
        assert len(batch) == 0 and batch.vectors.shape == (0, 4) and batch.attributes.num_rows == 0


@pytest.mark.parametrize("change", [{"count": 0}, {"count": 2.5}, {"random_state": -1}])
def test_what_does_not_fit_is_refused(store: Store, change: dict) -> None:
    with pytest.raises((ValueError, TypeError)):
        store.sample(**{"count": 5, **change})


def test_the_revision_follows_the_items(store: Store, tmp_path: Path) -> None:
    seen = [store.revision]
    for change in (
        lambda: store.add("x", np.ones(4, np.float32)),
        lambda: store.upsert("x", np.ones(4, np.float32)),
        lambda: store.delete("x"),
    ):
        change()
        seen.append(store.revision)
    assert len(set(seen)) == 4
    store.compact()
    assert store.revision == seen[-1]
    with Store.open(store.path, read_only=True) as reader:
        assert reader.revision == seen[-1]
    with Store.create(tmp_path / "c.nf", dim=4) as other:
        assert other.revision.split("-")[0] != seen[0].split("-")[0]
