"""A process killed at random while it tags, restores, dumps and copies: each of them happens whole or not at all."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.store import Store

KILLS = 40
MOVER = Path(__file__).with_name("mover.py")


@pytest.fixture(scope="module")
def mover() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nearfield_store_mover", MOVER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(MOVER), str(tmp_path)]
    running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    yield running
    running.kill()
    running.wait()
    running.stdin.close()
    running.stdout.close()


def log_until(process: subprocess.Popen[str], start: str) -> tuple[list[str], Any]:
    """The lines of the mover before one that begins so, and that one."""
    lines = []
    while not (line := process.stdout.readline()).startswith(start):
        assert line, "the mover ended"
        lines.append(line)
    return lines, json.loads(line)


@pytest.mark.slow
def test_killed_movers_leave_whole_things(
    tmp_path: Path, mover: ModuleType, process: subprocess.Popen[str], content: Callable[[Store], dict[Any, Any]]
) -> None:
    path = tmp_path / "a.nf"
    Store.create(path, 4, metric="l2", bags=2).close()
    random_ = random.Random(3)
    model: dict[int, int] = {}
    tags: dict[str, dict[int, int]] = {}
    stamp, acknowledged = 0, 0
    copies: list[dict[int, int]] = []  # what the copy elsewhere may hold: the last that was made, or one begun since
    copied = False

    def held(store: Store) -> dict[int, int]:
        found = content(store)
        for identifier, (vector, _, payload) in found.items():
            assert vector == mover.vector_of(payload, identifier).tobytes()
        for batch in store.iterate(bags=True):
            for identifier, payload, bag in zip(batch.ids, batch.payload, batch.bags, strict=True):
                np.testing.assert_allclose(bag, mover.bag_of(payload, identifier), rtol=1e-5)
        return {identifier: payload for identifier, (_, _, payload) in found.items()}

    for round_ in range(KILLS):
        print(json.dumps([round_, stamp, model, tags]), file=process.stdin, flush=True)
        log, started = log_until(process, '{"pid"')
        time.sleep(random_.uniform(0.0, 0.4))
        os.kill(started["pid"], signal.SIGKILL)
        rest, ended = log_until(process, '{"ended"')
        assert ended["killed"], "the mover failed by itself"
        pending = None
        for line in log + rest:
            if line == "done\n":
                if pending[0] == "copy_to":
                    copies, copied = [model], True
                model, tags = mover.after(pending, model, tags)
                pending = None
                acknowledged += 1
            else:
                pending = json.loads(line)
                stamp = pending[3] + 1
                if pending[0] == "copy_to":
                    copies.append(model)
        possible = [(model, tags)] + ([] if pending is None else [mover.after(pending, model, tags)])
        with Store.open(path) as store:
            found = {name: held_at(path, name, held) for name in store.tags()}
            here = held(store)
            matching = [(one, kept) for one, kept in possible if (one, kept) == (here, found)]
            assert matching, f"after kill {round_}: {pending}"
            model, tags = matching[0]
            assert store.verify().ok
            named = {name for segment in store.stats()["segments"] for name in segment["files"]}
            assert set(os.listdir(path / "segments")) == named
            snapshots = path / "snapshots"
            assert not snapshots.exists() or not [n for n in os.listdir(snapshots) if n.startswith(".")]
        for fresh in tmp_path.glob("fresh-*.nf"):  # what copy_from and load made is whole, or it is not there
            with Store.open(fresh) as made:
                held(made)
                assert made.verify(sample=5).ok
            shutil.rmtree(fresh)
        if copies and round_ % 3 == 0:
            try:
                with Store.copy_from(tmp_path / "away", tmp_path / "fresh.nf") as copy:
                    assert held(copy) in copies
                shutil.rmtree(tmp_path / "fresh.nf")
            except (FileNotFoundError, CorruptFileError):
                assert not copied  # begun, and never finished
        for hidden in tmp_path.glob(".*"):
            assert any(part in hidden.name for part in (".copying-", ".creating-"))
            shutil.rmtree(hidden)
    assert acknowledged > KILLS / 8  # some two for each kill where nothing else runs


def held_at(path: Path, name: str, held: Callable[[Store], dict[int, int]]) -> dict[int, int]:
    with Store.open(path, at=name) as tagged:
        return held(tagged)
