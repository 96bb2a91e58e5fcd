"""What compacting gives back is said beforehand, and is what it gives back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.store import Reclaimable, Store
from nearfield.tune import Recipe


def size(store: Store) -> int:
    return sum(path.stat().st_size for path in files_of(store.path))


def files_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.name not in ("writer.lock",)]


def told(store: Store) -> Reclaimable:
    """Compact, and see that what was said is what happened, within 5% or two pages."""
    found = store.reclaimable()
    shm = sum(path.stat().st_size for path in store.path.glob("*-shm"))
    assert found.before == size(store) - shm == store.stats()["bytes_total"]
    store.compact()
    gave = found.before - (size(store) - shm)
    assert abs(found.gives_back - gave) <= max(0.05 * abs(gave), 2 * 8192), (found, gave)
    assert store.stats()["bytes_total"] == found.before - gave
    after = store.reclaimable()
    assert after.gives_back == 0 and after.after == after.before and not after.disk
    return found


@pytest.fixture
def rows(rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((6000, 64), np.float32)


def fill(store: Store, rows: np.ndarray, *, names: bool = False, payload: int = 0) -> list[Any]:
    ids: list[Any] = [f"item {n} {'x' * (n % 7)}" for n in range(len(rows))] if names else list(range(len(rows)))
    for start in range(0, len(rows), 1000):
        some = slice(start, start + 1000)
        attributes = {"year": list(range(start, start + 1000)), "topic": ["ab" * (n % 5) for n in range(1000)]}
        store.add(
            ids[some],
            rows[some],
            attributes=attributes if store.attributes else None,
            payload=[{"text": "y" * payload} for _ in ids[some]] if payload else None,
        )
    return ids


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("names", [False, True], ids=["int", "str"])
def test_deleted_rows(
    make: Callable[..., Store], rows: np.ndarray, low_limits: None, share: float, names: bool
) -> None:
    store = make(dim=64, attributes={"year": "int", "topic": "string"} if names else None)
    ids = fill(store, rows, names=names)
    store.compact()
    store.delete(ids[: round(share * len(ids))])
    found = told(store)
    assert found.gives_back > 0.8 * share * rows.nbytes and "gives back" in str(found)
    if share < 1:
        assert found.seconds is not None and found.seconds > 0 and found.memory > 0
        assert found.disk >= sum(path.stat().st_size for path in (store.path / "segments").iterdir())


def test_many_segments_and_pending_rows(
    make: Callable[..., Store], rows: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nearfield.store.writing.PENDING_ROWS", 1500)
    store = make(dim=64)
    fill(store, rows)
    store.add(list(range(6000, 6400)), rows[:400])
    assert len(store.stats()["segments"]) > 2 and store.stats()["pending"]
    found = told(store)
    assert found.seconds == 0  # nothing is built


def test_everything_pending_and_the_log(make: Callable[..., Store], rows: np.ndarray) -> None:
    store = make(dim=64)
    fill(store, rows)
    assert (store.path / "catalogue.sqlite-wal").stat().st_size > 1e6
    told(store)
    assert (store.path / "catalogue.sqlite-wal").stat().st_size == 0


def test_replaced_rows_and_payload_that_went(make: Callable[..., Store], rows: np.ndarray, low_limits: None) -> None:
    store = make(dim=64)
    ids = fill(store, rows, payload=3000)
    store.compact()
    before = store.stats()["bytes_total"]
    for start in range(0, 3000, 1000):
        store.upsert(ids[start : start + 1000], rows[start + 3000 : start + 4000])
    found = told(store)
    assert found.gives_back > 3000 * 3000 and store.stats()["bytes_total"] < before - 2000 * 3000


def test_a_judge_fitted_again_leaves_pages_that_are_given_back(make: Callable[..., Store], rows: np.ndarray) -> None:
    store = make(dim=64)
    fill(store, rows)
    store.fit_judge(sample=50, background=50)
    store.compact()
    connection = sqlite3.connect(store.path / "catalogue.sqlite")
    connection.close()
    told(store)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("flat", bits=32),
        Recipe("flat", bits=8),
        Recipe("ivf", bits=4, rescore="vectors"),
        Recipe("graph", bits=8),
        Recipe("graph", bits=4, rescore="residual"),
        Recipe("graph", bits=8, rescore=8, pca=16),
        Recipe("graph", bits=8, layout="fast", alpha=1.1),
    ],
    ids=str,
)
def test_every_index(make: Callable[..., Store], rows: np.ndarray, recipe: Recipe) -> None:
    store = make(dim=64)
    fill(store, rows)
    plan = store.optimize(recall=0.5, k=1).to_dict() | {"recipe": recipe.to_dict()}
    store.delete(list(range(0, 6000, 3)))
    with store._catalogue.writing() as connection:
        from nearfield.store.tables import set_meta

        set_meta(connection, "plan", plan)
    told(store)
    store.delete(list(range(1, 6000, 3)))
    told(store)


def test_what_snapshots_share_is_said(make: Callable[..., Store], rows: np.ndarray, tmp_path: Path) -> None:
    store = make(dim=64)
    fill(store, rows)
    store.compact()
    store.snapshot(tmp_path / "copy.nf")
    store.delete(list(range(3000)))
    found = told(store)
    assert found.shared > rows.nbytes and "shared with snapshots" in str(found)


def test_empty_and_tiny_stores_and_readers(make: Callable[..., Store], rows: np.ndarray) -> None:
    store = make(dim=64)
    assert store.reclaimable().gives_back >= 0 and store.compact() is False
    store.add([1], rows[:1])
    with Store.open(store.path, read_only=True) as reader:
        assert reader.reclaimable() == store.reclaimable()
    told(store)


def test_a_reader_in_the_middle_keeps_the_log_and_nothing_waits(make: Callable[..., Store], rows: np.ndarray) -> None:
    store = make(dim=64)
    fill(store, rows)
    with Store.open(store.path, read_only=True) as reader, reader._catalogue.reading() as connection:
        connection.execute("SELECT COUNT(*) FROM items").fetchone()
        assert store.compact()
        assert len(reader) == len(store) == 6000
    store.compact()
    assert (store.path / "catalogue.sqlite-wal").stat().st_size == 0


def test_it_reads_well() -> None:
    text = str(Reclaimable(before=100, after=300, disk=200, memory=50, shared=0, seconds=None))
    assert text == "takes 200 B of 100 B; meanwhile needs 200 B of disk and 50 B of memory"
