"""Group-residual vector quantisation: what stages and groups do to error and recall at equal bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..index import Flat
from ..quantize import Codec, ProductQuantizer, ResidualQuantizer
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact, recall

PAPER = Paper(
    "grvq",
    "HiFi-Codec: Group-residual Vector quantization for High Fidelity Audio Codec",
    "nearfield.quantize.ResidualQuantizer(stages, groups), with words learnt by k-means instead of within a network.",
)
STAGES = Claim("The error falls at every added stage.")
CASES = Claim("One stage is the product quantiser and one group a plain residual quantiser, bit for bit.")
RECALL = Claim(
    "At equal bytes residual groups (2 to 8) find at least 2 points more of the ten neighbours than product."
)
ORDER = Claim("At equal bytes the error falls from product over group-residual to residual quantisation (k-means).")
AGAIN = Claim("24 bytes of codes find 95% of the ten neighbours once 100 candidates are scored by the vectors.")
CLAIMS = (STAGES, CASES, RECALL, ORDER, AGAIN)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    base, queries = material.wordnet(setting.pick(20_000, 1_500), setting.pick(500, 50))
    iterations = setting.pick(8, 2)
    errors = [_error(ResidualQuantizer(stages, 8, iterations=iterations).fit(base), base) for stages in (1, 2, 3, 4)]
    text = "Squared error with 8 groups and 1 to 4 stages: " + ", ".join(f"{error:.3f}" for error in errors) + "."
    yield Finding(STAGES, text, Verdict.of(all(np.diff(errors) < 0), why="a stage did not help"), {"errors": errors})

    product = ProductQuantizer(24, iterations=iterations).fit(base)
    single = ResidualQuantizer(1, 24, iterations=iterations).fit(base)
    same = product.encode(base).tobytes() == single.encode(base).tobytes()
    plain = ResidualQuantizer(3, iterations=iterations)
    plain.fit(base)
    rows = base[:2_000]
    equal = float((plain.encode(rows)[:, 4:7] == _by_hand(plain, rows)).all(axis=1).mean())
    text = (
        f"All {len(base):,} codes of one stage equal the product quantiser's; of {len(rows):,} rows {equal:.2%} have "
    )
    text += "the codes of a residual coder written out in float64 (the rest are ties within float32)."
    yield Finding(CASES, text, Verdict.of(same and equal > 0.999, in_part=same, why="residual codes differ"))

    truth = exact(base, queries)
    found = {}
    for stages, groups in ((1, 24), (3, 8), (6, 4), (12, 2)):
        codec = product if stages == 1 else ResidualQuantizer(stages, groups, iterations=iterations)
        index = Flat("cosine", codec=codec).build(base)
        found[f"{groups} x {stages}"] = (recall(index.search(queries, 10).rows, truth), _error(index.codec, base))
    shown = "; ".join(f"{name}: {share:.3f}, {error:.3f}" for name, (share, error) in found.items())
    text = f"24 bytes as groups x stages, recall@10 of the codes alone and squared error: {shown}."
    gains = [share - found["24 x 1"][0] for share, _ in list(found.values())[1:]]
    verdict = Verdict.of(
        min(gains) >= 0.02, in_part=max(gains) >= 0.02, why=f"gains: {min(gains):+.3f} to {max(gains):+.3f}"
    )
    yield Finding(RECALL, text, verdict, found)

    falling = [error for _, error in found.values()]
    verdict = Verdict.of(all(np.diff(falling) < 0), in_part=min(falling[1:]) < falling[0], why="not at every step")
    yield Finding(ORDER, text, verdict)

    rescored = {}
    for codec in (product, ResidualQuantizer(3, 8, iterations=iterations)):
        index = Flat("cosine", codec=codec, rescore="vectors").build(base)
        rescored[repr(codec)] = recall(index.search(queries, 10, candidates=100).rows, truth)
    first, second = rescored.values()
    text = f"24 groups: {first:.3f}; 8 groups of 3 stages: {second:.3f} ({len(base):,} glosses, 28 bytes a row)."
    yield Finding(AGAIN, text, Verdict.of(first >= 0.95 and second >= 0.95, why="one finds fewer"), rescored)


def _error(codec: Codec, base: np.ndarray) -> float:
    decoded = codec.decode(codec.encode(base))
    return float(((decoded - base) ** 2).sum(axis=1).mean())


def _by_hand(codec: ResidualQuantizer, rows: np.ndarray) -> np.ndarray:
    rest = rows.astype(np.float64) - codec.center_
    codes = []
    for _, width, first in codec.layout_:
        words = codec.words_[first : first + width].T.astype(np.float64)
        codes.append(((words**2).sum(1) - 2 * rest @ words.T).argmin(axis=1))
        rest -= words[codes[-1]]
    return np.stack(codes, axis=1)
