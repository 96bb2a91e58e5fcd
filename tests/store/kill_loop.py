"""Writers, readers and compaction in processes of their own, killed at random, for as long as asked.

``python tests/store/kill_loop.py --seconds 1200 --folder DIR``. Everything that happens goes into one file,
DIR/trace.jsonl, a line each, in the order in which it happened: time, process, operation, outcome. The loop reads the
lines as they come and holds them against a plain dict. The trace is kept when something is wrong, and its last lines
are shown.

A line that begins an operation comes before it, one that ends it after it returned, so the order of the lines is all
that is needed: a reader must see what was acknowledged before it began to look and nothing that was begun after it
had looked; whole batches; and never less than any reader before it. An operation that a kill cut off happened or did
not, and all who come later must agree on which.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import worker

from nearfield.common.errors import StoreLockedError
from nearfield.store import Store

READERS = 2
SHOWN = 60


# -- the processes ----------------------------------------------------------------------------------------------------


class Log:
    """Writes lines into the trace, one system call each; a kill may cut one off, so the next begins with a line end."""

    def __init__(self, folder: Path, process: str):
        self.file = os.open(folder / "trace.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.process = process

    def __call__(self, operation: str, outcome: str, **more: Any) -> None:
        line = {"time": round(time.time(), 4), "process": self.process, "operation": operation, "outcome": outcome}
        os.write(self.file, ("\n" + json.dumps(line | more) + "\n").encode())


def write(folder: Path, log: Log, seed: int, stamp: int) -> None:
    """Open the store, say what it holds, and write until killed, while another thread seals and compacts."""
    random_ = random.Random(seed)
    while True:
        try:
            store = Store.open(folder / "a.nf")
            break
        except StoreLockedError:  # the lock of a killed process goes with it, a moment later
            time.sleep(0.001)
    model = worker.stamps_of(store)
    report = store.verify() if seed % 20 == 0 else None
    log("open", "done", stamps=model, problems=report.problems if report else [])
    threading.Thread(target=maintain, args=(store, log, seed), daemon=True).start()
    while True:
        name, ids = worker.choose(random_, set(model))
        if name in ("seal", "compact"):
            continue
        log(name, "begin", stamp=stamp, ids=ids)
        worker.apply(store, name, ids, stamp)
        log(name, "done", stamp=stamp)
        model = worker.apply_to_model(model, name, ids, stamp)
        stamp += 1


def maintain(store: Store, log: Log, seed: int) -> None:
    """Seal, compact and optimize until killed."""
    random_ = random.Random(~seed)
    try:
        while True:
            name = random_.choices(["seal", "compact", "optimize"], weights=[4, 3, 3])[0]
            if name == "optimize" and not len(store):
                continue
            log(name, "begin")
            try:
                getattr(store, name)()
            except ValueError as error:  # the other thread may have deleted all since
                if "the store is empty" not in str(error):
                    raise
            log(name, "done")
            time.sleep(random_.uniform(0, 0.05))
    except BaseException as error:
        log("maintenance", "failed", error=repr(error))
        os._exit(1)


def read(folder: Path, log: Log, seed: int) -> None:
    """Follow the writer until killed: all items, by iteration and by search."""
    random_ = random.Random(seed)
    with Store.open(folder / "a.nf", read_only=True) as store:
        while True:
            log("look", "begin")
            if random_.random() < 0.5:
                how, stamps = "iterate", worker.stamps_of(store)
            else:
                how, stamps = "search", found_by_search(store, random_)
            log("look", "done", how=how, stamps=stamps)


def found_by_search(store: Store, random_: random.Random) -> dict[int, int]:
    """What a search for everything finds; every item must be whole and at its distance."""
    query = worker.vector_of(random_.randrange(1000), random_.randrange(worker.IDS))
    hits = store.search(query, 1 << 16, attributes=True)
    stamps = {}
    for hit in hits:
        stamp = hit.attributes["stamp"]
        truth = float(((worker.vector_of(stamp, hit.id) - query) ** 2).sum() ** 0.5)
        assert abs(hit.distance - truth) <= 1e-3 * max(1.0, truth), f"item {hit.id} of {stamp}: another's vector"
        assert hit.id not in stamps, f"item {hit.id} was found twice"
        stamps[hit.id] = stamp
    return stamps


def zygote() -> None:
    """Fork a process for every line ``folder name role seed stamp`` of stdin: the imports are paid once."""
    worker.import_all()
    worker.lower_limits()
    worker.plan_at_once()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        folder, name, role, seed, stamp = json.loads(line)
        child = os.fork()
        if child == 0:
            log = Log(Path(folder), name)
            try:
                if role == "write":
                    write(Path(folder), log, seed, stamp)
                read(Path(folder), log, seed)
            except BaseException as error:
                log(role, "failed", error=repr(error))
            os._exit(1)
        print(child, flush=True)


# -- the model --------------------------------------------------------------------------------------------------------


class Model:
    """What the store may hold, from the lines of the trace."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.states: dict[int, dict[int, int]] = {0: {}}  # by number; the last is the newest that is certain
        self.last = 0
        self.begun: tuple[str, list[int], int] | None = None
        self.floors: dict[str, int] = {}  # reader -> the newest state that was certain when it began to look
        self.seen = 0  # the newest state that any reader saw, among those it may have been
        self.stamp = 1
        self.holder: str | None = None  # the writer that has the store open
        self.counts: Counter[str] = Counter()

    def next_state(self) -> dict[int, int] | None:
        """The state after the operation that began, if one did."""
        return None if self.begun is None else worker.apply_to_model(self.states[self.last], *self.begun)

    def happened(self) -> None:
        """What began is certain now."""
        state = self.next_state()
        self.last += 1
        self.states[self.last] = state
        self.begun = None
        keep = min([self.last, *self.floors.values()])
        for number in [number for number in self.states if number < keep]:
            del self.states[number]

    def take(self, line: dict[str, Any]) -> None:
        """Hold one line against the model."""
        who, name, outcome = line["process"], line["operation"], line["outcome"]
        if outcome == "failed":
            raise AssertionError(f"{who}: {line['error']}")
        if name == "open":
            self.opened(whole_numbers(line["stamps"]))
            assert not line["problems"], line["problems"]
            self.holder = who
            self.counts["openings by a new writer"] += 1
        elif name == "look":
            if outcome == "begin":
                self.floors[who] = max(self.last, self.seen)
            else:
                self.looked(self.floors.pop(who), whole_numbers(line["stamps"]))
                self.counts[f"looks of readers, by {line['how']}"] += 1
        elif name in ("seal", "compact", "optimize"):
            self.counts[f"{name}, {'begun' if outcome == 'begin' else 'finished'}"] += 1
        elif outcome == "begin":
            assert self.begun is None
            self.begun = (name, line["ids"], line["stamp"])
            self.stamp = line["stamp"] + 1
        else:
            self.happened()
            self.counts["writes acknowledged"] += 1
            if name == "snapshot":
                self.copied(line["stamp"])

    def opened(self, stamps: dict[int, int]) -> None:
        """A new writer says what it found: what began before the kill happened or did not."""
        after = self.next_state()
        if after is not None:
            self.counts["writes cut off by a kill"] += 1
            if stamps == after != self.states[self.last]:
                self.counts["of them found done"] += 1
            if stamps == after:
                self.happened()
            self.begun = None
        assert stamps == self.states[self.last], f"found {stamps}, expected {self.states[self.last]} or {after}"
        assert self.last >= self.seen, "a reader saw a write that is gone"

    def looked(self, floor: int, stamps: dict[int, int]) -> None:
        """A reader saw one committed moment, not older than what was certain, nor than any reader saw, before."""
        possible = [number for number in range(floor, self.last + 1) if self.states[number] == stamps]
        after = self.next_state()
        if not possible and after is not None and after == stamps:
            possible = [self.last + 1]
        assert possible, f"a reader saw {stamps}, no moment since {self.states.get(floor)}"
        self.seen = max(self.seen, possible[0])

    def copied(self, stamp: int) -> None:
        """An acknowledged copy holds the moment it was made."""
        path = self.folder / f"copy-{stamp}.nf"
        with Store.open(path) as copy:
            assert worker.stamps_of(copy) == self.states[self.last], f"{path} is of no moment"
            report = copy.verify()
            assert report.ok, str(report)
        shutil.rmtree(path)
        self.counts["copies checked"] += 1


def whole_numbers(stamps: dict[str, int]) -> dict[int, int]:
    """JSON's keys are text."""
    return {int(identifier): stamp for identifier, stamp in stamps.items()}


# -- the loop ---------------------------------------------------------------------------------------------------------


class Loop:
    """Starts, kills and replaces the processes, and reads what they say."""

    def __init__(self, folder: Path, seed: int):
        self.folder = folder
        self.random = random.Random(seed)
        self.model = Model(folder)
        kept = worker.kept_bags()
        Store.create(folder / "a.nf", worker.DIM, metric="l2", attributes={"stamp": "int"}, bags=kept).close()
        self.trace = open(folder / "trace.jsonl", "a+b")  # noqa: SIM115
        self.rest = b""
        self.last: list[dict[str, Any]] = []
        self.zygote = subprocess.Popen(
            [sys.executable, __file__, "--zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.running: dict[str, tuple[int, float]] = {}  # name -> process id, when to kill it
        self.started: Counter[str] = Counter()

    def start(self, role: str, longest: float) -> None:
        """A new process, and when it is to die."""
        self.started[role] += 1
        number = self.started[role]
        name = f"{'writer' if role == 'write' else 'reader'}-{number}"
        seed = self.random.randrange(1 << 30) // 20 * 20 + number % 20
        request = [str(self.folder), name, role, seed, self.model.stamp]
        print(json.dumps(request), file=self.zygote.stdin, flush=True)
        process = int(self.zygote.stdout.readline())
        self.running[name] = (process, time.monotonic() + self.random.uniform(0.02, longest))

    def kill(self, name: str) -> None:
        """End a process in the middle of whatever it does."""
        process, _ = self.running.pop(name)
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            self.read()
            raise AssertionError(f"{name} ended by itself") from None
        while os.path.exists(f"/proc/{process}"):
            time.sleep(0.0005)
        self.read()
        self.model.floors.pop(name, None)
        if self.model.holder == name:
            self.model.holder = None
        self.model.counts["writers killed" if name.startswith("writer") else "readers killed"] += 1

    def intrude(self) -> None:
        """A second writer is refused."""
        try:
            Store.open(self.folder / "a.nf").close()
        except StoreLockedError:
            self.model.counts["second writers refused"] += 1
        else:
            raise AssertionError("a second writer came in")

    def read(self) -> None:
        """Take the lines that came since."""
        lines = (self.rest + self.trace.read()).split(b"\n")
        self.rest = lines.pop()
        for text in lines:
            if not text:
                continue
            try:
                line = json.loads(text)
            except ValueError:  # cut off by a kill, as if it had never been written
                self.model.counts["lines cut off by a kill"] += 1
                continue
            self.last = [*self.last[-SHOWN:], line]
            self.model.take(line)

    def run(self, seconds: float) -> None:
        """Until the time is up; then one last opening, which must find everything."""
        self.start("read", 2.0)  # returns when the imports are done
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                if not any(name.startswith("writer") for name in self.running):
                    for left in self.folder.glob(".copy-*"):  # a copy that was killed half way
                        shutil.rmtree(left)
                    for left in self.folder.glob("copy-*"):  # one that was whole, but not acknowledged
                        with Store.open(left) as copy:
                            report = copy.verify()
                            assert report.ok, str(report)
                        shutil.rmtree(left)
                    self.start("write", 0.8)
                while len(self.running) < 1 + READERS:
                    self.start("read", 2.0)
                self.read()
                if self.model.holder is not None and self.random.random() < 0.05:
                    self.intrude()
                for name, (_, when) in list(self.running.items()):
                    if time.monotonic() > when:
                        self.kill(name)
                time.sleep(0.005)
            for name in list(self.running):
                self.kill(name)
            with Store.open(self.folder / "a.nf") as store:
                self.model.opened(worker.stamps_of(store))
                report = store.verify()
                assert report.ok, str(report)
                named = {name for segment in store.stats()["segments"] for name in segment["files"]}
                assert set(os.listdir(self.folder / "a.nf" / "segments")) == named
        finally:
            for process, _ in self.running.values():
                os.kill(process, signal.SIGKILL)
            self.zygote.stdin.close()
            self.zygote.wait()
            self.trace.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--folder", type=Path, help="an empty directory on a local file system")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--zygote", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.zygote:
        zygote()
        return
    loop = Loop(arguments.folder.absolute(), arguments.seed)
    try:
        loop.run(arguments.seconds)
    except AssertionError as error:
        for line in loop.last:
            print(json.dumps(line))
        print(f"{error}\nThe whole trace is in {arguments.folder / 'trace.jsonl'}")
        sys.exit(1)
    os.remove(arguments.folder / "trace.jsonl")
    print(json.dumps(loop.model.counts, indent=1))


if __name__ == "__main__":
    main()
