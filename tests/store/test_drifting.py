"""Drift of a batch against a store: calm where nothing changed, loud where it did, no item its own answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.store import Store
from nearfield.survey import drift


def rows(count: int, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((30, 12))
    return (centres[rng.integers(0, 30, count)] + shift + 0.4 * rng.standard_normal((count, 12))).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path):
    with Store.create(tmp_path / "s.nf", dim=12, metric="l2") as made:
        made.add(range(1200), rows(1200, 0))
        made.compact()
        made.add(range(1200, 1400), rows(200, 1))  # pending
        made.delete(range(100))
        yield made


def test_calm_and_loud(store: Store) -> None:
    calm, loud = store.drift(rows(300, 2)), store.drift(rows(300, 3, shift=1.5))
    assert not calm.shifted and calm["recall_loss"].parts["old"] == 1
    assert (calm.old_rows, calm.new_rows) == (1300, 300)
    assert loud.shifted and loud["relevance_change"].value < -0.5
    assert "measures" in loud.to_dict() and store.drift(rows(300, 2)).to_dict() == calm.to_dict()


def test_an_item_is_not_its_own_answer(store: Store) -> None:
    # Items asked for lie as far from the others as new rows of the same kind do: nothing is answered at distance 0.
    assert store.drift(rows(400, 4))["relevance_change"].parts["old"] == pytest.approx(0.95, abs=0.04)


def test_a_judge_is_asked_where_there_is_one(store: Store) -> None:
    assert store.drift(rows(200, 2))["relevance_change"].parts["judged"] == 0
    store.fit_judge()
    there, gone = store.drift(rows(200, 2)), store.drift(rows(200, 3, shift=1.5))
    assert there["relevance_change"].parts["judged"] == 1
    assert there["relevance_change"].value > -0.2 > gone["relevance_change"].value


def test_a_store_and_its_rows_say_the_same(store: Store) -> None:
    kept = np.concatenate([batch.vectors for batch in store.iterate()])
    by_store, by_rows = store.drift(rows(300, 3, shift=0.3)), drift(kept, rows(300, 3, shift=0.3), metric="l2")
    one, other = by_store["distribution_shift"], by_rows["distribution_shift"]
    assert one.value == pytest.approx(other.value, abs=0.02) and one.parts["shifted"] == other.parts["shifted"]
    assert abs(by_store["relevance_change"].value - by_rows["relevance_change"].value) < 0.15


def test_bad_batches_and_small_stores(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vectors: expected 12 dimensions"):
        store.drift(np.ones((20, 3), np.float32))
    with pytest.raises(ValueError, match="at least 1 row"):
        store.drift(np.ones((0, 12), np.float32))
    assert not store.drift(rows(3, 0))["distribution_shift"].known
    with Store.create(tmp_path / "small.nf", dim=12) as small:
        small.add(range(10), rows(10, 0))
        with pytest.raises(ValueError, match="at least 50 items"):
            small.drift(rows(100, 0))
