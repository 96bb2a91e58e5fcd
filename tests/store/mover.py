"""A process that writes, tags, restores, dumps and copies at random until it is killed; talks in lines of JSON.

Run as ``python mover.py FOLDER``; every line ``[seed, stamp, model, tags]`` on stdin forks such a process.
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

WEIGHTS = {
    "upsert": 20,
    "delete": 8,
    "compact": 6,
    "seal": 6,
    "tag": 12,
    "untag": 6,
    "restore": 10,
    "copy_to": 6,
    "copy_from": 4,
    "dump": 4,
    "load": 4,
}
Model = dict[int, int]
Tags = dict[str, Model]


def vector_of(stamp: int, identifier: int) -> np.ndarray:
    """A vector that names its origin."""
    return np.array([identifier + 1, stamp + 1, (stamp * 31 + identifier) % 1009, 1], np.float32)


def bag_of(stamp: int, identifier: int) -> np.ndarray:
    """A bag that names its origin."""
    return np.array([[identifier, stamp + 200]] * (1 + identifier % 3), np.float32)


def after(operation: list[Any], model: Model, tags: Tags) -> tuple[Model, Tags]:
    """What a store and its tags hold after an operation."""
    name, tag, ids, stamp = operation
    if name == "upsert":
        return {**model, **dict.fromkeys(ids, stamp)}, tags
    if name == "delete":
        return {identifier: value for identifier, value in model.items() if identifier not in ids}, tags
    if name == "tag":
        return model, {**tags, tag: model}
    if name == "untag":
        return model, {other: held for other, held in tags.items() if other != tag}
    return (tags[tag], tags) if name == "restore" else (model, tags)


def do(store: Store, operation: list[Any]) -> None:
    """One operation on a store and what lies beside it."""
    name, tag, ids, stamp = operation
    beside = store.path.with_name
    away, file, fresh = beside("away"), beside("dump.parquet"), beside(f"fresh-{stamp}.nf")
    if name == "upsert":
        vectors = np.stack([vector_of(stamp, identifier) for identifier in ids])
        store.upsert(ids, vectors, payload=[stamp] * len(ids), bags=[bag_of(stamp, identifier) for identifier in ids])
    elif name == "delete":
        store.delete(ids)
    elif name in ("tag", "untag", "restore"):
        getattr(store, name)(tag)
    elif name == "copy_to":
        store.copy_to(away)
    elif name == "copy_from" and any(away.glob("copy-*")):
        Store.copy_from(away, fresh).close()
    elif name == "dump":
        store.dump(file)
    elif name == "load" and file.exists():
        Store.load(file, fresh).close()
    elif name in ("compact", "seal"):
        getattr(store, name)()


def move_until_killed(folder: Path, seed: int, stamp: int, model: Model, tags: Tags) -> None:
    """Log every operation before it begins and after it returned."""
    random_ = random.Random(seed)
    with Store.open(folder / "a.nf") as store:
        while True:
            name = random_.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            tag = random_.choice(("one", "Two", "drei/é"))
            if (name == "tag" and tag in tags) or (name in ("untag", "restore") and tag not in tags):
                continue
            operation = [name, tag, random_.sample(range(100), random_.randint(1, 30)), stamp]
            os.write(1, (json.dumps(operation) + "\n").encode())
            do(store, operation)
            os.write(1, b"done\n")
            model, tags = after(operation, model, tags)
            stamp += 1


def main(folder: str) -> None:
    """Fork a mover for every line of stdin: the imports are paid once."""
    import pyarrow.fs
    import pyarrow.parquet  # noqa: F401

    import nearfield.index.graph
    import nearfield.index.multivector.tokens
    import nearfield.quantize.scalar
    import nearfield.store.dumping
    import nearfield.store.loading
    import nearfield.store.remote
    import nearfield.store.restoring
    import nearfield.tune.recipe  # noqa: F401

    writing.PENDING_ROWS, writing.REPLACED_ROWS = 40, 16
    maintenance.MIN_INDEXED, maintenance.SCANNED_ROWS = 20, 20
    native.set_threads(1)
    for line in sys.stdin:
        seed, stamp, model, tags = json.loads(line)
        child = os.fork()
        if child == 0:
            held = {name: {int(key): value for key, value in one.items()} for name, one in tags.items()}
            move_until_killed(Path(folder), seed, stamp, {int(key): value for key, value in model.items()}, held)
        print(json.dumps({"pid": child}), flush=True)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"ended": child, "killed": os.WIFSIGNALED(status)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
