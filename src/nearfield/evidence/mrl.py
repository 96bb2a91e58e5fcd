"""Matryoshka vectors, as far as search goes: where truncation serves, where it is refused, and the funnel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..datasets import load
from ..index import Flat
from ..transform import PCA, Truncation
from . import material
from .claims import Claim, Finding, Paper, Setting, Verdict
from .measures import exact, recall

PAPER = Paper(
    "mrl",
    "Matryoshka Representation Learning",
    "nearfield.transform.Truncation as the transform of an index that rescores; training such vectors is not part.",
)
REFUSED = Claim("Cutting vectors of a model not trained for it in half loses over 10% of the neighbours: refused.")
ORDERED = Claim("Where coordinates are ordered by importance, half of them lose at most 10% of the neighbours.")
PREFIX = Claim("At every size an ordered prefix finds at least 5 points more neighbours than cutting the unordered.")
FUNNEL = Claim("A shortlist of 200 by an eighth of the dimensions, put in order by all, keeps 98% of exact recall@10.")
WORK = Claim("That funnel needs at least 5 times fewer multiply-adds than a scan of all dimensions.")
SHIFTED = Claim("The funnel keeps 98% for queries from another source as well.")
CLAIMS = (REFUSED, ORDERED, PREFIX, FUNNEL, WORK, SHIFTED)


def measure(setting: Setting) -> Iterator[Finding]:
    """The findings, one claim after another. The ordered space is MiniLM turned into its principal frame."""
    base, asked = material.wordnet(setting.pick(None, 3_000), setting.pick(1_000, 60))
    strange = material.unit(load("wordnet").out_of_distribution_queries[: len(asked)])
    pca = PCA(center=False).fit(base)
    turned, turned_asked, turned_strange = (pca.transform(part) for part in (base, asked, strange))
    dim = base.shape[1]
    said = ""
    try:
        Truncation(dim // 2).fit(base, queries=asked)
    except ValueError as error:
        said = str(error)
    text = f"MiniLM: {said.split(';')[0]}." if said else "MiniLM cut in half was accepted."
    yield Finding(REFUSED, text, Verdict.of(bool(said), why="it loses less than that"))

    half = Truncation(dim // 2, max_loss=1.0).fit(turned, queries=turned_asked).ranking_loss_
    text = f"MiniLM in its principal frame, {dim // 2} of {dim}: {half.loss:.1%} lost; {half}."
    yield Finding(ORDERED, text, Verdict.of(half.loss <= 0.1, why=f"it loses {half.loss:.1%}"))

    found = {}
    for kept in (dim // 16, dim // 8, dim // 4, dim // 2):
        cut = Truncation(kept, max_loss=1.0)
        pair = cut.fit(base, queries=asked).ranking_loss_, cut.fit(turned, queries=turned_asked).ranking_loss_
        found[kept] = [one.recall for one in pair]
    text = "Recall@10 without rescoring, unordered and ordered: "
    text += "; ".join(f"{raw:.3f} and {good:.3f} with {kept}" for kept, (raw, good) in found.items()) + "."
    gap = min(good - raw for raw, good in found.values())
    yield Finding(PREFIX, text, Verdict.of(gap >= 0.05, why=f"at one size by {gap:.1%} only"), found)

    funnels = {
        name: Flat(transform=Truncation(dim // 8, max_loss=1.0), rescore="vectors").build(rows)
        for name, rows in (("ordered", turned), ("unordered", base))
    }
    truth = exact(base, asked)
    share = recall(funnels["ordered"].search(turned_asked, 10, candidates=200).rows, truth)
    raw = recall(funnels["unordered"].search(asked, 10, candidates=200).rows, truth)
    text = f"{share:.1%} with {dim // 8} dimensions of {len(base):,} rows; of the unordered space {raw:.1%}."
    yield Finding(FUNNEL, text, Verdict.of(share >= 0.98, why=f"it keeps {share:.1%}"), {"unordered": raw})

    rows = len(base)
    ratio = rows * dim / (rows * (dim // 8) + 200 * dim)
    text = f"{rows * dim / 1e6:.1f} million become {(rows * (dim // 8) + 200 * dim) / 1e6:.1f} million a query, "
    text += f"{ratio:.1f} times fewer."
    yield Finding(WORK, text, Verdict.of(ratio >= 5, why="it needs more"), {"ratio": ratio})

    other = exact(base, strange)
    shares: dict[Any, float] = {
        count: recall(funnels["ordered"].search(turned_strange, 10, candidates=count).rows, other)
        for count in (200, 1_000)
    }
    text = f"Package descriptions: {shares[200]:.1%} with a shortlist of 200, {shares[1_000]:.1%} with 1,000."
    why = "an order made for the rows alone puts what such queries ask for behind"
    yield Finding(SHIFTED, text, Verdict.of(shares[200] >= 0.98, in_part=shares[1_000] >= 0.98, why=why), shares)
