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
# Those that share links stand together: a graph is built once for them.
GRAPHS = (
    Recipe("graph", bits=8),
    Recipe("graph", bits=8, rescore="vectors"),
    Recipe("graph", bits=4, rescore=8),
    Recipe("graph", bits=4, rescore="vectors"),
    Recipe("graph", bits=8, layout="fast", alpha=1.1),
)
# Over principal components, whose number is set by the data.
COMPONENTS = (
    Recipe("graph", bits=8, rescore=8),
    Recipe("graph", bits=4, rescore=8),
    Recipe("graph", bits=4, rescore="vectors"),
    Recipe("graph", bits=8, rescore=8, layout="fast", alpha=1.1),
)
# For a memory budget that nothing else fits; the last one over components.
LEANEST = (*SCANS, Recipe("flat", bits=4, rescore="vectors"))

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


def candidates(base: np.ndarray, metric: Metric, *, rows: int, memory: int | None, scan_first: bool) -> list[Recipe]:
    """The recipes worth trying on ``base`` (n, d), a sample of ``rows`` rows: scans first, then graphs.

    ``scan_first`` leaves graphs out where a scan takes no longer than the call around it.
    """
    n, d = base.shape
    if n * d <= _SMALL or n < _FEW_ROWS:
        return [EXACT] if memory is None or 4 * rows * d <= memory else [EXACT, *SCANS]
    if n * d <= _SCANNED_NUMBERS and scan_first:
        return [EXACT, *SCANS]
    found = [EXACT, *SCANS] if n <= _SCANNED_ROWS else [EXACT]
    return [*found, *GRAPHS, *_over_components(base, metric, COMPONENTS)]


def last_resort(base: np.ndarray, metric: Metric, tried: Sequence[Recipe]) -> list[Recipe]:
    """The leanest recipes there are and that were not ``tried``."""
    found = [*LEANEST[:-1], *_over_components(base, metric, LEANEST[-1:])]
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
