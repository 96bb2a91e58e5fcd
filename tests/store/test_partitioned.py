"""Partitions learnt from past queries: they lose nothing, they can be lost, and new conditions are answered as well."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import files
from nearfield.common.errors import FilterError
from nearfield.store import Store, many, partitioned

LOG = [f"kind = {i % 7}" for i in range(60)] + ["size < 0.2 and kind in (1, 2)"] * 20 + [None] * 5


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, low_limits: None) -> None:
    """Partitions from a few rows on, and asked whenever there is one."""
    for name, value in {"MIN_ROWS": 300, "LEAF_ROWS": 40, "LEAST_BUDGET": 60, "TRIED": 40, "GROWN_FOR": 40}.items():
        monkeypatch.setattr(partitioned, name, value)
    monkeypatch.setattr(many, "scanned_alone", lambda part, allowed: part.partition is None)
    monkeypatch.setattr(many, "_costs", lambda *_: {"partition": 0.0})


def fill(store: Store, rng: np.random.Generator, n: int = 1200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    kind, size = rng.integers(0, 7, n), rng.random(n)
    vectors = (rng.standard_normal((7, 8))[kind] + rng.standard_normal((n, 8))).astype(np.float32)
    store.add(list(range(n)), vectors, attributes={"kind": kind, "size": size})
    return vectors, kind, size


def made(make: Callable[..., Store], rng: np.random.Generator, **options) -> tuple[Store, np.ndarray, np.ndarray]:
    store = make(attributes={"kind": "int", "size": "float"}, **options)
    vectors, kind, _ = fill(store, rng)
    store.optimize(recall=0.9, workload=LOG)
    return store, vectors, kind


def partition_file(store: Store) -> Path:
    return next(Path(store.path, "segments").glob("*.partition.*.nfa"))


def recall(store: Store, queries: np.ndarray, where: str | None) -> float:
    found = store.search_many(queries, 5, where=where).ids
    truth = store.search(queries, 5, where=where, beam=10_000).ids
    return float(np.mean([len(set(a) & set(b)) / 5 for a, b in zip(found, truth, strict=True)]))


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_a_partition_answers_what_was_and_what_was_not_asked_before(
    make: Callable[..., Store], rng: np.random.Generator, small: None, metric: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, vectors, kind = made(make, rng, metric=metric)
    stats = store.stats()["segments"][0]["partition"]
    assert stats["leaves"] >= 5 and stats["lists"] >= stats["leaves"]
    asked = []
    search = partitioned.Partitioned.search
    monkeypatch.setattr(partitioned.Partitioned, "search", lambda *a: asked.append(1) or search(*a))
    queries = vectors[::20] + np.float32(0.1)
    for where in ("kind = 3", "size < 0.2 and kind in (1, 2)", "size > 0.7", "kind != 4 and size < 0.9", None):
        assert recall(store, queries, where) > 0.85
    assert asked
    store.delete(np.flatnonzero(kind == 3)[10:].tolist())
    assert store.search_many(queries[:4], 12, where="kind = 3").status == ["only 10 items pass the filter"] * 4


def test_vectors_of_past_queries_cut_as_well(make: Callable[..., Store], rng: np.random.Generator, small: None) -> None:
    store = make(attributes={"kind": "int", "size": "float"})
    fill(store, rng)
    asked = np.repeat(rng.standard_normal((4, 8), np.float32), 30, axis=0)
    store.optimize(recall=0.9, workload=[(vector, "size < 0.5") for vector in asked])
    description = store._viewer.current().segments[0].description["partition"]
    assert "near a past query" in description["cuts"] and description["leaves"] > 2
    assert recall(store, asked[::30], "size < 0.5") == 1


def test_leaves_of_a_long_segment_are_learnt_from_a_sample(
    make: Callable[..., Store], rng: np.random.Generator, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitioned, "SAMPLE", 500)
    store, vectors, _ = made(make, rng)
    assert store.stats()["segments"][0]["partition"]["leaves"] >= 5
    for where in ("kind = 3", "size > 0.7", None):
        assert recall(store, vectors[::20], where) > 0.85


def test_a_store_without_attributes_has_one_too(
    make: Callable[..., Store], rng: np.random.Generator, small: None
) -> None:
    store = make()
    vectors = rng.standard_normal((900, 8), np.float32)
    store.add(list(range(900)), vectors)
    store.optimize(recall=0.9, workload=[(vector, None) for vector in vectors[:40]])
    assert store.stats()["segments"][0]["partition"]["leaves"] >= 1 and recall(store, vectors[:20], None) > 0.85


def test_it_comes_back_with_the_store_and_is_learnt_again_by_compact(
    make: Callable[..., Store], rng: np.random.Generator, small: None
) -> None:
    store, vectors, _ = made(make, rng)
    path = store.path
    store.close()
    with Store.open(path) as store:
        assert store.verify().ok and store.stats()["segments"][0]["partition"]["leaves"] >= 5
        store.add([5000], vectors[:1], attributes={"kind": [3], "size": [0.5]})
        assert 5000 in store.search_many(vectors[:1], 2, where="kind = 3").ids[0]
        before = partition_file(store).name
        store.compact()
        assert store.stats()["segments"][0]["partition"]["leaves"] >= 5 and partition_file(store).name != before
        assert store.verify().ok
        present = {file.name for file in Path(path, "segments").iterdir()}
        assert present == set(store.stats()["segments"][0]["files"])
    with Store.open(path, read_only=True) as reader:
        assert recall(reader, vectors[:20], "kind = 2") > 0.85


@pytest.mark.parametrize("damage", ["missing", "altered", "cut"])
def test_a_damaged_one_is_passed_over_named_and_learnt_again(
    make: Callable[..., Store], rng: np.random.Generator, small: None, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store, vectors, _ = made(make, rng)
    path, file = store.path, partition_file(store)
    store.close()
    if damage == "missing":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content if damage == "altered" else content[:-100])
    with Store.open(path) as store:
        assert recall(store, vectors[:20], "kind = 2") > 0.85
        assert "partition" in caplog.text and "without it" in caplog.text
        report = store.verify()
        assert len(report.problems) == 1 and "batches are answered without it" in report.problems[0]
        store.verify(repair=True)
        assert store.verify().ok and partition_file(store).name.split(".")[2] == "2"
        assert store._viewer.current().segments[0].partition is not None


def test_a_copy_does_without_a_lost_one(make: Callable[..., Store], rng: np.random.Generator, small: None) -> None:
    store, vectors, _ = made(make, rng)
    whole, lacking = store.path.with_name("whole.nf"), store.path.with_name("lacking.nf")
    store.snapshot(whole)
    partition_file(store).unlink()
    store.snapshot(lacking)
    for path, there in ((whole, True), (lacking, False)):
        with Store.open(path) as copy:
            assert (copy._viewer.current().segments[0].partition is not None) == there
            assert recall(copy, vectors[:10], "kind = 1") > 0.85


def test_too_few_rows_have_none(make: Callable[..., Store], rng: np.random.Generator) -> None:
    store, vectors, _ = made(make, rng)
    assert store.stats()["segments"][0]["partition"] is None
    assert recall(store, vectors[:10], "kind = 1") == 1


def test_a_log_that_does_not_fit_changes_nothing(make: Callable[..., Store], rng: np.random.Generator) -> None:
    store = make(attributes={"kind": "int", "size": "float"})
    fill(store, rng, 200)
    with pytest.raises(FilterError, match="unknown column 'kinds'"):
        store.optimize(workload=["kinds = 1"])
    assert store.plan is None and store.stats()["pending"] == 200


def test_equal_rows(make: Callable[..., Store], small: None) -> None:
    store = make(attributes={"kind": "int", "size": "float"})
    store.add(list(range(600)), np.ones((600, 8), np.float32), attributes={"kind": [0] * 600, "size": [None] * 600})
    store.compact()
    store.optimize(recall=0.9, workload=["kind = 0", "size > 0.5"])
    hits = store.search_many(np.ones((3, 8), np.float32), 5, where=["kind = 0", "size > 0.5", None])
    assert None not in hits.ids[0] and hits.ids[1] == [None] * 5 and np.allclose(hits.distances[[0, 2]], 0, atol=1e-6)


def test_an_interrupted_build_leaves_nothing(
    make: Callable[..., Store], rng: np.random.Generator, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make(attributes={"kind": "int", "size": "float"})
    fill(store, rng)
    store.optimize(recall=0.9)
    monkeypatch.setattr(partitioned, "_measure", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        store.optimize(recall=0.9, workload=LOG)
    assert not list(Path(store.path, "segments").glob("*.partition.*")) and store.verify().ok


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "injected"), KeyboardInterrupt()])
def test_every_nth_file_operation_fails_while_one_is_made(
    tmp_path: Path,
    make: Callable[..., Store],
    rng: np.random.Generator,
    small: None,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    """A partition is there, whole, or not there, and nothing else lies about; a second attempt makes it."""
    store = make("whole.nf", attributes={"kind": "int", "size": "float"})
    vectors, _, _ = fill(store, rng, 400)
    plan = store.optimize(recall=0.9)
    monkeypatch.setattr("nearfield.tune.tune", lambda *_, **__: plan)
    store.close()
    number = done = 0
    while not done:
        path = tmp_path / "a.nf"
        shutil.copytree(tmp_path / "whole.nf", path)
        count = iter(range(1000))

        def fail(name: str, _: Path, count: Any = count, number: int = number) -> None:
            if next(count) == number:
                raise error

        with Store.open(path) as store:
            try:
                with files.fault_injection(fail):
                    store.optimize(recall=0.9, workload=LOG)
                done = next(count) <= number
            except (OSError, KeyboardInterrupt):
                pass
            assert recall(store, vectors[:5], "kind = 2") > 0.8
        with Store.open(path) as store:
            assert store.verify(sample=20).ok
            named = {name for segment in store.stats()["segments"] for name in segment["files"]}
            assert {file.name for file in Path(path, "segments").iterdir()} == named
            store.optimize(recall=0.9, workload=LOG)
            assert store.stats()["segments"][0]["partition"]["leaves"] > 1
        shutil.rmtree(path)
        number += 1
    assert number > 5


def test_batches_while_another_thread_writes_and_compacts(
    make: Callable[..., Store], rng: np.random.Generator, small: None
) -> None:
    store, vectors, kind = made(make, rng)
    own = np.flatnonzero(kind == 2)
    failed: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                hits = store.search_many(vectors[own[:8]], 3, where=["kind = 2", None] * 4)
                assert all(None not in ids for ids in hits.ids)
                assert all(hits.ids[place][0] == own[place] for place in range(8))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(3):
        ids = [10_000 + 10 * turn + i for i in range(10)]
        store.add(ids, vectors[:10] + np.float32(3), attributes={"kind": [2] * 10, "size": [0.5] * 10})
        store.delete(ids[:5])
        store.compact()
    stop.set()
    for thread in threads:
        thread.join()
    assert not failed and store.verify().ok
