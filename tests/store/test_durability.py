"""The n-th operation on disk fails, for every n: nothing acknowledged is missing, nothing deleted returns."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import files
from nearfield.store import Store
from nearfield.tune import Plan, Recipe, tune

Model = dict[int, tuple[bytes, Any, Any]]
GRAPH = Recipe("graph", bits=8, rescore=8, degree=8)


@pytest.fixture
def plan(vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """``optimize`` without the measuring: the same graph every time, so that every run makes the same calls."""
    measured = tune(vectors[:100], recall=0.5)
    fixed = Plan.from_dict({**measured.to_dict(), "recipe": GRAPH.to_dict()})
    monkeypatch.setattr("nearfield.tune.tune", lambda *_, **__: fixed)


class Workload:
    """Steps over one store, and a model of what is acknowledged."""

    def __init__(self, path: Path, vectors: np.ndarray):
        self.path = path
        self.vectors = vectors
        self.model: Model = {}
        self.store = Store.open(path)

    def write(self, name: str, ids: range, shift: int) -> None:
        rows = self.vectors[ids.start + shift : ids.stop + shift]
        getattr(self.store, name)(ids, rows, attributes={"year": list(ids)}, payload=[shift] * len(ids))
        self.model.update({i: (row.tobytes(), {"year": i}, shift) for i, row in zip(ids, rows, strict=True)})

    def delete(self, ids: range) -> None:
        self.store.delete(ids)
        for identifier in ids:
            self.model.pop(identifier, None)

    def steps(self) -> Iterator[Callable[[], Any]]:
        yield lambda: self.write("add", range(30), 0)
        yield lambda: self.store.seal()
        yield lambda: self.write("upsert", range(20, 40), 100)
        yield lambda: self.write("add", range(40, 90), 0)  # with what is pending more than the limit: a segment
        yield lambda: self.delete(range(5, 60, 5))
        yield lambda: self.store.compact()
        yield lambda: self.write("add", range(90, 100), 0)
        yield lambda: self.store.snapshot(self.path.with_name("copy.nf"))
        yield lambda: self.store.optimize()
        yield lambda: self.delete(range(90, 95))
        yield lambda: self.store.compact()


def run(path: Path, vectors: np.ndarray, hook: Callable[[str, Path], None], *, retry: bool) -> tuple[Model, bool]:
    """Do the steps until one fails (or, with ``retry``, that one twice); returns the acknowledged and if all went."""
    work = Workload(path, vectors)
    try:
        with files.fault_injection(hook):
            for step in work.steps():
                try:
                    step()
                except (OSError, KeyboardInterrupt):
                    if not retry:
                        return work.model, False
                    step()
        return work.model, True
    finally:
        work.store.close()


@pytest.mark.slow
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "injected"), KeyboardInterrupt()])
@pytest.mark.parametrize("retry", [False, True])
def test_every_nth_file_operation_fails(
    tmp_path: Path,
    vectors: np.ndarray,
    low_limits: None,
    plan: None,
    content: Callable[[Store], Model],
    error: BaseException,
    retry: bool,
) -> None:
    empty = tmp_path / "empty.nf"
    Store.create(empty, 8, attributes={"year": "int"}).close()
    calls: list[str] = []
    shutil.copytree(empty, tmp_path / "whole.nf")
    expected, finished = run(tmp_path / "whole.nf", vectors, lambda name, _: calls.append(name), retry=False)
    assert finished and len(calls) > 100
    shutil.rmtree(tmp_path / "copy.nf")

    # Of the operations every so many fails, from a first one that each combination has for itself; all of them with
    # NEARFIELD_FAULTS=all.
    step = 1 if os.environ.get("NEARFIELD_FAULTS") == "all" else 7 if retry else 5
    first = isinstance(error, KeyboardInterrupt) * 2 % step
    for number in range(first, len(calls), step):
        path = tmp_path / "a.nf"
        shutil.copytree(empty, path)
        count = iter(range(10_000))

        def fail(name: str, _: Path, count: Any = count, number: int = number) -> None:
            if next(count) == number:
                raise error

        model, done = run(path, vectors, fail, retry=retry)
        where = f"operation {number} ({calls[number]})"
        with Store.open(path) as store:
            found = content(store)
            assert found == model, where
            if done:
                assert found == expected, where
            report = store.verify(sample=20)
            assert report.ok, f"{where}: {report}"
            named = {name for segment in store.stats()["segments"] for name in segment["files"]}
            assert set(os.listdir(path / "segments")) == named, where
        if (tmp_path / "copy.nf").exists():
            with Store.open(tmp_path / "copy.nf") as copy:
                assert copy.verify(sample=5).ok, where
            shutil.rmtree(tmp_path / "copy.nf")
        shutil.rmtree(path)
        for left in tmp_path.glob(".copy.nf*"):  # a copy whose cleaning failed too
            shutil.rmtree(left)


@pytest.mark.parametrize("job", ["add", "upsert", "delete", "seal", "compact", "fit_judge"])
def test_a_full_catalogue_changes_nothing(
    make: Callable[..., Store], rng: np.random.Generator, content: Callable[[Store], Model], job: str
) -> None:
    """SQLite meets a full disk at every page it asks for: the call fails whole, and the store goes on."""
    vectors = rng.standard_normal((2000, 64), np.float32)
    store = make(dim=64)
    store.add(list(range(1000)), vectors[:1000], payload=["x" * 50] * 1000)
    store.seal()
    store.add(list(range(1000, 1100)), vectors[1000:1100])
    jobs = {
        "add": lambda: store.add(list(range(1100, 2000)), vectors[1100:], payload=["y" * 50] * 900),
        "upsert": lambda: store.upsert(list(range(900)), vectors[1100:]),
        "delete": lambda: store.delete(list(range(1100))),
        "seal": store.seal,
        "compact": store.compact,
        "fit_judge": store.fit_judge,
    }
    before, failures = content(store), 0
    store._catalogue.shrink()  # no free pages to hide in
    connection = store._catalogue._writer
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    for extra in (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96):
        connection.execute(f"PRAGMA max_page_count = {pages + extra}")
        try:
            jobs[job]()
            break
        except OSError as error:
            assert error.errno == errno.ENOSPC and "nothing was changed" in str(error)
            failures += 1
            assert content(store) == before
    else:
        pytest.fail("never had enough")
    connection.execute("PRAGMA max_page_count = 1073741823")
    if job in ("add", "upsert", "fit_judge"):  # the others free more than they need
        assert failures
    jobs[job]() if job in ("seal", "compact", "fit_judge") else store.upsert([5000], vectors[:1])
    store.close()
    with Store.open(store.path) as again:
        assert again.verify().ok
        named = {name for segment in again.stats()["segments"] for name in segment["files"]}
        assert set(os.listdir(again.path / "segments")) == named


def test_an_interrupt_right_after_the_commit_leaves_it_done(
    make: Callable[..., Store], vectors: np.ndarray, content: Callable[[Store], Model]
) -> None:
    class Interrupted:
        def __init__(self, connection: sqlite3.Connection):
            self._connection = connection

        def execute(self, statement: str, *arguments: Any) -> Any:
            result = self._connection.execute(statement, *arguments)
            if statement == "COMMIT":
                raise KeyboardInterrupt
            return result

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

    store = make()
    store.add([1], vectors[:1])
    assert store.search(vectors[1], 2).ids == [1, None]
    connection = store._catalogue._writer
    store._catalogue._writer = Interrupted(connection)
    with pytest.raises(KeyboardInterrupt):
        store.add([2], vectors[1:2])
    store._catalogue._writer = connection
    assert store.search(vectors[1], 2).ids == [2, 1]  # the same handle knows
    store.add([3], vectors[2:3])
    assert sorted(content(store)) == [1, 2, 3] and store.verify().ok


def test_a_commit_that_fails_is_undone(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Callable[[Store], Model]
) -> None:
    """The last moment before durability: everything is written, and COMMIT itself fails."""

    class Failing:
        def __init__(self, connection: sqlite3.Connection):
            self._connection = connection

        def execute(self, statement: str, *arguments: Any) -> Any:
            if statement == "COMMIT":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            return self._connection.execute(statement, *arguments)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._connection, name)

    store = make()
    store.add(list(range(50)), vectors[:50])
    before = content(store)
    connection = store._catalogue._writer
    for job in (
        lambda: store.add([100], vectors[100:101]),
        lambda: store.add(list(range(100, 200)), vectors[100:200]),  # a segment
        lambda: store.delete([1]),
        store.seal,
        store.compact,
    ):
        store._catalogue._writer = Failing(connection)
        with pytest.raises(OSError, match="nothing was changed"):
            job()
        store._catalogue._writer = connection
        assert content(store) == before and not connection.in_transaction
    store.compact()
    assert content(store) == before and store.verify().ok


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "injected"), KeyboardInterrupt()])
def test_a_store_is_created_whole_or_not_at_all(tmp_path: Path, error: BaseException) -> None:
    calls: list[str] = []
    with files.fault_injection(lambda name, _: calls.append(name)):
        Store.create(tmp_path / "whole.nf", 8).close()
    shutil.rmtree(tmp_path / "whole.nf")
    assert {"mkdir", "rename", "lock"} <= set(calls)
    for number in range(len(calls)):
        count = iter(range(1000))

        def fail(name: str, _: Path, count: Any = count, number: int = number) -> None:
            if next(count) == number:
                raise error

        with pytest.raises(type(error)), files.fault_injection(fail):
            Store.create(tmp_path / "a.nf", 8)
        if (tmp_path / "a.nf").exists():  # made, but opening it failed
            with Store.open(tmp_path / "a.nf") as store:
                assert len(store) == 0 and store.verify().ok
            shutil.rmtree(tmp_path / "a.nf")
        assert os.listdir(tmp_path) == [], calls[number]


def test_a_failed_open_gives_the_lock_back(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.seal()
    store.close()
    for operation in ("lock", "stat", "list"):

        def fail(name: str, _: Path, operation: str = operation) -> None:
            if name == operation:
                raise OSError(errno.EIO, "injected")

        with pytest.raises(OSError, match="injected"), files.fault_injection(fail):
            Store.open(store.path)
        with Store.open(store.path) as again:
            assert len(again) == 1
