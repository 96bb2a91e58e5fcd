"""Filters of every selectivity over a space, and the pruning of what passes: what two papers are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..index import IVF, Flat, rerank_bounded
from ..quantize import RotatedQuantizer, VarianceQuantizer

SHARES = (1.0, 0.5, 0.1, 0.01, 0.001)
KINDS = ("random", "near", "far")


def filters(base: np.ndarray, around: np.ndarray, seed: int = 0) -> Iterator[tuple[str, float, np.ndarray]]:
    """``(kind, share, mask)``: at random, or the rows nearest to and farthest from the vector ``around``."""
    order = {"random": np.random.default_rng(seed).permutation(len(base)), "near": np.argsort(-(base @ around))}
    order["far"] = order["near"][::-1]
    for kind in KINDS:
        for share in SHARES[kind != "random" :]:
            mask = np.zeros(len(base), bool)
            mask[order[kind][: max(1, round(share * len(base)))]] = True
            yield kind, share, mask


def lists_under(base: np.ndarray, queries: np.ndarray, masks: list[np.ndarray], k: int = 10) -> list[tuple[float, int]]:
    """For each filter, the recall of lists read once, and how many answers are missing although rows pass.

    A query is compared with as many passing rows as a sixth of all rows, or with all that pass.
    """
    index = IVF("cosine", codec=VarianceQuantizer(2), rescore="vectors").build(base)
    which = np.repeat(np.arange(len(masks)), len(queries))
    rows = index.search_batch(np.tile(queries, (len(masks), 1)), k, masks, which, budget=len(base) // 6).rows
    scan, found = Flat("cosine").build(base), []
    for number, mask in enumerate(masks):
        truth, own = scan.search(queries, k, allow=mask).rows, rows[which == number]
        there = truth >= 0
        right = [np.isin(row, known[known >= 0]).sum() for row, known in zip(own, truth, strict=True)]
        found.append((float(np.sum(right) / there.sum()), int((there.sum(axis=1) - (own >= 0).sum(axis=1)).sum())))
    return found


@dataclass(frozen=True)
class Pruned:
    """Of the rows that pass a filter, the shares left after the signs and after the bounds, and the recall."""

    passing: int
    after_signs: float
    after_bounds: float
    recall: float


def pruned(base: np.ndarray, queries: np.ndarray, mask: np.ndarray, *, bits: float, kept: float, k: int = 10) -> Pruned:
    """Signs of rotated rows choose a share of what passes, lower bounds rule out most of that, the rest is compared."""
    signs = IVF("cosine", codec=RotatedQuantizer(1)).build(base)
    codec = VarianceQuantizer(bits)
    codec.fit(base)
    codes = codec.encode(base)
    passing = int(mask.sum())
    count = min(passing, max(round(kept * passing), 4 * k))
    candidates = signs.search_batch(queries, count, [mask], np.zeros(len(queries), int), budget=passing).rows
    truth: Any = Flat("cosine").build(base).search(queries, k, allow=mask).rows
    compared, right = 0, 0
    for query, chosen, known in zip(queries, candidates, truth, strict=True):
        found = rerank_bounded(query, chosen, base, codec, codes, k)
        compared += found.compared
        right += int(np.isin(known[known >= 0], found.rows).sum())
    total = len(queries) * passing
    return Pruned(passing, count / passing, compared / total, right / int((truth >= 0).sum()))
