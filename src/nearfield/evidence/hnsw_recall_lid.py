"""Intrinsic dimension, insertion order and recall, for the layered graph built row by row and for ours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import spearmanr

from ..common.checks import require
from ..common.ndcg import ndcg
from ..survey import intrinsic_dimension_mle
from . import material, peer
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact, places_moved, recall

PAPER = Paper(
    "hnsw_recall_lid",
    "The Impacts of Data, Ordering, and Intrinsic Dimensionality on Recall in Hierarchical Navigable Small Worlds",
    "nearfield.survey measures intrinsic dimension; nearfield.index.Graph stands beside hnswlib, the paper's subject.",
)
FALLS = Claim("At fixed settings recall@10 falls as planted dimension rises from 2 to 200 of 384 (Spearman <= -0.9).")
NEAR = Claim("The maximum-likelihood estimate is within 15% of the planted dimension up to 20.")
OURS = Claim("The order of the rows does not move the recall of our batch-built graph by a point.")
ORDER = Claim("Inserting by falling local dimension beats rising by 2 points of recall or more (hnswlib).")
RANKING = Claim("Approximate search in place of exact can change the order of models by nDCG@10.")
CLAIMS = (FALLS, NEAR, OURS, ORDER, RANKING)
DIMENSIONS = (2, 5, 10, 20, 35, 50, 75, 100, 150, 200)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    rows, asked, engines = setting.pick(5_000, 600), setting.pick(500, 60), peer.engines()
    curves: dict[str, list[float]] = {name: [] for name in engines}
    plain, corrected = [], []
    for dimension in DIMENSIONS:
        vectors = material.planted(dimension, rows + asked)
        base, queries = vectors[asked:], vectors[:asked]
        truth = exact(base, queries, metric="l2")
        for name, build in engines.items():
            curves[name].append(recall(build(base, "l2")(queries, 10, 32), truth))
        estimate = intrinsic_dimension_mle(base, metric="l2")
        plain.append(estimate.parts["uncorrected"] / dimension - 1)
        corrected.append(estimate.value / dimension - 1)
    trends = {name: float(spearmanr(DIMENSIONS, curve)[0]) for name, curve in curves.items()}
    parts = [f"{name} {c[0]:.3f} at 2 to {c[-1]:.3f} at 200, Spearman {trends[name]:.3f}" for name, c in curves.items()]
    falls = Verdict.of(max(trends.values()) <= -0.9, why="recall does not fall steadily")
    yield Finding(FALLS, "; ".join(parts) + " (beam 32).", falls, {"dimensions": DIMENSIONS, "recall": curves})

    off, better = max(map(abs, plain[:4])), max(map(abs, corrected))
    text = (
        f"The paper's formula (k 20) is off by {plain[2]:+.0%} at 10 and {plain[3]:+.0%} at 20, growing beyond; with "
    )
    text += f"the survey's correction by at most {better:.1%} up to 200."
    why = f"the plain formula is off by {off:.0%} at 20; corrected for its bias it holds"
    near = Verdict.of(off <= 0.15, in_part=better <= 0.15, why=why)
    yield Finding(NEAR, text, near, {"relative_error": plain, "corrected": corrected})

    made: dict[str, dict[str, dict[str, float]]] = {name: {} for name in engines}
    apart = []  # how far the seed alone moves ours
    for name, (metric, base, category, queries) in material.categorised(rows, asked).items():
        truth = exact(base, queries, metric=metric)
        for label, order in material.insertion_orders(base, category, metric).items():
            for engine, build in engines.items():
                found = [recall(order[build(base[order], metric, seed)(queries, 10, 10)], truth) for seed in range(2)]
                made[engine].setdefault(name, {})[label] = float(np.mean(found))
                apart += [abs(found[0] - found[1])] if engine == "ours" else []
    text, spread = _told(made["ours"]), [max(v.values()) - min(v.values()) for v in made["ours"].values()]
    why = f"the orders lie {100 * min(spread):.1f} to {100 * max(spread):.1f} points apart, means of two seeds"
    steady = Verdict.of(max(spread) < 0.01, in_part=min(spread) < 0.01, why=why)
    text += f" (beam 10); orders up to {100 * max(spread):.2f} points apart, two seeds up to {100 * max(apart):.1f}."
    yield Finding(OURS, text, steady, made["ours"])

    found, models = material.encodings(setting.quick)
    scores: dict[str, dict[str, float]] = {name: {} for name in ("exact", *engines)}
    for name, (documents, queries) in models.items():
        answers = {"exact": exact(documents, queries).rows}
        answers |= {engine: build(documents)(queries, 10, 10) for engine, build in engines.items()}
        for engine, answer in answers.items():
            scores[engine][name] = ndcg(answer, found.document_ids, found.query_ids, found.judgements)
    moved = {engine: places_moved(scores["exact"], scores[engine]) for engine in engines}
    parts = []
    for engine, places in moved.items():
        lost = max(scores["exact"][name] - scores[engine][name] for name in models)
        parts.append(f"{engine} moves a model by up to {max(map(abs, places.values()))} places, costs up to {lost:.3f}")
    ranking = Verdict.of(any(any(places.values()) for places in moved.values()), why="no model changes its place")
    text = f"{len(models)} encodings of SciFact at beam 10: {'; '.join(parts)}."
    yield Finding(RANKING, text, ranking, {"ndcg": scores, "moved": moved})

    require("hnswlib", "bench")
    gains = [value["falling"] - value["rising"] for value in made["hnswlib"].values()]
    why = f"{100 * min(gains):+.1f} to {100 * max(gains):+.1f} points over the sets"
    verdict = Verdict.of(min(gains) >= 0.02, in_part=max(gains) >= 0.02, why=why)
    yield Finding(ORDER, _told(made["hnswlib"]) + " (ef 10).", verdict, made["hnswlib"])


def _told(recalls: dict[str, dict[str, float]]) -> str:
    sets = (", ".join(f"{label} {value:.3f}" for label, value in made.items()) for made in recalls.values())
    return "; ".join(f"{name}: {text}" for name, text in zip(recalls, sets, strict=True))
