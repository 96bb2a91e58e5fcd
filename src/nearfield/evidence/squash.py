"""SQUASH: bits by variance in packed bytes, bounds that prune, a small index, and lists read once under a filter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..index import Flat
from ..quantize import ScalarQuantizer, VarianceQuantizer, codec_loss
from . import attributed, material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact, recall

PAPER = Paper(
    "squash",
    "SQUASH: Serverless and Distributed Quantization-based Attributed Vector Similarity Search",
    "nearfield.quantize.VarianceQuantizer, nearfield.index.IVF.search_batch and rerank_bounded; nothing serverless.",
)
PACKED = Claim("Codes take exactly the bits of the budget, rounded up to bytes, and decoding loses nothing more.")
BOUNDS = Claim("Lower bounds from the codes never exceed the true distance.")
PRUNED = Claim("Bounds rule out at least 90% of the rows before any exact distance, given the k-th distance.")
SMALL = Claim("An index of at most a sixth of float32 finds 95% of the ten neighbours after rescoring.")
SPREAD = Claim("At equal bytes, bits by variance rank better than the same bits in every dimension.")
FILTERED = Claim("Under filters that pass 100% to 0.1% of the rows, a single pass over lists has recall@10 >= 0.95.")
ENOUGH = Claim("A single pass returns k results wherever k rows pass: lists are chosen by how many rows pass in each.")
STAGES = Claim("Signs, then bounds, remove at least 90% of the passing rows before any exact distance, at recall 0.95.")
CLAIMS = (PACKED, BOUNDS, PRUNED, SMALL, SPREAD, FILTERED, ENOUGH, STAGES)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    base, queries = material.wordnet(setting.pick(20_000, 1_500), setting.pick(300, 50))
    dim = base.shape[1]
    codecs = {bits: VarianceQuantizer(bits) for bits in setting.pick((0.7, 1, 2, 4), (1, 2))}
    for codec in codecs.values():
        codec.fit(base)
    exactly, again = [], []
    for bits, codec in codecs.items():
        count = -(-round(bits * dim) // 8)
        exactly.append(len(codec.layout_) == count and 8 * (count - 1) < codec.bits_.sum() <= 8 * count)
        codes = codec.encode(base)
        again.append(float((codec.encode(codec.decode(codes)) == codes).all(axis=1).mean()))
    text = f"Bytes of codes with {', '.join(map(str, codecs))} bits a dimension: "
    text += ", ".join(str(len(codec.layout_)) for codec in codecs.values())
    text += f" (and 4 of header); {min(again):.3%} of the decoded rows or more are encoded to the same bytes."
    yield Finding(PACKED, text, Verdict.of(all(exactly) and min(again) > 0.999, in_part=all(exactly), why="not all do"))

    asked = queries[: setting.pick(20, 5)]
    excess = -np.inf
    shares: dict[float, list[float]] = {bits: [] for bits in codecs}
    for bits, codec in codecs.items():
        codes = codec.encode(base)
        for query in asked:
            distances = ((base.astype(np.float64) - query) ** 2).sum(axis=1)
            bounds = codec.lower_bounds(query, codes)
            excess = max(excess, float((bounds - distances).max()))
            shares[bits].append(float((bounds > np.partition(distances, 9)[9]).mean()))
    text = f"Largest bound minus distance over {len(asked) * len(codecs)} queries of {len(base):,} rows: {excess:.1e}."
    yield Finding(BOUNDS, text, Verdict.of(excess <= 0, why="a bound exceeds its distance"), {"excess": excess})

    pruned = {bits: float(np.mean(share)) for bits, share in shares.items()}
    text = (
        "Rows ruled out with k = 10: "
        + ", ".join(f"{share:.1%} at {bits} bits" for bits, share in pruned.items())
        + "."
    )
    verdict = Verdict.of(
        min(pruned.values()) >= 0.9, in_part=max(pruned.values()) >= 0.9, why="few bits bound too little"
    )
    yield Finding(PRUNED, text, verdict, {str(bits): share for bits, share in pruned.items()})

    truth, found = exact(base, queries), {}
    for bits in codecs:
        index = Flat("cosine", codec=VarianceQuantizer(bits), rescore="vectors").build(base)
        share = index.memory()["total"] / base.nbytes
        found[bits] = (share, [recall(index.search(queries, 10, candidates=c).rows, truth) for c in (20, 50, 100)])
    text = "; ".join(
        f"{bits} bits: {share:.3f} of float32, recall {', '.join(f'{r:.3f}' for r in recalls)}"
        for bits, (share, recalls) in found.items()
    )
    text = f"With 20, 50 and 100 candidates scored again by the vectors: {text}."
    small = any(share <= 1 / 6 and recalls[1] >= 0.95 for share, recalls in found.values())
    yield Finding(
        SMALL, text, Verdict.of(small, why="none of them"), {str(bits): share for bits, share in found.items()}
    )

    four = codec_loss(ScalarQuantizer(4), base, queries)
    same = codec_loss(VarianceQuantizer((four.bytes_per_vector - 4) * 8 / dim), base, queries)
    half = codec_loss(VarianceQuantizer((four.bytes_per_vector // 2 - 4) * 8 / dim), base, queries)
    text = f"Same bits everywhere: {four}. By variance: {same}; with half the bytes: {half}."
    yield Finding(
        SPREAD,
        text,
        Verdict.of(same.recall_low > four.recall, in_part=same.recall > four.recall, why="the intervals overlap"),
    )
    yield from _filtered(base, queries[: setting.pick(200, 20)])


def _filtered(base: np.ndarray, queries: np.ndarray) -> Iterator[Finding]:
    made = list(attributed.filters(base, queries[0]))
    found = attributed.lists_under(base, queries, [mask for _, _, mask in made])
    named = {f"{kind} {share:.1%}": recall for (kind, share, _), (recall, _) in zip(made, found, strict=True)}
    text = "Recall: " + ", ".join(f"{value:.3f} at {name}" for name, value in named.items()) + "."
    low, random = min(named.values()), min(value for name, value in named.items() if name.startswith("random"))
    verdict = Verdict.of(low >= 0.95, in_part=random >= 0.95, why="not where what passes lies far from the query")
    yield Finding(FILTERED, text, verdict, named)

    missing = sum(count for _, count in found)
    text = f"{missing} answers missing over {len(found)} filters of {len(queries)} queries each."
    yield Finding(ENOUGH, text, Verdict.of(missing == 0, why="some answers are short"), {"missing": missing})

    numbers = {}
    for share in (1.0, 0.1, 0.01):
        mask = next(mask for kind, own, mask in made if kind == "random" and own == share)
        numbers[f"{share:.0%}"] = attributed.pruned(base, queries[:50], mask, bits=4, kept=0.1)
    text = "; ".join(
        f"of {own.passing:,} passing rows {own.after_signs:.1%} after the signs, {own.after_bounds:.2%} compared "
        f"exactly, recall {own.recall:.3f}"
        for own in numbers.values()
    )
    good = [own.after_bounds <= 0.1 and own.recall >= 0.95 for own in numbers.values()]
    why = "not of few hundred rows, of which forty are kept"
    yield Finding(
        STAGES,
        f"{text}.",
        Verdict.of(all(good), in_part=any(good), why=why),
        {n: vars(own) for n, own in numbers.items()},
    )
