"""Searching among items inside a lasso."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.serve.page.within import named_in, nearest_of
from nearfield.store import Store


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "a.nf", dim=3, text="text") as made:
        rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
        made.add(
            range(50), rows, payload=[{"text": f"item {number} wing" if number % 2 else "tail"} for number in range(50)]
        )
        yield made


def test_the_nearest_of_some_are_exact(store: Store) -> None:
    query = np.float32([1, 2, 3])
    some = [1, 4, 9, 16, 25, 36, 49]
    hits = nearest_of(store, store.get(some), query, 3)
    wanted = [hit.id for hit in store.search(query, k=50) if hit.id in some][:3]
    assert [hit["id"] for hit in hits] == wanted and hits[0]["payload"] == store.get(wanted[0]).payload
    assert len(nearest_of(store, store.get(some), query, 100)) == 7
    assert nearest_of(store, [], query, 3) == []


def test_words_among_some(store: Store) -> None:
    hits = named_in(store, {1, 2, 3, 5}, "wing", 2, 1000)
    assert len(hits) == 2 and {hit["id"] for hit in hits} <= {1, 3, 5}
