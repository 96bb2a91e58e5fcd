"""Runs the peers: one process each, built one after another, then timed in turn, round after round.

Every process but the one at work is stopped, so spinning thread pools disturb nobody. What is finished for one
(data, peer) is kept in the output folder and not measured again unless asked to.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..common.progress import remark
from . import data, machine
from .adapters import Peer
from .curves import Point, wanted_beams

TARGETS = (0.90, 0.95, 0.99)
FORMAT = 2


@dataclass(frozen=True)
class Plan:
    """How much is measured. ``seconds`` is the least time of one measurement, ``patience`` the limit of one answer."""

    threads: tuple[int, ...] = (1, 2)
    rounds: int = 3
    build_threads: int = 2
    rows: int | None = None
    queries: int = data.HELD_OUT
    seconds: float = 0.2
    patience: float = 900.0
    k: int = data.K

    def smaller(self) -> Plan:
        """The same in seconds instead of minutes: a smoke test whose figures mean nothing."""
        return Plan(self.threads, 1, self.build_threads, 5000, 200, 0.02, 120.0, self.k)


class WorkerError(RuntimeError):
    """A peer's process ended, failed or did not answer in time; the message is its last words."""


class Worker:
    """One peer's process, stopped unless it is asked something."""

    def __init__(self, peer: Peer, job: dict[str, Any], log: IO[bytes], patience: float):
        self.peer = peer
        self.patience = patience
        self._log = log
        environment = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
        environment |= peer.environment
        self._process = subprocess.Popen(
            [sys.executable, "-m", "nearfield.bench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
        )
        self._send(job)

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(self._last_words()) from None

    def receive(self) -> dict[str, Any]:
        """The next answer; then the process is stopped."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], self.patience)
        if not ready:
            raise WorkerError(f"no answer within {self.patience:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(self._last_words())
        self._process.send_signal(signal.SIGSTOP)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def begin(self, message: dict[str, Any]) -> None:
        """Wake the process and send; :meth:`receive` has the answer."""
        self._process.send_signal(signal.SIGCONT)
        self._send(message)

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        """Wake the process, send, and wait for the answer."""
        self.begin(message)
        return self.receive()

    def _last_words(self) -> str:
        code = self._process.wait()
        self._log.flush()
        text = Path(self._log.name).read_text(errors="replace").strip().splitlines()
        reason = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return f"{reason}: {text[-1].strip()}" if text else reason

    def close(self) -> None:
        """End the process and wait for it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


def result_path(out: Path, data_name: str, peer_name: str) -> Path:
    """Where the result of one (data, peer) is kept."""
    return out / "peers" / data_name / f"{peer_name}.json"


def _store(path: Path, result: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1) + "\n")
    temporary.replace(path)


def cached(path: Path, expected: dict[str, Any]) -> bool:
    """Whether ``path`` holds a finished result of just this measurement, or a peer still absent."""
    if not path.exists():
        return False
    found = json.loads(path.read_text())
    same = all(found.get(key) == value for key, value in expected.items())
    return same and found.get("status") == "done"


@contextmanager
def laid_out(workload: data.Workload) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nearfield-bench-") as name:
        data.write(workload, Path(name))
        yield Path(name)


def _explore(worker: Worker, queries: str) -> list[Point]:
    """Climb the beams until the highest target is passed, or recall stands still at many times the cost."""
    points: list[Point] = []
    for beam in worker.peer.beams:
        answer = worker.ask({"task": "explore", "queries": queries, "beam": beam, "threads": 1})
        points.append(Point(beam, answer["recall"], answer["rate"]))
        if points[-1].recall >= TARGETS[-1]:
            break
        if len(points) > 4 and points[-1].recall - points[-4].recall < 0.0005:
            break
    return points


def _round(worker: Worker, result: dict[str, Any], number: int, names: Sequence[str], plan: Plan) -> None:
    for queries in names:
        if queries not in result["explored"]:
            result["explored"][queries] = [vars(point) for point in _explore(worker, queries)]
        explored = [Point(**point) for point in result["explored"][queries]]
        beams = wanted_beams(explored, TARGETS)
        recalls = {point.beam: point.recall for point in explored}
        for threads in plan.threads:
            points = []
            for beam in beams:
                command = {"task": "measure", "queries": queries, "beam": beam, "threads": threads}
                answer = worker.ask(command | {"seconds": plan.seconds})
                points.append({"beam": beam, "recall": recalls[beam], "rate": answer["rate"]})
            result["runs"].append({"queries": queries, "threads": threads, "round": number, "points": points})


def run_peers(chosen: Sequence[Peer], names: Sequence[str], out: Path, plan: Plan, *, fresh: bool = False) -> None:
    """Measure every chosen peer on every named data set; results are left under ``out``."""
    for name in names:
        workload = data.WORKLOADS[name](plan.rows, plan.queries)
        with laid_out(workload) as folder:
            _run_workload(chosen, workload, folder, out, plan, fresh)


def _run_workload(
    chosen: Sequence[Peer], workload: data.Workload, folder: Path, out: Path, plan: Plan, fresh: bool
) -> None:
    where = machine.describe()
    run = time.strftime("%Y%m%dT%H%M%S")
    results: dict[str, dict[str, Any]] = {}
    workers: dict[str, Worker] = {}
    common = {
        "format": FORMAT,
        "data": workload.name,
        "fingerprint": workload.fingerprint(),
        "metric": workload.metric,
        "rows": len(workload.base),
        "dim": int(workload.base.shape[1]),
        "queries": {name: len(vectors) for name, vectors in workload.queries.items()},
        "k": plan.k,
        "rounds": plan.rounds,
        "threads": list(plan.threads),
    }
    with ExitStack() as stack:
        for peer in chosen:
            expected = common | {"peer": peer.name, "version": peer.version(), "parameters": _plain(peer.parameters)}
            path = result_path(out, workload.name, peer.name)
            if not fresh and cached(path, expected):
                remark(f"{workload.name}: {peer.name}: kept from an earlier run")
                continue
            result = expected | {"package": peer.package, "run": run, "machine": where}
            result |= {"status": "started", "error": None, "build": None, "explored": {}, "runs": []}
            if expected["version"] is None:
                remark(f"{workload.name}: {peer.name}: not installed")
                _store(path, result | {"status": "not installed"})
                continue
            log = stack.enter_context(open(folder / f"{peer.name}.log", "wb"))
            job: dict[str, Any] = {"peer": peer.name, "parameters": peer.parameters, "folder": str(folder)}
            job |= {"metric": workload.metric, "build_threads": plan.build_threads, "k": plan.k}
            worker = Worker(peer, job, log, plan.patience)
            stack.callback(worker.close)
            try:
                result["build"] = build = worker.receive()
            except WorkerError as error:
                _fail(path, result, f"build: {error}")
                continue
            remark(
                f"{workload.name}: {peer.name}: built in {build['seconds']:.1f} s, "
                f"{build['resident_bytes'] / 1e6:.0f} MB resident"
            )
            results[peer.name], workers[peer.name] = result, worker
        for number in range(plan.rounds):
            for name, worker in list(workers.items()):
                result, path = results[name], result_path(out, workload.name, name)
                try:
                    _round(worker, result, number, list(workload.queries), plan)
                except WorkerError as error:
                    _fail(path, result, f"search: {error}")
                    del workers[name]
                    continue
                if number == plan.rounds - 1:
                    result["status"] = "done"
                _store(path, result)
            remark(f"{workload.name}: round {number + 1} of {plan.rounds} done")


def _plain(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as they read back from JSON."""
    plain: dict[str, Any] = json.loads(json.dumps(parameters))
    return plain


def _fail(path: Path, result: dict[str, Any], error: str) -> None:
    remark(f"{result['data']}: {result['peer']}: failed: {error}")
    _store(path, result | {"status": "failed", "error": error})
