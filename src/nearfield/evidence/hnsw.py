"""HNSW: cost at fixed recall and its growth, exactness, the diversity heuristic, the layers, and same answers."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..index import Graph
from ..quantize import Float32
from . import material, peer
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import cost_at, exact, recall, walk

PAPER = Paper(
    "hnsw",
    "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable Small World graphs",
    "nearfield.index.Graph: best-first beam search and diverse links as in the paper; one layer, and a batch build.",
)
COST = Claim("Recall@10 of 0.95 on 100,000 sentence vectors costs less than 5% of the distances of a scan.")
GROWTH = Claim("At recall 0.95 the number of distances grows about like the logarithm of the number of rows.")
EXACT = Claim("A beam as wide as the collection gives the exact answer when every row can be reached.")
DIVERSE = Claim("On well-separated clusters, choosing diverse links beats the nearest links by 10 points of recall.")
LAYERS = Claim("The layers above the lowest save a tenth or more of the distances at recall 0.95.")
SAME = Claim("Neither the number of threads nor saving and loading changes an answer.")
CLAIMS = (COST, GROWTH, EXACT, DIVERSE, LAYERS, SAME)
BEAMS = (10, 14, 20, 28, 40, 56, 80, 112, 160)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    sizes = setting.pick((10_000, 20_000, 40_000, 80_000, 115_659), (1_000, 2_000, 4_000))
    costs: dict[int, float] = {}
    for rows in sizes:
        base, queries = material.wordnet(rows, setting.pick(1_000, 100))
        truth = exact(base, queries)
        graph = Graph("cosine").build(base)
        costs[rows], beam = cost_at(walk(graph, queries, truth), 0.95, BEAMS)
    last = costs[rows]
    text = f"{last:,.0f} distances a query, {last / rows:.2%} of {rows:,} (WordNet, 8-bit codes, beam {beam})."
    yield Finding(COST, text, Verdict.of(last < 0.05 * rows, why=f"it costs {last / rows:.1%}"), {"distances": costs})

    logs, counts = np.log(sizes), np.array(list(costs.values()))
    off = float(np.abs(np.polyval(np.polyfit(logs, counts, 1), logs) / counts - 1).max())
    power = float(np.polyfit(logs, np.log(counts), 1)[0])
    text = (
        f"{rows / sizes[0]:.1f} times the rows cost {counts[-1] / counts[0]:.2f} times the distances; a straight line "
    )
    text += f"in log N is off by at most {off:.1%}, a power law would have the exponent {power:.2f}."
    verdict = Verdict.of(
        off < 0.05 and power < 0.3, in_part=power < 0.5, why="slow growth, but no straight line in log N"
    )
    yield Finding(GROWTH, text, verdict, {"power": power, "worst_error_of_log_fit": off})

    small, asked = base[: setting.pick(5_000, 500)], queries[:100]
    whole = Graph("cosine", codec=Float32()).build(small)
    share = recall(whole.search(asked, 10, beam=len(small)).rows, exact(small, asked))
    reached = bool(whole.reachable().all())
    text = f"Recall {share:.4f} with beam {len(small):,} over {len(small):,} float32 rows, all reachable: {reached}."
    yield Finding(EXACT, text, Verdict.of(share == 1.0 and reached, why="some exact neighbours are not found"))

    gains, parts = [], []
    for count in (20, 100, 500):
        rows_, asked_ = material.clusters(count, setting.pick(10_000, 1_000), setting.pick(500, 50))
        near = exact(rows_, asked_, metric="l2")
        made = [Graph("l2", codec=Float32(), alpha=alpha).build(rows_) for alpha in (1.2, 10.0)]
        diverse, plain = (recall(each.search(asked_, 10, beam=20).rows, near) for each in made)
        gains.append(diverse - plain)
        parts.append(f"{count} clusters {diverse:.3f} against {plain:.3f}")
    text = f"At beam 20, with the rule (alpha 1.2) against nearly without it (alpha 10): {'; '.join(parts)}."
    yield Finding(DIVERSE, text, Verdict.of(min(gains) >= 0.1, in_part=max(gains) >= 0.1, why="not for all of them"))

    with tempfile.TemporaryDirectory() as folder:
        graph.save(Path(folder) / "graph.nfa")
        once = Graph.load(Path(folder) / "graph.nfa").search(queries, 10, threads=1)
    twice = graph.search(queries, 10, threads=2)
    same = bool((once.rows == twice.rows).all() and (once.distances == twice.distances).all())
    text = f"{len(queries):,} queries: two threads, and one thread on the loaded file, give "
    yield Finding(
        SAME, text + ("equal answers." if same else "unequal answers."), Verdict.of(same, why="answers differ")
    )

    saved, parts = [], []
    flat = material.clusters(1, setting.pick(20_000, 1_000), setting.pick(500, 50), dim=4)
    base, queries = base[: len(flat[0])], queries[: len(flat[1])]
    for name, metric, vectors, asked in (("WordNet", "cosine", base, queries), ("4-dimensional Gaussian", "l2", *flat)):
        near = exact(vectors, asked, metric=metric)
        layered, single = peer.layer_costs(vectors, asked, near, 0.95, (4, 6, 8, *BEAMS), metric=metric)
        saved.append(1 - layered / single)
        parts.append(f"{name} {layered:,.0f} with layers, {single:,.0f} entered at the lowest ({len(vectors):,} rows)")
    verdict = Verdict.of(min(saved) >= 0.1, in_part=max(saved) >= 0.1, why="not on sentence vectors of 384 dimensions")
    yield Finding(LAYERS, f"faiss's HNSW, M 16: {'; '.join(parts)}.", verdict, {"share_saved": saved})
