"""Many small collections in one process: what making, opening, searching and holding them costs.

Every collection is a store of its own with 50 to 200 items of WordNet. First all are made; then, in a process that has
opened and searched one before, some are opened and kept open: the time of ``Store.open`` and of the first search, file
descriptors, and what the process grows by for each, once as pending rows and once sealed. Last, requests for
collections drawn by a Zipf law go through :class:`nearfield.store.Collections`, which keeps only so many open.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from . import machine
from .data import wordnet
from .report import table

MOST_OPEN = 64
MAKERS = 8  # threads: every step of making one is synced, and a disk syncs several at a time
HELD = 1_000
REQUESTS = 20_000
K = 10

_READER = """
import json, os, sys, time
from pathlib import Path
import numpy as np
from nearfield.bench.memory import own_bytes
from nearfield.store import Store
paths, query, k = json.loads(Path(sys.argv[1]).read_text()), np.load(sys.argv[2])[0], int(sys.argv[3])
with Store.open(paths[0]) as store:
    store.search(query, k)
def descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
before, files, stores = own_bytes(), descriptors(), []
opens, firsts = [], []
for path in paths[1:]:
    start = time.perf_counter()
    stores.append(Store.open(path))
    opens.append(time.perf_counter() - start)
opened = own_bytes() - before
for store in stores:
    start = time.perf_counter()
    store.search(query, k)
    firsts.append(time.perf_counter() - start)
searched, held = own_bytes() - before, descriptors() - files
nexts = []
for store in stores:
    start = time.perf_counter()
    store.search(query, k)
    nexts.append(time.perf_counter() - start)
for store in stores:
    store._catalogue.trim()
idle = own_bytes() - before
count = len(stores)
print(json.dumps({
    "stores": count, "open_ms": 1e3 * float(np.median(opens)), "first_search_ms": 1e3 * float(np.median(firsts)),
    "search_ms": 1e3 * float(np.median(nexts)), "open_p99_ms": 1e3 * float(np.quantile(opens, 0.99)),
    "bytes_open": opened / count, "bytes_searched": searched / count, "bytes_idle": idle / count,
    "descriptors": held / count,
}))
"""


def _sizes(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(50, 201, count)


def _fill(folder: Path, count: int, vectors: np.ndarray) -> dict[str, Any]:
    from ..store import Collections

    sizes = _sizes(count)
    starts = np.cumsum(sizes) - sizes

    def make(number: int) -> float:
        rows = np.arange(starts[number], starts[number] + sizes[number]) % len(vectors)
        clock = time.perf_counter()
        collections.create(_name(number), int(vectors.shape[1]))
        with collections.open(_name(number)) as store:
            store.add(np.arange(len(rows)), vectors[rows])
        return time.perf_counter() - clock

    clock = time.perf_counter()
    with Collections(folder, most_open=MOST_OPEN) as collections, ThreadPoolExecutor(MAKERS) as makers:
        times = list(makers.map(make, range(count)))
    seconds = time.perf_counter() - clock
    disk = sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())
    return {
        "items": int(sizes.sum()),
        "make_ms": 1e3 * float(np.median(times)),
        "made_per_second": count / seconds,
        "disk_bytes": disk / count,
    }


def _name(number: int) -> str:
    return f"tenant-{number:05d}"


def _held(folder: Path, numbers: list[int], queries_path: Path) -> dict[str, float]:
    """Open and search these collections in a fresh process."""
    paths = queries_path.with_name("paths.json")
    paths.write_text(json.dumps([str(folder / f"{_name(number)}.nf") for number in numbers]))
    command = [sys.executable, "-c", _READER, str(paths), str(queries_path), str(K)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"collections reader: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def _requests(folder: Path, count: int, requests: int, queries: np.ndarray) -> dict[str, float]:
    """Searches of collections drawn by a Zipf law, with a tenth of writes."""
    from ..store import Collections

    rng = np.random.default_rng(1)
    weights = 1.0 / np.arange(1, count + 1)
    drawn = rng.permutation(count)[rng.choice(count, requests, p=weights / weights.sum())]
    times = []
    with Collections(folder, most_open=MOST_OPEN) as collections:
        for place, number in enumerate(drawn.tolist()):
            clock = time.perf_counter()
            with collections.open(_name(number)) as store:
                if place % 10 == 9:
                    store.upsert(0, queries[place % len(queries)])
                else:
                    store.search(queries[place % len(queries)], K)
            times.append(time.perf_counter() - clock)
        opened = collections.stats()["opened"]
    return {
        "requests": requests,
        "per_second": requests / sum(times),
        "opened_share": opened / requests,
        "median_ms": 1e3 * float(np.median(times)),
        "p99_ms": 1e3 * float(np.quantile(times, 0.99)),
    }


def measure_collections(
    vectors: np.ndarray, queries: np.ndarray, folder: Path, *, count: int, requests: int = REQUESTS
) -> dict[str, Any]:
    """Make ``count`` collections under ``folder``, open some, ask all; times in milliseconds."""
    from ..store import Collections

    queries_path = folder / "queries.npy"
    np.save(queries_path, queries)
    place = folder / "collections"
    found: dict[str, Any] = {"collections": count, "dim": int(vectors.shape[1]), "most_open": MOST_OPEN}
    found |= _fill(place, count, vectors)
    room = max(2, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 12)
    numbers = np.random.default_rng(2).permutation(count)[: min(HELD, room, count) + 1].tolist()
    found["pending"] = _held(place, numbers, queries_path)
    with Collections(place, most_open=1) as collections:
        for number in numbers:
            with collections.open(_name(number)) as store:
                store.seal()
    found["sealed"] = _held(place, numbers, queries_path)
    found["served"] = _requests(place, count, requests, queries)
    clock = time.perf_counter()
    with Collections(place) as collections:
        found["listed"] = len(collections)
    found["list_ms"] = 1e3 * (time.perf_counter() - clock)
    return found


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where, served = result["machine"], result["served"]
    head = [
        "each collection",
        "open ms",
        "p99 ms",
        "first search ms",
        "next ms",
        "kB open",
        "kB searched",
        "kB idle",
        "files",
    ]
    rows = []
    for state in ("pending", "sealed"):
        held = result[state]
        rows.append(
            [
                f"{state}, {held['stores']:,} open at once",
                *(f"{held[name]:.2f}" for name in ("open_ms", "open_p99_ms", "first_search_ms", "search_ms")),
                *(f"{held[name] / 1e3:.0f}" for name in ("bytes_open", "bytes_searched", "bytes_idle")),
                f"{held['descriptors']:.1f}",
            ]
        )
    lines = [
        "# Many small collections",
        "",
        f"{result['collections']:,} collections of 50 to 200 items ({result['items']:,} in all), {result['dim']} "
        f"dimensions, WordNet; {where['cpu']['model']}, {where['cores']} cores, {where['date']}, load "
        f"{where['load'][0]} at the start. Files in the system's cache; kB are pages of the "
        "process's own, *idle* what is left of them when a collection was not used for a while.",
        "",
        f"Making one and adding its items takes {result['make_ms']:.1f} ms (median; every step is synced) and "
        f"{result['disk_bytes'] / 1e3:.0f} kB of disk; {MAKERS} threads make {result['made_per_second']:.0f} a second. "
        f"Listing all takes {result['list_ms']:.0f} ms.",
        "",
        *table(head, rows),
        "",
        f"{served['requests']:,} requests to collections drawn by a Zipf law, one in ten an upsert, with "
        f"{result['most_open']} open at most: {served['per_second']:,.0f} a second, median "
        f"{served['median_ms']:.2f} ms, 99th percentile {served['p99_ms']:.1f} ms; "
        f"{served['opened_share']:.0%} of them had to open one.",
        "",
    ]
    return "\n".join(lines)


def run_collections(out: Path, *, count: int = 10_000, folder: Path | None = None, requests: int = REQUESTS) -> Path:
    """Measure, write ``collections.json`` and ``collections.md`` under ``out``, return the Markdown file."""
    workload = wordnet(None, 500)
    with ExitStack() as stack:
        parent = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nearfield-collections-")))
        place = parent / "nearfield-bench-collections"
        place.mkdir(parents=True)
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        result: dict[str, Any] = {"machine": machine.describe()}
        result |= measure_collections(workload.base, workload.queries["wordnet"], place, count=count, requests=requests)
    out.mkdir(parents=True, exist_ok=True)
    (out / "collections.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "collections.md").write_text(markdown(result))
    return out / "collections.md"
