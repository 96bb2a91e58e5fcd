"""Any sequence of operations, against a dict."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nearfield.metric import get_metric
from nearfield.store import Store, maintenance, writing

IDS = st.lists(st.integers(0, 40), min_size=1, max_size=25, unique=True)
DIM = 4


class StoreMachine(RuleBasedStateMachine):
    """A store under low limits, and a model: id -> (vector, year, payload)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(writing, "PENDING_ROWS", 30)
        self.patch.setattr(maintenance, "MIN_INDEXED", 15)
        self.patch.setattr(maintenance, "SCANNED_ROWS", 15)
        shm = Path("/dev/shm")
        self.folder = tempfile.TemporaryDirectory(dir=shm if shm.is_dir() else None)
        self.path = Path(self.folder.name) / "a.nf"
        self.model: dict[Any, tuple[bytes, Any, Any]] = {}
        self.copies = 0
        self.stamp = 0

    @initialize(metric=st.sampled_from(["cosine", "ip", "l2"]), text=st.booleans())
    def create(self, metric: str, text: bool) -> None:
        self.text = text
        self.metric = metric
        self.store = Store.create(self.path, DIM, metric=metric, attributes={"year": "int"})
        self.reader = Store.open(self.path, read_only=True)

    def named(self, ids: list[int]) -> list[Any]:
        return [f"id{i}" for i in ids] if self.text else ids

    def rows(self, ids: list[Any]) -> dict[str, Any]:
        self.stamp += 1
        vectors = np.random.default_rng(self.stamp).standard_normal((len(ids), DIM), np.float32)
        payload = [None if n % 3 == 0 else {"stamp": self.stamp} for n in range(len(ids))]
        self.fresh = {i: (v.tobytes(), self.stamp, p) for i, v, p in zip(ids, vectors, payload, strict=True)}
        return {"vectors": vectors, "attributes": {"year": [self.stamp] * len(ids)}, "payload": payload}

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
    def seal(self) -> None:
        self.store.seal()

    @rule()
    def compact(self) -> None:
        self.store.compact()
        assert len(self.store.stats()["segments"]) <= 1

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = Store.open(self.path)

    @rule()
    def reopen_reader(self) -> None:
        self.reader.close()
        self.reader = Store.open(self.path, read_only=True)

    @rule()
    def snapshot(self) -> None:
        self.copies += 1
        path = self.path.with_name(f"copy{self.copies}.nf")
        self.reader.snapshot(path)
        with Store.open(path) as copy:
            assert self.content(copy) == self.model

    @rule(seed=st.integers(0, 100), k=st.integers(1, 12), newer=st.booleans())
    def search(self, seed: int, k: int, newer: bool) -> None:
        query = np.random.default_rng(seed).standard_normal(DIM, np.float32)
        alive = [i for i, row in self.model.items() if not newer or row[1] > self.stamp // 2]
        hits = self.reader.search(query, k, where=f"year > {self.stamp // 2}" if newer else None, attributes=True)
        assert len(hits) == min(k, len(alive)) and (hits.status == "ok") == (len(hits) == k)
        if alive:
            vectors = np.stack([np.frombuffer(self.model[i][0], np.float32) for i in alive])
            truth = np.sort(get_metric(self.metric).to_many(query, vectors))[: len(hits)]
            assert np.allclose(hits.distances[: len(hits)], truth, atol=1e-5)
        assert all(hit.attributes == {"year": self.model[hit.id][1]} for hit in hits)

    @rule()
    def verify(self) -> None:
        report = self.reader.verify()
        assert report.ok, str(report)

    @staticmethod
    def content(store: Store) -> dict[Any, tuple[bytes, Any, Any]]:
        return {
            i: (vector.tobytes(), year, payload)
            for batch in store.iterate(7)
            for i, vector, year, payload in zip(
                batch.ids, batch.vectors, batch.attributes.column("year").to_pylist(), batch.payload, strict=True
            )
        }

    @invariant()
    def same_as_the_model(self) -> None:
        if hasattr(self, "store"):
            assert len(self.store) == len(self.model)
            found = self.content(self.reader)
            assert found == self.model
            assert list(found) == list(self.model)  # in the order of arrival

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.reader.close()
        self.folder.cleanup()
        self.patch.undo()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
