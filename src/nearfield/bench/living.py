"""What is found, and how fast, after items were deleted and replaced, beside a store built anew of those that live.

Every state starts from the same compacted store and is searched as it is left: deleted rows are walked through and not
returned, replaced items wait in the catalogue or in a segment of their own. Beside it stands a copy that was compacted,
which is what a fresh build of the living gives. Recall is against exact search over the living; queries are held out.
The two stores are timed in turn, one query a call; the least of the rounds' medians counts.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import machine
from .curves import tie_aware_hits
from .data import exact_distances, exact_neighbors, wordnet

if TYPE_CHECKING:
    from ..store import Store

K = 10
SHARES = (0.1, 0.5, 0.9)
ROUNDS = 10
REPLACED = 0.1
TIMED, REPEATS = 200, 5


class Items:
    """What a store should hold: the vector of each id, and which ids live."""

    def __init__(self, vectors: np.ndarray):
        self.vectors = vectors.copy()
        self.alive = np.ones(len(vectors), bool)

    def truth(self, queries: np.ndarray) -> np.ndarray:
        """The exact distance of each query's last neighbour among the living."""
        return exact_neighbors("cosine", self.vectors[self.alive], queries, K)[0][:, -1]


def to_delete(vectors: np.ndarray, share: float, how: str, seed: int = 0) -> np.ndarray:
    """The ids to delete: any of them, or those nearest to one of them."""
    count = round(share * len(vectors))
    rng = np.random.default_rng(seed)
    if how == "random":
        return np.sort(rng.permutation(len(vectors))[:count])
    centre = vectors[rng.integers(len(vectors))]
    return np.sort(np.argsort(-(vectors @ centre), kind="stable")[:count])


def measure_state(
    store: Store, fresh: Store, items: Items, queries: np.ndarray, near: np.ndarray | None = None
) -> dict[str, Any]:
    """Recall and milliseconds of both; ``near`` names the queries whose neighbourhood lost most."""
    kth = items.truth(queries)
    found: dict[str, Any] = {"items": len(store), "stored": _stored(store)}
    for name, one in (("left", store), ("fresh", fresh)):
        rows = np.array([[-1 if item is None else item for item in ids] for ids in one.search(queries, K).ids])
        if (rows < 0).any() or not items.alive[rows].all():
            raise RuntimeError(f"{name}: an answer is missing or was deleted")
        hits = tie_aware_hits(exact_distances("cosine", queries, items.vectors, rows), kth, rows) / K
        found[name] = {"recall": float(hits.mean())}
        if near is not None and near.any():
            found[name]["recall_near"] = float(hits[near].mean())
    medians: dict[str, list[float]] = {"left": [], "fresh": []}
    for _ in range(REPEATS):
        for name, one in (("left", store), ("fresh", fresh)):
            medians[name].append(_median_ms(one, queries[:TIMED]))
    for name, values in medians.items():
        found[name]["ms"] = min(values)
    return found


def _stored(store: Store) -> int:
    stats = store.stats()
    return int(stats["items"] + stats["deleted"])


def _median_ms(store: Store, queries: np.ndarray) -> float:
    times = []
    for query in queries:
        start = time.perf_counter()
        store.search(query, K)
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times))


def _beside(store: Store, place: Path, items: Items, queries: np.ndarray, near: Any = None) -> dict[str, Any]:
    """Measure a store beside a compacted copy of it, and what compacting said it would give back and gave."""
    from ..store import Store

    copy = place / "fresh.nf"
    store.snapshot(copy)
    with Store.open(copy) as fresh:
        expected = fresh.reclaimable()
        start = time.perf_counter()
        fresh.compact()
        seconds = time.perf_counter() - start
        gave = expected.before - fresh.stats()["bytes_total"]
        state = measure_state(store, fresh, items, queries, near)
    shutil.rmtree(copy)
    said = {"gives_back": expected.gives_back, "seconds": expected.seconds}
    return state | {"said": said, "gave_back": gave, "compact_s": seconds}


def measure_living(vectors: np.ndarray, queries: np.ndarray, place: Path, recall: float | None) -> dict[str, Any]:
    """All states of one recipe: that of a plan for ``recall``, or without one what a store does by itself."""
    from ..store import Store

    whole = place / "whole.nf"
    dim = int(vectors.shape[1])
    with Store.create(whole, dim) as store:
        _add(store, np.arange(len(vectors)), vectors)
        if recall is None:
            store.compact()
        else:
            store.optimize(recall=recall, k=K)
        recipe = store.stats()["segments"][0]["index"]
        plan = store.plan
        states = [{"change": "none", **_beside(store, place, Items(vectors), queries)}]
    nearest = exact_neighbors("cosine", vectors, queries, 1)[1][:, 0]
    for how in ("random", "cluster"):
        for share in SHARES:
            items = Items(vectors)
            gone = to_delete(vectors, share, how)
            items.alive[gone] = False
            with _copied(whole, place) as store:
                store.delete(gone)
                near = np.isin(nearest, gone) if how == "cluster" else None
                state = _beside(store, place, items, queries, near)
            states.append({"change": f"{share:.0%} deleted, {how}", **state})
    shutil.rmtree(whole)
    states += _replace(vectors, queries, place, plan)
    return {"recipe": recipe, "states": states}


def _add(store: Store, ids: np.ndarray, vectors: np.ndarray) -> None:
    for start in range(0, len(ids), 10_000):
        store.add(ids[start : start + 10_000], vectors[start : start + 10_000])


def _copied(whole: Path, place: Path) -> Store:
    """A store of its own with what ``whole`` holds."""
    from ..store import Store

    path = place / "copy.nf"
    shutil.rmtree(path, ignore_errors=True)
    with Store.open(whole, read_only=True) as store:
        store.snapshot(path)
    return Store.open(path)


def _replace(vectors: np.ndarray, queries: np.ndarray, place: Path, plan: Any) -> list[dict[str, Any]]:
    """Half of the vectors, a tenth of which is replaced ten times by vectors of the other half."""
    from ..store import Store

    half = len(vectors) // 2
    order = np.random.default_rng(1).permutation(len(vectors))
    items, pool = Items(vectors[np.sort(order[:half])]), vectors[order[half:]]
    rng = np.random.default_rng(2)
    count = round(REPLACED * half)
    states = []
    with Store.create(place / "half.nf", int(vectors.shape[1])) as store:
        _add(store, np.arange(half), items.vectors)
        if plan is None:
            store.compact()
        else:
            store._maintenance.compact(plan.to_dict())  # type: ignore[union-attr]  # the same recipe, not a new plan
        for number in range(ROUNDS):
            chosen = rng.permutation(half)[:count]
            fresh = pool[number * count : (number + 1) * count]
            chosen = chosen[: len(fresh)]
            items.vectors[chosen] = fresh
            store.upsert(chosen, fresh)
        states.append({"change": f"{ROUNDS} rounds of replace", **_beside(store, place, items, queries)})
        store.seal()
        states.append({"change": f"{ROUNDS} rounds of replace, sealed", **_beside(store, place, items, queries)})
    shutil.rmtree(place / "half.nf")
    return states


def markdown(result: dict[str, Any]) -> str:
    """The figures as Markdown."""
    where = result["machine"]
    lines = [
        "# What is found of the living",
        "",
        f"{result['rows']:,} x {result['dim']} MiniLM vectors of WordNet, cosine, {result['queries']:,} held-out "
        f"queries, recall@{K} against exact search over the living; {where['cpu']['model']}, {where['cores']} cores, "
        f"{where['date']}, load {where['load'][0]} at the start. *As left*: deleted rows lie where they lay, replaced "
        "items are pending or in a segment of their own. *Fresh*: a copy, compacted. One query a call; times of the "
        "two are taken in turn. *Cluster*: those nearest to one item; in brackets the recall of queries whose nearest "
        "item was deleted. Replaced: half of the vectors, each round a tenth of them by others of the other half.",
        "",
    ]
    for part in result["parts"]:
        lines += [
            f"## {part['recipe']}",
            "",
            "| change | items | stored | recall as left | fresh | difference | ms as left | fresh | ratio "
            "| said to give back, MB | gave | in s |",
            "| --- |" + " ---: |" * 11,
        ]
        for state in part["states"]:
            left, fresh = state["left"], state["fresh"]
            cells = [state["change"], f"{state['items']:,}", f"{state['stored']:,}", _recall(left), _recall(fresh)]
            cells += [f"{100 * (left['recall'] - fresh['recall']):+.2f}", f"{left['ms']:.3f}", f"{fresh['ms']:.3f}"]
            cells += [f"{left['ms'] / fresh['ms']:.2f}", f"{state['said']['gives_back'] / 1e6:.2f}"]
            cells += [f"{state['gave_back'] / 1e6:.2f}", f"{state['compact_s']:.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _recall(found: dict[str, float]) -> str:
    near = found.get("recall_near")
    return f"{found['recall']:.4f}" + (f" ({near:.4f})" if near is not None else "")


def run_living(out: Path, *, rows: int = 115_659, recalls: Any = (0.95, None), folder: Path | None = None) -> Path:
    """Measure, write ``living.json`` and ``living.md`` under ``out``, return the Markdown file."""
    workload = wordnet(rows, 1000)
    vectors, queries = workload.base[:rows], workload.queries["wordnet"]
    with ExitStack() as stack:
        parent = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nearfield-living-")))
        place = parent / "nearfield-bench-living"
        place.mkdir(parents=True)
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        result: dict[str, Any] = {"machine": machine.describe(), "rows": len(vectors), "dim": int(vectors.shape[1])}
        result["queries"] = len(queries)
        result["parts"] = [measure_living(vectors, queries, place, recall) for recall in recalls]
    out.mkdir(parents=True, exist_ok=True)
    (out / "living.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "living.md").write_text(markdown(result))
    return out / "living.md"
