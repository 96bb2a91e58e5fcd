"""The store's own speed: durable adds, opening in a fresh process, the first search, and single-query latency.

Two states are measured: as the adds left it (rows pending or in segments without an index, found by exact scan), and
compacted (one segment with a graph). Opening and searching happen in a process of their own that has imported the
package and read nothing of the store; the files are in the operating system's cache, as they are after a restart of a
service. Every batch is one synced transaction, so adds depend on the disk. Of single upserts, the same few items again
and again, the first are held against the last, and so are items added while the store moves to another model, each with
a search.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from . import machine
from .curves import tie_aware_hits
from .data import exact_distances, exact_neighbors, wordnet

BATCHES = (1_000, 10_000)
SINGLE, SINGLE_ITEMS = 40_000, 5_000
MOVING = 8_000
K = 10

_READER = """
import json, sys, time
import numpy as np
import nearfield.store
from nearfield.store import Store
path, queries_path, k = sys.argv[1], sys.argv[2], int(sys.argv[3])
queries = np.load(queries_path)
start = time.perf_counter()
store = Store.open(path)
opened = time.perf_counter() - start
start = time.perf_counter()
store.search(queries[0], k)
first = time.perf_counter() - start
times, found = [], []
for query in queries:
    start = time.perf_counter()
    hits = store.search(query, k)
    times.append(time.perf_counter() - start)
    found.append([-1 if item is None else item for item in hits.ids])
store.close()
print(json.dumps({"open": opened, "first": first, "times": times, "found": found}))
"""


def _read(path: Path, queries_path: Path, vectors: np.ndarray, kth: np.ndarray) -> dict[str, float]:
    """Open and search ``path`` in a fresh process: milliseconds, and tie-aware recall against exact search."""
    command = [sys.executable, "-c", _READER, str(path), str(queries_path), str(K)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"store reader: {done.stderr.strip().splitlines()[-1]}")
    answer = json.loads(done.stdout)
    times = 1000 * np.array(answer["times"])
    rows = np.array(answer["found"])
    hits = tie_aware_hits(exact_distances("cosine", np.load(queries_path), vectors, rows), kth, rows)
    return {
        "open_ms": 1000 * answer["open"],
        "first_search_ms": 1000 * answer["first"],
        "search_median_ms": float(np.median(times)),
        "search_p99_ms": float(np.quantile(times, 0.99)),
        "recall": float(hits.mean() / K),
    }


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def measure_store(vectors: np.ndarray, queries: np.ndarray, folder: Path) -> dict[str, Any]:
    """Add ``vectors`` in batches of several sizes, then open and search what is there; times in seconds and ms."""
    from ..store import Store

    queries_path = folder / "queries.npy"
    np.save(queries_path, queries)
    kth = exact_neighbors("cosine", vectors, queries, K)[0][:, -1]
    ids = np.arange(len(vectors))
    found: dict[str, Any] = {"rows": len(vectors), "dim": int(vectors.shape[1]), "adds": []}
    for size in BATCHES:
        path = folder / f"batch-{size}.nf"
        with Store.create(path, int(vectors.shape[1])) as store:
            times = []
            for start in range(0, len(vectors), size):
                clock = time.perf_counter()
                store.add(ids[start : start + size], vectors[start : start + size])
                times.append(time.perf_counter() - clock)
        added = {"batch": size, "rows_per_second": len(vectors) / sum(times), "slowest_batch_s": max(times)}
        found["adds"].append(added | {"disk_bytes": _size(path)} | _read(path, queries_path, vectors, kth))
    with Store.open(path) as store:
        clock = time.perf_counter()
        store.compact()
        found["compact_s"] = time.perf_counter() - clock
    found["compacted"] = {"disk_bytes": _size(path)} | _read(path, queries_path, vectors, kth)
    found["single"] = single_upserts(folder / "single.nf", vectors)
    found["moving"] = adds_in_a_move(folder / "moving.nf", vectors)
    return found


def single_upserts(path: Path, vectors: np.ndarray) -> dict[str, float]:
    """``SINGLE`` upserts of ``SINGLE_ITEMS`` items with an attribute: medians of the first and last tenth, in ms."""
    from ..store import Store

    chosen = np.random.default_rng(0).integers(min(SINGLE_ITEMS, len(vectors)), size=SINGLE).tolist()
    times = []
    with Store.create(path, int(vectors.shape[1]), attributes={"group": "int"}) as store:
        for row in chosen:
            clock = time.perf_counter()
            store.upsert(row, vectors[row], attributes={"group": row % 7})
            times.append(time.perf_counter() - clock)
    first, last = _ends(times)
    return {
        "upserts": SINGLE,
        "items": SINGLE_ITEMS,
        "first_ms": first,
        "last_ms": last,
        "slowest_s": max(times),
        "disk_bytes": _size(path),
    }


def adds_in_a_move(path: Path, vectors: np.ndarray) -> dict[str, float]:
    """``MOVING`` items with vectors of the next model added one a call, and searched for: as in :func:`single_upserts`.

    The next model is the old one turned, by which nothing that is timed gets easier.
    """
    from ..store import Store

    dim = int(vectors.shape[1])
    turned = vectors @ np.linalg.qr(np.random.default_rng(0).standard_normal((dim, dim)))[0].astype(np.float32)
    items = min(SINGLE_ITEMS, len(vectors))
    pairs, model = list(range(items // 5)), {"encoder": "turned", "dim": dim}
    adds, searches = [], []
    with Store.create(path, dim) as store:
        store.add(np.arange(items), vectors[:items])
        store.upgrade(pairs=(pairs, turned[pairs]), embedding=model)
        for number in range(MOVING):
            row = (items + number) % len(vectors)
            clock = time.perf_counter()
            store.add(items + number, turned[row], embedding=model)
            adds.append(time.perf_counter() - clock)
            clock = time.perf_counter()
            store.search(turned[row], K, embedding=model)
            searches.append(time.perf_counter() - clock)
    (first, last), (first_search, last_search) = _ends(adds), _ends(searches)
    return {
        "adds": MOVING,
        "items": items,
        "first_ms": first,
        "last_ms": last,
        "first_search_ms": first_search,
        "last_search_ms": last_search,
    }


def _ends(times: list[float]) -> tuple[float, float]:
    """Medians of the first and of the last tenth, in milliseconds."""
    tenth = max(1, len(times) // 10)
    return 1000 * float(np.median(times[:tenth])), 1000 * float(np.median(times[-tenth:]))


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    head = [
        "state",
        "rows/s added",
        "slowest batch s",
        "MB on disk",
        "open ms",
        "first search ms",
        "median ms",
        "p99 ms",
    ]
    head += ["recall@10"]
    rows = []
    for added in result["adds"]:
        rows.append(
            [f"added by {added['batch']:,}", f"{added['rows_per_second']:,.0f}", f"{added['slowest_batch_s']:.2f}"]
        )
        rows[-1] += _reading(added)
    single, moving = result["single"], result["moving"]
    rows.append([f"compacted in {result['compact_s']:.1f} s", "-", "-", *_reading(result["compacted"])])
    lines = [
        "# The store's own speed",
        "",
        f"{result['rows']:,} x {result['dim']} float32 MiniLM vectors of WordNet, cosine; {where['cpu']['model']}, "
        f"{where['cores']} cores, {where['date']}, load {where['load'][0]} at the start. Every batch is one synced "
        "transaction. Opening and searching: a fresh process, files in the system's cache, one query a call.",
        "",
        "| " + " | ".join(head) + " |",
        "| --- |" + " ---: |" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        f"{single['upserts']:,} upserts of {single['items']:,} items, one a call: median {single['first_ms']:.2f} ms "
        f"for the first tenth, {single['last_ms']:.2f} ms for the last, the slowest {single['slowest_s']:.2f} s, "
        f"{single['disk_bytes'] / 1e6:.0f} MB on disk afterwards.",
        "",
        f"{moving['adds']:,} adds to {moving['items']:,} items during a move, one a call, with vectors of the next "
        f"model: median {moving['first_ms']:.2f} ms for the first tenth, {moving['last_ms']:.2f} ms for the last; a "
        f"search after each {moving['first_search_ms']:.2f} and {moving['last_search_ms']:.2f} ms.",
        "",
    ]
    return "\n".join(lines)


def _reading(state: dict[str, Any]) -> list[str]:
    return [
        f"{state['disk_bytes'] / 1e6:.0f}",
        f"{state['open_ms']:.1f}",
        f"{state['first_search_ms']:.1f}",
        f"{state['search_median_ms']:.2f}",
        f"{state['search_p99_ms']:.2f}",
        f"{state['recall']:.4f}",
    ]


def run_store(out: Path, *, rows: int = 100_000, folder: Path | None = None) -> Path:
    """Measure, write ``store.json`` and ``store.md`` under ``out``, return the Markdown file."""
    workload = wordnet(rows, 500)
    with ExitStack() as stack:
        parent = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nearfield-store-")))
        place = parent / "nearfield-bench-store"
        place.mkdir(parents=True)
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        result: dict[str, Any] = {"machine": machine.describe()}
        result |= measure_store(workload.base[:rows], workload.queries["wordnet"], place)
    out.mkdir(parents=True, exist_ok=True)
    (out / "store.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "store.md").write_text(markdown(result))
    return out / "store.md"
