"""What a store was estimated to take, and what it took: memory to build and to search, bytes on disk.

Each recipe is measured in a process of its own, which opens a store that holds the rows without an index and compacts
it. The peak is the growth of the process's own pages, looked at every millisecond; a small store is built and dropped
before, so that what any build loads is not counted (see :mod:`nearfield.bench.memory`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..common.progress import remark
from . import machine
from .data import wordnet

FLOOR = 4_000_000
WITHIN = 0.05

_WORKER = """
import json, sys, threading, time
from dataclasses import replace
from pathlib import Path
import numpy as np
from nearfield.bench.memory import own_bytes, parse_status
from nearfield.store import Store, estimate
from nearfield.tune import Recipe, tune

def now():
    sizes = parse_status(Path("/proc/self/status").read_text())
    return sizes["RssAnon"] + sizes.get("RssShmem", 0)

path, rows, recipe = Path(sys.argv[1]), np.load(sys.argv[2], mmap_mode="r"), Recipe(**json.loads(sys.argv[3]))
plan = replace(tune(rows[:1500], recipes=[Recipe("flat", bits=8)], progress=False), recipe=recipe).to_dict()

def compact(path):
    with Store.open(path) as store:
        before = own_bytes()
        done = threading.Event()
        most = [before]
        def watch():
            while not done.is_set():
                most[0] = max(most[0], now())
                time.sleep(0.001)
        watcher = threading.Thread(target=watch)
        watcher.start()
        store._maintenance.compact(plan)
        most[0] = max(most[0], now())
        done.set()
        watcher.join()
        store.search(rows[0], 10)
        memory = store.stats()["memory"]
    disk = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return most[0] - before, memory.get("total", 0), disk

compact(path.with_name("small.nf"))
n, dim = rows.shape
said = estimate(n, dim, recipe, sample=np.array(rows[:: max(1, n // 20_000)]))
print(json.dumps({"found": compact(path), "said": [said.peak, said.resident, said.disk]}))
"""

# Name, parameters of the recipe.
RECIPES: dict[str, dict[str, Any]] = {
    "flat, 8 bits": {"kind": "flat", "bits": 8},
    "flat, 4 bits, rescored by the vectors": {"kind": "flat", "bits": 4, "rescore": "vectors"},
    "lists, 8 bits": {"kind": "ivf", "bits": 8},
    "lists, 1 bit rotated, rescored by the vectors": {"kind": "ivf", "bits": 1, "rotated": True, "rescore": "vectors"},
    "graph, floats": {"kind": "graph", "bits": 32},
    "graph, 8 bits": {"kind": "graph", "bits": 8},
    "graph, 8 bits, rescored by the vectors": {"kind": "graph", "bits": 8, "rescore": "vectors"},
    "graph, 4 bits, rescored by 8": {"kind": "graph", "bits": 4, "rescore": 8},
    "graph, 4 bits, rescored by 4 more": {"kind": "graph", "bits": 4, "rescore": "residual"},
    "graph, 8 bits of a quarter of the components, rescored by 8": {"kind": "graph", "bits": 8, "rescore": 8, "pca": 4},
    "fast graph, 8 bits": {"kind": "graph", "bits": 8, "layout": "fast", "alpha": 1.1},
}
FIGURES = ("peak", "resident", "disk")


def measure_sizes(vectors: np.ndarray, recipes: dict[str, dict[str, Any]], place: Path) -> list[dict[str, Any]]:
    """Estimate and truth of each recipe over these rows."""
    from ..store import Store

    rows = place / "rows.npy"
    np.save(rows, vectors)
    dim = int(vectors.shape[1])
    found = []
    for name, parameters in recipes.items():
        if "pca" in parameters:
            parameters = parameters | {"pca": dim // parameters["pca"]}
        for path, count in ((place / "large.nf", len(vectors)), (place / "small.nf", 1500)):
            with Store.create(path, dim) as store:
                for start in range(0, count, 10_000):
                    end = min(start + 10_000, count)
                    store.add(np.arange(start, end), vectors[start:end])
                store.seal() if count <= 20_000 else _seal(store)
        command = [sys.executable, "-c", _WORKER, str(place / "large.nf"), str(rows), json.dumps(parameters)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        for path in (place / "large.nf", place / "small.nf"):
            shutil.rmtree(path)
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stderr.strip().splitlines()[-1]}")
        answer = json.loads(done.stdout.strip().splitlines()[-1])
        figures = {
            figure: {"said": said, "found": truth}
            for figure, said, truth in zip(FIGURES, answer["said"], answer["found"], strict=True)
        }
        found.append({"recipe": name, "rows": len(vectors), "dim": dim, **figures})
        remark(f"{name} {vectors.shape}: {answer}")
    return found


def _seal(store: Any) -> None:
    """Move what is pending into a segment without an index: a compaction's peak is not to be that of a seal."""
    from ..store import maintenance

    before, maintenance.SCANNED_ROWS = maintenance.SCANNED_ROWS, 1 << 40
    try:
        store.seal()
    finally:
        maintenance.SCANNED_ROWS = before


def good(figure: dict[str, int]) -> bool:
    """Whether an estimate is as near as it is said to be."""
    return abs(figure["said"] - figure["found"]) <= max(WITHIN * figure["found"], FLOOR)


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    lines = [
        "# What a store takes, said beforehand",
        "",
        f"MiniLM vectors of WordNet, cosine, int ids; {where['cpu']['model']}, {where['date']}. `estimate` beside what "
        "a process of its own took to compact the store (growth of its own pages), what its index keeps, and the bytes "
        f"of all files, in MB. Within {WITHIN:.0%}, or {FLOOR / 1e6:.0f} MB where that is more; otherwise marked !.",
        "",
        "| rows | recipe | peak: said | found | off | resident: said | found | off | disk: said | found | off |",
        "| ---: | --- |" + " ---: |" * 9,
    ]
    for row in result["sizes"]:
        cells = [f"{row['rows']:,} x {row['dim']}", row["recipe"]]
        for name in FIGURES:
            said, found = row[name]["said"], row[name]["found"]
            off = f"{100 * (said / found - 1):+.1f}%" if found else ""
            cells += [f"{said / 1e6:.1f}", f"{found / 1e6:.1f}", off + "" if good(row[name]) else off + " !"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def run_sizing(out: Path, *, rows: tuple[int, ...] = (20_000, 115_659), folder: Path | None = None) -> Path:
    """Measure, write ``sizing.json`` and ``sizing.md`` under ``out``, return the Markdown file."""
    result: dict[str, Any] = {"machine": machine.describe(), "sizes": []}
    base = wordnet(max(rows), 1000).base
    sets = [base[:: len(base) // count][:count] for count in rows]
    sets.insert(0, np.ascontiguousarray(base[: min(10_000, len(base)), :64]))
    with tempfile.TemporaryDirectory(prefix="nearfield-sizing-", dir=folder) as place:
        for vectors in sets:
            result["sizes"] += measure_sizes(np.ascontiguousarray(vectors), RECIPES, Path(place))
    out.mkdir(parents=True, exist_ok=True)
    (out / "sizing.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "sizing.md").write_text(markdown(result))
    return out / "sizing.md"
