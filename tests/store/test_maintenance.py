from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nearfield.index import Graph
from nearfield.store import Store, maintenance, writing
from nearfield.tune import Recipe


def files_of(store: Store) -> set[str]:
    named = {name for segment in store.stats()["segments"] for name in segment["files"]}
    assert set(os.listdir(store.path / "segments")) == named
    return named


def test_seal_moves_pending_rows_into_a_segment(make: Callable[..., Store], vectors: np.ndarray, content: Any) -> None:
    store = make(attributes={"year": "int"})
    assert store.seal() is False
    store.add([1, 2, 3], vectors[:3], attributes={"year": [1, 2, 3]})
    store.delete([2])
    before = content(store)
    assert store.seal() is True and store.seal() is False
    assert content(store) == before
    stats = store.stats()
    assert stats["pending"] == 0 and stats["deleted"] == 0 and [s["rows"] for s in stats["segments"]] == [2]
    files_of(store)


def test_compact_leaves_one_segment_without_the_dead(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Any
) -> None:
    store = make(attributes={"year": "int"})
    assert store.compact() is False
    for start in range(0, 300, 20):
        ids = list(range(start, start + 20))
        store.add(ids, vectors[ids], attributes={"year": ids}, payload=ids)
    store.delete(list(range(0, 300, 3)))
    before = content(store)
    old = files_of(store)
    assert store.compact() is True
    assert content(store) == before
    stats = store.stats()
    assert len(stats["segments"]) == 1 and stats["deleted"] == 0 and stats["pending"] == 0
    assert "graph" in stats["segments"][0]["index"]
    assert not files_of(store) & old
    assert store.compact() is False  # nothing to do, nothing rewritten
    assert store.verify().ok
    store.delete(list(range(300)))
    assert store.compact() is True and files_of(store) == set() and len(store) == 0
    store.add([7], vectors[:1], attributes={"year": [7]})
    assert store.search(vectors[0], 1).ids == [7]


def test_space_comes_back(make: Callable[..., Store], rng: np.random.Generator) -> None:
    store = make(dim=256)
    store.add(list(range(4000)), rng.standard_normal((4000, 256), np.float32))
    assert (store.path / "catalogue.sqlite").stat().st_size + (store.path / "catalogue.sqlite-wal").stat().st_size > 4e6
    store.compact()
    store.delete(list(range(3900)))
    store.compact()
    store.close()
    assert sum(path.stat().st_size for path in store.path.rglob("*") if path.is_file()) < 1e6


def test_the_plan_decides_what_is_built(make: Callable[..., Store], vectors: np.ndarray, low_limits: None) -> None:
    store = make()
    store.add(list(range(400)), vectors[:400])
    plan = store.optimize(recall=0.9, k=5)
    assert store.plan == plan and store.stats()["plan"]["recipe"] == plan.recipe.to_dict()
    for recipe in (
        Recipe("graph", bits=4, rescore=8, beam=40, degree=8),
        Recipe("flat", bits=8, rescore="vectors", candidates=20),
        Recipe("graph", bits=8, rescore="vectors", pca=4),
        Recipe("graph", bits=8, beam=60, slack=True, slack_from=10),
        Recipe("graph", bits=8, rescore=8, leanvec=6, beam=60, candidates=20, slack=0.3, slack_from=10),
        Recipe("ivf", bits=1, rotated=True, rescore="vectors", probes=20, candidates=80),
        Recipe("flat", bits=32),
    ):
        assert store._maintenance.compact({**plan.to_dict(), "recipe": recipe.to_dict()})
        stats = store.stats()
        assert stats["segments"][0]["index"] == ("scan of the vectors" if recipe.exact else str(recipe))
        hits = store.search(vectors[:50], 1)
        assert np.mean([ids == [number] for number, ids in enumerate(hits.ids)]) > 0.95
        assert store.plan.recipe == recipe
    store.add(list(range(400, 450)), vectors[400:450])
    store._maintenance.compact({**plan.to_dict(), "recipe": Recipe("graph", degree=8).to_dict()})
    store.add(list(range(450, 500)), vectors[450:])
    store.seal()
    assert [segment["rows"] for segment in store.stats()["segments"]] == [450, 50]
    assert all("graph" in segment["index"] for segment in store.stats()["segments"])
    assert store.verify().ok
    with Store.open(store.path, read_only=True) as reader:
        assert reader.plan.recipe == Recipe("graph", degree=8)


def test_a_walk_with_slack_goes_as_far_as_it_should(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nearfield.store.rows._SCAN_ROWS", 10)
    store = make()
    store.add(list(range(500)), vectors)
    plan = store.optimize(recall=0.9, k=5)
    recipe = Recipe("graph", degree=8, beam=60, slack=True, slack_from=10)
    store._maintenance.compact({**plan.to_dict(), "recipe": recipe.to_dict()})
    asked: list[dict[str, Any]] = []
    search = Graph.search

    def record(self: Graph, queries: Any, k: int, **settings: Any) -> Any:
        asked.append(
            {name: value for name, value in settings.items() if name not in ("allow", "candidates", "threads")}
        )
        return search(self, queries, k, **settings)

    monkeypatch.setattr(Graph, "search", record)
    store.search(vectors[0], 1)
    assert asked[0] == {"beam": 60, "slack": 0.05, "slack_from": 10}
    asked.clear()
    store.search(vectors[0], 1, beam=200)
    assert asked == [{"beam": 200}]
    asked.clear()
    store.delete([499])
    store.search(vectors[0], 1)
    assert asked == [{"beam": 40}]


def test_a_recipe_of_an_older_version_is_no_reason_to_build_again(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None
) -> None:
    store = make()
    store.add(list(range(500)), vectors)
    plan = store.optimize(recall=0.9, k=5)
    recipe = Recipe("graph", degree=8).to_dict()
    store._maintenance.compact({**plan.to_dict(), "recipe": recipe})
    segment = store._viewer.current().parts[0].part
    for name in ("slack", "slack_from", "lists", "probes", "leanvec", "rotated", "queries"):
        del segment.description["index"]["recipe"][name]
    assert store.compact() is False


def test_without_a_plan_size_decides(
    vectors: np.ndarray, make: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "MIN_INDEXED", 20)
    monkeypatch.setattr(maintenance, "SCANNED_ROWS", 60)
    store = make()
    store.add(list(range(60)), vectors[:60])
    store.compact()
    assert store.stats()["segments"][0]["index"] == "scan of the vectors"
    store.add([60], vectors[60:61])
    store.compact()
    assert "graph" in store.stats()["segments"][0]["index"]


def test_an_empty_store_has_nothing_to_optimize(make: Callable[..., Store]) -> None:
    with pytest.raises(ValueError, match="the store is empty"):
        make().optimize()


@pytest.mark.parametrize("job", ["seal", "compact", "optimize"])
def test_ctrl_c_in_the_middle_leaves_the_store_as_it_was(
    make: Callable[..., Store],
    vectors: np.ndarray,
    low_limits: None,
    content: Any,
    monkeypatch: pytest.MonkeyPatch,
    job: str,
) -> None:
    store = make(attributes={"year": "int"})
    store.add(list(range(50)), vectors[:50])
    store.seal()
    store.add(list(range(50, 100)), vectors[50:100], payload=list(range(50)))
    store.delete([3, 60])
    before, stats, named = content(store), store.stats(), files_of(store)

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    if job == "optimize":
        from nearfield.tune import Plan, tune

        plan = tune(vectors, recall=0.5)
        plan = Plan.from_dict({**plan.to_dict(), "recipe": Recipe("graph", degree=8).to_dict()})
        monkeypatch.setattr("nearfield.tune.tune", lambda *_, **__: plan)
    monkeypatch.setattr(Graph, "_link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        getattr(store, job)()
    assert content(store) == before and store.stats() == stats and files_of(store) == named
    monkeypatch.setattr(Graph, "_link", Graph.__dict__["_link"])
    monkeypatch.undo()
    monkeypatch.setattr(maintenance, "MIN_INDEXED", 20)
    getattr(store, job)()
    assert content(store) == before
    store.close()
    with Store.open(store.path) as again:
        assert content(again) == before and again.verify().ok


def test_writes_during_a_build_are_kept(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adds, upserts and deletes of another thread, and segments it writes, while a compaction is building its index."""
    store = make()
    store.add(list(range(100)), vectors[:100], payload=[0] * 100)
    store.delete(list(range(20, 95)))  # a worn-out segment: an add would take it over, but the compaction has it
    store.delete([0])
    building, done = threading.Event(), threading.Event()
    link = Graph._link

    def slow(self: Graph, raw: Any, progress: Any) -> None:
        building.set()
        assert done.wait(30)
        link(self, raw, progress)

    monkeypatch.setattr(Graph, "_link", slow)
    thread = threading.Thread(target=store.compact)
    thread.start()
    assert building.wait(30)
    store.delete([1])
    store.upsert([2], vectors[400:401], payload=[2])
    for start in range(100, 300, 25):  # enough to seal more than once meanwhile
        store.add(list(range(start, start + 25)), vectors[start : start + 25], payload=[1] * 25)
    store.delete([150, 299])
    expected = content(store)
    hits = store.search(vectors[400], 1)
    assert hits.ids == [2]
    done.set()
    thread.join()
    assert content(store) == expected and len(expected) == 221
    assert store.verify().ok
    files_of(store)
    monkeypatch.undo()
    store.compact()
    assert content(store) == expected and store.verify().ok


def test_a_segment_written_during_a_build_takes_its_rows_out_of_the_pending_ones(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compaction has the first pending rows; those added since become a segment, and those replaced are gone."""
    store = make()
    store.add(list(range(40)), vectors[:40], payload=[0] * 40)
    reader = Store.open(store.path, read_only=True)
    building, done = threading.Event(), threading.Event()
    link = Graph._link

    def slow(self: Graph, raw: Any, progress: Any) -> None:
        building.set()
        assert done.wait(30)
        link(self, raw, progress)

    monkeypatch.setattr(Graph, "_link", slow)
    thread = threading.Thread(target=store.compact)
    thread.start()
    try:
        assert building.wait(30)
        store.add(list(range(40, 80)), vectors[40:80], payload=[1] * 40)
        store.upsert(list(range(50, 60)), vectors[150:160], payload=[2] * 10)
        expected = {i: (vectors[i + 100 if 50 <= i < 60 else i].tobytes(), None) for i in range(100)}
        for handle in (store, reader):  # both have seen the rows as pending
            assert {i: row[:2] for i, row in content(handle).items()} == {i: expected[i] for i in range(80)}
        store.add(list(range(80, 100)), vectors[80:100], payload=[3] * 20)
        assert len(store.stats()["segments"]) == 1
        for handle in (store, reader):
            assert {i: row[:2] for i, row in content(handle).items()} == expected
            hits = handle.search(vectors[55], 100)
            assert sorted(hits.ids) == list(range(100)) and hits.distances[0] > 0
    finally:
        done.set()
        thread.join()
    for handle in (store, reader):
        assert {i: row[:2] for i, row in content(handle).items()} == expected and handle.verify().ok
    reader.close()


@pytest.mark.parametrize("next_", ["seal", "compact", "add"])
def test_a_segment_written_during_a_build_that_fails_lies_between_pending_rows(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Any, monkeypatch: Any, next_: str
) -> None:
    """Pending, segment, pending in the order of arrival: whatever comes next keeps the order, and the dead dead."""
    store = make(attributes={"year": "int"})
    model: dict[int, Any] = {}

    def put(first: int, last: int, shift: int = 0) -> None:
        ids, rows = list(range(first, last)), vectors[first + shift : last + shift]
        for i, row in zip(ids, rows, strict=True):
            model.pop(i, None)
            model[i] = (row.tobytes(), {"year": i + shift}, shift)
        store.upsert(ids, rows, attributes={"year": [i + shift for i in ids]}, payload=[shift] * len(ids))

    put(0, 40)

    def fail(self: Graph, raw: Any, progress: Any) -> None:
        put(40, 80)
        put(80, 105)  # with those before more than the limit: a segment
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Graph, "_link", fail)
        store.compact()
    put(105, 110)
    store.delete([3, 50, 51, 107])
    for i in (3, 50, 51, 107):
        del model[i]
    put(55, 60, shift=200)
    with Store.open(store.path, read_only=True) as reader:
        assert list(content(reader).items()) == list(model.items())
        if next_ == "add":
            put(200, 230)
            put(230, 240)
        else:
            getattr(store, next_)()
        for handle in (store, reader):
            assert list(content(handle).items()) == list(model.items())
            assert handle.verify().ok, str(handle.verify())
            hits = handle.search(vectors[50], 500, attributes=True)
            assert sorted(hits.ids[: len(model)]) == sorted(model) and len(hits) == len(model)
            assert all(hit.attributes == model[hit.id][1] for hit in hits)
    spans = [(live.part.keys[0], live.part.keys[-1]) for live in store._viewer.current().parts]
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))
    store.compact()
    assert list(content(store).items()) == list(model.items()) and store.verify().ok
    files_of(store)


def test_a_damaged_index_is_rebuilt_by_the_writer_and_bypassed_by_a_reader(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, caplog: pytest.LogCaptureFixture
) -> None:
    store = make()
    store.add(list(range(200)), vectors[:200])
    store.compact()
    truth = store.search(vectors[:20], 5).ids
    store.close()
    name = next(name for name in files_of_closed(store) if ".index." in name)
    path = store.path / "segments" / name
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)

    with Store.open(store.path, read_only=True) as reader:
        assert reader.search(vectors[:20], 5).ids == truth
        assert name in reader.stats()["segments"][0]["trouble"]
        report = reader.verify()
        assert not report.ok and name in report.problems[0] and "a writer rebuilds it" in report.problems[0]
        with Store.open(store.path) as writer:
            assert writer.search(vectors[:20], 5).ids == truth
            assert "rebuilding the index" in caplog.text
            assert writer.verify().ok and not path.exists()
        assert reader.search(vectors[:20], 5).ids == truth
        assert reader.stats()["segments"][0]["trouble"] is None and reader.verify().ok


def files_of_closed(store: Store) -> list[str]:
    return os.listdir(store.path / "segments")


def test_a_rebuild_that_fails_leaves_searches_right(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.add(list(range(200)), vectors[:200])
    store.compact()
    store.close()
    next((store.path / "segments").glob("*.index.*")).unlink()
    with Store.open(store.path) as writer:
        monkeypatch.setattr(Graph, "save", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        assert writer.search(vectors[7], 1).ids == [7]
        assert writer.search(vectors[8], 1).ids == [8]
        monkeypatch.undo()
        assert not writer.verify(repair=True).ok
        assert writer.verify().ok and writer.stats()["segments"][0]["trouble"] is None


def test_a_failure_before_the_commit_removes_the_new_files(
    make: Callable[..., Store], vectors: np.ndarray, low_limits: None, content: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make()
    store.add(list(range(100)), vectors[:100])
    store.add(list(range(100, 130)), vectors[100:130])
    before, named = content(store), files_of(store)

    def fail(*_: Any) -> None:
        raise OSError("injected")

    with monkeypatch.context() as patch:
        for module in (maintenance, writing):
            patch.setattr(module, "insert_segment", fail)
        for job in (store.seal, store.compact, lambda: store.add(list(range(200, 300)), vectors[200:300])):
            with pytest.raises(OSError, match="injected"):
                job()
            assert files_of(store) == named and content(store) == before
    store.compact()
    next((store.path / "segments").glob("*.index.*")).unlink()
    assert store.verify(repair=True).problems and store.verify().ok


def test_the_writer_removes_files_the_catalogue_does_not_name(make: Callable[..., Store], vectors: np.ndarray) -> None:
    store = make()
    store.add([1], vectors[:1])
    store.seal()
    folder = store.path / "segments"
    for name in ("000009.vectors.nfa", "000002.index.1.nfa.tmp", "junk"):
        (folder / name).write_bytes(b"x")
    assert store.verify().counts["unnamed_files"] == 3
    store.close()
    Store.open(store.path, read_only=True).close()
    assert len(os.listdir(folder)) == 4
    with Store.open(store.path) as again:
        files_of(again)
        assert again.search(vectors[0], 1).ids == [1]
