"""Moving a store to another model: both spaces are searched together, nothing is mixed, everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import files
from nearfield.store import Store, Upgrade

OLD = {"encoder": "old", "dim": 8, "digest": "a"}
NEW = {"encoder": "new", "dim": 12, "digest": "b"}


class Model:
    """Two models of the same things: texts are numbers of things."""

    def __init__(self, dim: int, seed: int, fingerprint: dict[str, Any], rows: int = 500):
        things = np.random.default_rng(7).standard_normal((rows, 6)).astype(np.float32)
        self.dim = dim
        noise = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
        self.vectors = things @ np.random.default_rng(seed).standard_normal((6, dim)).astype(np.float32) + 0.3 * noise
        self._fingerprint = fingerprint

    def encode(self, items: Any, *, progress: bool | None = None) -> np.ndarray:
        return self.vectors[[int(text) for text in items]]

    def fingerprint(self) -> dict[str, Any]:
        return self._fingerprint


@pytest.fixture
def old() -> Model:
    return Model(8, 1, OLD)


@pytest.fixture
def new() -> Model:
    return Model(12, 2, NEW)


@pytest.fixture
def filled(make: Callable[..., Store], old: Model) -> Store:
    """300 items, some sealed, some pending, some deleted."""
    store = make(attributes={"year": "int", "tag": "string"}, embedding=OLD)
    for start, stop in ((0, 150), (150, 300)):
        ids = list(range(start, stop))
        columns = {"year": ids, "tag": [f"t{number % 7}" for number in ids]}
        store.add(ids, old.vectors[ids], attributes=columns, payload=[{"text": str(number)} for number in ids])
        if not start:
            store.seal()
    store.delete([5, 155])
    return store


def exact(new: Model, ids: list[int], query: np.ndarray, k: int) -> list[int]:
    rows = new.vectors[ids] / np.linalg.norm(new.vectors[ids], axis=1, keepdims=True)
    return [ids[place] for place in np.argsort(-(rows @ query), kind="stable")[:k]]


def test_fewer_pairs_than_dimensions_will_do_and_are_named(tmp_path: Path) -> None:
    old, new = Model(40, 1, OLD, rows=120), Model(12, 2, NEW, rows=120)
    with Store.create(tmp_path / "a.nf", dim=40) as store:
        store.add(list(range(100)), old.vectors[:100])
        upgrade = store.upgrade(pairs=(list(range(30)), new.vectors[:30]))
        assert "fewer pairs than the 40 dimensions mapped, so the map is regularised" in str(upgrade)
        assert upgrade.choice["enough"] is None and "30 queries cannot tell whether more pairs" in str(upgrade)
        assert np.isfinite(store.search(new.vectors[110], 5).distances).all()
        upgrade.put(list(range(30, 60)), new.vectors[30:60])
        upgrade.relearn()
        assert "dimensions mapped" not in str(upgrade)


def test_from_begin_to_finish(filled: Store, old: Model, new: Model) -> None:
    before = filled.search(old.vectors[:40], 10)
    upgrade = filled.upgrade(new, pairs=60, random_state=3)
    assert isinstance(upgrade, Upgrade) and upgrade.done == 60 and upgrade.left == 238
    assert 0 <= upgrade.loss["low"] <= upgrade.loss["value"] <= upgrade.loss["high"] <= 1
    assert upgrade.choice["pairs"] == 60 and "60 of 298 items" in str(upgrade) and "dim=12" in repr(upgrade)
    assert upgrade.run(new, share=0.5) == 89 and upgrade.done == 149
    again = filled.search(old.vectors[:40], 10)
    assert again.ids == before.ids and (again.distances == before.distances).all()  # the old space is untouched
    assert filled.verify().ok and filled.stats()["upgrade"]["done"] == 149
    with pytest.raises(ValueError, match="149 items are not encoded"):
        upgrade.finish()
    upgrade.run(new)
    living = [number for number in range(300) if number not in (5, 155)]
    assert filled.search(new.vectors[310], 10).ids == exact(new, living, new.vectors[310], 10)
    assert upgrade.next(10) == [] and upgrade.left == 0
    upgrade.finish()
    assert (filled.dim, filled.embedding, filled.upgrading, len(filled)) == (12, NEW, None, 298)
    assert filled.search(new.vectors[310], 10).ids == exact(new, living, new.vectors[310], 10)
    item = filled.get(42)
    assert (item.vector == new.vectors[42]).all() and item.payload == {"text": "42"} and item.attributes["year"] == 42
    assert filled.verify().ok and filled.stats()["upgrade"] is None
    with pytest.raises(ValueError, match="expected 12 dimensions"):
        filled.search(old.vectors[0])
    with pytest.raises(ValueError, match="this move of the store has ended"):
        upgrade.put([1], new.vectors[:1])
    filled.add([400], new.vectors[400:401], attributes={"year": [1], "tag": ["x"]}, embedding=NEW)
    assert filled.search(new.vectors[400], 1).ids == [400]


def test_encoded_items_are_found_by_their_own_vector_and_mapped_ones_stand_among_them(
    filled: Store, new: Model
) -> None:
    ids = list(range(0, 300, 2))
    upgrade = filled.upgrade(pairs=(ids, new.vectors[ids]))
    found = filled.search(new.vectors[ids], 10)
    assert [row[0] for row in found.ids] == ids and np.allclose(found.distances[:, 0], 0, atol=1e-6)
    every = {item for row in found.ids for item in row}
    assert any(item % 2 for item in every)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert len({(number, item) for number, row in enumerate(found.ids) for item in row}) == 10 * len(ids)
    whole = filled.search(new.vectors[0], 400)
    assert sorted(item for item in whole.ids if item is not None) == sorted(set(range(300)) - {5, 155})
    assert whole.status == "only 298 items"
    assert upgrade.get([0, 1, 999])[1:] == [None, None] and (upgrade.get(0) == new.vectors[0]).all()


@pytest.mark.parametrize("way", ["where", "group_by", "range", "many", "pages"])
def test_every_search_of_the_new_space(filled: Store, new: Model, way: str) -> None:
    ids = list(range(100, 250))
    ids.remove(155)
    filled.upgrade(pairs=(ids, new.vectors[ids]))
    query = new.vectors[320]
    whole = filled.search(query, 298)
    distance = dict(zip(whole.ids, whole.distances.tolist(), strict=True))
    if way == "where":
        hits = filled.search(query, 20, where="year < 200 and tag in ('t1', 't3')", attributes=True, payload=True)
        passing = [item for item in whole.ids if item < 200 and item % 7 in (1, 3)][:20]
        assert hits.ids == passing and [line["year"] for line in hits.attributes] == passing
        assert [line["text"] for line in hits.payload] == [str(item) for item in passing]
    elif way == "group_by":
        hits = filled.search(query, 7, group_by="tag")
        firsts: dict[int, int] = {}
        for item in whole.ids:
            firsts.setdefault(item % 7, item)
        assert hits.ids == list(firsts.values()) and hits.groups == [f"t{tag}" for tag in firsts]
    elif way == "range":
        radius = whole.distances[60] + 1e-6
        hits = filled.search_range(query, float(radius))
        assert sorted(hits.ids) == sorted(item for item in whole.ids if distance[item] <= radius)
    elif way == "many":
        hits = filled.search_many(np.stack([query, query]), 12, where=["year < 150", None])
        assert hits.ids[0] == [item for item in whole.ids if item < 150][:12] and hits.ids[1] == whole.ids[:12]
    else:
        page, seen = filled.search(query, 25), []
        while page.cursor:
            seen += page.ids
            page = filled.search(query, 25, after=page.cursor)
        seen += [item for item in page.ids if item is not None]
        assert seen == whole.ids


def test_writes_go_on(filled: Store, old: Model, new: Model, tmp_path: Path) -> None:
    ids = list(range(20, 120))
    upgrade = filled.upgrade(pairs=(ids, new.vectors[ids]), embedding=NEW)
    columns: dict[str, Any] = {"year": [0, 1], "tag": ["x", "y"]}
    filled.upsert([20, 401], old.vectors[[20, 401]], attributes=columns)  # of the old model
    assert upgrade.get(20) is None and upgrade.done == 99
    filled.add([402, 403], new.vectors[[402, 403]], attributes=columns)  # of the new one, by its dimensions
    assert upgrade.done == 101 and filled.search(new.vectors[403], 1).ids == [403]
    filled.upsert([402], new.vectors[402:403], attributes={"year": [2], "tag": ["z"]}, embedding=NEW)
    filled.add([404], old.vectors[404:405], attributes={"year": [3], "tag": ["z"]}, ttl=1e-6)
    filled.delete([21, 22])
    assert upgrade.done == 99 and len(filled) == 299 and 404 not in filled
    assert filled.verify().ok
    filled.compact()
    assert filled.verify().ok and upgrade.done == 99
    filled.snapshot(tmp_path / "copy.nf")
    filled.tag("half way")
    with Store.open(tmp_path / "copy.nf") as copy:
        there = copy.upgrading
        assert there is not None and there.done == 99
        there.run(new, text=lambda item: str(item.id))
        there.finish()
        assert copy.verify().ok and copy.dim == 12 and copy.search(new.vectors[403], 1).ids == [403]
    upgrade.put([20, 401, 403, 9999], new.vectors[[20, 401, 403, 403]])
    assert upgrade.done == 101
    filled.restore("half way")
    assert filled.upgrading is not None and upgrade.done == 99 and filled.verify().ok


def test_what_was_replaced_meanwhile_is_passed_over(filled: Store, old: Model, new: Model) -> None:
    upgrade = filled.upgrade(pairs=(old.vectors[300:400], new.vectors[300:400]))
    assert upgrade.done == 0
    ids = upgrade.next(40)
    assert len(set(ids)) == 40
    filled.upsert(ids[:1], old.vectors[499:500], attributes={"year": [1], "tag": ["x"]})
    assert upgrade.put(ids, new.vectors[ids]) == 39 and upgrade.get(ids[0]) is None
    assert upgrade.put(ids, new.vectors[ids]) == 1  # given without having been named again: taken at its word


def test_versions_are_never_mixed_by_accident(make: Callable[..., Store], old: Model) -> None:
    other = Model(8, 5, {"encoder": "other", "dim": 8})
    store = make(embedding=OLD)
    store.add(list(range(200)), old.vectors[:200])
    store.search(old.vectors[0], embedding=OLD)
    with pytest.raises(ValueError, match=r"this store holds vectors of .*old.*, got .*other"):
        store.search(other.vectors[0], embedding=other.fingerprint())
    with pytest.raises(ValueError, match="holds vectors of this model already"):
        store.upgrade(old, pairs=50, text=lambda item: str(item.id))
    store.upgrade(other, pairs=50, text=lambda item: str(item.id))
    for call in (
        lambda: store.search(old.vectors[0]),
        lambda: store.search_range(old.vectors[0], 0.1),
        lambda: store.search_many(old.vectors[:2]),
        lambda: store.add([300], old.vectors[300:301]),
    ):
        with pytest.raises(ValueError, match="both models of this store have 8 dimensions"):
            call()
    done = store.upgrading.done
    store.add([300], other.vectors[300:301], embedding=other.fingerprint())
    store.add([301], old.vectors[301:302], embedding="old")
    assert store.upgrading.done == done + 1
    assert store.search(other.vectors[300], 1, embedding="new").ids == [300]
    assert store.search(old.vectors[301], 1, embedding=OLD).ids == [301]
    with pytest.raises(ValueError, match="and, while it is moved, of"):
        store.add([302], old.vectors[302:303], embedding={"encoder": "third"})
    with pytest.raises(ValueError, match="encoder: expected the model of"):
        store.upgrading.run(old)


def test_both_models_together(filled: Store, old: Model, new: Model) -> None:
    with pytest.raises(ValueError, match="old_queries: expected None, as the store is not being moved"):
        filled.search(old.vectors[0], old_queries=old.vectors[0])
    upgrade = filled.upgrade(new, pairs=100, queries=new.vectors[400:500], old_queries=old.vectors[400:500])
    hits = filled.search(new.vectors[300:340], 10, old_queries=old.vectors[300:340])
    assert all(len(set(row)) == 10 for row in hits.ids) and (np.diff(hits.distances, axis=1) >= 0).all()
    assert hits.status == ["ok"] * 40
    some = filled.search(new.vectors[300], 10, old_queries=old.vectors[300], where="year < 100", payload=True)
    assert max(some.ids) < 100 and [line["text"] for line in some.payload] == [str(item) for item in some.ids]
    few = filled.search(new.vectors[300], 10, old_queries=old.vectors[300], where="year < 3")
    assert few.status == "only 3 items pass the filter" and few.ids[3:] == [None] * 7
    for bad in ({"group_by": "tag"}, {"max_false": 0.1}, {"after": "x"}):
        with pytest.raises(ValueError, match="old_queries: expected None with"):
            filled.search(new.vectors[0], old_queries=old.vectors[0], **bad)
    with pytest.raises(ValueError, match="old_queries: expected 2, one for each"):
        filled.search(new.vectors[:2], old_queries=old.vectors[:3])
    with pytest.raises(ValueError, match="got old ones as queries"):
        filled.search(old.vectors[0], old_queries=old.vectors[0])
    assert len(upgrade.next(30)) == 30


def test_readers_follow_to_the_end(filled: Store, old: Model, new: Model) -> None:
    with Store.open(filled.path, read_only=True) as reader:
        assert reader.search(old.vectors[7], 1).ids == [7]
        upgrade = filled.upgrade(new, pairs=50)
        assert reader.upgrading.done == 50 and reader.dim == 8
        assert reader.search(new.vectors[7], 3).ids == filled.search(new.vectors[7], 3).ids
        with pytest.raises(PermissionError):
            reader.upgrading.put([1], new.vectors[1:2])
        upgrade.run(new)
        upgrade.finish()
        assert reader.dim == 12 and reader.search(new.vectors[7], 1).ids == [7] and reader.upgrading is None
        with pytest.raises(ValueError, match="expected 12 dimensions, got 8"):
            reader.search(old.vectors[7], 1)
        filled.delete([7])
        assert reader.search(new.vectors[7], 1).ids != [7] and len(reader) == 297


@pytest.mark.parametrize("metrics", [("l2", "cosine"), ("cosine", "ip"), ("ip", "l2")], ids="-".join)
def test_metrics_may_differ_and_progress_survives_a_restart(
    make: Callable[..., Store], old: Model, new: Model, metrics: tuple[str, str], low_limits: None
) -> None:
    store = make(metric=metrics[0])
    store.add([f"item {number}" for number in range(200)], old.vectors[:200])
    store.upgrade(new, pairs=50, metric=metrics[1], text=lambda item: item.id.split()[1])
    store.close()
    with Store.open(store.path) as store:
        upgrade = store.upgrading
        assert (upgrade.done, upgrade.metric, upgrade.embedding) == (50, metrics[1], NEW)
        while upgrade.left > 40:  # more than the limit: segments of the next space
            ids = upgrade.next(30, order="random")
            upgrade.put(ids, new.vectors[[int(name.split()[1]) for name in ids]])
        assert len(store.stats()["upgrade"]["files"]) >= 2
        fresh = store.search(new.vectors[300:310], 10)
        store.compact()
        assert len(store.stats()["upgrade"]["files"]) == 2  # one segment with an index
        again = store.search(new.vectors[300:310], 10)
        assert np.mean([len(set(a) & set(b)) for a, b in zip(fresh.ids, again.ids, strict=True)]) > 9
        upgrade.relearn()
        assert store.verify().ok
        upgrade.run(new, text=lambda item: item.id.split()[1])
        upgrade.finish()
        assert store.metric == metrics[1] and store.verify().ok and len(store) == 200
        assert store.search(new.vectors[300], 200, beam=200).status == "ok"


@pytest.mark.parametrize("folded", [False, True])
def test_finish_takes_along_what_came_meanwhile(
    filled: Store, old: Model, new: Model, monkeypatch: pytest.MonkeyPatch, folded: bool
) -> None:
    from nearfield.store import upgrading, writing

    upgrade = filled.upgrade(new, pairs=298)
    write = upgrading.write_segment

    def meanwhile(*arguments: Any, **named: Any) -> Any:
        if not filled.__contains__(450):
            if folded:  # the vectors of the pairs, with those that come now, are too many to wait
                monkeypatch.setattr(writing, "PENDING_ROWS", 200)
            filled.add([450, 451, 452], new.vectors[450:453], attributes={"year": [1, 2, 3], "tag": ["x", "y", "z"]})
            filled.delete([451, 17])
            with filled._catalogue.reading() as connection:
                assert (connection.execute("SELECT COUNT(*) FROM incoming").fetchone()[0] == 0) == folded
        return write(*arguments, **named)

    monkeypatch.setattr(upgrading, "write_segment", meanwhile)
    upgrade.finish()
    assert len(filled) == 299 and 451 not in filled and 17 not in filled and filled.verify().ok
    assert (filled.get(452).vector == new.vectors[452]).all() and filled.get(452).attributes["tag"] == "z"
    assert filled.search(new.vectors[450], 1).ids == [450]


def test_finish_refuses_what_came_with_an_old_vector_alone(
    filled: Store, old: Model, new: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nearfield.store import upgrading

    upgrade = filled.upgrade(new, pairs=298)
    write = upgrading.write_segment

    def meanwhile(*arguments: Any, **named: Any) -> Any:
        filled.add([450], old.vectors[450:451], attributes={"year": [1], "tag": ["x"]})
        return write(*arguments, **named)

    monkeypatch.setattr(upgrading, "write_segment", meanwhile)
    with pytest.raises(ValueError, match="1 item is not encoded"):
        upgrade.finish()
    assert filled.dim == 8 and filled.verify().ok and filled.verify().counts.get("unnamed_files") is None
    monkeypatch.setattr(upgrading, "write_segment", write)
    upgrade.put([450], new.vectors[450:451])
    upgrade.finish()
    assert filled.dim == 12 and 450 in filled


def test_giving_up_leaves_the_store_as_it_was(filled: Store, new: Model, content: Callable[[Store], Any]) -> None:
    before = content(filled)
    upgrade = filled.upgrade(new, pairs=50)
    filled.add([450], new.vectors[450:451], attributes={"year": [1], "tag": ["x"]})
    with pytest.raises(ValueError, match="1 items were added with vectors of the new model alone"):
        upgrade.abandon()
    filled.delete([450])
    filled.compact()
    upgrade.abandon()
    assert content(filled) == before and filled.upgrading is None and filled.verify().ok
    assert not filled.verify().counts.get("unnamed_files")
    with pytest.raises(ValueError, match="expected 8 dimensions"):
        filled.search(new.vectors[0])
    filled.upgrade(new, pairs=50)  # and again


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pairs": 10}, "pairs: expected"),
        ({"pairs": 50, "encoder": None}, "encoder: expected the new model"),
        ({"pairs": ([1, 2], np.ones((2, 12), np.float32))}, "at least 20 items"),
        ({"pairs": (list(range(400, 450)), np.ones((50, 12), np.float32))}, "50 of the ids are not in the store"),
        ({"pairs": (list(range(30)), np.full((30, 12), np.nan))}, "pairs"),
        ({"pairs": "all"}, "pairs: expected a number"),
        ({"metric": "hamming"}, "metric: expected one of"),
        ({"text": "body"}, "text: expected 'body' in the payload"),
        ({"queries": ["a"], "encoder": None, "pairs": (list(range(6, 50)), np.ones((44, 12)))}, "queries: expected"),
        ({"queries": np.ones((5, 3), np.float32)}, "queries: expected 12 dimensions"),
        ({"old_queries": "observed"}, "expected at least 100 observed queries"),
    ],
)
def test_bad_input_changes_nothing(filled: Store, new: Model, given: dict[str, Any], message: str) -> None:
    given = {"encoder": new, "pairs": 50, **given}
    generation = filled._catalogue.committed_generation()
    with pytest.raises((ValueError, TypeError), match=message):
        filled.upgrade(given.pop("encoder"), **given)
    assert filled.upgrading is None and filled._catalogue.committed_generation() == generation


class Fewer(Model):
    """Leaves the first text out."""

    def encode(self, items: Any, *, progress: bool | None = None) -> np.ndarray:
        return super().encode(list(items)[1:])


@pytest.mark.parametrize(
    "given",
    [{"pairs": 50}, {"pairs": (list(range(10, 60)), np.ones((50, 12), np.float32)), "queries": ["6", "7"]}],
    ids=["pairs", "queries"],
)
def test_an_encoder_that_leaves_texts_out_is_named(filled: Store, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="encoder: expected a vector for each of"):
        filled.upgrade(Fewer(12, 2, NEW), **given)
    assert filled.upgrading is None


def test_an_encoder_that_leaves_texts_out_later_is_named(filled: Store, new: Model) -> None:
    upgrade = filled.upgrade(new, pairs=50)
    with pytest.raises(ValueError, match="encoder: expected a vector for each of"):
        upgrade.run(Fewer(12, 2, NEW), share=0.5, progress=False)
    assert upgrade.done == 50


def test_pairs_that_tell_nothing(make: Callable[..., Store], rng: np.random.Generator) -> None:
    """Fewer pairs than dimensions, rank one, copies: it works, and the loss says how badly."""
    store = make(dim=64)
    store.add(list(range(100)), rng.standard_normal((100, 64)).astype(np.float32))
    ids = list(range(24))
    for rows in (
        rng.standard_normal((24, 96)),
        np.outer(np.arange(1, 25), np.ones(96)),
        np.ones((24, 96)),
    ):
        upgrade = store.upgrade(pairs=(ids, rows.astype(np.float32)))
        assert np.isfinite(list(upgrade.loss.values())).all()
        hits = store.search(rows[:3].astype(np.float32), 20)
        assert np.isfinite(hits.distances).all() and all(len(set(row)) == 20 for row in hits.ids)
        assert len(upgrade.next(100)) == 76
        upgrade.abandon()


def test_every_step_of_put_and_finish_that_fails_changes_nothing(filled: Store, new: Model) -> None:
    upgrade = filled.upgrade(new, pairs=290)
    rest = upgrade.next(100)
    for action in (lambda: upgrade.put(rest, new.vectors[rest]), upgrade.finish):
        calls: list[str] = []
        number = 0
        while True:
            calls.clear()

            def fail(name: str, _: Path, number: int = number, calls: list[str] = calls) -> None:
                calls.append(name)
                if len(calls) == number + 1:
                    raise OSError(28, "injected")

            state = filled.dim, upgrade.done if filled.upgrading else None
            try:
                with files.fault_injection(fail):
                    action()
            except OSError:
                assert (filled.dim, upgrade.done) == state and filled.verify().ok
                number += 1
                continue
            break
    assert filled.dim == 12 and filled.verify().ok


def test_threads_search_while_it_goes_on(filled: Store, old: Model, new: Model) -> None:
    import threading

    wrong: list[str] = []
    stop = threading.Event()
    upgrade = filled.upgrade(new, pairs=50)

    def ask() -> None:
        while not stop.is_set():
            try:
                if filled.search(new.vectors[60], 298).ids.count(None):
                    wrong.append("an item is missing")
            except Exception as error:
                wrong.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    upgrade.run(new, batch=40)
    filled.compact()
    upgrade.finish()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]


def test_the_map_is_learnt_again_as_the_encoded_items_double(filled: Store, old: Model, new: Model) -> None:
    apart = list(range(300, 330))
    upgrade = filled.upgrade(pairs=(old.vectors[apart], new.vectors[apart]), embedding=NEW)
    assert upgrade.choice["pairs"] == 30 and upgrade.done == 0 and not upgrade.relearn_due
    assert upgrade.loss["rows"] == 298  # of the store, not of the pairs
    upgrade.put(list(range(10, 40)), new.vectors[10:40])
    assert upgrade.relearn_due
    upgrade.relearn()
    assert upgrade.choice["pairs"] == 60 and not upgrade.relearn_due  # with the pairs that are no items
    upgrade.run(new, share=0.4, batch=30, relearn=False)
    assert upgrade.choice["pairs"] == 60 and upgrade.relearn_due
    upgrade.run(new, share=0.45, batch=30)
    assert upgrade.choice["pairs"] == upgrade.done + 30 >= 120
    upgrade.run(new)
    assert not upgrade.relearn_due  # few still need it
    assert filled.verify().ok
    upgrade.finish()


def test_sample_queries_of_both_models_are_pairs_and_the_loss_is_theirs(filled: Store, old: Model, new: Model) -> None:
    asked = slice(310, 400)
    upgrade = filled.upgrade(new, pairs=60, queries=new.vectors[asked], old_queries=old.vectors[asked])
    assert upgrade.loss["queries"] == 90 and upgrade.choice["pairs"] == 60
    with pytest.raises(ValueError, match="queries: expected nonzero"):
        filled.upgrading.abandon()
        filled.upgrade(new, pairs=60, queries=0 * new.vectors[asked])


def test_a_tag_from_before_a_move_brings_the_old_model_back(filled: Store, old: Model, new: Model) -> None:
    before = filled.search(old.vectors[310:330], 5)
    filled.tag("old model")
    upgrade = filled.upgrade(new, pairs=60)
    upgrade.run(new, relearn=False)
    upgrade.finish()
    with Store.open(filled.path, read_only=True) as reader:
        assert reader.dim == filled.dim == 12 and reader.search(new.vectors[7], 1).ids == [7]
        filled.restore("old model")
        for store in (filled, reader):
            assert store.dim == 8 and store.upgrading is None and len(store) == 298
            again = store.search(old.vectors[310:330], 5)
            assert again.ids == before.ids and (again.distances == before.distances).all()
        with pytest.raises(ValueError, match="embedding"):
            filled.search(new.vectors[7], embedding=NEW)
        filled.add([500], old.vectors[400:401], attributes={"year": [1], "tag": ["z"]})
        assert reader.search(old.vectors[400], 1).ids == [500]
    assert filled.verify().ok
    again = filled.upgrade(new, pairs=60)
    assert again.done == 60 and filled.verify().ok


def test_texts_that_items_were_added_with_serve_the_encoder() -> None:
    from nearfield.store.hits import Item
    from nearfield.store.upgrade import _text_of

    def item(**parts: Any) -> Item:
        return Item(1, np.zeros(2, np.float32), None, parts.get("payload"), None, parts.get("text"))

    assert _text_of(item(text="given"), "text") == "given"
    assert _text_of(item(text="given", payload={"text": "named"}), "text") == "named"
    assert _text_of(item(text="given", payload={"title": "other"}), "text") == "given"
    with pytest.raises(ValueError, match="expected the function"):
        _text_of(item(text="given"), lambda _: None)
