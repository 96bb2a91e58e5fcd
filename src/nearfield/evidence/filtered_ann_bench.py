"""Filtered search: which strategy wins under which filter, on WordNet's attributes, and whether the planner knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..common.checks import require
from ..index import Flat, Graph
from . import glosses, material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import recall

PAPER = Paper(
    "filtered_ann_bench",
    "Benchmarking Filtered Approximate Nearest Neighbor Search Algorithms on Transformer-based Embedding Vectors",
    "nearfield.index.Graph.search(allow=..., strategy=...) and its planner; no index is built for one attribute.",
)
BEST = Claim("No strategy is the fastest at recall 0.95 under every filter.")
NARROW = Claim("With at most 1% of the rows allowed, comparing all of them is the fastest.")
WIDE = Claim("With 90% or more allowed, searching without the filter and dropping what it excludes is the fastest.")
AWAY = Claim(
    "Where half the rows or a fifth are allowed, those farthest from the query, following allowed rows keeps recall "
    "0.9, and post-filtering in the same time falls below 0.7."
)
KINDS = Claim("One index finds 95% under equality, set membership, range and conjunction alike, with its defaults.")
PLANNED = Claim("The planner takes at most 1.5 times as long as the best strategy at recall 0.95, under every filter.")
PEER = Claim("The planner is faster than faiss' HNSW with an id selector at recall 0.95, under every filter.")
CLAIMS = (BEST, NARROW, WIDE, AWAY, KINDS, PLANNED, PEER)
WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
K = 10


class Filter(NamedTuple):
    """A filter by name, the rows it allows, the queries under it, and what is right."""

    name: str
    allow: np.ndarray
    queries: np.ndarray
    truth: Any

    @property
    def share(self) -> float:
        """Of the rows that are allowed."""
        return float(self.allow.mean())


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    base, queries, values = _glosses(setting.pick(None, 2_000), setting.pick(100, 10))
    graph, exact = Graph("cosine", rescore="vectors").build(base), Flat("cosine").build(base)
    anchor = exact.search(queries[0], len(base)).rows
    masks = {name: (mask, queries) for name, mask in _attributes(values).items()}
    masks |= {"1% at random": (np.random.default_rng(0).random(len(base)) < 0.01, queries)}
    likes = queries[np.argsort(-(queries @ queries[0]), kind="stable")[: setting.pick(50, 5)]]
    for share in (0.5, 0.2):
        far = np.zeros(len(base), bool)
        far[anchor[-round(share * len(base)) :]] = True
        masks[f"farthest {share:.0%}"] = (far, likes)
    masks = {name: (mask, asked) for name, (mask, asked) in masks.items() if mask.any()}
    filters = [Filter(name, mask, asked, exact.search(asked, K, allow=mask)) for name, (mask, asked) in masks.items()]
    ways = {name: partial(_ours, graph, name) for name in ("scan", "cross", "follow")}
    ways |= {"drop": partial(_dropped, graph), "planned": partial(_ours, graph, None)}
    costs = {each.name: {name: _cost(way, each) for name, way in ways.items()} for each in filters}
    others = {name: {way: cost for way, cost in found.items() if way != "planned"} for name, found in costs.items()}
    winners = {name: min(found, key=lambda way: found[way]) for name, found in others.items()}

    shares = {each.name: each.share for each in filters}
    text = "; ".join(f"{name} ({shares[name]:.2%}): {_shown(found)}" for name, found in costs.items())
    text = f"Microseconds a query on one thread at recall 0.95, {len(base):,} glosses, by strategy. {text}."
    yield Finding(BEST, text, Verdict.of(len(set(winners.values())) > 1, why="one wins everywhere"), costs)

    yield _wins(NARROW, "scan", winners, [name for name, share in shares.items() if share <= 0.01])
    yield _wins(WIDE, "drop", winners, [name for name, share in shares.items() if share >= 0.9])

    found, parts, keeps, falls = {}, [], [], []
    for each in filters[-2:]:
        follow = partial(_ours, graph, "follow")
        spent, kept = _timed(follow, each, 64)
        tried = [_timed(partial(_dropped, graph), each, width) for width in (K, *WIDTHS)]
        left = max((share for seconds, share in tried if seconds <= spent), default=0.0)
        found[each.name] = {"follow": kept, "drop": left}
        parts.append(f"{each.name}: {kept:.3f} against {left:.3f} in {1e6 * spent / len(each.queries):.0f} us")
        keeps.append(kept >= 0.9)
        falls.append(left < 0.7)
    verdict = Verdict.of(all(keeps + falls), in_part=all(keeps) or any(falls), why="not under both filters")
    yield Finding(AWAY, "; ".join(parts) + ".", verdict, found)

    recalls = {each.name: _timed(ways["planned"], each, 64)[1] for each in filters}
    text = ", ".join(f"{name} {share:.3f}" for name, share in recalls.items()) + "."
    low = [name for name, share in recalls.items() if share < 0.95]
    yield Finding(KINDS, text, Verdict.of(not low, in_part=len(low) < 3, why=f"not {', '.join(low)}"), recalls)

    ratios = {name: found["planned"] / others[name][winners[name]] for name, found in costs.items()}
    text = "Planner to best: " + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()) + "."
    slow = [name for name, ratio in ratios.items() if ratio > 1.5]
    yield Finding(PLANNED, text, Verdict.of(not slow, in_part=len(slow) < 3, why=f"not {', '.join(slow)}"), ratios)

    selected = _faiss(base)
    gains = {each.name: _cost(selected, each) / costs[each.name]["planned"] for each in filters}
    text = "Times faiss' time to the planner's: "
    text += ", ".join(f"{name} {'no recall 0.95' if np.isinf(g) else f'{g:.1f}'}" for name, g in gains.items()) + "."
    lost = [name for name, gain in gains.items() if gain <= 1]
    yield Finding(PEER, text, Verdict.of(not lost, in_part=len(lost) < 3, why=f"not {', '.join(lost)}"))


def _glosses(rows: int | None, count: int) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    from ..datasets import load

    vectors, values = load("wordnet").vectors, glosses.attributes()
    order = np.random.default_rng(0).permutation(len(vectors))
    kept = np.sort(order[count:][:rows])
    base, queries = material.unit(vectors[kept]), material.unit(vectors[order[:count]])
    return base, queries, {name: column[kept] for name, column in values.items()}


def _attributes(values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    part, topic, length, relations = (values[name] for name in ("part", "topic", "length", "relations"))
    return {
        "part = adjective": part == 2,
        "topic = animals": topic == 5,
        "topic = motives": topic == 16,
        "topic in (acts, artefacts, messages)": np.isin(topic, (4, 6, 10)),
        "length between 40 and 80": (length >= 40) & (length <= 80),
        "length >= 20": length >= 20,
        "nouns of at most 30 characters and 5 or more relations": (part == 0) & (length <= 30) & (relations >= 5),
    }


Way = Callable[[Filter, int], np.ndarray]


def _ours(graph: Graph, strategy: str | None, each: Filter, width: int) -> np.ndarray:
    options: dict[str, Any] = {"beam": width, "candidates": width, "allow": each.allow, "strategy": strategy}
    return graph.search(each.queries, K, threads=1, **options).rows


def _dropped(graph: Graph, each: Filter, width: int) -> np.ndarray:
    """Post-filtering: the ``width`` nearest without the filter, less those it excludes."""
    found = graph.search(each.queries, width, beam=width, candidates=width, threads=1).rows
    keep = each.allow[found]
    order = np.argsort(~keep, axis=1, kind="stable")[:, :K]
    return np.where(np.take_along_axis(keep, order, 1), np.take_along_axis(found, order, 1), -1)


def _faiss(base: np.ndarray) -> Way:
    faiss: Any = require("faiss", "bench")
    index = faiss.IndexHNSWFlat(base.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = 64
    index.add(base)
    faiss.omp_set_num_threads(1)

    def search(each: Filter, width: int) -> np.ndarray:
        selector = faiss.IDSelectorBitmap(np.packbits(each.allow, bitorder="little"))
        found: np.ndarray = index.search(
            each.queries, K, params=faiss.SearchParametersHNSW(sel=selector, efSearch=width)
        )[1]
        return found

    return search


def _timed(way: Way, each: Filter, width: int, passes: int = 3) -> tuple[float, float]:
    """Seconds of the processor, the best of some passes, and recall."""
    times = []
    for _ in range(passes):
        start = time.process_time()
        rows = way(each, width)
        times.append(time.process_time() - start)
    return min(times), recall(rows, each.truth)


def _cost(way: Way, each: Filter) -> float:
    """Microseconds a query at the narrowest width with recall 0.95; infinite where none has."""
    for width in WIDTHS:
        if _timed(way, each, width, passes=1)[1] >= 0.95:
            return 1e6 * _timed(way, each, width)[0] / len(each.queries)
    return float("inf")


def _shown(found: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {'-' if np.isinf(cost) else f'{cost:.0f}'}" for name, cost in found.items())


def _wins(claim: Claim, way: str, winners: Mapping[str, str], names: list[str]) -> Finding:
    right = [name for name in names if winners[name] == way]
    text = "Fastest: " + (", ".join(f"{name}: {winners[name]}" for name in names) or "no such filter") + "."
    why = "none of these" if not right else f"{len(right)} of {len(names)}"
    return Finding(claim, text, Verdict.of(len(right) == len(names), in_part=bool(right), why=why))
