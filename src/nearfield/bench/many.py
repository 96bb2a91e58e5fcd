"""Batches of hybrid queries: :meth:`Store.search_many` beside :meth:`Store.search` of each query, on Debian's packages.

Four ways in turn, the best of some rounds each: every query by a call of its own; one call of ``search`` for each
distinct condition, which anyone can write; ``search_many``; and ``search_many`` with a partition learnt from other
queries of the same kind. Queries are vectors of packages that the store does not hold.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from .. import native
from . import machine

K = 10
_ARROW = {"string": "large_string", "int": "int64"}
WAYS = ("one by one", "one call a condition", "search_many", "search_many, partition")


def measure_many(
    packages: Any,
    vectors: np.ndarray,
    folder: Path,
    *,
    queries: int = 2000,
    kinds: int = 64,
    threads: tuple[int, ...] = (1, 2),
    rounds: int = 3,
    recall: float = 0.95,
) -> dict[str, Any]:
    """Queries a second and recall of each way, for each number of threads.

    The stores are made in ``folder``, which takes minutes, unless it holds those of an earlier run.
    """
    import pyarrow as pa

    from ..store import Filter, Store

    order = np.random.default_rng(0).permutation(len(packages))
    held, before, kept = order[:queries], order[queries : 2 * queries], np.sort(order[2 * queries :])
    texts = packages.conditions(kinds)
    asked, past = _skewed(queries, kinds, 1), _skewed(queries, kinds, 2)
    where = [texts[number] for number in asked]
    stored = packages.take(kept)
    schema, columns = packages.SCHEMA, stored.attributes
    found: dict[str, Any] = {"rows": len(kept), "dim": int(vectors.shape[1]), "queries": queries, "conditions": kinds}
    if not (folder / "plain.nf").exists():
        log = [(vectors[row], texts[number]) for row, number in zip(before, past, strict=True)]
        _make_stores(stored, vectors[kept], log, folder, recall)
    table = pa.table(columns, schema=pa.schema([(name, _ARROW[kind]) for name, kind in schema.items()]))
    masks = [Filter(text, schema).mask(table) for text in texts]
    shares = np.array([mask.mean() for mask in masks])
    found["share"] = {"most": shares.max(), "least": shares.min(), "mean": shares[asked].mean()}
    truth = _truth(vectors[kept], vectors[held], asked, masks)
    with Store.open(folder / "packages.nf") as store, Store.open(folder / "plain.nf") as plain:
        found["plan"] = str(store.plan and store.plan.recipe)
        found["partition"] = store.stats()["segments"][0]["partition"]
        ways: dict[str, Callable[[], Any]] = {
            WAYS[0]: lambda: [plain.search(q, K, where=w) for q, w in zip(vectors[held], where, strict=True)],
            WAYS[1]: lambda: _by_condition(plain, vectors[held], asked, texts),
            WAYS[2]: lambda: plain.search_many(vectors[held], K, where=where),
            WAYS[3]: lambda: store.search_many(vectors[held], K, where=where),
        }
        distances = {way: _distances(run()) for way, run in ways.items()}  # also warms what is kept between calls
        found["recall"] = {way: _recall(own, truth) for way, own in distances.items()}
        found["worse"] = {
            way: int((own > distances[WAYS[0]] + 1e-6).any(axis=1).sum()) for way, own in distances.items()
        }
        found["groups"] = {
            "search_many": store_groups(plain, where),
            "search_many, partition": store_groups(store, where),
        }
        usual = native.threads()
        found["queries_per_second"] = {}
        try:
            for count in threads:
                native.set_threads(count)
                found["queries_per_second"][str(count)] = _time(ways, rounds, queries)
        finally:
            native.set_threads(usual)
    return found


def _make_stores(packages: Any, vectors: np.ndarray, log: list[Any], folder: Path, recall: float) -> None:
    """``packages.nf`` with a partition learnt from the log, and ``plain.nf``, the same without."""
    from ..store import Store

    with Store.create(folder / "packages.nf", int(vectors.shape[1]), attributes=packages.SCHEMA) as store:
        for start in range(0, len(packages), 10_000):
            some = slice(start, start + 10_000)
            part = {name: values[some] for name, values in packages.attributes.items()}
            store.add(packages.names[some], vectors[some], attributes=part)
        store.optimize(recall=recall, workload=log)
        store.snapshot(folder / "plain.nf")
    for file in (folder / "plain.nf" / "segments").glob("*.partition.*"):
        file.unlink()  # derived: the copy answers without it


def _skewed(count: int, kinds: int, seed: int) -> np.ndarray:
    """Which condition each of ``count`` queries has: the i-th comes with a chance of 1 / i."""
    chances = 1 / np.arange(1, kinds + 1)
    return np.random.default_rng(seed).choice(kinds, count, p=chances / chances.sum())


def store_groups(store: Any, where: list[str]) -> dict[str, int]:
    """How many queries of a batch are answered in which way."""
    from ..store.many import count_groups, distinct

    return store._reader.view(lambda view, _: count_groups(view, distinct(where, len(where), store._reader._filter), K))


def _by_condition(store: Any, queries: np.ndarray, asked: np.ndarray, texts: list[str]) -> Any:
    found = np.full((len(queries), K), np.inf, np.float32)
    for number in np.unique(asked):
        own = np.flatnonzero(asked == number)
        found[own] = store.search(queries[own], K, where=texts[number]).distances
    return found


def _distances(answer: Any) -> np.ndarray:
    if isinstance(answer, list):
        return np.stack([hits.distances for hits in answer])
    return np.asarray(getattr(answer, "distances", answer))


def _truth(base: np.ndarray, queries: np.ndarray, asked: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """The exact distances, found with NumPy alone."""
    truth = np.full((len(queries), K), np.inf)
    unit = [array / np.linalg.norm(array, axis=1, keepdims=True) for array in (base, queries)]
    for number in np.unique(asked):
        own = np.flatnonzero(asked == number)
        near = np.sort(1 - unit[1][own] @ unit[0][masks[number]].T, axis=1)[:, :K]
        truth[own, : near.shape[1]] = near
    return truth


def _recall(found: np.ndarray, truth: np.ndarray) -> float:
    there = np.isfinite(truth)
    last = np.where(there, truth, -np.inf).max(axis=1, keepdims=True)
    return float((found[:, :K] <= last + 1e-5)[there].mean())


def _time(ways: dict[str, Callable[[], Any]], rounds: int, queries: int) -> dict[str, float]:
    """Queries a second of each way, the best of some interleaved rounds."""
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for way, run in ways.items():
            clock = time.perf_counter()
            run()
            best[way] = min(best[way], time.perf_counter() - clock)
    return {way: queries / seconds for way, seconds in best.items()}


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where, share = result["machine"], result["share"]
    counts = list(result["queries_per_second"])
    head = ["way", *(f"queries/s, {n} thread{'s' * (n != '1')}" for n in counts), "times one by one", "recall@10"]
    rows = []
    for way in WAYS:
        speeds = [result["queries_per_second"][n][way] for n in counts]
        times = [result["queries_per_second"][n][way] / result["queries_per_second"][n][WAYS[0]] for n in counts]
        cells = [way, *(f"{speed:,.0f}" for speed in speeds), ", ".join(f"{t:.1f}" for t in times)]
        rows.append([*cells, f"{result['recall'][way]:.4f}"])
    kept = result["partition"]
    lines = [
        "# Batches of hybrid queries",
        "",
        f"{result['rows']:,} Debian packages, {result['dim']} dimensions (WordLlama), cosine; {result['queries']:,} "
        f"queries, vectors of other packages, under {result['conditions']} conditions on section, tags and sizes, the "
        f"i-th asked with a chance of 1 / i. A condition lets {share['least']:.2%} to {share['most']:.0%} of the rows "
        f"pass, {share['mean']:.1%} on average over the queries. {where['cpu']['model']}, {where['cores']} cores, "
        f"{where['date']}, load {where['load'][0]} at the start. Index: {result['plan']}. Best of {result['rounds']} "
        "interleaved rounds.",
        "",
        "| " + " | ".join(head) + " |",
        "| --- |" + " ---: |" * (len(head) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    if kept:
        lines += [
            f"The partition has {kept['leaves']} leaves and {kept['lists']} lists, learnt from as many queries of the "
            f"same kind; {kept['share']:.0%} of the rows that pass are compared, which by its "
            "own measurement finds as much as one by one.",
            "",
        ]
    for way, groups in result["groups"].items():
        told = ", ".join(f"{count:,} by {kind}" for kind, count in groups.items() if count)
        worse = result["worse"][way]
        lines.append(
            f"- {way}: {told}; {worse:,} of {result['queries']:,} answers are farther anywhere than one by one."
        )
    return "\n".join([*lines, ""])


def run_many(
    out: Path,
    *,
    packages: Path | None = None,
    rows: int | None = None,
    queries: int = 2000,
    rounds: int = 3,
    folder: Path | None = None,
) -> Path:
    """Measure, write ``many.json`` and ``many.md`` under ``out``, return the Markdown file."""
    from ..datasets import debian_packages
    from ..encode import WordLlama

    known = debian_packages(packages)
    if rows is not None and rows < len(known):
        known = known.take(np.sort(np.random.default_rng(3).permutation(len(known))[:rows]))
    vectors = np.ascontiguousarray(WordLlama().encode(known.texts, progress=False), np.float32)
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nearfield-many-")))
        place.mkdir(parents=True, exist_ok=True)
        result: dict[str, Any] = {"machine": machine.describe(), "rounds": rounds}
        result |= measure_many(known, vectors, place, queries=min(queries, len(known) // 5), rounds=rounds)
    out.mkdir(parents=True, exist_ok=True)
    (out / "many.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "many.md").write_text(markdown(result))
    return out / "many.md"
