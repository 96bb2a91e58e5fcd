"""Recurrent binary codes: recall by loops, symmetric scores, bits against Hamming codes, time against a float scan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import native
from ..common.ndcg import ndcg
from ..datasets import load
from ..index import Flat, Neighbors
from ..quantize import RecurrentBinary
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import cost_at, exact, recall

PAPER = Paper(
    "bebr",
    "Binary Embedding-based Retrieval at Tencent",
    "nearfield.quantize.RecurrentBinary, without the trained network: the vectors as they are, less their mean. What "
    "the training makes compatible between versions of a model is not part of it.",
)
RISES = Claim("Recall at ten rises with every loop, with queries as they come and with queries coded alike.")
FOUR = Claim("4 bits a dimension keep 97% of what float vectors find among ten, in an eighth of the memory.")
SYMMETRIC = Claim("A symmetric score is the exact product of two codes, up to the rounding of a float32.")
SAVED = Claim("At the recall of a Hamming code, a recurrent code takes 30-50% fewer bits.")
FASTER = Claim("A scan of the codes is faster than one of the float32 vectors (one thread).")
CLAIMS = (RISES, FOUR, SYMMETRIC, SAVED, FASTER)
LOOPS = (1, 2, 4)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    base, queries = material.wordnet(setting.pick(None, 4_000), setting.pick(200, 40))
    truth = exact(base, queries)
    indexes, found = {}, {}
    for loops in LOOPS:
        for symmetric in (False, True):
            index = Flat("cosine", codec=RecurrentBinary(loops, symmetric)).build(base)
            found[loops, symmetric] = recall(index.search(queries, 10).rows, truth)
            indexes[loops, symmetric] = index
    plain, coded = ([found[loops, symmetric] for loops in LOOPS] for symmetric in (False, True))
    rises = all(values == sorted(set(values)) for values in (plain, coded))
    text = (
        f"With 1, 2 and 4 loops {_listed(plain)}, with coded queries {_listed(coded)} ({len(base):,} WordNet glosses)."
    )
    yield Finding(RISES, text, Verdict.of(rises, why="it does not"), {"plain": plain, "coded": coded})

    papers = load("scifact")
    whole, small = (
        Flat("cosine", codec=codec).build(papers.vectors).search(papers.query_vectors, 10).rows
        for codec in (None, RecurrentBinary(4))
    )
    judged = [ndcg(rows, papers.document_ids, papers.query_ids, papers.judgements) for rows in (whole, small)]
    ratio = base.nbytes / indexes[4, False].memory()["codes"]
    again = Flat("cosine", codec=RecurrentBinary(4), rescore="vectors").build(base).search(queries, 10).rows
    rescored = recall(again, truth)
    text = (
        f"Of the exact ten neighbours {plain[2]:.1%} ({rescored:.1%} when 40 are scored again by the vectors); of the "
    )
    text += f"nDCG@10 on SciFact {judged[1] / judged[0]:.1%} ({judged[1]:.3f} of {judged[0]:.3f}); memory {ratio:.1f} "
    text += "times less (each row has 16 bytes for its step and length)."
    kept = judged[1] >= 0.97 * judged[0]
    why = "judged retrieval keeps it; of the exact neighbours it keeps less, and the header makes it less than 8 times"
    four = Verdict.of(kept and plain[2] >= 0.97 and ratio >= 8, in_part=kept, why=why)
    yield Finding(FOUR, text, four, {"ndcg": judged, "ratio": ratio, "rescored": rescored})

    worst = {
        metric: max(_difference(base[:2_000], queries[:20], loops, metric) for loops in LOOPS)
        for metric in ("l2", "ip")
    }
    text = (
        f"Largest difference from the codes' own product in float64, relative to the scores: {worst['l2']:.1e} under "
    )
    text += f"l2; {worst['ip']:.1e} under ip, where the mean that was taken away counts and is rounded to 15 bits."
    why = "under l2 it is; under ip only to the 15 bits of a query"
    yield Finding(SYMMETRIC, text, Verdict.of(max(worst.values()) <= 1e-6, in_part=worst["l2"] <= 1e-6, why=why), worst)

    counts = [384 * blocks for blocks in range(1, 15)]
    hamming = dict(zip(counts, _hamming(base, queries, truth, len(counts)), strict=True))
    saved, parts = {}, []
    for loops in (2, 4):
        for symmetric in (True, False):
            reached = max(hamming.values()) >= found[loops, symmetric]
            needed = float(counts[-1])
            if reached:
                needed, _ = cost_at(lambda count: (hamming[count], float(count)), found[loops, symmetric], counts)
            # Both with what a row has beside its signs: 128 bits for the step and the lengths.
            saved[f"{loops} {symmetric}"] = share = 1 - (384 * loops + 128) / needed
            asked, bound = "coded" if symmetric else "plain", "" if reached else "more than "
            parts.append(
                f"{loops} loops, {asked} queries: {384 * loops + 128} for {bound}{needed:,.0f} bits ({share:.0%})"
            )
    text = f"{'; '.join(parts)}. The others are signs after random rotations: {hamming[384]:.3f} with 384 bits, "
    text += f"{hamming[3840]:.3f} with 3,840; the 128 bits of a row's header are counted for ours."
    least = min(saved.values())
    figures: dict[str, Any] = {"saved": saved, "hamming": hamming}
    yield Finding(
        SAVED, text, Verdict.of(least >= 0.3, in_part=max(saved.values()) >= 0.3, why="some save less"), figures
    )

    slow = _seconds(Flat("cosine").build(base), queries)
    times = [_seconds(indexes[loops, True], queries) for loops in LOOPS]
    one, two, four_loops = (f"{slow / seconds:.1f}" for seconds in times)
    text = f"{one}, {two} and {four_loops} times as fast with 1, 2 and 4 loops, queries asked one by one."
    yield Finding(FASTER, text, Verdict.of(slow > max(times), why="it is not"), {"float": slow, "loops": times})


def _listed(values: list[float]) -> str:
    return f"{values[0]:.3f}, {values[1]:.3f} and {values[2]:.3f}"


def _difference(base: np.ndarray, queries: np.ndarray, loops: int, metric: str) -> float:
    codec = RecurrentBinary(loops, symmetric=True)
    codes = codec.fit(base).encode(base)
    rows, asked = (codec.decode(part).astype(np.float64) for part in (codes, codec.encode(queries)))
    right = -asked @ rows.T if metric == "ip" else ((asked[:, None] - rows[None]) ** 2).sum(axis=2)
    scores = np.stack([codec.scorer(query, metric)(codes) for query in queries])
    return float(np.abs(scores - right).max() / np.abs(right).max())


def _hamming(base: np.ndarray, queries: np.ndarray, truth: Neighbors, blocks: int) -> list[float]:
    """Recall of sign codes by Hamming distance, of 384 bits more each time: another rotation, the mean taken away."""
    mean = base.mean(axis=0)
    equal = np.zeros((len(queries), len(base)), np.float32)
    found = []
    for seed in range(blocks):
        signs, asked = (np.sign(native.rotate(part - mean, seed)) for part in (base, queries))
        equal += asked @ signs.T
        best = np.argpartition(-equal, 10, axis=1)[:, :10]
        found.append(recall(best, truth))
    return found


def _seconds(index: Flat, queries: np.ndarray) -> float:
    """Of the processor, for one query after another, so that other work on the machine does not count."""
    times = []
    for _ in range(5):
        start = time.process_time()
        for query in queries[:40]:
            index.search(query, 10, threads=1)
        times.append((time.process_time() - start) / 40)
    return min(times)
