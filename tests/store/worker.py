"""What other processes do in these tests: write until killed, hold the lock, follow a writer.

Run as ``python worker.py COMMAND PATH ...``; talks in lines on stdin and stdout.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from nearfield import native
from nearfield.common import files
from nearfield.common.errors import CorruptFileError
from nearfield.quantize import Float32
from nearfield.store import Store, catalogue, maintenance, writing

DIM = 4
IDS = 120
STEPS: list[tuple[str, list[int]]] = [
    ("create", []),
    ("add", list(range(30))),
    ("seal", []),
    ("upsert", list(range(20, 40))),
    ("add", list(range(40, 90))),  # with what is pending more than the limit: a segment
    ("delete", list(range(5, 60, 5))),
    ("compact", []),
    ("add", list(range(90, 100))),
    ("snapshot", []),
    ("optimize", []),
    ("delete", list(range(90, 95))),
    ("compact", []),
    ("upsert", list(range(80, 100))),
    ("close", []),
    ("read", []),  # a reader comes first, and stays
    ("open", []),
    ("delete", list(range(0, 100, 7))),
    ("upsert", list(range(10, 70))),  # mostly worn-out segments are taken over
    ("seal", []),
    ("add", list(range(100, 115))),
    ("optimize", []),
    ("close", []),
    ("open", []),
    ("upgrade", list(range(10, 40))),  # to another model: these are the pairs
    ("encode", list(range(40, 55))),  # with those of the pairs more than the limit: a segment of the next space
    ("upsert", list(range(15, 25))),  # replaced by old vectors: not encoded any more
    ("delete", list(range(30, 44))),
    ("encode", list(range(15, 20))),
    ("snapshot", []),
    ("compact", []),
    ("close", []),
    ("open", []),
    ("add_new", list(range(150, 160))),
    ("encode", list(range(120))),
    ("finish", []),
    ("look", []),  # the reader follows
    ("put_new", list(range(45, 60))),
    ("delete", list(range(150, 155))),
    ("compact", []),
    ("close", []),
]
NEXT_DIM = 6


def vector_of(stamp: int, identifier: int) -> np.ndarray:
    """A vector that names its origin: bit-exact wherever it is computed."""
    return np.array([identifier + 1, stamp + 1, (stamp * 31 + identifier) % 1009, 1], np.float32)


def next_vector_of(stamp: int, identifier: int) -> np.ndarray:
    """The same by the model the store is moved to."""
    return np.array([stamp + 1, identifier + 1, (stamp * 17 + identifier) % 997, 2, 3, identifier % 7], np.float32)


def text_of(stamp: int, identifier: int) -> str | None:
    """A text that names its origin; some items have none."""
    return None if identifier % 6 == 5 else f"item{identifier} stamp{stamp} " + "lift drag wing flow"[: identifier % 20]


def bag_of(stamp: int, identifier: int) -> np.ndarray | None:
    """A bag that names its origin; some items have none."""
    if identifier % 5 == 4:
        return None
    return np.arange(2 * (1 + identifier % 3), dtype=np.float32).reshape(-1, 2) + np.float32([stamp, identifier])


def kept_bags() -> dict[str, Any]:
    """How a store keeps them: every bit."""
    return {"dim": 2, "codec": Float32()}


def rows_of(stamp: int, ids: list[int]) -> dict[str, Any]:
    """Vectors, attributes, payload, texts and bags of one write."""
    return {
        "vectors": np.stack([vector_of(stamp, identifier) for identifier in ids]),
        "attributes": {"stamp": [stamp] * len(ids)},
        "payload": [{"stamp": stamp, "id": identifier} for identifier in ids],
        "text": [text_of(stamp, identifier) for identifier in ids],
        "bags": [bag_of(stamp, identifier) for identifier in ids],
    }


def new_rows_of(stamp: int, ids: list[int]) -> dict[str, Any]:
    """One write of items that only the new model encoded."""
    rows = rows_of(stamp, ids)
    rows["vectors"] = np.stack([next_vector_of(stamp, identifier) for identifier in ids])
    rows["payload"] = [{**payload, "born": True} for payload in rows["payload"]]
    return rows


def encode(store: Store, ids: list[int]) -> tuple[list[int], np.ndarray]:
    """Those of the items that are there, by the new model."""
    items = [item for item in store.get(ids) if item is not None]
    rows = [next_vector_of(item.attributes["stamp"], item.id) for item in items]
    return [item.id for item in items], np.array(rows, np.float32).reshape(len(items), NEXT_DIM)


def choose(random_: random.Random, alive: set[int]) -> tuple[str, list[int]]:
    """The next operation and its ids, given which ids are alive."""
    name = random_.choices(["add", "upsert", "delete", "seal", "compact", "snapshot"], weights=[30, 20, 15, 12, 12, 3])[
        0
    ]
    if name == "add":
        free = sorted(set(range(IDS)) - alive)
        ids = random_.sample(free, min(len(free), random_.randint(1, 30)))
    elif name == "upsert":
        ids = random_.sample(range(IDS), random_.randint(1, 20))
    elif name == "delete":
        ids = random_.sample(range(IDS), random_.randint(1, 25))
    else:
        ids = []
    return name, ids


def apply(store: Store, name: str, ids: list[int], stamp: int) -> None:
    """Do one operation on a store."""
    if name in ("add", "upsert"):
        if ids:
            rows = rows_of(stamp, ids)
            getattr(store, name)(ids, rows.pop("vectors"), **rows)
    elif name == "delete":
        store.delete(ids)
    elif name == "snapshot":
        store.snapshot(store.path.with_name(f"copy-{stamp}.nf"))
    elif name in ("add_new", "put_new"):
        rows = new_rows_of(stamp, ids)
        store.upsert(ids, rows.pop("vectors"), **rows)
    elif name == "upgrade":
        store.upgrade(pairs=encode(store, ids))
    elif name == "encode":
        store.upgrading.put(*encode(store, ids))
    elif name == "finish":
        store.upgrading.finish()
    else:
        getattr(store, name)()


def apply_to_model(model: dict[int, float], name: str, ids: list[int], stamp: int) -> dict[int, float]:
    """The same on a dict ``id -> stamp``; returns a new one. Half more: encoded by the next model; 3/4: by it alone."""
    after = dict(model)
    if name in ("add", "upsert"):
        after.update(dict.fromkeys(ids, stamp))
    elif name in ("add_new", "put_new"):
        after.update(dict.fromkeys(ids, stamp + (0.5 if name == "add_new" else 0.75)))
    elif name in ("upgrade", "encode"):
        after.update({identifier: int(after[identifier]) + 0.5 for identifier in ids if identifier in after})
    elif name == "finish":
        after = {identifier: int(value) + 0.75 for identifier, value in after.items()}
    elif name == "delete":
        for identifier in ids:
            after.pop(identifier, None)
    return after


def stamps_of(store: Store) -> dict[int, float]:
    """The same of a store, every row of which must be whole: vectors, attributes, payload and bag of one write."""
    found: dict[int, float] = {}
    upgrade = store.upgrading
    moved = store.dim == NEXT_DIM
    for batch in store.iterate(50, bags=True):
        stamps = batch.attributes.column("stamp").to_pylist()
        texts = batch.text or [None] * len(batch)
        for identifier, vector, stamp, payload, text, bag in zip(
            batch.ids, batch.vectors, stamps, batch.payload, texts, batch.bags, strict=True
        ):
            own = bag_of(stamp, identifier)
            assert len(bag) == 0 if own is None else np.array_equal(bag, own), f"the bag of item {identifier} is torn"
            assert text == text_of(stamp, identifier), f"the text of item {identifier} is torn: {text!r}"
            assert identifier not in found, f"item {identifier} is there twice"
            born = payload.pop("born", False)
            right = next_vector_of(stamp, identifier) if moved else vector_of(stamp, identifier)
            assert (born and not moved) or (vector == right).all(), f"the vector of item {identifier} is torn"
            assert payload == {"stamp": stamp, "id": identifier}, f"item {identifier} is torn: {payload}, not {stamp}"
            found[identifier] = stamp + 0.75 * moved
    if upgrade is not None:
        for identifier, vector in zip(found, upgrade.get(list(found)) if found else [], strict=True):
            if vector is not None:
                right = next_vector_of(int(found[identifier]), identifier)
                assert (vector == right).all(), f"the encoded vector of item {identifier} is torn"
                found[identifier] += 0.5
    return found


def models() -> list[dict[int, float] | None]:
    """What a store must hold before the first of STEPS, and after each; None: it is not there."""
    found: list[dict[int, float] | None] = [None, {}]
    for stamp, (name, ids) in enumerate(STEPS[1:], 1):
        found.append(apply_to_model(found[-1], name, ids, stamp))
    return found


def lower_limits() -> None:
    """So that a few rows reach every path."""
    writing.PENDING_ROWS, writing.REPLACED_ROWS = 40, 16
    maintenance.MIN_INDEXED = 20
    maintenance.SCANNED_ROWS = 20
    native.set_threads(1)


def plan_at_once() -> None:
    """``optimize`` without the measuring: the same graph every time, so that every run makes the same calls."""
    import nearfield.tune as room

    vectors = np.random.default_rng(0).standard_normal((100, DIM), np.float32)
    recipe = room.Recipe("graph", bits=8, rescore=8, degree=8).to_dict()
    plan = room.Plan.from_dict({**room.tune(vectors, recall=0.5).to_dict(), "recipe": recipe})
    room.tune = lambda *_, **__: plan


def learn_at_once() -> None:
    """``upgrade`` without the measuring, for the same reason."""
    import nearfield.store.learning as room

    ids = list(range(30))
    old = np.stack([vector_of(number, number) for number in ids])
    new = np.stack([next_vector_of(number, number) for number in ids])
    learned = room.learn(old, new, "l2", "l2", 0)
    room.learn = lambda *_, **__: learned


def write_until_killed(path: str, seed: int, stamp: int, log: int) -> None:
    """Write at random and log every operation before it begins and after it returned."""
    random_ = random.Random(seed)
    with Store.open(path) as store:
        alive = {identifier for batch in store.iterate() for identifier in batch.ids}
        model = dict.fromkeys(alive, 0)
        while True:
            name, ids = choose(random_, set(model))
            os.write(log, (json.dumps([name, ids, stamp]) + "\n").encode())
            apply(store, name, ids, stamp)
            os.write(log, b"done\n")
            model = apply_to_model(model, name, ids, stamp)
            stamp += 1


def import_all() -> None:
    """What a store ever imports, before a fork: it is paid once."""
    import pyarrow.compute  # noqa: F401

    import nearfield.index.graph
    import nearfield.index.multivector.tokens
    import nearfield.store.upgrade
    import nearfield.tune.recipe  # noqa: F401


def zygote() -> None:
    """Fork a writer for every line ``path seed stamp`` of stdin."""
    import_all()
    lower_limits()
    for line in sys.stdin:
        path, seed, stamp = json.loads(line)
        child = os.fork()
        if child == 0:
            write_until_killed(path, seed, stamp, 1)
        print(json.dumps({"pid": child}), flush=True)
        os.waitpid(child, 0)
        print(json.dumps({"ended": child}), flush=True)


class Traced:
    """STEPS on a store under the eyes of ``disk_trace.c``, perhaps with one call that fails."""

    def __init__(self, folder: Path, trace: str, fault: list[int] | None):
        self.path = folder / "a.nf"
        self.shim = ctypes.CDLL(None)
        self.shim.trace_fault_name.restype = self.shim.trace_letters.restype = ctypes.c_char_p
        self.shim.trace_start(str(folder).encode(), trace.encode())
        self.shim.trace_fault(*(fault or [-1, 0, 0]))
        self.failed: list[str] = []
        self.store: Store | None = None
        self.reader: Store | None = None

    def run(self) -> None:
        """Do all steps; the one that meets the fault is looked at and, where it did not happen, done again."""
        before: dict[int, float] | None = None
        for stamp, after in enumerate(models()[1:]):
            name, ids = STEPS[stamp]
            self.shim.trace_mark(f"begin {stamp}".encode())
            try:
                self.step(name, ids, stamp)
            except (OSError, CorruptFileError) as error:
                # SQLite takes a sector that cannot be read for damage, and so it is.
                assert self.shim.trace_reads_failed() or not isinstance(error, CorruptFileError), (
                    f"no damage: {error!r}"
                )
                self.shim.trace_fault(-1, 0, 0)
                assert not self.failed, "a step failed after the disk was well again"
                self.failed.append(f"{name}: {error!r}")
                if not self.happened(name, stamp, before, after):
                    self.step(name, ids, stamp)
            self.shim.trace_mark(f"done {stamp}".encode())
            before = after

    def step(self, name: str, ids: list[int], stamp: int) -> None:
        """One step."""
        if name == "create":
            self.store = Store.create(self.path, DIM, metric="l2", attributes={"stamp": "int"}, bags=kept_bags())
        elif name == "open":
            self.store = Store.open(self.path)
        elif name == "close":
            self.store.close()
        elif name == "look":
            assert stamps_of(self.reader) == models()[stamp]
        elif name == "read":
            self.reader = Store.open(self.path, read_only=True)
            assert stamps_of(self.reader) == models()[stamp]
        else:
            apply(self.store, name, ids, stamp)

    def happened(self, name: str, stamp: int, before: dict[int, float] | None, after: dict[int, float]) -> bool:
        """Whether a step that reported an error happened all the same; it must not be anything between."""
        if name == "create":
            if self.path.exists():
                self.store = Store.open(self.path)
            return self.path.exists()
        if name in ("read", "look", "open", "close"):
            return False
        if name == "snapshot":
            shutil.rmtree(self.path.with_name(f"copy-{stamp}.nf"), ignore_errors=True)
            return False
        found = stamps_of(self.store)
        assert found in (before, after), f"after an error in {name} the store holds neither the old nor the new"
        return found == after and before != after


def forget_to_sync(what: str) -> None:
    """Break the store, so that a test can show that it would notice."""
    if what == "files":
        files.os = type("Careless", (), {**vars(os), "fsync": lambda _: None})
    elif what == "directories":
        files.sync_directory = lambda _: None
    else:
        connect = catalogue._connect

        def careless(*arguments: Any) -> Any:
            connection = connect(*arguments)
            connection.execute("PRAGMA synchronous = OFF")
            return connection

        catalogue._connect = careless


def traced() -> None:
    """Fork for every line ``{folder, trace, fault, pages, careless}`` of stdin; answer with what came of it."""
    import_all()
    lower_limits()
    plan_at_once()
    learn_at_once()
    checkpoint = catalogue._CHECKPOINT_PAGES
    for line in sys.stdin:
        request = json.loads(line)
        catalogue._CHECKPOINT_PAGES = request["pages"] or checkpoint
        if os.fork() == 0:
            if request["careless"]:
                forget_to_sync(request["careless"])
            work = Traced(Path(request["folder"]), request["trace"], request["fault"])
            error = None
            try:
                work.run()
            except BaseException:
                error = traceback.format_exc()
            answer = {
                "calls": work.shim.trace_letters().decode(),
                "call": work.shim.trace_fault_name().decode(),
                "failed": work.failed,
                "error": error,
            }
            print(json.dumps(answer), flush=True)
            os._exit(0)
        _, status = os.wait()
        if status:  # it crashed, without a word
            print(json.dumps({"calls": "", "call": "", "failed": [], "error": f"ended with {status}"}), flush=True)


def hold(path: str) -> None:
    """Hold the writer's lock until stdin ends."""
    with Store.open(path):
        print("ready", flush=True)
        sys.stdin.read()


def feed(path: str, batches: str, size: str) -> None:
    """Add batches of consecutive int ids, seal and compact in between; print how many are acknowledged."""
    lower_limits()
    with Store.open(path) as store:
        for number in range(int(batches)):
            ids = list(range(number * int(size), (number + 1) * int(size)))
            store.add(ids, np.stack([vector_of(0, identifier) for identifier in ids]))
            print(ids[-1] + 1, flush=True)
            if number % 5 == 4:
                store.compact()


def drawn_rows(stamp: int, count: int, dim: int) -> dict[str, Any]:
    """Vectors, attributes, payload and its texts that only the stamp decides; some years and texts are missing."""
    return {
        "vectors": np.random.default_rng(stamp).standard_normal((count, dim), np.float32),
        "attributes": {"year": [None if n % 5 == 4 else stamp for n in range(count)]},
        "payload": [
            None if n % 3 == 0 else {"stamp": stamp, "said": f"lift stamp{stamp} n{n % 4}"} for n in range(count)
        ],
    }


def content_of(store: Store) -> list[list[Any]]:
    """Everything a store of years holds, as JSON: id, vector, year, payload, in the order of arrival."""
    return [
        [identifier, vector.tobytes().hex(), year, payload]
        for batch in store.iterate(7)
        for identifier, vector, year, payload in zip(
            batch.ids, batch.vectors, batch.attributes.column("year").to_pylist(), batch.payload, strict=True
        )
    ]


def write_once(path: str, step: str, ids: list[Any], stamp: int, killed: bool) -> None:
    """Open a store, take one step, and end: as one should, or as one is killed."""
    store = Store.open(path)
    if step == "upsert":
        store.upsert(ids, **drawn_rows(stamp, len(ids), store.dim))
    elif step == "delete":
        if len(store):
            store.delete(ids)
    elif step != "nothing":
        getattr(store, step)()
    if not killed:
        store.close()


def serve() -> None:
    """For every request on stdin a fresh process that reads a store, or takes one step; the answer on stdout."""
    import pyarrow.compute  # noqa: F401

    import nearfield.index.graph
    import nearfield.tune.recipe  # noqa: F401

    lower_limits()
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                if request.pop("do") == "write":
                    write_once(**request)
                    answer: dict[str, Any] = {"done": True}
                else:
                    with Store.open(request["path"], read_only=True) as store:
                        answer = {"done": content_of(store)}
            except BaseException as error:
                answer = {"error": repr(error)}
            os.write(1, (json.dumps(answer) + "\n").encode())
            os._exit(0)
        os.waitpid(child, 0)


def follow(path: str) -> None:
    """For every line on stdin print how many items a reader sees now."""
    with Store.open(Path(path), read_only=True) as store:
        for _ in sys.stdin:
            seen = store.search(np.ones(DIM, np.float32), k=1 << 16)
            print(len(seen), len(store), flush=True)


if __name__ == "__main__":
    commands = {"zygote": zygote, "traced": traced, "hold": hold, "feed": feed, "follow": follow, "serve": serve}
    commands[sys.argv[1]](*sys.argv[2:])
