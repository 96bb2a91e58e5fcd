"""The server under load, beside the engine in the same process and the servers of its peers.

One run measures, in turn and several times over: empty health requests; single queries as numbers in JSON, as packed
ones (which the Python client sends), and as raw float32; batches of 64 queries, all over kept connections from a load
process of its own; and the same batches asked of the store directly, by threads of a process that has nothing else to
do. What counts are the ratios within a run: everything runs on the same cores, the load process included. :func:`soak`
mixes searches, writes, deletes and look-ups for as long as is asked, and watches the server's memory.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from . import machine
from .data import wordnet
from .load import request
from .serving_peers import PEERS

CLIENTS = 64
BATCH = 64
BATCH_CLIENTS = 8
K = 10
_BINARY = "application/octet-stream"

_ENGINE = """
import json, sys, threading, time
import numpy as np
from nearfield.store import Store
path, queries_path, size, threads, seconds = sys.argv[1], sys.argv[2], *map(float, sys.argv[3:6])
size, queries = int(size), np.load(queries_path)
with Store.open(path, read_only=True, watch=0) as store:
    store.search(queries[:size])
    counts = [0] * int(threads)
    end = time.perf_counter() + seconds
    def ask(number):
        start = number * size
        while time.perf_counter() < end:
            start = (start + size) % (len(queries) - size)
            store.search(queries[start : start + size])
            counts[number] += 1
    workers = [threading.Thread(target=ask, args=(number,)) for number in range(int(threads))]
    [worker.start() for worker in workers]
    [worker.join() for worker in workers]
print(json.dumps(sum(counts) / seconds))
"""


@contextmanager
def served(path: Path, *options: str) -> Iterator[tuple[tuple[str, int], int]]:
    """``nearfield serve`` as a process: its address and its process id."""
    command = [sys.executable, "-m", "nearfield", "serve", str(path), "--port", "0", "--no-page", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError(f"the server did not start: {line!r}")
        host, _, port = line.split("http://")[1].split()[0].rpartition(":")
        yield (host, int(port)), process.pid
    finally:
        process.terminate()
        process.wait(60)


def loaded(address: tuple[str, int], requests: list[bytes], clients: int, seconds: float) -> dict[str, Any]:
    """What a load process measures."""
    with tempfile.TemporaryDirectory(prefix="nearfield-load-") as folder:
        file, plan = Path(folder) / "requests", Path(folder) / "plan.json"
        file.write_bytes(b"".join(requests))
        plan.write_text(
            json.dumps(
                {
                    "host": address[0],
                    "port": address[1],
                    "requests": str(file),
                    "lengths": [len(one) for one in requests],
                    "clients": clients,
                    "seconds": seconds,
                }
            )
        )
        command = [sys.executable, "-m", "nearfield.bench.load", str(plan)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"load: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def requests_of(queries: np.ndarray, name: str) -> dict[str, list[bytes]]:
    """The requests of each kind."""
    path = f"/v1/collections/{name}/search"
    starts = range(0, len(queries) - BATCH + 1, BATCH)
    return {
        "health": [request("bench", "GET", "/health")],
        "single": [
            request("bench", "POST", path, json.dumps({"query": query.tolist(), "k": K}).encode()) for query in queries
        ],
        "single_packed": [request("bench", "POST", path, _packed(query)) for query in queries],
        "single_raw": [request("bench", "POST", f"{path}?k={K}", query.tobytes(), _BINARY) for query in queries],
        "batch": [
            request("bench", "POST", f"{path}?k={K}&queries={BATCH}", queries[at : at + BATCH].tobytes(), _BINARY)
            for at in starts
        ],
    }


def _packed(query: np.ndarray) -> bytes:
    """A body as the Python client sends it."""
    return json.dumps({"query": {"f32": base64.b64encode(query.tobytes()).decode()}, "k": K}).encode()


def engine_rate(path: Path, queries: Path, seconds: float, threads: int = 2) -> float:
    """Batches a second that the store answers within one process."""
    command = [sys.executable, "-c", _ENGINE, str(path), str(queries), str(BATCH), str(threads), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"engine: {done.stderr.strip().splitlines()[-1]}")
    return float(json.loads(done.stdout))


def measure(path: Path, queries_path: Path, *, rounds: int, seconds: float) -> dict[str, Any]:
    """All kinds of requests in turn, ``rounds`` times."""
    queries = np.load(queries_path)
    kinds = requests_of(queries, path.stem)
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    engine: list[float] = []
    with served(path) as (address, pid):
        for requests in kinds.values():
            loaded(address, requests, 8, 0.3)
        for _ in range(rounds):
            for kind, requests in kinds.items():
                clients = BATCH_CLIENTS if kind == "batch" else CLIENTS
                before = _processor(pid)
                one = loaded(address, requests, clients, seconds)
                one["server_ms"] = 1000 * (_processor(pid) - before) / max(1, one["answers"] + one["warm"])
                found[kind].append(one)
            engine.append(engine_rate(path, queries_path, seconds))
    return {
        "rounds": found,
        "engine_batches": engine,
        "single_to_health": _ratio(found["single"], found["health"]),
        "single_packed_to_health": _ratio(found["single_packed"], found["health"]),
        "single_raw_to_health": _ratio(found["single_raw"], found["health"]),
        "batch_to_engine": float(
            np.median([one["rate"] / own for one, own in zip(found["batch"], engine, strict=True)])
        ),
    }


def _ratio(those: list[dict[str, Any]], others: list[dict[str, Any]]) -> float:
    return float(np.median([one["rate"] / other["rate"] for one, other in zip(those, others, strict=True)]))


def _processor(pid: int) -> float:
    """Seconds of processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -- a long mixed load -------------------------------------------------------------------------------------------------


def soak(
    seconds: float, *, dim: int = 64, rows: int = 5000, clients: int = 8, say: Callable[[str], None] = print
) -> Any:
    """Searches, upserts, deletes, look-ups and bad requests for ``seconds``; resident memory of the server over time.

    Returns ``memory`` as (seconds, bytes) pairs, ``requests`` by kind, ``wrong`` answers, and ``growth``: the median of
    the last quarter over that of the second, since the first fills caches.
    """
    import threading

    from ..serve import Client

    rng = np.random.default_rng(0)
    base = rng.standard_normal((rows, dim)).astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="nearfield-soak-") as folder, ExitStack() as stack:
        address, pid = stack.enter_context(served(Path(folder) / "all"))
        url = f"http://{address[0]}:{address[1]}"
        with Client(url) as client:
            client.create("mixed", dim, attributes={"group": "int"})
            store = client.open("mixed")
            store.import_items({"id": at, "vector": base[at], "attributes": {"group": at % 7}} for at in range(rows))
        end = time.monotonic() + seconds
        counts = {"search": 0, "batch": 0, "upsert": 0, "delete": 0, "get": 0, "bad": 0}
        wrong: list[str] = []

        def work(number: int) -> None:
            own = np.random.default_rng(number)
            with Client(url) as client:
                store = client.open("mixed")
                while time.monotonic() < end:
                    kind = own.choice(list(counts), p=[0.55, 0.05, 0.2, 0.05, 0.1, 0.05])
                    counts[kind] += 1
                    row = int(own.integers(rows))
                    try:
                        _one(store, str(kind), row, number, clients, base)
                    except Exception as error:
                        wrong.append(f"{kind}: {error!r}")

        threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        began, memory = time.monotonic(), []
        while time.monotonic() < end:
            memory.append((round(time.monotonic() - began, 1), _resident(pid)))
            time.sleep(min(5.0, max(0.2, seconds / 100)))
        for thread in threads:
            thread.join()
        with Client(url) as client:
            report = client.open("mixed").verify()
    sizes = np.array([size for _, size in memory], float)
    quarter = max(1, len(sizes) // 4)
    growth = float(np.median(sizes[-quarter:]) / np.median(sizes[quarter : 2 * quarter]))
    say(f"soak: {sum(counts.values()):,} requests in {seconds:g} s, memory x {growth:.3f}, {len(wrong)} wrong")
    return {
        "seconds": seconds,
        "clients": clients,
        "memory": memory,
        "requests": counts,
        "wrong": wrong[:20],
        "verified": report["ok"],
        "growth": growth,
    }


def _one(store: Any, kind: str, row: int, number: int, clients: int, base: np.ndarray) -> None:
    """One request, and whether its answer is right; a thread changes rows of its own only."""
    own = row - row % clients + number
    own = own if own < len(base) else number
    if kind == "search":
        hits = store.search(base[row], k=5, where=f"group = {row % 7}" if row % 2 else None)
        if len(hits) != 5:
            raise ValueError(f"expected 5 hits, got {hits.status}")
    elif kind == "batch":
        store.search(base[row : row + 16], k=5)
    elif kind == "upsert":
        store.upsert(own, base[own], attributes={"group": own % 7})
    elif kind == "delete":
        store.delete([own])
        store.upsert(own, base[own], attributes={"group": own % 7})
        if store.get(own) is None:
            raise ValueError(f"{own} was acknowledged and is not there")
    elif kind == "get":
        if store.get(own) is None:
            raise ValueError(f"{own} is not there")
    else:
        try:
            store.search(base[row][:3], k=5)
        except ValueError:
            return
        raise ValueError("three dimensions were taken for more")


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# -- the report --------------------------------------------------------------------------------------------------------


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    loaded = f"load {where['load'][0]} at the start"
    if float(where["load"][0]) > 1.5 * int(where["cores"]):
        loaded += ", on a machine loaded by other work"
    lines = ["# The server under load", ""]
    if "ours" in result:
        ours = result["ours"]
        lines += [
            f"{result['rows']:,} x {result['dim']} MiniLM vectors of WordNet, cosine, tuned to recall 0.95, k = {K}; "
            f"{where['cpu']['model']}, {where['cores']} cores, {where['date']}, {loaded}. {CLIENTS} clients "
            f"({BATCH_CLIENTS} for batches of {BATCH}) in a process of their own on the same cores; medians of "
            f"{len(ours['engine_batches'])} interleaved rounds. Only ratios within the run mean anything.",
            "",
            "| request | answers/s | p50 ms | p99 ms | p99 / p50 | server's processor ms |",
            "| --- | ---: | ---: | ---: | ---: | ---: |",
        ]
        for kind, rounds in ours["rounds"].items():
            rate, p50, p99, own = (
                float(np.median([one[name] for one in rounds])) for name in ("rate", "p50", "p99", "server_ms")
            )
            lines.append(f"| {kind} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {p99 / p50:.1f} | {own:.3f} |")
        lines += [
            f"| batch, in process | {np.median(ours['engine_batches']):,.0f} | | | | |",
            "",
            f"- single queries (numbers in JSON) over health requests: {ours['single_to_health']:.2f}",
            "- single queries (packed in JSON, as the Python client sends them) over health requests: "
            f"{ours['single_packed_to_health']:.2f}",
            f"- single queries (raw float32) over health requests: {ours['single_raw_to_health']:.2f}",
            f"- batches over the engine in process: {ours['batch_to_engine']:.2f}",
            "",
        ]
        for name, peer in result["peers"].items():
            if "missing" in peer:
                lines.append(f"- {name}: not measured, {peer['missing']}")
            else:
                lines.append(
                    f"- {name}: {peer['rate']:,.0f} single queries a second ({peer['how']}), p50 {peer['p50']:.1f} ms, "
                    f"p99 {peer['p99']:.1f} ms, recall {peer['recall']:.3f}; ours in the same run "
                    f"{peer['ours']['rate']:,.0f}, recall {result['recall']:.3f}"
                )
        lines.append("")
    if "soak" in result:
        soaked = result["soak"]
        count = sum(soaked["requests"].values())
        lines += [
            f"Mixed load for {soaked['seconds']:g} s ({soaked['clients']} clients, {count:,} requests: searches, "
            f"batches, upserts, deletes, look-ups, bad requests; load {soaked['load']} at the start): "
            f"{len(soaked['wrong'])} wrong answers, verified afterwards: {soaked['verified']}; resident memory of the "
            f"last quarter over that of the second: {soaked['growth']:.3f}.",
            "",
        ]
    return "\n".join(lines)


def run_serving(
    out: Path,
    *,
    rows: int | None = None,
    rounds: int = 3,
    seconds: float = 5.0,
    peers: bool = True,
    soak_seconds: float | None = None,
) -> Path:
    """Measure, write ``serving.json`` and ``serving.md`` under ``out``, return the Markdown file.

    With ``soak_seconds`` only the long mixed load runs, and takes its place beside the other figures.
    """
    file = out / "serving.json"
    result: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    described = machine.describe()
    result.setdefault("machine", described)
    if soak_seconds is not None:
        result["soak"] = soak(soak_seconds) | {"load": described["load"][0]}
    else:
        result["machine"] = described
        with tempfile.TemporaryDirectory(prefix="nearfield-serving-") as folder:
            result |= _compared(Path(folder), rows, rounds, seconds, peers)
    out.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")
    (out / "serving.md").write_text(markdown(result))
    return out / "serving.md"


def _compared(folder: Path, rows: int | None, rounds: int, seconds: float, peers: bool) -> dict[str, Any]:
    from ..store import Store

    workload = wordnet(rows, 2000)
    base, queries = workload.base, np.ascontiguousarray(workload.queries["wordnet"], "<f4")
    path, queries_path = folder / "wordnet.nf", folder / "queries.npy"
    np.save(queries_path, queries)
    with Store.create(path, base.shape[1]) as store:
        for start in range(0, len(base), 10_000):
            store.add(np.arange(start, min(start + 10_000, len(base))), base[start : start + 10_000])
        store.optimize(recall=0.95)
        truth = [set(ids) for ids in np.argsort(-(queries[:200] @ base.T), axis=1)[:, :K].tolist()]
        found = store.search(queries[:200], K).ids
    recall = float(np.mean([len(own & set(ids)) / K for own, ids in zip(truth, found, strict=True)]))
    result: dict[str, Any] = {"rows": len(base), "dim": int(base.shape[1]), "recall": recall, "peers": {}}
    result["ours"] = measure(path, queries_path, rounds=rounds, seconds=seconds)
    for name, peer in PEERS.items() if peers else ():
        place = folder / name
        place.mkdir()
        try:
            with served(path) as (address, _):
                ours = loaded(address, requests_of(queries, path.stem)["single"], CLIENTS, seconds)
            result["peers"][name] = peer(place, base, queries, truth, CLIENTS, seconds) | {"ours": ours}
        except (ImportError, OSError, RuntimeError) as error:
            result["peers"][name] = {"missing": (str(error).splitlines() or [type(error).__name__])[0]}
        shutil.rmtree(place, ignore_errors=True)
    return result
