"""Codebooks as a linear map of frozen random directions: are all words used, and what does it cost in error?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import native
from ..quantize import Codec, ProductQuantizer, ResidualQuantizer
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict

PAPER = Paper(
    "simvq",
    "Addressing Representation Collapse in Vector Quantized Models with One Linear Layer",
    'nearfield.quantize.ResidualQuantizer with books="linear": words C W, C frozen, W by least squares between '
    "assignments. No network is trained here, so the collapse that gradients cause is not measured.",
)
USE = Claim("At least 95% of the words of every linear book are used.")
ERROR = Claim("The error of linear books is below that of freely learnt ones.")
UNSEEN = Claim("With few rows to learn from, linear books code unseen rows better than free ones.")
STAGES = Claim("Over residual stages the gap between linear and free books does not grow.")
STORED = Claim("A linear book is stored and searched as a plain one: as many bytes, the scores of the decoded rows.")
CLAIMS = (USE, ERROR, UNSEEN, STAGES, STORED)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another."""
    base, unseen = material.wordnet(setting.pick(10_000, 1_500), setting.pick(2_000, 200))
    groups = setting.pick((48, 24, 12), (12,))
    used, errors = {}, {}
    for count in groups:
        for books in ("linear", "free"):
            codec = ProductQuantizer(count, books=books)
            codec.fit(base)
            codes = codec.encode(base)[:, 4 : 4 + count]
            used[f"{count} {books}"] = min(len(np.unique(column)) / 256 for column in codes.T)
            errors[f"{count} {books}"] = _error(codec, unseen)
    linear = [share for name, share in used.items() if "linear" in name]
    text = "Share of words used in the least used book, by groups: "
    text += ", ".join(f"{name} {share:.1%}" for name, share in used.items()) + "."
    yield Finding(
        USE, text, Verdict.of(min(linear) >= 0.95, in_part=max(linear) >= 0.95, why="not with every width"), used
    )

    text = "Squared error on rows not learnt from: " + ", ".join(f"{n} {e:.4f}" for n, e in errors.items()) + "."
    better = [errors[f"{count} linear"] < errors[f"{count} free"] for count in groups]
    why = "k-means moves every word where it is needed and gives unused ones another row; there is no collapse to mend"
    yield Finding(ERROR, text, Verdict.of(all(better), in_part=any(better), why=why), errors)

    few = {}
    for rows in setting.pick((300, 600, 1_200), (300,)):
        for books in ("linear", "free"):
            few[f"{rows} {books}"] = _error(ProductQuantizer(12, books=books).fit(base[:: len(base) // rows]), unseen)
    text = "Squared error on unseen rows, 12 groups, by rows learnt from: "
    text += ", ".join(f"{name} {error:.4f}" for name, error in few.items()) + "."
    names = {name.split()[0] for name in few}
    better = [few[f"{name} linear"] < few[f"{name} free"] for name in names]
    verdict = Verdict.of(all(better), in_part=any(better), why="not with as many rows")
    yield Finding(UNSEEN, text, verdict, few)

    stages = setting.pick(4, 2)
    late = {books: _error(ResidualQuantizer(stages, 8, books=books).fit(base), unseen) for books in ("linear", "free")}
    early = {books: _error(ResidualQuantizer(1, 8, books=books).fit(base), unseen) for books in ("linear", "free")}
    before, after = early["linear"] / early["free"], late["linear"] / late["free"]
    text = f"Error of linear over free books, 8 groups: {before:.3f} after one stage, {after:.3f} after {stages}."
    yield Finding(STAGES, text, Verdict.of(after <= before, why="the gap grows"), {"early": early, "late": late})

    plain, linear_codec = ProductQuantizer(12).fit(base), ProductQuantizer(12, books="linear").fit(base)
    codes = linear_codec.encode(unseen)
    scores = native.score(linear_codec.space(codes), base[:50], np.arange(len(codes), dtype=np.uint32), metric="ip")
    worst = float(np.abs(scores + base[:50] @ linear_codec.decode(codes).T).max())
    same = plain.bytes_per_vector == linear_codec.bytes_per_vector
    text = f"{linear_codec.bytes_per_vector} bytes a row for both; scores differ from those of the decoded rows by at "
    text += f"most {worst:.1e}."
    yield Finding(STORED, text, Verdict.of(same and worst < 1e-5, in_part=same, why="scores differ"))


def _error(codec: Codec, rows: np.ndarray) -> float:
    return float(((codec.decode(codec.encode(rows)) - rows) ** 2).sum(axis=1).mean())
