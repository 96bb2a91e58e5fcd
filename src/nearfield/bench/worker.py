"""One index in one process: builds it, measures it, answers the runner's commands, one JSON object a line.

Run as ``python -m nearfield.bench.worker``. The first line is the job; further lines are searches to time. Answers go
to the descriptor that was standard output at the start; whatever libraries print goes to standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from . import memory
from .adapters import Adapter
from .curves import tie_aware_hits
from .data import exact_distances
from .peers import find_peer

REHEARSAL = 2000
TIMED = 1000
WARM = 200


def _die_with_parent() -> None:
    """A worker is stopped while others are timed; the kernel ends it, stopped or not, when the runner goes."""
    with contextlib.suppress(OSError, AttributeError):  # not Linux: the runner's own clean-up has to do
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Session:
    """The state between commands: the index, the queries, the exact k-th distances."""

    def __init__(self, job: dict[str, Any]):
        self.job = job
        self.folder = Path(job["folder"])
        self.base = np.load(self.folder / "base.npy", mmap_mode="r")
        self.index: Adapter

    def build(self) -> dict[str, Any]:
        """Build the index; seconds, growth of the process, and the library's own figure."""
        metric, threads = self.job["metric"], self.job["build_threads"]
        # A small index first, and away with it: what a library loads and starts once is not the index's memory or time.
        self._prepared(self.base[:REHEARSAL]).build(self.base[:REHEARSAL], metric, threads)
        self.index = self._prepared(self.base)
        before = memory.own_bytes()
        start = time.perf_counter()
        self.index.build(self.base, metric, threads)
        seconds = time.perf_counter() - start
        resident = memory.own_bytes() - before
        reported = self.index.reported_bytes()
        return {
            "seconds": seconds,
            "threads": threads,
            "resident_bytes": resident,
            "reported_bytes": reported[0] if reported else None,
            "reported_kind": reported[1] if reported else None,
        }

    def _prepared(self, base: np.ndarray) -> Adapter:
        index = find_peer(self.job["peer"]).make(**self.job["parameters"])
        index.prepare(base, self.folder)
        return index

    def explore(self, command: dict[str, Any]) -> dict[str, Any]:
        """Recall of one setting over all queries, and the rate of that one batch."""
        name, beam, k = command["queries"], command["beam"], self.job["k"]
        queries = np.load(self.folder / f"{name}.queries.npy")
        kth = np.load(self.folder / f"{name}.kth.npy")
        start = time.perf_counter()
        rows = self.index.search(queries, k, beam, command["threads"])
        elapsed = time.perf_counter() - start
        distances = exact_distances(self.job["metric"], queries, self.base, rows)
        recall = float(tie_aware_hits(distances, kth, rows).mean() / k)
        return {"recall": recall, "rate": len(queries) / elapsed}

    def measure(self, command: dict[str, Any]) -> dict[str, Any]:
        """The rate of one setting: batches of ``TIMED`` queries for ``seconds`` or more, after a short one to warm."""
        beam, threads, k = command["beam"], command["threads"], self.job["k"]
        queries = np.load(self.folder / f"{command['queries']}.queries.npy")[:TIMED]
        self.index.search(queries[:WARM], k, beam, threads)
        batches, elapsed = 0, 0.0
        while elapsed < command["seconds"]:
            start = time.perf_counter()
            self.index.search(queries, k, beam, threads)
            elapsed += time.perf_counter() - start
            batches += 1
        return {"rate": batches * len(queries) / elapsed}


def serve(lines: TextIO, answers: TextIO) -> None:
    """Answer the job and then each command until the input ends."""
    session = Session(json.loads(lines.readline()))
    print(json.dumps(session.build()), file=answers, flush=True)
    for line in lines:
        command = json.loads(line)
        answer = session.explore(command) if command["task"] == "explore" else session.measure(command)
        print(json.dumps(answer), file=answers, flush=True)


def main() -> None:
    """Entry of the process."""
    _die_with_parent()
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
