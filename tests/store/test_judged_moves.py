"""Judged questions decide how far each model is believed while a store is moved from the one to the other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.store import Store, upgrading, weighing
from nearfield.store.fusing import nearest_both
from nearfield.store.mixture import Mixture
from nearfield.store.search import nearest
from nearfield.store.tables import set_meta

ITEMS, ROWS = 300, 500
OLD, NEW = {"encoder": "old", "dim": 8}, {"encoder": "new", "dim": 12}


class Model:
    """A text is the number of a thing; the more noise, the worse the model."""

    def __init__(self, dim: int, noise: float, fingerprint: dict[str, Any]):
        rng = np.random.default_rng(dim)
        things = np.random.default_rng(7).standard_normal((ROWS, 6))
        self.dim, self._fingerprint = dim, fingerprint
        blurred = things + noise * rng.standard_normal(things.shape)
        self.vectors = (blurred @ np.linalg.qr(rng.standard_normal((dim, 6)))[0].T).astype(np.float32)

    def encode(self, items: Any, *, progress: bool | None = None) -> np.ndarray:
        return self.vectors[[int(text.split()[0]) for text in items]]

    def fingerprint(self) -> dict[str, Any]:
        return self._fingerprint


def answers(rows: range) -> list[list[int]]:
    """The three items that are truly nearest to each question."""
    things = np.random.default_rng(7).standard_normal((ROWS, 6))
    things /= np.linalg.norm(things, axis=1, keepdims=True)
    return np.argsort(-(things[rows] @ things[:ITEMS].T), axis=1)[:, :3].tolist()


@dataclass
class Move:
    """A store, both models, and the judged questions; the scored ones are others."""

    store: Store
    old: Model
    new: Model
    judged: range = range(300, 420)
    scored: range = range(420, 500)

    def given(self, rows: range | None = None) -> dict[str, Any]:
        rows = self.judged if rows is None else rows
        some = np.array(rows)
        return {
            "queries": self.new.vectors[some],
            "old_queries": self.old.vectors[some],
            "relevant": answers(rows),
        }

    def begin(self, **given: Any) -> Any:
        return self.store.upgrade(self.new, pairs=60, **{**self.given(), **given})

    def both(self, rows: range | None = None, k: int = 10, **given: Any) -> Any:
        some = np.array(self.scored if rows is None else rows)
        return self.store.search(self.new.vectors[some], k, old_queries=self.old.vectors[some], **given)

    def alone(self, rows: range | None = None, k: int = 10, **given: Any) -> Any:
        return self.store.search(self.old.vectors[np.array(self.scored if rows is None else rows)], k, **given)

    def found(self, hits: Any) -> np.ndarray:
        """Per scored question the share of its answers among the hits."""
        pairs = zip(hits.ids, answers(self.scored), strict=True)
        return np.array([np.isin(right, ids).mean() for ids, right in pairs])


def moving(store: Store, old: float, new: float) -> Move:
    before, after = Model(8, old, OLD), Model(12, new, NEW)
    ids = list(range(ITEMS))
    columns = {"year": ids}
    store.add(
        ids, before.vectors[ids], payload=[{"text": f"{number} w{number % 5}"} for number in ids], attributes=columns
    )
    return Move(store, before, after)


@pytest.fixture
def worse(make: Callable[..., Store]) -> Move:
    """To a model that tells nothing."""
    return moving(make(embedding=OLD, attributes={"year": "int"}), 0.3, 50.0)


@pytest.fixture
def better(make: Callable[..., Store]) -> Move:
    return moving(make(embedding=OLD, attributes={"year": "int"}), 1.0, 0.05)


def test_a_worse_model_is_not_believed(worse: Move) -> None:
    upgrade = worse.begin()
    before = worse.alone()
    for share in (0.2, 0.5, 1.0):
        upgrade.run(worse.new, share=share)
        assert upgrade.weight <= 0.1
        assert worse.found(worse.both()).mean() >= worse.found(before).mean() - 0.01
    judged = upgrade.judged
    assert judged["questions"] == 120 and judged["done"] == 300 and judged["old"] > judged["new"] + 0.2
    assert judged["both"] >= judged["old"] - 0.01
    assert judged["among"]["better"] == "old" and judged["among"]["questions"] == 120
    assert "warning: judged questions say that the new model is worse: old 0." in str(upgrade)
    assert "worse" in repr(upgrade) and worse.store.stats()["upgrade"]["judged"] == judged
    assert worse.store.stats()["upgrade"]["weight"] == upgrade.weight and worse.store.verify().ok
    upgrade.finish()
    assert worse.store.upgrading is None and worse.store.verify().ok and repr(upgrade).endswith("'dim': 12})")
    with worse.store._catalogue.reading() as connection:
        assert not connection.execute("SELECT COUNT(*) FROM arrays").fetchone()[0]


def test_without_judged_questions_a_worse_model_is_believed(worse: Move) -> None:
    upgrade = worse.begin(relevant=None)
    assert (upgrade.weight, upgrade.judged) == (0.7, None) and "judged" not in str(upgrade) and not upgrade.weigh_due
    upgrade.run(worse.new)
    assert worse.found(worse.both()).mean() < worse.found(worse.alone()).mean() - 0.2
    with pytest.raises(ValueError, match="expected judged questions, as this move has none"):
        upgrade.weigh()
    assert upgrade.weigh(**worse.given()) <= 0.1  # a move that began without them
    assert worse.found(worse.both()).mean() >= worse.found(worse.alone()).mean() - 0.01


def test_a_better_model_is_believed(better: Move) -> None:
    upgrade = better.begin()
    upgrade.run(better.new)
    judged = upgrade.judged
    assert upgrade.weight >= 0.7 and judged["among"]["better"] == "new" and "warning" not in str(upgrade)
    assert judged["new"] > judged["old"] + 0.1 and judged["both"] > judged["old"] + 0.1
    assert better.found(better.both()).mean() > better.found(better.alone()).mean() + 0.1


def test_weight_0_is_the_old_model_alone(worse: Move) -> None:
    store, new = worse.store, worse.new
    upgrade = worse.begin()
    upgrade.run(new, share=0.4)
    store.add([400, 401], new.vectors[[400, 401]], attributes={"year": [400, 401]}, embedding=NEW)  # no old vectors
    with store._catalogue.writing() as connection:
        following = store._meta("next")["next"]
        set_meta(connection, "next", {**following, "judged": {**following["judged"], "weight": 0.0}})
    assert upgrade.weight == 0
    rows = range(395, 440)  # among them what the two that were added are of
    for given in ({}, {"where": "year < 150", "attributes": True, "payload": True}, {"where": "year = 400"}):
        one, other = worse.both(rows, 12, **given), worse.alone(rows, 12, **given)
        assert one.ids == other.ids and (one.distances == other.distances).all() and one.status == other.status
        assert one.payload == other.payload and one.attributes == other.attributes
    assert 400 in worse.both(rows, 12).ids[5] or 400 in worse.alone(rows, 300).ids[5]
    # What asks one model alone is as it was.
    many = store.search_many(new.vectors[420:424], 5, where=["year < 100"] * 4, embedding=NEW)
    assert many.ids == [store.search(row, 5, where="year < 100", embedding=NEW).ids for row in new.vectors[420:424]]
    assert store.explain(worse.old.vectors[420], many.ids[0][0], embedding=OLD).verdict in ("found", "beyond")
    for bad in ({"group_by": "year"}, {"max_false": 0.1}, {"after": "x"}):
        with pytest.raises(ValueError, match="old_queries: expected None with"):
            worse.both(**bad)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_what_is_measured_is_what_a_search_answers(make: Callable[..., Store], metric: str) -> None:
    move = moving(make(embedding=OLD, attributes={"year": "int"}, metric=metric), 0.5, 0.8)
    upgrade = move.begin(relevant=None)
    upgrade.run(move.new, share=0.5)
    upgrade.weigh(**move.given(move.scored))  # none of them taught the map, so it is the one that a search goes by
    view, judged, relevant, known = upgrade._questions()
    found = weighing.measure(view, judged, relevant, known)
    assert upgrade.weight in (0, weighing.WEIGHTS[weighing.choose(found.gains, found.groups)])
    assert (upgrade.weight > 0) == (upgrade.judged["both"] > upgrade.judged["old"])
    discount = 1 / np.log2(np.arange(2, 12))
    ideal = discount[:3].sum()
    for column, weight in enumerate(weighing.WEIGHTS):
        hits = nearest_both(view, judged.new, judged.old, 10, mixture=Mixture.of(view.next.meta, weight))
        gains = [np.isin(keys, right) @ discount / ideal for keys, right in zip(hits.keys, relevant, strict=True)]
        np.testing.assert_allclose(np.mean(gains), found.gains[:, column].mean(), atol=0.01)
    alone = nearest(view.newer, metric, judged.new, 10).keys
    gains = [np.isin(keys, right) @ discount / ideal for keys, right in zip(alone, relevant, strict=True)]
    np.testing.assert_allclose(np.mean(gains), found.alone.mean(), atol=0.01)


def test_the_weight_is_kept_and_measured_again_as_more_is_encoded(worse: Move, tmp_path: Path) -> None:
    upgrade = worse.begin()
    judged = upgrade.judged
    assert judged["done"] == 60 and not upgrade.weigh_due
    ids = upgrade.next(40)
    upgrade.put(ids[:20], worse.new.vectors[ids[:20]])
    assert upgrade.judged == judged  # not enough
    upgrade.put(ids[20:], worse.new.vectors[ids[20:]])
    assert upgrade.judged["done"] == 100  # a tenth of the store more
    upgrade.relearn()
    again = upgrade.judged
    assert again["learnt"] == 2 and upgrade.choice["pairs"] >= 100
    worse.store.snapshot(tmp_path / "copy.nf")
    worse.store.compact()
    worse.store.close()
    with Store.open(worse.store.path, read_only=True) as reader:
        assert reader.upgrading.judged == again and "judged questions (120)" in str(reader.upgrading)
    with Store.open(tmp_path / "copy.nf") as copy:
        assert copy.upgrading.judged == again
        assert copy.upgrading.weigh() == again["weight"] and copy.upgrading.judged == again  # the same, asked again
        copy.upgrading.abandon()
        assert copy.verify().ok


def test_questions_whose_answers_are_gone_tell_nothing(worse: Move) -> None:
    upgrade = worse.begin(relevant=[*[[1, 2, 3, 999]] * 60, *answers(range(360, 420))])
    assert upgrade.judged["questions"] == 120
    worse.store.delete([1, 2, 3])
    assert upgrade.weigh() == upgrade.weight and upgrade.judged["questions"] == 60
    before = upgrade.weight
    worse.store.delete(list(range(4, 280)))
    with pytest.raises(ValueError, match="at least 20 queries with an answer in the store, got"):
        upgrade.weigh()
    upgrade.run(worse.new)  # too few are left to ask: the weight stays
    assert upgrade.weight == before and not upgrade.weigh_due


def test_some_of_the_queries_may_be_judged(worse: Move) -> None:
    relevant = [ids if number % 2 else [] for number, ids in enumerate(answers(worse.judged))]
    upgrade = worse.begin(relevant=relevant)
    assert upgrade.judged["questions"] == 60
    view = worse.store._viewer.current()
    assert len(view.next.queries["new"]) == 60  # what is encoded first goes by the others
    with worse.store._catalogue.reading() as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM arrays WHERE name LIKE 'judged.%'")}
    assert names == {"judged.new", "judged.old", "judged.relevant"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"relevant": [[]] * 120}, "at least 20 queries with an answer in the store, got 0"),
        ({"relevant": [[7000 + number] for number in range(120)]}, "with an answer in the store, got 0"),
        ({"relevant": [[1]] * 119}, "relevant: expected 120 lists of ids"),
        ({"relevant": [["a"]] * 120}, "this store has int ids, got 'a'"),
        ({"relevant": [1] * 120}, "relevant: expected a list of ids for each query"),
        ({"relevant": "abc"}, "relevant: expected a list"),
        ({"old_queries": None}, "relevant: expected old_queries= beside it"),
        ({"queries": None}, "relevant: expected queries= beside it"),
        ({"old_queries": "observed"}, 'relevant: expected None with old_queries="observed"'),
        ({"old_queries": np.ones((60, 8), np.float32)}, "old_queries: expected 120 rows"),
        ({"old_queries": np.ones((120, 9), np.float32)}, "old_queries: expected 8 dimensions"),
        ({"queries": np.full((120, 12), np.nan, np.float32)}, "queries"),
        ({"queries": np.ones((1, 12)), "old_queries": np.ones((1, 8)), "relevant": [[1]]}, "store, got 1"),
    ],
)
def test_bad_questions_change_nothing(worse: Move, given: dict[str, Any], message: str) -> None:
    generation = worse.store._catalogue.committed_generation()
    with pytest.raises((ValueError, TypeError), match=message):
        worse.begin(**given)
    assert worse.store.upgrading is None and worse.store._catalogue.committed_generation() == generation
    upgrade = worse.begin()
    kept = upgrade.judged
    with pytest.raises((ValueError, TypeError), match=message):
        upgrade.weigh(**{**worse.given(), **given})
    assert upgrade.judged == kept


def test_a_write_that_fails_leaves_the_weight_and_the_questions(worse: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = worse.begin()
    kept = upgrade.judged

    def fail(*_: Any) -> None:
        raise OSError(28, "injected")

    with monkeypatch.context() as broken:
        broken.setattr(upgrading, "write_arrays", fail)
        with pytest.raises(OSError, match="injected"):
            upgrade.weigh(**worse.given(range(300, 360)))
    assert upgrade.judged == kept and upgrade.weigh() == kept["weight"] and upgrade.judged == kept
    upgrade.weigh(**worse.given(range(300, 360)))
    assert upgrade.judged["questions"] == 60 and worse.store.verify().ok


KILLED = """
    import os, signal, sys
    import numpy as np
    from nearfield.store import Store, upgrading

    store = Store.open(sys.argv[1])
    at, given = sys.argv[2], dict(np.load(sys.argv[3]))
    relevant = given.pop("relevant").tolist()
    vectors = given.pop("vectors")
    weigh = upgrading.weigh

    def killed(*arguments):
        if at == "after":
            weigh(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    upgrading.weigh = killed
    store.upgrade(pairs=(list(range(60)), vectors[:60]), relevant=relevant, **given)
"""


@pytest.mark.parametrize("at", ["before", "after"])
def test_killed_before_or_after_the_first_weight(worse: Move, tmp_path: Path, at: str) -> None:
    worse.store.close()
    given = worse.given()
    np.savez(tmp_path / "given.npz", vectors=worse.new.vectors, **given)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(worse.store.path), at, str(tmp_path / "given.npz")]
    assert subprocess.run(command, env=os.environ).returncode == -signal.SIGKILL
    with Store.open(worse.store.path) as store:
        upgrade = store.upgrading
        again = Move(store, worse.old, worse.new)
        assert upgrade.weight <= 0.1 and upgrade.weigh_due == (at == "before") and store.verify().ok
        if at == "before":  # nothing was measured yet: the old model is believed alone
            assert "120 judged questions, not asked yet" in str(upgrade) and upgrade.judged["old"] is None
            assert again.both().ids == again.alone().ids
        upgrade.run(worse.new, share=0.25)
        assert upgrade.judged["done"] >= 60 and upgrade.judged["old"] > 0


def test_labelled_queries_that_the_store_keeps_are_asked(worse: Move) -> None:
    store, rows = worse.store, worse.judged
    texts, vectors = [str(row) for row in rows], worse.old.vectors[np.array(rows)]
    store.fit_query_judge(vectors, answers(rows))
    upgrade = store.upgrade(worse.new, pairs=60)
    assert upgrade.judged is None  # without their texts the new model cannot be asked
    upgrade.abandon()
    store.fit_query_judge(vectors, answers(rows), text=texts)
    upgrade = store.upgrade(worse.new, pairs=60)
    assert upgrade.judged["questions"] == 120 and upgrade.weight <= 0.1
    upgrade.abandon()
    ids = list(range(60))
    assert store.upgrade(pairs=(ids, worse.new.vectors[ids]), embedding=NEW).judged is None  # no model to encode them


def test_judged_queries_of_a_fusion_are_asked(make: Callable[..., Store]) -> None:
    store = make(embedding=OLD, attributes={"year": "int"}, text="text")
    move = moving(store, 0.3, 50.0)
    rows = move.judged
    right = answers(rows)
    texts = [f"{ids[0]} w{ids[0] % 5}" for ids in right]
    store.fit_fusion(move.old.vectors[np.array(rows)], texts, right)
    upgrade = store.upgrade(move.new, pairs=60)
    assert upgrade.judged["questions"] == 120 and upgrade.weight <= 0.1


def test_a_move_begun_by_an_older_release_opens_as_before(worse: Move) -> None:
    upgrade = worse.begin(relevant=None)
    assert "judged" not in worse.store._meta("next")["next"]
    worse.store.close()
    with Store.open(worse.store.path) as store:
        assert store.upgrading.weight == 0.7 and store.upgrading.judged is None
    assert repr(upgrade.dim) == "12"


@pytest.mark.parametrize("wrong", [{"weight": 2.0}, {"weight": "x"}, {"done": -1}, {"among": [1]}, {"old": "x"}])
def test_a_weight_that_makes_no_sense_is_damage(worse: Move, wrong: dict[str, Any]) -> None:
    worse.begin()
    with worse.store._catalogue.writing() as connection:
        following = worse.store._meta("next")["next"]
        set_meta(connection, "next", {**following, "judged": {**following["judged"], **wrong}})
    worse.store.close()
    with pytest.raises(CorruptFileError, match="next"):
        Store.open(worse.store.path)


def test_questions_are_kept_as_they_were(rng: np.random.Generator) -> None:
    new, old = rng.standard_normal((5, 3)).astype(np.float32), rng.standard_normal((5, 2)).astype(np.float32)
    judged = weighing.Judged.drawn(new, old, [["ä", "b"], [], ["c"], [], ["d\u2028"]])
    again = weighing.Judged.of(judged.to_arrays())
    assert again.relevant == judged.relevant == [["ä", "b"], ["c"], ["d\u2028"]]
    assert (again.new == new[[0, 2, 4]]).all() and (again.old == old[[0, 2, 4]]).all()


def test_what_can_be_vouched_for() -> None:
    gains = np.zeros((40, 3))
    gains[:, 1], gains[:, 2] = 0.1, np.where(np.arange(40) % 2, 1.0, -0.7)
    assert weighing.choose(gains, np.arange(40)) == 1  # the third gains 0.15, or so it seems
    assert weighing.choose(gains - gains[:, 1:2], np.arange(40)) == 1
    assert weighing.choose(np.tile(gains[:1], (40, 1)) * 0, np.zeros(40, np.int64)) == 0  # all one question
    assert weighing.sure(np.array([0.1, 0.2, 0.3]), np.zeros(3, np.int64)) == -np.inf
    # Ten copies of each value tell as much as one.
    values = np.random.default_rng(0).random(30)
    once, copied = (weighing.sure(np.repeat(values, n), np.repeat(np.arange(30), n)) for n in (1, 10))
    assert once == pytest.approx(copied)
