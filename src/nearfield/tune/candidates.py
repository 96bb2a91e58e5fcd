"""The recipes that are tried: one table, and the rules that say which of its rows a set is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..metric import Metric
from ..transform import PCA
from .recipe import Recipe

EXACT = Recipe("flat", bits=32)
# Little memory, and small sets.
SCANS = (Recipe("flat", bits=8), Recipe("flat", bits=4, rescore="vectors"))
# Those that share links stand together: a graph is built once for them. Walks end early, which takes 0.6 to 0.9 of the
# bytes; finalists are tried without slack as well. On 40,000 WordNet glosses, queries a second and memory at 0.95: 59k,
# 21 MB; 48k, 21 MB (8-bit codes alone find no more than 0.996); 55k, 29 MB; 49k, 14 MB. The fast layout is the fastest
# of all 117,659 (86k in 243 MB; 48k in 40 MB with 4-bit codes rescored by the vectors).
GRAPHS = (
    Recipe("graph", bits=8, slack=True),
    Recipe("graph", bits=8, rescore="vectors", slack=True),
    Recipe("graph", bits=4, rescore="residual", slack=True),
    Recipe("graph", bits=4, rescore="vectors", slack=True),
    Recipe("graph", bits=8, layout="fast", alpha=1.1, slack=True),
)
# What shows whether links from sample queries pay.
PLAIN = GRAPHS[3]
# Over principal components, whose number is set by the data; over LeanVec's directions, half of the dimensions, where
# the build has sample queries. On 15,000 images of Fashion-MNIST at 0.95 the first answers 10.0k queries a second in
# 16 MB and the second 8.6k in 3.2 MB, against 5.4k in 63 MB and 4.7k in 8 MB without components (a fast graph over
# components: 9.0k in 24 MB); of all WordNet glosses the second is the leanest graph (30 MB, 12k).
COMPONENTS = (
    Recipe("graph", bits=8, rescore=8, slack=True),
    Recipe("graph", bits=4, rescore="vectors", slack=True),
)
# For a memory budget that no graph fits. On the same rows at 0.95: lists of 4-bit codes 9.9 MB and 20k, of 1-bit codes
# 4.1 MB and 11k; a scan of 1-bit codes 2.7 MB and 2k. No scan of 1-bit codes where memory allows more: what few
# candidates find for queries like the rows, they do not find for others (87 were needed on 10,000 rows, not 40).
LEAN = (
    *SCANS,
    Recipe("flat", bits=1, rotated=True, rescore="vectors"),
    Recipe("ivf", bits=4, rescore="vectors"),
    Recipe("ivf", bits=1, rotated=True, rescore="vectors"),
)
# The same over components: lists of 1-bit codes of 128 of them 2.2 MB and 12k.
LEANEST = (
    Recipe("flat", bits=4, rescore="vectors"),
    Recipe("flat", bits=1, rotated=True, rescore="vectors"),
    Recipe("ivf", bits=1, rotated=True, rescore="vectors"),
)

# Up to so many numbers a scan of floats is read from the processor's cache: nothing beats it.
_SMALL = 1_000_000
_FEW_ROWS = 1000
# Up to so many numbers a scan of codes takes a tenth of a millisecond, less than the call around it, and finds the
# neighbours of any query. A graph is as good only on queries like those it was measured on.
_SCANNED_NUMBERS = 4_000_000
# Up to so many rows, scans of codes are worth measuring when a graph can be had.
_SCANNED_ROWS = 50_000
_VARIANCE_ROWS = 20_000
_VARIANCE = 0.9


def candidates(
    base: np.ndarray, metric: Metric, *, rows: int, memory: int | None, scan_first: bool, shared: bool = False
) -> list[Recipe]:
    """The recipes worth trying on ``base`` (n, d), a sample of ``rows`` rows: scans first, then graphs.

    ``scan_first`` leaves graphs out where a scan takes no longer than the call around it; ``shared``: builds can be
    given sample queries.
    """
    n, d = base.shape
    if n * d <= _SMALL or n < _FEW_ROWS:
        return [EXACT] if memory is None or 4 * rows * d <= memory else [EXACT, *SCANS]
    if n * d <= _SCANNED_NUMBERS and scan_first:
        return [EXACT, *SCANS]
    found = [EXACT, *SCANS] if n <= _SCANNED_ROWS else [EXACT]
    if not shared:
        return [*found, *GRAPHS, *_over_components(base, metric, COMPONENTS)]
    with_queries = [replace(recipe, queries=True) for recipe in GRAPHS]
    half = -(-d // 32) * 16
    if metric.native == "l2":  # its maps keep inner products, not distances
        reduced = [replace(recipe, queries=True) for recipe in _over_components(base, metric, COMPONENTS)]
    else:
        reduced = [replace(recipe, leanvec=half, queries=True) for recipe in COMPONENTS] if half < d else []
    return [*found, PLAIN, *with_queries, *reduced]


def last_resort(base: np.ndarray, metric: Metric, tried: Sequence[Recipe]) -> list[Recipe]:
    """The recipes of little memory that were not ``tried``."""
    found = [*LEAN, *_over_components(base, metric, LEANEST)]
    return [recipe for recipe in found if recipe not in tried]


def _over_components(base: np.ndarray, metric: Metric, recipes: Sequence[Recipe]) -> list[Recipe]:
    kept = components(base, metric)
    return [] if kept is None else [replace(recipe, pca=kept) for recipe in recipes]


def components(base: np.ndarray, metric: Metric) -> int | None:
    """How many components hold 0.9 of the variance, in sixteens; None when that is more than three quarters of all.

    Counted around the mean: where all vectors share a direction, its share of the mean square says nothing of what
    tells them apart.
    """
    rows = base if len(base) <= _VARIANCE_ROWS else base[:: -(-len(base) // _VARIANCE_ROWS)]
    if len(rows) < 2:
        return None
    kept = -(-PCA(_VARIANCE).fit(metric.prepare_base(rows)).n_components_ // 16) * 16
    return kept if kept <= 0.75 * base.shape[1] else None
