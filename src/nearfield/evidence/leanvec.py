"""LeanVec: reduction that knows the queries against PCA, by error and by neighbours, and what it brings to a search."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..datasets import load
from ..index import Flat, Graph
from ..quantize import ScalarQuantizer
from ..transform import PCA, LeanVec, LinearMap
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact, recall

PAPER = Paper(
    "leanvec",
    "LeanVec: Search your vectors faster by making them fit",
    "nearfield.transform.LeanVec as the transform of an index over scalar codes that rescores with 8-bit codes.",
)
LIKE = Claim("For queries like the rows, the loss of 96, 128 and 160 of 384 dimensions is within 1% of PCA's.")
SHIFTED = Claim("For queries from another source, the error of inner products is at least 15% below PCA's.")
PAIR = Claim("A map for each side, by Frank-Wolfe, has a lower loss than one shared map and finds more neighbours.")
FOUND = Claim("With 100 candidates of 160 dimensions rescored by 8-bit codes, recall@10 is at least 0.95.")
SCAN = Claim("A scan of 160 dimensions in 8 bits takes at most half of one of float32, with at most 40% of the bytes.")
GRAPH = Claim(
    "A graph over the reduced vectors answers more queries a second at recall 0.95 than one over all of them."
)
CLAIMS = (LIKE, SHIFTED, PAIR, FOUND, SCAN, GRAPH)
SIZES = (96, 128, 160)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    count = setting.pick(500, 60)
    base, glosses = material.wordnet(setting.pick(None, 3_000), 3 * count)
    fitted_on = base[:: setting.pick(4, 1)]  # a map of 384 dimensions has no use for more rows
    strange = material.unit(load("wordnet").out_of_distribution_queries)
    strange = strange[np.random.default_rng(0).permutation(len(strange))]
    sample, asked = strange[count:], strange[:count]
    alike: dict[Any, float] = {}
    for kept in SIZES:
        pca = PCA(kept, center=False).fit(fitted_on)
        lean = LeanVec(kept).fit(fitted_on, queries=glosses[count:])
        errors = [_error(fit.export(), fitted_on, glosses[:count]) for fit in (lean, pca)]
        alike[kept] = errors[0] / errors[1]
    text = "Error on other glosses than it was fitted to, PCA's being 1: "
    text += ", ".join(f"{ratio:.3f} at {kept}" for kept, ratio in alike.items()) + "."
    yield Finding(LIKE, text, Verdict.of(max(alike.values()) <= 1.01, why="the error is larger"), alike)

    papers = load("scifact")
    claims, half = material.unit(papers.query_vectors), len(papers.query_vectors) // 2
    ratios, parts = {}, []
    for name, rows, seen, unseen in (
        ("package descriptions on glosses", fitted_on, sample, asked),
        ("claims on abstracts", material.unit(papers.vectors), claims[:half], claims[half:]),
    ):
        for kept in SIZES:
            lean, pca = LeanVec(kept).fit(rows, queries=seen), PCA(kept, center=False).fit(rows)
            ratios[f"{name}, {kept}"] = _error(lean.export(), rows, unseen) / _error(pca.export(), rows, unseen)
        shown = ", ".join(f"{ratios[f'{name}, {kept}']:.2f}" for kept in SIZES)
        parts.append(f"{name} ({len(seen):,} queries seen, {len(unseen):,} others asked) {shown}")
    text = f"PCA's being 1, at 96, 128 and 160 dimensions: {'; '.join(parts)}."
    low = [ratio <= 0.85 for ratio in ratios.values()]
    yield Finding(SHIFTED, text, Verdict.of(all(low), in_part=any(low), why="not for all of them"), ratios)

    like = exact(base, glosses[:count]), glosses[:count]
    unlike = exact(base, asked), asked
    fitted: dict[str, Any] = {"PCA": PCA(160, center=False).fit(fitted_on)}
    fitted["one map"] = LeanVec(160).fit(fitted_on, queries=sample)
    fitted["two maps"] = LeanVec(160, method="frank-wolfe").fit(fitted_on, queries=sample)
    made = {
        name: Flat(transform=fit, codec=ScalarQuantizer(8), rescore=ScalarQuantizer(8)).build(base)
        for name, fit in fitted.items()
    }
    shares = {
        name: [_recall(index, unlike, 30), _recall(index, unlike, 100), _recall(index, like, 100)]
        for name, index in made.items()
    }
    losses = {name: fitted[name].loss_ for name in ("one map", "two maps")}
    text = f"Loss {losses['one map']:.4f} with one, {losses['two maps']:.4f} with two maps (160 dimensions, package "
    text += f"descriptions); recall@10 with 30 candidates {shares['one map'][0]:.3f}, {shares['two maps'][0]:.3f}; "
    text += f"PCA {shares['PCA'][0]:.3f}."
    better, lower = shares["two maps"][0] > shares["one map"][0] + 0.005, losses["two maps"] < losses["one map"]
    why = "the loss is lower, the neighbours found are the same within half a point"
    yield Finding(PAIR, text, Verdict.of(better and lower, in_part=lower, why=why), losses | shares)

    text = f"Package descriptions {shares['one map'][1]:.3f} (PCA {shares['PCA'][1]:.3f}), glosses "
    text += f"{shares['one map'][2]:.3f} (PCA {shares['PCA'][2]:.3f}); one map, {len(base):,} rows."
    yield Finding(FOUND, text, Verdict.of(min(shares["one map"][1:]) >= 0.95, why="it is lower for some"))

    whole, narrow = Flat().build(base), made["one map"]
    slow, fast = (_seconds(lambda index=index: index.search(asked, 10, threads=1)) for index in (whole, narrow))
    bytes_ = narrow.memory()["total"] / whole.memory()["total"]
    text = f"{slow / fast:.1f} times less time of the processor (32 candidates rescored), {bytes_:.1%} of the bytes, "
    text += "the 8-bit codes of all dimensions that rescore included."
    light = bytes_ <= 0.4
    why = "the scan is not twice as fast" if light else "the bytes are more"
    verdict = Verdict.of(slow >= 2 * fast and light, in_part=slow >= 2 * fast or light, why=why)
    yield Finding(SCAN, text, verdict)

    rows = base[: setting.pick(30_000, 1_000)]
    near = {"glosses": (exact(rows, like[1]), like[1]), "package descriptions": (exact(rows, asked), asked)}
    plain = Graph().build(rows, queries=sample)
    reduced = {
        f"{kept} dimensions, {bits} bits": Graph(
            transform=LeanVec(kept), codec=ScalarQuantizer(bits), rescore=ScalarQuantizer(8)
        ).build(rows, queries=sample)
        for kept, bits in ((160, 8), (160, 4), (192, 8))
    }
    gains, parts = {}, []
    for name, known in near.items():
        before = _rate(plain, known)
        for label, graph in reduced.items():
            gains[f"{name}, {label}"] = _rate(graph, known) / before
        shown = ", ".join(f"{gains[f'{name}, {label}']:.2f} ({label})" for label in reduced)
        parts.append(f"{name} {shown}")
    text = f"Queries a second at recall 0.95, those of the plain 8-bit graph being 1: {'; '.join(parts)} "
    text += f"({len(rows):,} rows, one thread, all built with sample queries)."
    more = [gain > 1.05 for gain in gains.values()]
    why = "8-bit codes of all dimensions are as fast or faster in places: rescoring costs what reduction saves"
    yield Finding(GRAPH, text, Verdict.of(all(more), in_part=any(more), why=why), gains)


def _error(fitted: LinearMap, rows: np.ndarray, queries: np.ndarray) -> float:
    """Mean squared error of all inner products between queries and rows, not those of the fit."""
    rows = rows[:: max(1, len(rows) // 20_000)]
    kept = fitted.transform_queries(queries) @ fitted.transform(rows).T
    return float(((kept - queries @ rows.T) ** 2).mean())


def _recall(index: Flat, known: tuple[Any, np.ndarray], candidates: int) -> float:
    truth, queries = known
    return recall(index.search(queries, 10, candidates=candidates).rows, truth)


def _seconds(run: Any) -> float:
    """Of the processor, so that other work on the machine does not count."""
    times = []
    for _ in range(3):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def _rate(graph: Graph, known: tuple[Any, np.ndarray]) -> float:
    """Most queries a second at recall 0.95 or better, over beams and numbers of candidates."""
    truth, queries = known
    best = 0.0
    for candidates in (None,) if graph.rescore is None else (20, 30, 50):
        for beam in (14, 20, 28, 40, 56, 80, 112, 160, 224, 320):
            if beam < (candidates or 0):
                continue
            options: dict[str, Any] = {"beam": beam, "candidates": candidates, "threads": 1}
            if recall(graph.search(queries, 10, **options).rows, truth) >= 0.95:
                seconds = _seconds(lambda options=options: graph.search(queries, 10, **options))
                best = max(best, len(queries) / seconds)
                break
    return best
