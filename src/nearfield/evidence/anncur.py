"""Search by a scorer that is called: recall for each call against re-ranking, with and without a bi-encoder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..index import CrossEncoder
from .claims import Claim, Finding, Paper, Setting, Verdict
from .scorers import Judged, maxsim_on_scifact, relations_on_wordnet

PAPER = Paper(
    "anncur",
    "Efficient Nearest Neighbor Search for Cross-Encoder Models using Matrix Factorization",
    "nearfield.index.CrossEncoder: CUR with a ridge, in rounds (AdaCUR), what a bi-encoder explains taken out first.",
)
EXACT = Claim("For a scorer of lower rank than there are anchors, the recovered scores are the true ones to 1e-6.")
TOKENS = Claim(
    "MaxSim on SciFact's abstracts: for k of 10 and more, with calls for 5% of the items, recall@k is at least that of "
    "re-ranking the best of a bi-encoder or of BM25."
)
PAIRS = Claim("The same for a network over pairs of glosses and 12,000 items.")
CALLS = Claim(
    "For k of 50 and 100 this needs fewer calls than re-ranking at every budget from 1% to 10%: recall is higher."
)
ALONE = Claim("Without a bi-encoder, from the anchor queries alone, it is still above re-ranking a bi-encoder's best.")
ROUNDS = Claim("Choosing items in rounds finds more than the same calls for items drawn once at random (k = 1 to 100).")
CLAIMS = (EXACT, TOKENS, PAIRS, CALLS, ALONE, ROUNDS)
KS = (1, 10, 50, 100)
BUDGETS = (0.01, 0.02, 0.05, 0.1)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((60, 30)), rng.standard_normal((30, setting.pick(20_000, 1_000)))
    low = CrossEncoder(noise=0.0).build(lambda query, rows: query @ right[:, rows], right.shape[1], left)
    query = rng.standard_normal(30)
    guess = low.estimate(query, scored=rng.permutation(right.shape[1])[:60])
    off = float(np.abs(guess - query @ right).max() / np.abs(query @ right).max())
    text = f"Largest error {off:.1e} of the largest score: rank 30, 60 anchor queries, 60 of {right.shape[1]:,} scored."
    yield Finding(EXACT, text, Verdict.of(off <= 1e-6, why="the error is larger"), {"error": off})

    found = {}
    for claim, name, made in ((TOKENS, "MaxSim", maxsim_on_scifact), (PAIRS, "pairs", relations_on_wordnet)):
        found[name] = _compare(made(setting.quick))
        at = found[name]["0.05"]
        best = {k: max(at[rule][k] for rule in ("bi-encoder", "BM25")) for k in KS}
        parts = [
            f"k = {k}: {at['both'][k]:.3f} (bi-encoder {at['bi-encoder'][k]:.3f}, BM25 {at['BM25'][k]:.3f})" for k in KS
        ]
        above = [at["both"][k] >= best[k] for k in KS[1:]]
        yield Finding(
            claim, "; ".join(parts) + ".", Verdict.of(all(above), in_part=any(above), why="not for every k"), at
        )

    gains = {
        f"{name} {float(budget):.0%} k={k}": at["both"][k] - at["bi-encoder"][k]
        for name, each in found.items()
        for budget, at in each.items()
        for k in KS[2:]
    }
    parts = [
        f"{name} "
        + ", ".join(
            f"{float(budget):.0%} {at['both'][50]:.3f} and {at['both'][100]:.3f} "
            f"({at['bi-encoder'][50]:.3f} and {at['bi-encoder'][100]:.3f})"
            for budget, at in each.items()
        )
        for name, each in found.items()
    ]
    text = f"Recall@50 and @100, of re-ranking a bi-encoder in brackets: {'; '.join(parts)}."
    more = [gain > 0 for gain in gains.values()]
    why = "not at " + ", ".join(name for name, gain in gains.items() if gain <= 0)
    yield Finding(CALLS, text, Verdict.of(all(more), in_part=any(more), why=why), found)

    for claim, ours, other, ks in ((ALONE, "alone", "bi-encoder", KS[1:]), (ROUNDS, "alone", "random once", KS)):
        wins, parts = [], []
        for name, each in found.items():
            at = each["0.05"]
            wins += [at[ours][k] > at[other][k] for k in ks]
            parts.append(f"{name} " + ", ".join(f"k = {k} {at[ours][k]:.3f} against {at[other][k]:.3f}" for k in ks))
        text = "; ".join(parts) + " (calls for 5% of the items)."
        why = "not in every case" if any(wins) else "it is below in every case"
        yield Finding(claim, text, Verdict.of(all(wins), in_part=any(wins), why=why))


def _compare(data: Judged) -> dict[str, dict[str, dict[int, float]]]:
    """Budget -> rule -> k -> share of the truly best k that were scored."""
    every = np.arange(data.count)
    truth = np.stack([data.scorer(query, every) for query in data.queries])
    scores = np.stack([data.scorer(query, every) for query in data.anchors])
    beside: dict[str, Any] = {"item_vectors": data.vectors, "anchor_vectors": data.anchor_vectors}
    both = CrossEncoder().build(data.scorer, data.count, data.anchors, scores=scores, **beside)
    alone = CrossEncoder().build(data.scorer, data.count, data.anchors, scores=scores)
    once = CrossEncoder(rounds=2, start="random").build(data.scorer, data.count, data.anchors, scores=scores)
    near = data.query_vectors @ data.vectors.T
    found: dict[str, dict[str, dict[int, float]]] = {}
    for share in BUDGETS:
        budget = max(round(share * data.count), 1)
        rows: dict[str, Any] = {
            "bi-encoder": np.argsort(-near, axis=1, kind="stable")[:, :budget],
            "BM25": np.argsort(-data.words, axis=1, kind="stable")[:, :budget],
        }
        k = min(max(KS), budget)
        rows["both"] = both.search(data.queries, k, budget=budget, vectors=data.query_vectors).rows
        rows["alone"] = alone.search(data.queries, k, budget=budget).rows
        rows["random once"] = once.search(data.queries, k, budget=budget).rows
        found[str(share)] = {rule: {k: _share(truth, some, k) for k in KS} for rule, some in rows.items()}
    return found


def _share(truth: np.ndarray, found: np.ndarray, k: int) -> float:
    best = np.argsort(-truth, axis=1, kind="stable")[:, :k]
    return float(np.mean([np.isin(right, some).mean() for right, some in zip(best, found, strict=True)]))
