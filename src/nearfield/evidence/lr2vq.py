"""Low-rank vector quantisation: what the rank costs, whether it can be predicted, and what small books are worth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..index import Flat
from ..quantize import Codec, LowRankQuantizer, ProductQuantizer, codec_loss
from ..quantize.books import assign, free_words
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact, recall

PAPER = Paper(
    "lr2vq",
    "Learning Low-Rank Representations for Model Compression",
    "nearfield.quantize.LowRankQuantizer: words and decoder in closed form; the tuning within a network is not done.",
)
FULL = Claim("Words of full rank give the error of ordinary vector quantisation to 1e-6.")
INNER = Claim("The error over the rank has its minimum below the full rank.")
PREDICTED = Claim("The rank predicted from the spectrum is within one step of the least one that costs at most 2%.")
SMALL = Claim("For a table of 3,000 rows, at equal size with books counted, recall@10 is a point above product codes.")
AGAIN = Claim("At a thirtieth of float32, 95% of the ten neighbours are found once 100 candidates are scored again.")
CLAIMS = (FULL, INNER, PREDICTED, SMALL, AGAIN)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    base, queries = material.wordnet(setting.pick(10_000, 1_500), setting.pick(300, 50))
    dim, parts = base.shape[1], 48
    few = base[:1_000]
    codec = LowRankQuantizer(parts, rank=dim // parts)
    codec.fit(few)
    rng = np.random.default_rng(0)
    rest = (few[np.sort(rng.permutation(len(few)))] - codec.center_).reshape(-1, dim // parts)
    words = free_words(rest, rng, codec.iterations)
    ordinary = float(((rest - words.T[assign(rest, words)]) ** 2).sum() / len(few))
    gap = abs(_error(codec, few) - ordinary)
    text = f"{ordinary:.6f} for one shared book, a difference of {gap:.1e}."
    yield Finding(FULL, text, Verdict.of(gap <= 1e-6, why="it differs"), {"gap": gap})

    groups = 24
    ranks = setting.pick((2, 4, 6, 8, 10, 12, 14, 16), (4, 16))
    errors = {rank: _error(LowRankQuantizer(groups, rank=rank).fit(base), base) for rank in ranks}
    text = f"Squared error of {groups} parts of {dim // groups} dimensions, by rank: "
    text += ", ".join(f"{rank}: {error:.4f}" for rank, error in errors.items()) + "."
    least = min(errors, key=lambda rank: errors[rank])
    why = "words of more numbers can only be better by k-means; a lower rank saves books, not error"
    numbers = {str(rank): error for rank, error in errors.items()}
    yield Finding(INNER, text, Verdict.of(least < max(ranks), why=why), numbers)

    enough = min(rank for rank in ranks if errors[rank] <= 1.02 * errors[least])
    predicted = LowRankQuantizer(groups)
    predicted.fit(base)
    text = f"Predicted {predicted.rank_}; {enough} is the least that costs at most 2%."
    close = abs(predicted.rank_ - enough) <= ranks[1] - ranks[0]
    yield Finding(PREDICTED, text, Verdict.of(close, why="it is farther off"))

    table = base[:3_000]
    plain, shared = ProductQuantizer(12), LowRankQuantizer(128)
    losses = [codec_loss(codec.fit(table), table, queries) for codec in (plain, shared)]
    sizes = [
        sum(array.nbytes for array in codec.to_arrays().values()) + codec.encode(table).nbytes
        for codec in (plain, shared)
    ]
    text = f"Product: {sizes[0]:,} bytes with books, {losses[0]}. Low rank: {sizes[1]:,} bytes, {losses[1]}."
    smaller = sizes[1] <= sizes[0]
    gain = losses[1].recall - losses[0].recall
    yield Finding(SMALL, text, Verdict.of(smaller and gain >= 0.01, in_part=gain >= 0.01, why="it is larger"))

    truth = exact(base, queries)
    index = Flat("cosine", codec=LowRankQuantizer(parts), rescore="vectors").build(base)
    share = recall(index.search(queries, 10, candidates=100).rows, truth)
    ratio = 4 * dim / index.codec.bytes_per_vector
    text = f"{share:.3f} with {index.codec.bytes_per_vector} bytes a row, {ratio:.0f} times less than float32."
    yield Finding(AGAIN, text, Verdict.of(share >= 0.95, why="fewer are found"))


def _error(codec: Codec, rows: np.ndarray) -> float:
    return float(((codec.decode(codec.encode(rows)) - rows) ** 2).sum(axis=1).mean())
