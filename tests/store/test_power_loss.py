"""Power loss and failing calls, in our files and in SQLite's: nothing acknowledged is missing, nothing deleted returns.

A shim (``disk_trace.c``) writes down every call that a workload makes to the disk, SQLite's among them. A model of the
disk (``disk_model.py``) follows the trace and makes, for every moment, directories that a crash there could leave; each
is opened and looked at. And the shim makes every single call fail, once, and looks whether the store goes on.

A sample runs by default. ``NEARFIELD_FAULTS=all`` runs all of them, half an hour; ``NEARFIELD_FAULTS=0.2`` a fifth.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nearfield.store import Store

WANTED = os.environ.get("NEARFIELD_FAULTS", "")
SHARE = float(WANTED.replace("all", "1") or 0.03)  # of the disks a power loss could leave
EVERY = round(1 / SHARE) if WANTED else 97  # of the calls that could fail, each in a run of its own

FAIL, TEAR, FAIL_FROM, FAIL_SYNC = 0, 1, 2, 3
FAULTS = {  # what fails, how, and which calls: r(ead), w(rite), m(ore that needs room), o(ther)
    "an error": (FAIL, errno.EIO, "rwmo"),
    "a full disk": (FAIL, errno.ENOSPC, "wm"),
    "a full quota": (FAIL, errno.EDQUOT, "wm"),
    "no right to": (FAIL, errno.EACCES, "mo"),
    "half a write": (TEAR, errno.EIO, "w"),
    "half a write, then full": (TEAR, errno.ENOSPC, "w"),
    "an error from now on": (FAIL_FROM, errno.EIO, "rwmo"),
    "full from now on": (FAIL_FROM, errno.ENOSPC, "wm"),
}


class Watched:
    """A process that runs the workload under the shim."""

    def __init__(self, process: Any, folder: Path):
        self.process = process
        self.folder = folder

    def run(
        self,
        folder: Path,
        *,
        trace: Path | str = "",
        fault: Any = None,
        pages: int | None = None,
        careless: str | None = None,
    ) -> dict[str, Any]:
        """The workload in a new folder; with ``pages`` the log is folded into the catalogue that often."""
        folder.mkdir()
        request = {"folder": str(folder), "trace": str(trace), "fault": fault, "pages": pages, "careless": careless}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture
def watched(tmp_path: Path, shim: Path, worker: Callable[..., Any]) -> Watched:
    return Watched(worker("traced", preload=shim), tmp_path.resolve())


def follow(disk_model: Any, root: Path, calls: list[Any]) -> Iterator[tuple[Any, Any, tuple[int, int]]]:
    """The disk after every call, with the call, the last step begun and the last that returned."""
    disk, begun, done = disk_model.Disk(root), -1, -1
    for call in calls:
        if call.kind == "M":
            word, step = call.first.split()
            begun, done = (int(step), done) if word == b"begin" else (begun, int(step))
        yield disk, call, (begun, done)


class Examiner:
    """Opens what a crash left and compares it with the model."""

    def __init__(self, shared: Any, room: Path):
        self.shared = shared
        self.models = shared.models()
        self.copied = [step for step, (name, _) in enumerate(shared.STEPS) if name == "snapshot"]
        self.room = room
        self.counts: Counter[str] = Counter()
        self.seen: set[bytes] = set()

    def look(self, files: dict[str, bytes | None], begun: int, done: int, where: str, lay_out: Any) -> None:
        """Check one disk, unless just this was seen at this step."""
        digest = hashlib.blake2b(repr((begun, done)).encode())
        for name, content in files.items():
            digest.update(name.encode() + (b"/" if content is None else hashlib.blake2b(content).digest()))
        self.counts["disks"] += 1
        if digest.digest() in self.seen:
            return
        self.seen.add(digest.digest())
        self.counts["distinct"] += 1
        with tempfile.TemporaryDirectory(dir=self.room) as name:
            folder = Path(name)
            lay_out(files, folder)
            try:
                self.check(folder, begun, done)
            except Exception as error:
                raise AssertionError(f"{where}, step {done} returned, step {begun} begun: {error!r}") from error

    def check(self, folder: Path, begun: int, done: int) -> None:
        """The store holds what was acknowledged, and perhaps what was being written; its copy is whole or absent."""
        possible = self.models[done + 1 : begun + 2]
        path = folder / "a.nf"
        if not path.exists():
            assert None in possible, "the store is gone"
            return
        turn = self.counts["distinct"]
        if turn % 4 == 0:  # a reader may be the first to come
            with Store.open(path, read_only=True) as store:
                assert self.shared.stamps_of(store) in possible, "seen by a reader"
        with Store.open(path) as store:
            found = self.shared.stamps_of(store)
            assert found in possible or (found == {} and None in possible), f"found {found}, expected {possible}"
            report = store.verify()
            assert report.ok, str(report)
            stats = store.stats()
            named = {name for segment in stats["segments"] for name in segment["files"]}
            assert set(os.listdir(path / "segments")) == named | set((stats["upgrade"] or {"files": []})["files"])
            if turn % 5 == 0:  # it goes on from here
                ids = list(range(200, 260))
                moved = store.dim == self.shared.NEXT_DIM
                rows = (self.shared.new_rows_of if moved else self.shared.rows_of)(99, ids)
                store.add(ids, rows.pop("vectors"), **rows)
                store.delete(ids[:30])
                found = self.shared.apply_to_model(found, "put_new" if moved else "add", ids[30:], 99)
        if turn % 5 == 0:
            with Store.open(path) as store:
                assert self.shared.stamps_of(store) == found and store.verify().ok
        for step in self.copied:
            copy = folder / f"copy-{step}.nf"
            assert copy.exists() or done < step, "the copy is gone"
            if copy.exists():
                with Store.open(copy) as store:
                    assert self.shared.stamps_of(store) == self.models[step + 1] and store.verify().ok


@pytest.mark.slow
@pytest.mark.parametrize("pages", [None, 12], ids=["log folded at close", "log folded often"])
def test_what_a_power_loss_may_leave(
    tmp_path: Path, watched: Watched, shared: Any, disk_model: Any, record_property: Any, capsys: Any, pages: int | None
) -> None:
    root = watched.folder / "work"
    answer = watched.run(root, trace=tmp_path / "trace", pages=pages)
    assert answer["error"] is None, answer["error"]
    calls = disk_model.read_trace(tmp_path / "trace")
    examiner = Examiner(shared, tmp_path)
    dice = random.Random(5)
    for number, (disk, call, (begun, done)) in enumerate(follow(disk_model, root, calls)):
        where = f"call {number} ({call.kind})"
        if call.kind == "W" and len(call.first) > 1 and dice.random() < SHARE:
            for kept in sorted({1, len(call.first) // 2, dice.randrange(1, len(call.first)), len(call.first) - 1}):
                loss = dice.choice((disk_model.ALL, disk_model.Loss(0.5, 0.5, unit=512)))
                with disk.torn(call, kept):
                    left = disk.after_power_loss(loss, dice)
                examiner.look(left, begun, done, f"{where} torn after {kept} bytes", disk_model.lay_out)
        disk.follow(call)
        for loss in disk_model.LOSSES if call.changes else ():
            if dice.random() < SHARE:
                left = disk.after_power_loss(loss, dice)
                examiner.look(left, begun, done, f"after {where}, {loss}", disk_model.lay_out)
    assert disk.after_power_loss(disk_model.ALL, dice) == disk_model.look_up(root)  # the trace has no hole
    for name, count in examiner.counts.items():
        record_property(name, count)
    distinct = examiner.counts["distinct"]
    with capsys.disabled():
        print(f"\n{len(calls)} calls, {examiner.counts['disks']} disks, {distinct} distinct", end=" ")
    assert distinct > 2500 * SHARE


@pytest.mark.parametrize("careless", ["files", "directories", "catalogue"])
def test_a_store_that_forgets_to_sync_is_found_out(
    tmp_path: Path, watched: Watched, shared: Any, disk_model: Any, careless: str
) -> None:
    """These tests can fail: without one kind of sync something acknowledged is missing."""
    root = watched.folder / "work"
    answer = watched.run(root, trace=tmp_path / "trace", careless=careless)
    assert answer["error"] is None, answer["error"]
    examiner, dice = Examiner(shared, tmp_path), random.Random(7)
    found = set()
    for disk, call, (begun, done) in follow(disk_model, root, disk_model.read_trace(tmp_path / "trace")):
        disk.follow(call)
        if call.kind == "M":
            try:
                examiner.look(disk.after_power_loss(disk_model.NOTHING, dice), begun, done, "", disk_model.lay_out)
            except AssertionError:
                found.add(done)
    assert found


@pytest.mark.slow
def test_a_sync_that_fails_loses_what_it_should_have_kept(
    tmp_path: Path, watched: Watched, shared: Any, disk_model: Any, record_property: Any, capsys: Any
) -> None:
    """The step raises OSError and is done again; then the power fails, with what that sync dropped never written."""
    dice = random.Random(6)
    examiner = Examiner(shared, tmp_path)
    syncs = noticed = 0
    step = -(-EVERY // 3)
    for number in range(6 % step, 10_000, step):  # the sixth is that of the switch to the log, which SQLite passes over
        root = watched.folder / f"work{number}"
        answer = watched.run(root, trace=tmp_path / "trace", fault=[number, FAIL_SYNC, errno.EIO], pages=12)
        assert answer["error"] is None, f"sync {number}: {answer['failed']} {answer['error']}"
        if answer["call"] == "":  # past the last
            break
        syncs, noticed = syncs + 1, noticed + bool(answer["failed"])
        failed = False
        for disk, call, (begun, done) in follow(disk_model, root, disk_model.read_trace(tmp_path / "trace")):
            disk.follow(call)
            failed |= call.kind == "s"
            for loss in disk_model.LOSSES[1:] if failed and call.changes else ():
                if dice.random() < 0.003 + 0.097 * SHARE:
                    left = disk.after_power_loss(loss, dice)
                    examiner.look(left, begun, done, f"sync {number} failed, {loss}", disk_model.lay_out)
        shutil.rmtree(root)
    record_property("syncs", syncs)
    with capsys.disabled():
        print(f"\n{syncs} syncs failed, {noticed} noticed, {examiner.counts['distinct']} distinct disks", end=" ")
    assert noticed > 0 and examiner.counts["distinct"] > 10


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_every_nth_call_fails(
    tmp_path: Path, watched: Watched, shared: Any, record_property: Any, capsys: Any, fault: str
) -> None:
    """Each call of the store or of SQLite to the disk fails: the step raises OSError, and works when done again."""
    kind, code, letters = FAULTS[fault]
    whole = watched.run(watched.folder / "whole", pages=12)
    assert whole["error"] is None and len(whole["calls"]) > 500
    shutil.rmtree(watched.folder / "whole")
    last = len(shared.STEPS) - 1
    examiner = Examiner(shared, tmp_path)
    counts: Counter[str] = Counter()
    numbers = [number for number, letter in enumerate(whole["calls"]) if letter in letters]
    for number in numbers[list(FAULTS).index(fault) * 5 % EVERY :: EVERY]:
        folder = watched.folder / "work"
        answer = watched.run(folder, fault=[number, kind, code], pages=12)
        where = f"call {number} ({answer['call'] or 'none'}), {answer['failed']}"
        assert answer["error"] is None, f"{where}: {answer['error']}"
        counts["runs"] += 1
        counts["noticed"] += bool(answer["failed"])
        counts[answer["call"]] += 1
        try:
            examiner.check(folder, last, last)
        except Exception as error:
            raise AssertionError(f"{where}: {error!r}") from error
        shutil.rmtree(folder)
    for name, count in counts.items():
        record_property(name or "no call", count)
    with capsys.disabled():
        print(f"\n{fault}: {dict(counts)}", end=" ")
    assert counts["noticed"] and not counts[""]  # some need not be noticed: a file that cannot be removed now is later
