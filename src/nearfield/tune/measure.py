"""How good and how fast an index is: the narrowest width that is good enough, queries per second, latency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from time import perf_counter

import numpy as np

from ..common.blas import one_blas_thread
from ..common.interval import mean_interval
from ..index import IVF, Flat, Graph
from ..index.ivf import LISTS_PER_ROOT
from .recipe import Recipe
from .truth import Truth

_WIDEST = 2048
# Doubling the width twice for less recall than this means that the codes, not the walk, lose the rest.
_SATURATED = 0.0005
_COUNTED = 200
_PASS_SECONDS = 0.15
_PASSES = 5
_SINGLES = 200
_SINGLES_SECONDS = 0.3


@dataclass
class Curve:
    """Recall of one index against the width of its search: the beam of a graph, lists read, candidates of a scan."""

    index: Flat | Graph | IVF
    recipe: Recipe
    truth: Truth
    seen: dict[int, np.ndarray] = field(default_factory=dict)

    def at(self, width: int) -> tuple[float, float, float]:
        """Mean recall and its interval."""
        if width not in self.seen:
            k = self.truth.rows.shape[1]
            settings = self.recipe.with_width(width, k).search_settings()
            self.seen[width] = self.truth.shares(self.index.search(self.truth.queries, k, **settings).rows)
        return mean_interval(self.seen[width])

    def narrowest(self, target: float, criterion: str, guess: int | None = None) -> int:
        """The narrowest width that meets the target; ``guess``, such as that of fewer rows, saves searches.

        Where the criterion "bound" cannot be met, the one whose mean meets it; where that fails too, the narrowest
        within 0.002 of the best. Widths double until one is enough, then the gap is halved.
        """
        k, n = self.truth.rows.shape[1], len(self.truth.base)
        low, top = max(k, 8), max(k, min(_WIDEST, n))
        if self.recipe.kind == "flat":
            low = min(max(4 * k, 32), top)
        elif isinstance(self.index, IVF):
            # As many lists are read as hold what is scored again, so that fewer probes would be the same search.
            again = self.recipe.with_width(1, k).candidates or k
            top = min(_WIDEST, self.index.list_count)
            low = min(top, ceil(again * self.index.list_count / n))
        else:
            low = min(low, top)
        if not self.recipe.has_width:
            self.at(low)
            return low
        start = low if guess is None else min(max(guess, low), top)
        while start > low and self._good(start, target, criterion) and self._good(start // 2, target, criterion):
            start = max(low, start // 2)
        width = self._double(start, top, lambda w: self._good(w, target, criterion))
        if self._good(width, target, criterion):
            return self._halve(low, width, lambda w: self._good(w, target, criterion))
        if self._good(width, target, "estimate"):
            return self._halve(low, width, lambda w: self._good(w, target, "estimate"))
        best = self.at(width)[0]
        return self._halve(low, width, lambda w: self.at(w)[0] >= best - 0.002)

    def _good(self, width: int, target: float, criterion: str) -> bool:
        mean, bound, _ = self.at(width)
        return (bound if criterion == "bound" else mean) >= target

    def _double(self, low: int, top: int, enough: Callable[[int], bool]) -> int:
        width, means = low, []
        while True:
            means.append(self.at(width)[0])
            # All lists are an exact scan of the codes: no end before that tells what the rest would find.
            saturated = self.recipe.kind != "ivf" and len(means) > 2 and means[-1] - means[-3] < _SATURATED
            if enough(width) or width == top or saturated:
                return width
            width = min(2 * width, top)

    def _halve(self, low: int, high: int, enough: Callable[[int], bool]) -> int:
        """The smallest width from ``low`` to ``high`` that is enough, to one part in 32; ``high`` is known to be."""
        below, above = max((w for w in self.seen if low <= w < high and not enough(w)), default=0), high
        if not below:
            if enough(low):
                return low
            below = low
        while above - below > max(1, above // 32):
            middle = (below + above) // 2
            if enough(middle):
                above = middle
            else:
                below = middle
        return above


def bytes_read(index: Flat | Graph | IVF, recipe: Recipe, queries: np.ndarray, k: int, rows: int) -> int:
    """Bytes a query reads, counted: what it costs, free of the machine; of a scan, that of ``rows`` rows.

    A walk reads the code of every row it scores, in the fast layout the links' codes of every row it follows; lists
    are read with all centroids; then the candidates are scored again. A transform's matrix is read once for each query.
    """
    size, n = index.memory(), len(index)
    again = (size["rescore"] or size["mapped"]) / n
    width = recipe.candidates if recipe.candidates is not None else max(4 * k, 32)
    rescored = size["transform"] + (min(width, n) * again if recipe.rescore is not None else 0.0)
    a_row = size["codes"] / n
    if isinstance(index, Flat):
        return round(rows * a_row + rescored)
    if isinstance(index, IVF):
        read = rows * min(1.0, (recipe.probes or 1) / list_count(recipe, rows))
        return round(read * (a_row + 4) + size["lists"] * list_count(recipe, rows) / index.list_count + rescored)
    if recipe.layout == "fast":
        a_row += index.arrays()["signs"].nbytes / n
    walk = {name: value for name, value in recipe.search_settings().items() if name in ("beam", "slack")}
    scored = float(index.count_distances(queries[:_COUNTED], max(k, recipe.slack_from or 0), **walk).mean())
    return round(scored * a_row + rescored)


def list_count(recipe: Recipe, rows: int) -> int:
    """How many lists an index of so many rows has."""
    return min(rows, ceil(LISTS_PER_ROOT * rows**0.5) if recipe.lists is None else recipe.lists)


def memory(index: Flat | Graph | IVF, recipe: Recipe, rows: int) -> tuple[int, int]:
    """Bytes ``(resident, mapped)`` of an index of ``rows`` rows, told from one of fewer."""
    size, grown = index.memory(), rows / len(index)
    fixed = size.get("transform", 0)
    if isinstance(index, IVF):  # centroids are as many as there are lists, and those grow with the square root
        per_list = (size["lists"] - 4 * len(index)) / index.list_count
        growing = size["total"] - fixed - per_list * index.list_count
        return ceil(growing * grown + per_list * list_count(recipe, rows)) + fixed, ceil(size["mapped"] * grown)
    return ceil((size["total"] - fixed) * grown) + fixed, ceil(size["mapped"] * grown)


def queries_per_second(index: Flat | Graph | IVF, recipe: Recipe, queries: np.ndarray, k: int) -> float:
    """Queries in a batch on one thread: the fastest of five passes after one to warm up.

    The fastest, because whatever else the machine does only ever adds time. A pass takes all queries, or as many as
    fill 0.15 s.
    """
    settings = recipe.search_settings()

    def seconds(count: int) -> float:
        started = perf_counter()
        index.search(queries[:count], k, threads=1, **settings)
        return perf_counter() - started

    with one_blas_thread():
        count = min(len(queries), 16)
        while seconds(count) < _PASS_SECONDS / 2 and count < len(queries):
            count = min(len(queries), 4 * count)
        return count / min(seconds(count) for _ in range(_PASSES))


def latency(index: Flat | Graph | IVF, recipe: Recipe, queries: np.ndarray, k: int) -> float:
    """Milliseconds within which 95 of 100 queries, one at a time on one thread, are answered: 200 of them, or as many
    as fill 0.3 s (20 at least)."""
    settings = recipe.search_settings()
    times: list[float] = []
    spent = 0.0
    with one_blas_thread():
        while len(times) < _SINGLES and (spent < _SINGLES_SECONDS or len(times) < 20):
            query = queries[len(times) % len(queries)]
            started = perf_counter()
            index.search(query, k, threads=1, **settings)
            times.append(perf_counter() - started)
            spent += times[-1]
    return float(np.quantile(times, 0.95)) * 1000
