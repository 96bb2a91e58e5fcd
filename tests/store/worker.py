"""What other processes do in these tests: write until killed, hold the lock, follow a writer.

Run as ``python worker.py COMMAND PATH ...``; talks in lines on stdin and stdout.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np

from nearfield import native
from nearfield.store import Store, maintenance, writing

DIM = 4
IDS = 120


def vector_of(stamp: int, identifier: int) -> np.ndarray:
    """A vector that names its origin: bit-exact wherever it is computed."""
    return np.array([identifier + 1, stamp + 1, (stamp * 31 + identifier) % 1009, 1], np.float32)


def rows_of(stamp: int, ids: list[int]) -> dict[str, Any]:
    """Vectors, attributes and payload of one write."""
    return {
        "vectors": np.stack([vector_of(stamp, identifier) for identifier in ids]),
        "attributes": {"stamp": [stamp] * len(ids)},
        "payload": [{"stamp": stamp, "id": identifier} for identifier in ids],
    }


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
    else:
        getattr(store, name)()


def apply_to_model(model: dict[int, int], name: str, ids: list[int], stamp: int) -> dict[int, int]:
    """The same on a dict ``id -> stamp``; returns a new one."""
    after = dict(model)
    if name in ("add", "upsert"):
        after.update(dict.fromkeys(ids, stamp))
    elif name == "delete":
        for identifier in ids:
            after.pop(identifier, None)
    return after


def lower_limits() -> None:
    """So that a few rows reach every path."""
    writing.PENDING_ROWS = 40
    maintenance.MIN_INDEXED = 20
    maintenance.SCANNED_ROWS = 20
    native.set_threads(1)


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


def zygote() -> None:
    """Fork a writer for every line ``path seed stamp`` of stdin: the imports are paid once."""
    import pyarrow.compute  # noqa: F401

    import nearfield.index.graph
    import nearfield.tune.recipe  # noqa: F401

    lower_limits()
    for line in sys.stdin:
        path, seed, stamp = json.loads(line)
        child = os.fork()
        if child == 0:
            write_until_killed(path, seed, stamp, 1)
        print(json.dumps({"pid": child}), flush=True)
        os.waitpid(child, 0)
        print(json.dumps({"ended": child}), flush=True)


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
    """Vectors, attributes and payload that only the stamp decides; some years are missing."""
    return {
        "vectors": np.random.default_rng(stamp).standard_normal((count, dim), np.float32),
        "attributes": {"year": [None if n % 5 == 4 else stamp for n in range(count)]},
        "payload": [None if n % 3 == 0 else {"stamp": stamp} for n in range(count)],
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
    {"zygote": zygote, "hold": hold, "feed": feed, "follow": follow, "serve": serve}[sys.argv[1]](*sys.argv[2:])
