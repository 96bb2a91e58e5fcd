"""PCA before the index: retrieval quality, human likeness scores, size and scan time, and neighbours with rescoring."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from ..datasets import load
from ..index import Flat
from ..transform import PCA
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact, recall, search_ndcg

PAPER = Paper(
    "pca_rag",
    "PCA-RAG: Principal Component Analysis for Efficient Retrieval-Augmented Generation",
    "nearfield.transform.PCA fitted on the corpus as the transform of an index; under cosine it does not centre.",
)
KEPT = Claim("128 of 384 dimensions keep 95% of nDCG@10 and 64 keep 88% (SciFact, MiniLM).")
CUT = Claim("Cutting off raw coordinates at the same size is clearly worse than PCA.")
SIZE = Claim("Vectors shrink exactly by the ratio of dimensions, and a scan of 128 takes at most half the time of 384.")
LENGTHS = Claim("A PCA that keeps all dimensions keeps Euclidean distances to 1e-5.")
NEIGHBOURS = Claim("128 dimensions find 95% of the exact ten neighbours once the candidates are scored again.")
HUMAN = Claim("128 dimensions lose at most 2 points of Spearman correlation with human likeness scores (STS-B).")
CLAIMS = (KEPT, SIZE, LENGTHS, NEIGHBOURS, HUMAN, CUT)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    papers = load("scifact")
    every, asked = papers.vectors, papers.query_vectors
    scores = {"all": search_ndcg(papers, every, asked)}
    for kept in (128, 64):
        plain, centred = PCA(kept, center=False).fit(every), PCA(kept).fit(every)
        scores[f"PCA {kept}"] = search_ndcg(papers, plain.transform(every), plain.transform(asked)) / scores["all"]
        scores[f"centred {kept}"] = (
            search_ndcg(papers, centred.transform(every), centred.transform(asked)) / scores["all"]
        )
        white = PCA(kept, whiten=True).fit(every)
        scores[f"whitened {kept}"] = search_ndcg(papers, white.transform(every), white.transform(asked)) / scores["all"]
        scores[f"cut {kept}"] = search_ndcg(papers, every[:, :kept].copy(), asked[:, :kept].copy()) / scores["all"]
    share = {name: f"{score:.1%}" for name, score in scores.items()}
    text = f"Of {scores['all']:.3f}: {share['PCA 128']} with 128, {share['PCA 64']} with 64 dimensions; with the mean "
    text += f"removed as in the paper {share['centred 128']} and {share['centred 64']}; whitened as well "
    text += f"{share['whitened 128']} and {share['whitened 64']}."
    wide, narrow = scores["PCA 128"] >= 0.95, scores["PCA 64"] >= 0.88
    yield Finding(KEPT, text, Verdict.of(wide and narrow, in_part=wide, why="64 dimensions keep less than 88%"), scores)

    base, queries = material.wordnet(setting.pick(None, 4_000), setting.pick(500, 50))
    truth = exact(base, queries)
    whole, small = Flat("cosine").build(base), Flat("cosine", transform=PCA(128, center=False)).build(base)
    again = Flat("cosine", transform=PCA(128, center=False), rescore="vectors").build(base)
    cut = exact(base[:, :128].copy(), queries[:, :128].copy())
    alone, coarse = recall(small.search(queries, 10).rows, truth), recall(cut.rows, truth)
    scored = {count: recall(again.search(queries, 10, candidates=count).rows, truth) for count in (20, 50, 100)}

    ratio = whole.memory()["codes"] / small.memory()["codes"]
    slow, fast = _seconds(whole, queries), _seconds(small, queries)
    large, little = (index.memory()["codes"] / 1e6 for index in (whole, small))
    before, after = (1e3 * seconds / len(queries) for seconds in (slow, fast))
    text = (
        f"{large:.1f} MB become {little:.1f} MB (a ratio of {ratio:.2f}); {before:.2f} ms a query on one thread become "
    )
    text += f"{after:.2f} ms ({slow / fast:.1f} times less)."
    saved = [_saved(index) / 1e6 for index in (whole, small)]
    text += f" Saved, {saved[0]:.1f} MB become {saved[1]:.1f} MB with the map ({saved[0] / saved[1]:.2f} times less)."
    size = Verdict.of(ratio == 3 and slow / fast >= 2, in_part=ratio == 3, why="the scan is less than twice as fast")
    yield Finding(SIZE, text, size, {"seconds": [slow, fast], "saved": saved})

    turned = PCA().fit(base).transform(base[:300])
    distances = [np.linalg.norm(x[:, None].astype(float) - x[None].astype(float), axis=2) for x in (base[:300], turned)]
    worst = float(np.abs(distances[0] - distances[1]).max())
    yield Finding(LENGTHS, f"Largest change of a distance: {worst:.1e}.", Verdict.of(worst <= 1e-5, why="it is larger"))

    text = f"Without rescoring {alone:.3f}; with the float32 vectors of the best 20, 50 and 100 candidates "
    text += f"{scored[20]:.3f}, {scored[50]:.3f} and {scored[100]:.3f} ({len(base):,} WordNet glosses)."
    neighbours = Verdict.of(scored[50] >= 0.95, in_part=scored[100] >= 0.95, why="50 candidates are not enough")
    yield Finding(NEIGHBOURS, text, neighbours, {"alone": alone, "rescored": scored})

    encoder, pairs = material.minilm(), load("stsb")
    count = setting.pick(len(pairs.test), 60)
    first, second = (encoder.encode(part[:count], progress=False) for part in (pairs.test.first, pairs.test.second))
    corpus = encoder.encode(pairs.train.first[: setting.pick(2_000, 150)], progress=False)
    human = pairs.test.score[:count]
    found = {"all": _likeness(first, second, human)}
    for kept in (128, 64):
        pca = PCA(kept).fit(corpus)
        found[f"PCA {kept}"] = _likeness(pca.transform(first), pca.transform(second), human)
        found[f"cut {kept}"] = _likeness(first[:, :kept], second[:, :kept], human)
    shown = {name: f"{value:.3f}" for name, value in found.items()}
    text = (
        f"{shown['all']} with all, {shown['PCA 128']} with 128, {shown['PCA 64']} with 64 dimensions; raw coordinates "
    )
    text += f"cut off: {shown['cut 128']} and {shown['cut 64']}."
    yield Finding(HUMAN, text, Verdict.of(found["all"] - found["PCA 128"] <= 0.02, why="it loses more"), found)

    gap = min(scores[f"PCA {kept}"] - scores[f"cut {kept}"] for kept in (128, 64))
    text = f"nDCG@10 kept {share['PCA 128']} against {share['cut 128']} at 128, {share['PCA 64']} against "
    text += f"{share['cut 64']} at 64; exact neighbours found on WordNet at 128: {alone:.3f} against {coarse:.3f}; "
    text += f"likeness on STS-B at 64: {shown['PCA 64']} against {shown['cut 64']}."
    better = gap > 0.02 and alone > coarse + 0.02
    why = "for retrieval yes, for likeness scores of sentences cutting off is as good"
    yield Finding(CUT, text, Verdict.of(better and found["PCA 64"] > found["cut 64"] + 0.01, in_part=better, why=why))


def _likeness(first: np.ndarray, second: np.ndarray, human: np.ndarray) -> float:
    cosines = (material.unit(first) * material.unit(second)).sum(axis=1)
    return float(spearmanr(cosines, human)[0])


def _saved(index: Flat) -> int:
    """Bytes of the index as a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.nfa"
        index.save(path)
        return path.stat().st_size


def _seconds(index: Flat, queries: np.ndarray) -> float:
    """Of the processor, so that other work on the machine does not count."""
    times = []
    for _ in range(5):
        start = time.process_time()
        index.search(queries, 10, threads=1)
        times.append(time.process_time() - start)
    return min(times)
