"""Any sequence of operations, here and in other processes, against a dict.

``NEARFIELD_STATES=EXAMPLES`` in the environment runs that many, longer ones, seeded by the clock.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nearfield.decide.judge import MIN_ITEMS
from nearfield.metric import get_metric
from nearfield.store import Store, maintenance, writing
from nearfield.tune import Plan, Recipe, tune

IDS = st.lists(st.integers(0, 90), min_size=1, max_size=30, unique=True)
DIM = 4
RECIPES = (
    Recipe("graph", bits=8, rescore="vectors", degree=6),
    Recipe("graph", bits=4, rescore="residual", degree=6),
    Recipe("graph", bits=8, layout="fast", alpha=1.1, degree=6, rescore="vectors"),
    Recipe("flat", bits=4, rescore=8),
    Recipe("flat", bits=32),
    Recipe("ivf", bits=8, lists=4, probes=4),
)
FILTERS = {
    "year > {}": lambda year, mark: year > mark,
    "year <= {} and not year = 3": lambda year, mark: year <= mark and year != 3,
    "year between 2 and {} or year in (7, 9)": lambda year, mark: 2 <= year <= mark or year in (7, 9),
    "not year < {}": lambda year, mark: year >= mark,
}
EXAMPLES = int(os.environ.get("NEARFIELD_STATES", "0"))

WORKER = Path(__file__).with_name("worker.py")
_spec = importlib.util.spec_from_file_location("nearfield_store_worker", WORKER)
shared: ModuleType = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(shared)


@functools.cache
def measured() -> Plan:
    return tune(np.random.default_rng(0).standard_normal((100, DIM), np.float32), recall=0.5)


class Helper:
    """Another process that forks a fresh one for every request: the imports are paid once."""

    process: ClassVar[subprocess.Popen[str] | None] = None

    @classmethod
    def ask(cls, **request: Any) -> Any:
        if cls.process is None or cls.process.poll() is not None:
            command = [sys.executable, str(WORKER), "serve"]
            cls.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        print(json.dumps(request), file=cls.process.stdin, flush=True)
        answer = json.loads(cls.process.stdout.readline())
        assert "error" not in answer, answer
        return answer["done"]

    @classmethod
    def stop(cls) -> None:
        if cls.process is not None:
            cls.process.stdin.close()
            cls.process.wait()
            cls.process.stdout.close()
            cls.process = None


@pytest.fixture(autouse=True, scope="module")
def helper() -> Iterator[None]:
    yield
    Helper.stop()


class StoreMachine(RuleBasedStateMachine):
    """A store under low limits, and a model: id -> (vector, year, payload)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(writing, "PENDING_ROWS", 45)
        self.patch.setattr(writing, "REPLACED_ROWS", 15)
        self.patch.setattr(maintenance, "MIN_INDEXED", 15)
        self.patch.setattr(maintenance, "SCANNED_ROWS", 15)
        shm = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None)
        self.path = Path(self.folder.name) / "a.nf"
        self.model: dict[Any, tuple[bytes, Any, Any]] = {}
        self.copies = 0
        self.stamp = 0
        self.judged = False
        self.begun: tuple[Any, list[Any], list[Any]] | None = None

    @initialize(metric=st.sampled_from(["cosine", "ip", "l2"]), text=st.booleans())
    def create(self, metric: str, text: bool) -> None:
        self.text = text
        self.metric = metric
        self.store = Store.create(self.path, DIM, metric=metric, attributes={"year": "int"}, text="said")
        self.reader = Store.open(self.path, read_only=True)

    def named(self, ids: list[int]) -> list[Any]:
        return [f"id{i}" for i in ids] if self.text else ids

    def rows(self, ids: list[Any]) -> dict[str, Any]:
        self.stamp += 1
        found = shared.drawn_rows(self.stamp, len(ids), DIM)
        years, payload = found["attributes"]["year"], found["payload"]
        self.fresh = {i: (v.tobytes(), y, p) for i, v, y, p in zip(ids, found["vectors"], years, payload, strict=True)}
        return found

    # -- writing ------------------------------------------------------------------------------------------------------

    @rule(ids=IDS)
    def add(self, ids: list[int]) -> None:
        ids = self.named(ids)
        rows = self.rows(ids)
        taken = [i for i in ids if i in self.model]
        if taken:
            with pytest.raises(ValueError, match="in the store already"):
                self.store.add(ids, **rows)
            return
        assert self.store.add(ids, **rows) == len(ids)
        self.model.update(self.fresh)

    @rule(ids=IDS)
    def upsert(self, ids: list[int]) -> None:
        ids = self.named(ids)
        assert self.store.upsert(ids, **self.rows(ids)) == len(ids)
        self.model = {i: row for i, row in self.model.items() if i not in self.fresh} | self.fresh

    @precondition(lambda self: self.model)
    @rule(ids=IDS)
    def delete(self, ids: list[int]) -> None:
        ids = self.named(ids)
        assert self.store.delete(ids) == sum(i in self.model for i in ids)
        for i in ids:
            self.model.pop(i, None)

    @rule()
    def delete_all(self) -> None:
        if self.stamp % 4 == 0:
            self.store.delete(list(self.model))
            self.model = {}

    @rule()
    def seal(self) -> None:
        self.store.seal()

    @rule()
    def compact(self) -> None:
        self.store.compact()
        assert len(self.store.stats()["segments"]) <= 1

    @rule(recipe=st.sampled_from(RECIPES))
    def optimize(self, recipe: Recipe) -> None:
        """With the measuring left out."""
        if not self.model:
            with pytest.raises(ValueError, match="the store is empty"):
                self.store.optimize()
            return
        fixed = Plan.from_dict({**measured().to_dict(), "recipe": recipe.to_dict()})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nearfield.tune.tune", lambda *_, **__: fixed)
            assert self.store.optimize() == fixed
        assert self.store.plan == self.reader.plan == fixed

    @rule()
    def fit_judge(self) -> None:
        if len(self.model) < MIN_ITEMS:
            with pytest.raises(ValueError, match="at least"):
                self.store.fit_judge(sample=30, background=30)
            return
        self.store.fit_judge(sample=30, background=30)
        self.judged = True

    # -- other processes ----------------------------------------------------------------------------------------------

    @rule(step=st.sampled_from(["seal", "compact", "upsert", "delete", "nothing"]), ids=IDS, killed=st.booleans())
    def restart(self, step: str, ids: list[int], killed: bool) -> None:
        """The store is closed, a fresh process writes to it and ends, closing it or not, and it is opened again."""
        ids = self.named(ids)
        self.store.close()
        if step == "upsert":
            self.rows(ids)
        Helper.ask(do="write", path=str(self.path), step=step, ids=ids, stamp=self.stamp, killed=killed)
        if step == "upsert":
            self.model = {i: row for i, row in self.model.items() if i not in self.fresh} | self.fresh
        if step == "delete":
            self.model = {i: row for i, row in self.model.items() if i not in ids}
        self.store = Store.open(self.path)

    @rule()
    def a_reader_elsewhere(self) -> None:
        found = Helper.ask(do="read", path=str(self.path))
        wanted = [[i, vector.hex(), year, payload] for i, (vector, year, payload) in self.model.items()]
        assert found == wanted

    @rule()
    def fork(self) -> None:
        """The child is told, and whatever it does leaves the store as it was."""
        child = os.fork()
        if child == 0:
            status = 1
            try:
                refused = 0
                for call in (
                    lambda: self.store.search(np.ones(DIM, np.float32)),
                    lambda: self.store.delete(list(self.model) or [0]),
                    lambda: self.reader.get([0]),
                    lambda: Store.open(self.path),
                    lambda: Store.open(self.path, read_only=True),
                ):
                    try:
                        call()
                    except RuntimeError as error:
                        refused += "fork" in str(error)
                self.store.close()
                self.reader.close()
                status = 0 if refused == 5 else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.path)

    @rule()
    def reopen_reader(self) -> None:
        self.finish_iteration()
        self.reader.close()
        self.reader = Store.open(self.path, read_only=True)

    # -- reading ------------------------------------------------------------------------------------------------------

    @rule()
    def snapshot(self) -> None:
        self.copies += 1
        path = self.path.with_name(f"copy{self.copies}.nf")
        self.reader.snapshot(path)
        with Store.open(path) as copy:
            assert self.content(copy) == self.model

    @rule(
        seed=st.integers(0, 100),
        k=st.integers(1, 12),
        where=st.sampled_from([None, None, *FILTERS]),
        writer=st.booleans(),
        beam=st.sampled_from([None, 3, 50]),
    )
    def search(self, seed: int, k: int, where: str | None, writer: bool, beam: int | None) -> None:
        query = np.random.default_rng(seed).standard_normal(DIM, np.float32)
        mark = self.stamp // 2
        alive = list(self.model)
        if where is not None:
            alive = [i for i, row in self.model.items() if row[1] is not None and FILTERS[where](row[1], mark)]
        hits = (self.store if writer else self.reader).search(
            query, k, where=where and where.format(mark), attributes=True, payload=True, beam=beam
        )
        assert len(hits) == min(k, len(alive)) and (hits.status == "ok") == (len(hits) == k)
        if alive:
            vectors = np.stack([np.frombuffer(self.model[i][0], np.float32) for i in alive])
            truth = np.sort(get_metric(self.metric).to_many(query, vectors))[: len(hits)]
            assert np.allclose(hits.distances[: len(hits)], truth, atol=1e-5)
        for hit in hits:
            assert (hit.attributes, hit.payload) == ({"year": self.model[hit.id][1]}, self.model[hit.id][2])
        assert (hits.relevance is not None) == self.judged
        if self.judged:
            assert (np.diff(hits.relevance[: len(hits)]) <= 1e-6).all()

    @rule(word=st.sampled_from(["lift", "n1", "n2", "stamp"]), writer=st.booleans(), where=st.booleans())
    def words(self, word: str, writer: bool, where: bool) -> None:
        """A word finds the items that hold it, alone and beside a vector."""
        mark = self.stamp // 2
        word = f"stamp{mark}" if word == "stamp" else word
        right = {
            i
            for i, (_, year, payload) in self.model.items()
            if payload is not None and word in payload["said"].split() and (not where or (year or 0) > mark)
        }
        store = self.store if writer else self.reader
        condition = f"year > {mark}" if where else None
        hits = store.search(text=word, k=100, where=condition, payload=True)
        assert {hit.id for hit in hits} == right and len(hits) == len(right)
        assert all(hit.text == self.model[hit.id][2]["said"] for hit in hits)
        query = np.random.default_rng(mark).standard_normal(DIM, np.float32)
        both = store.search(query, text=word, k=100, where=condition)
        assert {hit.id for hit in both if hit.legs["text"] > 0} == right

    @precondition(lambda self: self.model)
    @rule(ids=IDS, writer=st.booleans())
    def get(self, ids: list[int], writer: bool) -> None:
        ids = self.named(ids)
        found = (self.store if writer else self.reader).get(ids)
        for identifier, item in zip(ids, found, strict=True):
            wanted = self.model.get(identifier)
            assert (item is None) == (wanted is None) and (identifier in self.reader) == (wanted is not None)
            if item is not None:
                assert (item.vector.tobytes(), item.attributes["year"], item.payload) == wanted

    @precondition(lambda self: self.begun is None and self.model)
    @rule()
    def begin_iteration(self) -> None:
        iteration = self.reader.iterate(3)
        self.begun = (iteration, list(next(iteration).ids), list(self.model))

    @rule()
    def finish_iteration(self) -> None:
        """It shows the moment at which it began, whatever was written meanwhile."""
        if self.begun is not None:
            iteration, seen, wanted = self.begun
            self.begun = None
            assert seen + [i for batch in iteration for i in batch.ids] == wanted

    @rule(repair=st.booleans())
    def verify(self, repair: bool) -> None:
        report = self.store.verify(repair=True) if repair else self.reader.verify()
        assert report.ok, str(report)

    @staticmethod
    def content(store: Store) -> dict[Any, tuple[bytes, Any, Any]]:
        return {i: (bytes.fromhex(vector), year, payload) for i, vector, year, payload in shared.content_of(store)}

    @invariant()
    def same_as_the_model(self) -> None:
        if hasattr(self, "store"):
            assert len(self.store) == len(self.model)
            found = self.content(self.reader)
            assert found == self.model
            assert list(found) == list(self.model)  # in the order of arrival

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.begun = None
            self.store.close()
            self.reader.close()
        self.folder.cleanup()
        self.patch.undo()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=EXAMPLES or 18,
    stateful_step_count=60 if EXAMPLES else 25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
