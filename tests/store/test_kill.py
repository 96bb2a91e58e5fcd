"""A writer killed at random moments: nothing acknowledged is lost, nothing deleted returns, nothing is torn."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nearfield.store import Store

KILLS = 220
LOOP_SECONDS = float(os.environ.get("NEARFIELD_KILL_SECONDS", "20"))


def expected(shared: Any, model: dict[int, int]) -> dict[int, tuple[bytes, Any, Any]]:
    return {
        identifier: (
            shared.vector_of(stamp, identifier).tobytes(),
            {"stamp": stamp},
            {"stamp": stamp, "id": identifier},
        )
        for identifier, stamp in model.items()
    }


@pytest.mark.slow
def test_killed_writer_loses_nothing_acknowledged(
    tmp_path: Path, shared: Any, worker: Callable[..., Any], content: Callable[[Store], dict[Any, Any]]
) -> None:
    path = tmp_path / "killed.nf"
    Store.create(path, shared.DIM, metric="l2", attributes={"stamp": "int"}, bags=shared.kept_bags()).close()
    process = worker("zygote")
    model: dict[int, int] = {}
    random_ = random.Random(1)
    stamp, acknowledged, undecided = 0, 0, 0
    for round_ in range(KILLS):
        print(json.dumps([str(path), round_, stamp]), file=process.stdin, flush=True)
        log = []  # the child writes into the same pipe, perhaps before the zygote names it
        while not (line := process.stdout.readline()).startswith('{"pid"'):
            log.append(line)
        if round_ % 2 and not log:  # half of the kills may come before the store is open, the others not
            log.append(process.stdout.readline())
        time.sleep(random_.uniform(0.0, 0.15))
        os.kill(json.loads(line)["pid"], signal.SIGKILL)
        while not (line := process.stdout.readline()).startswith('{"ended"'):
            log.append(line)

        # The last operation that began without a "done" may have happened or not; never in part.
        pending = None
        for line in log:
            if line == "done\n":
                model = shared.apply_to_model(model, *pending)
                pending = None
                acknowledged += 1
            else:
                pending = json.loads(line)
                stamp = pending[2] + 1
        if round_ % 3 == 0:  # a reader may be the first to come after the kill
            with Store.open(path, read_only=True) as store:
                seen = content(store)
        with Store.open(path) as store:
            found = content(store)
            assert round_ % 3 or seen == found
            possible = [model] if pending is None else [model, shared.apply_to_model(model, *pending)]
            matching = [candidate for candidate in possible if found == expected(shared, candidate)]
            assert matching, f"after kill {round_}: {pending}"
            model = matching[0]
            assert shared.stamps_of(store) == model  # bags too
            undecided += pending is not None
            names = {name for files in store.stats()["segments"] for name in files["files"]}
            assert set(os.listdir(path / "segments")) == names
            if round_ % 10 == 0:
                report = store.verify()
                assert report.ok, str(report)
        for copy in tmp_path.glob("copy-*.nf"):
            with Store.open(copy) as store:
                assert store.verify().ok
            shutil.rmtree(copy)
    process.stdin.close()
    assert acknowledged > KILLS / 16  # the kills did not all come before the first write, also on a busy machine
    assert undecided > KILLS / 16


@pytest.mark.slow
@pytest.mark.timeout(LOOP_SECONDS + 300)
def test_kill_loop(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Writers, readers and compaction in processes of their own; ``NEARFIELD_KILL_SECONDS=1200`` for twenty minutes."""
    command = [sys.executable, Path(__file__).with_name("kill_loop.py"), "--seconds", str(LOOP_SECONDS)]
    outcome = subprocess.run([*command, "--folder", tmp_path], capture_output=True, text=True)
    kept = tmp_path_factory.mktemp("kill_loop") / "trace.jsonl"
    if outcome.returncode and (tmp_path / "trace.jsonl").exists():
        shutil.copy(tmp_path / "trace.jsonl", kept)
    assert outcome.returncode == 0, f"{outcome.stdout}{outcome.stderr}\nThe trace is kept as {kept}"
    counts = json.loads(outcome.stdout)
    assert counts["writers killed"] > 1 and counts["readers killed"] > 1  # some twenty where nothing else runs
    assert counts["writes acknowledged"] > counts["writers killed"]
