"""Sizes said beforehand, and jobs refused that need more than they may take."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.store import Estimate, Store, estimate, maintenance
from nearfield.store import sizing as module
from nearfield.tune import Recipe

RECIPES = [
    None,
    Recipe("flat", bits=8),
    Recipe("ivf", bits=8, rescore="vectors"),
    Recipe("graph", bits=8),
    Recipe("graph", bits=4, rescore=8, degree=24),
    Recipe("graph", bits=4, rescore="residual"),
    Recipe("graph", bits=8, rescore="vectors", pca=32),
    Recipe("graph", bits=8, layout="fast", alpha=1.1),
]


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_disk_and_resident_memory(
    make: Callable[..., Store], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, recipe: Any, metric: str
) -> None:
    monkeypatch.setattr(maintenance, "choose_recipe", lambda *_: recipe)
    rows = rng.standard_normal((6000, 96), np.float32) * np.float32(0.96) ** np.arange(96, dtype=np.float32)
    store = make(dim=96, metric=metric)
    store.add(list(range(6000)), rows)
    store.compact()
    said = estimate(6000, 96, recipe, metric=metric, sample=rows)
    assert isinstance(said, Estimate) and said.disk == sum(said.parts.values())
    memory = store.stats()["memory"]
    assert said.resident == pytest.approx(memory.get("total", 0), rel=0.05, abs=4096)
    assert said.peak >= said.resident
    store.close()
    sizes = {path.name: path.stat().st_size for path in store.path.rglob("*") if path.is_file()}
    assert said.disk == pytest.approx(sum(sizes.values()), rel=0.05)
    assert said.parts["vectors"] == sizes["000001.vectors.nfa"], "to the byte"


def test_ids_attributes_and_payloads(make: Callable[..., Store], rng: np.random.Generator) -> None:
    rows = rng.standard_normal((5000, 16), np.float32)
    schema = {"year": "int", "topic": "string", "seen": "bool", "at": "timestamp", "share": "float"}
    store = make(dim=16, dtype="float16", attributes=schema)
    ids = [f"document-{n:06d}" for n in rng.permutation(5000)]
    attributes = [
        {"year": n, "topic": "t" * 20, "seen": n % 2 == 0, "at": "2024-05-01", "share": n / 2} for n in range(5000)
    ]
    store.add(ids, rows, attributes=attributes, payload=[{"text": "x" * 489} for _ in ids])
    store.compact()
    store.close()
    found = sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file())
    said = estimate(5000, 16, dtype="float16", id_bytes=15, attributes=schema, string_bytes=20, payload_bytes=500)
    assert said.disk == pytest.approx(found, rel=0.05)
    assert said.resident == 0 and str(said).endswith("on disk")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n": 0}, "n: expected"),
        ({"dim": 0}, "dim: expected"),
        ({"metric": "cos"}, "metric: expected"),
        ({"dtype": "int8"}, "dtype: expected"),
        ({"id_bytes": 0}, "id_bytes: expected"),
        ({"string_bytes": -1}, "string_bytes: expected"),
        ({"payload_bytes": float("nan")}, "payload_bytes: expected"),
        ({"attributes": {"a": "number"}}, "attributes: column 'a'"),
    ],
)
def test_what_is_no_size_is_refused(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises((TypeError, ValueError), match=text):
        estimate(**({"n": 10, "dim": 4} | arguments))


def test_without_a_sample_the_fast_layout_is_the_most_it_can_be(rng: np.random.Generator) -> None:
    recipe = Recipe("graph", layout="fast")
    most = estimate(100_000, 384, recipe)
    assert most.resident > estimate(100_000, 384, Recipe("graph", layout="fast", link_dims=176)).resident
    rows = rng.standard_normal((3000, 64), np.float32) * np.float32(0.9) ** np.arange(64, dtype=np.float32)
    assert estimate(100_000, 64, recipe, sample=rows).resident < estimate(100_000, 64, recipe).resident


# -- the limit ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pending(make: Callable[..., Store], rng: np.random.Generator, low_limits: None, monkeypatch: Any) -> Store:
    """3,000 rows to be indexed, which takes some megabytes."""
    monkeypatch.setattr("nearfield.store.writing.PENDING_ROWS", 10_000)
    store = make(dim=64, attributes={"year": "int"})
    store.add([f"id {n}" for n in range(3000)], rng.standard_normal((3000, 64), np.float32))
    store.close()
    return store


@pytest.mark.parametrize("job", ["seal", "compact", "optimize"])
def test_what_needs_more_is_refused_with_both_figures_and_changes_nothing(
    pending: Store, content: Any, job: str
) -> None:
    with Store.open(pending.path, memory="100kB") as store:
        before, stats = content(store), store.stats()
        with pytest.raises(MemoryError, match=r"3,000 x 64 items needs about [\d,]+ bytes .* memory allows 100,000;"):
            getattr(store, job)()
        assert content(store) == before and store.stats() == stats and os.listdir(store.path / "segments") == []
        store.add(["more"], np.ones((1, 64), np.float32))
        assert store.search(np.ones(64, np.float32), 1).ids == ["more"]
    with Store.open(pending.path, memory="1GB") as store:
        assert getattr(store, job)() and store.stats()["pending"] == 0


def test_the_bound_itself_is_allowed(pending: Store) -> None:
    with Store.open(pending.path, memory=1) as store:
        with pytest.raises(MemoryError) as refusal:
            store.compact()
        needed = int(str(refusal.value).split(" bytes")[0].split()[-1].replace(",", ""))
    with Store.open(pending.path, memory=needed - 1) as store, pytest.raises(MemoryError):
        store.compact()
    with Store.open(pending.path, memory=needed) as store:
        assert store.compact()


def test_a_rebuild_beyond_the_limit_is_refused_and_searches_scan(pending: Store, caplog: Any) -> None:
    with Store.open(pending.path) as store:
        store.compact()
        vector = store.get("id 7").vector
    next((pending.path / "segments").glob("*.index.*")).unlink()
    with Store.open(pending.path, memory=1000) as store:
        assert store.search(vector, 1).ids == ["id 7"]
        assert "cannot be rebuilt now" in caplog.text
        with pytest.raises(MemoryError, match="building the index of 3,000 x 64 items"):
            store.verify(repair=True)
    with Store.open(pending.path) as store:
        assert store.verify(repair=True).repairs and store.verify().ok


def test_without_a_limit_the_system_has_to_have_it(pending: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(pending.path) as store:
        monkeypatch.setattr(module, "available_bytes", lambda: 100_000)
        with pytest.raises(MemoryError, match="the system has available 100,000"):
            store.compact()
        monkeypatch.setattr(module, "available_bytes", lambda: None)
        assert store.compact()


def test_of_the_fast_layout_the_limit_is_held_against_what_it_will_be(
    make: Callable[..., Store], rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe("graph", layout="fast", alpha=1.1)
    monkeypatch.setattr(maintenance, "choose_recipe", lambda *_: recipe)
    rows = rng.standard_normal((4000, 96), np.float32) * np.float32(0.93) ** np.arange(96, dtype=np.float32)
    store = make(dim=96)
    store.add(list(range(4000)), rows)
    most, said = estimate(4000, 96, recipe).peak, estimate(4000, 96, recipe, sample=rows).peak
    assert said < 0.9 * most
    store.close()
    with Store.open(store.path, memory=(most + said) // 2) as store:
        assert store.compact()
        store.delete(list(range(100)))
        assert store.compact(), "by the index that is there"


@pytest.mark.parametrize("wrong", ["much", 0, -5, 1.5])
def test_what_is_no_limit_is_refused(make: Callable[..., Store], tmp_path: Any, wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="memory: expected"):
        make("wrong.nf", memory=wrong)
    assert not (tmp_path / "wrong.nf").exists()
    store = make()
    store.close()
    with pytest.raises((TypeError, ValueError), match="memory: expected"):
        Store.open(store.path, memory=wrong)
    json.dumps(Store.open(store.path, read_only=True, memory="1GB").stats())
