"""How the allowed rows of a filter are searched in a graph: three ways, and the choice between them by what each costs.

*scan*: the allowed rows are compared one after another, by their codes, and the best again by whatever rescores.
*cross*: a walk over all rows, so much wider that it meets as many allowed rows as a walk without a filter would keep.
*follow*: a narrow walk over all rows to the surroundings of the query; from there on only allowed rows are scored, and
rows that are not allowed are looked through for the allowed ones that they link to.

What a walk costs is counted in rows scored, on the index itself; what a row costs follows from its bytes. Whether the
filter leans on the geometry is seen by each query on its way: where few of the rows around it are allowed, it begins
again from rows of the filter, much wider, or is left to a scan where that is hardly dearer. A walk that turns out
dearer than a scan, or ends with too few rows, is replaced by one, so an answer is never short. The choice depends on
the index, the filter and the widths alone, not on the other queries of a batch.

Sources: looking through rows that are not allowed is ACORN-1 (Patel et al., SIGMOD 2024), without its denser graph; to
do so only as far as a row's own list lacks allowed ones is after NaviX (Sehgal and Salihoglu, 2025). The departures:
the walk to the surroundings scores all rows, which tells how many are allowed there and costs little more than the way
there does anyhow; and rows are looked through once a query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import native
from ..common.checks import check_choice

if TYPE_CHECKING:
    from .graph import Graph

STRATEGIES = ("scan", "cross", "follow")

# Costs are in cache lines read in order. Beyond its lines, a row costs so much to score, and so much more where a walk
# fetches it from anywhere and keeps its books. (WordNet, 8-bit codes of 400 bytes: a scan takes 3.5 ns a row where a
# batch shares it and 13 to 25 ns alone, a walk 30 to 37 ns: a scan is taken to cost 7, for both are asked for.)
_ROW = 1
_STEP = 27
# A line of the fast layout's records is looked up bit by bit.
_RECORD_LINE = 5
_LINE = 64
# Width of the walk that finds the surroundings: a wider one costs more than it finds (WordNet, a fifth allowed: 8 to 24
# find 0.986 to 0.988).
_NEAR = 16
# Few of the rows around a query are allowed when they are less than this part of the share everywhere.
_SCARCE = 0.25
# The beam is wider then, for allowed rows far from a query lie on all sides of it: by so much where a place of the beam
# costs half a list, and more where it costs less. Of the half of the rows that is farthest from a query that finds 0.95
# to 0.98 of the neighbours where a scan of the codes finds 0.97 to 0.98 (WordNet, 17 rows a place); where they are
# images in clusters (8 rows a place) three times as wide a beam finds 0.92, and eight times 0.97.
_WIDER = 5
_WIDEST = 12
_STARTS = 1024  # as in allowed.hpp
# That is less than other walks find: a scan is preferred until it is so much dearer.
_UNSURE = 1.25
# Rows are looked through until a row leads to as many fresh ones: this part of its list (a tenth of WordNet allowed:
# half finds 0.979, three quarters 0.986 in 1.25 of the time).
_ENOUGH = 5 / 8
# Rows that ask for their own neighbours, to count what a walk costs.
_ASKED = 16
_BEAMS = (16, 64)


@dataclass(frozen=True)
class FilterPlan:
    """How a search under a filter would go, and why.

    Attributes
    ----------
    strategy : "scan", "cross" or "follow"; see :mod:`nearfield.index.filtered`.
    rows, allowed : of the index, and of those the filter allows.
    costs : of each strategy for one query, in rows scanned.
    width : of the beam.
    wide : of the beam where few of the rows around a query are allowed; 0 leaves such queries to a scan.

    Examples
    --------
    >>> print(FilterPlan("scan", 1000, 10, {"scan": 10.0, "cross": 700.0, "follow": 650.0}, 64, 0))
    scan: 10 of 1,000 rows allowed; in rows scanned, scan costs 10, cross 700, follow 650
    """

    strategy: str
    rows: int
    allowed: int
    costs: dict[str, float]
    width: int
    wide: int

    def __str__(self) -> str:
        (first, cost), *others = self.costs.items()
        text = f"{self.strategy}: {self.allowed:,} of {self.rows:,} rows allowed; in rows scanned, "
        return text + ", ".join([f"{first} costs {cost:,.0f}", *(f"{name} {cost:,.0f}" for name, cost in others)])


def plan(graph: Graph, allowed: int, wanted: int, strategy: str | None = None) -> FilterPlan:
    """The cheapest way to the ``wanted`` best (the beam's width) of ``allowed`` rows; ``strategy`` decides instead."""
    if strategy is not None:
        check_choice(strategy, "strategy", STRATEGIES)
    rows = len(graph)
    selectivity = max(allowed, 1) / rows
    space, room = graph._space, graph._neighbors.shape[1]
    lines = graph._codes.shape[1] * graph._codes.itemsize / _LINE
    in_order, at_random = _ROW + lines, _STEP + _ROW + lines
    fixed, per_beam = walk_cost(graph, signs=False)
    # Of the rows not allowed about one over the selectivity are looked through for every allowed row, up to all links.
    through = min(1 / selectivity - 1, room)
    near = fixed + per_beam * min(_NEAR, rows)
    follow = near + wanted * (per_beam + through)
    wide = int(wanted * min(_WIDER * room / 2 / max(per_beam, 1.0), _WIDEST))
    scarce = near + min(_STARTS, allowed) + wide * (min(2 * per_beam, room) + through)
    step = at_random
    if graph._signs is not None:
        fixed, per_beam = walk_cost(graph, signs=True)
        step = 2 * at_random + _RECORD_LINE * graph._signs.records.shape[1] / _LINE
    cross = fixed + per_beam * min(rows, np.ceil(wanted / selectivity))
    costs = {"scan": float(allowed), "cross": cross * step / in_order, "follow": follow * at_random / in_order}
    cheapest = min(costs, key=lambda name: costs[name])
    if space.n <= wanted or allowed <= wanted:
        cheapest = "scan"
    bold = strategy == "follow" or _UNSURE * scarce * at_random / in_order < allowed
    return FilterPlan(
        strategy or cheapest,
        rows,
        allowed,
        costs,
        wanted,
        wide if bold else 0,
    )


def walk_cost(graph: Graph, *, signs: bool) -> tuple[float, float]:
    """Rows that a walk over all rows scores: at least, and for every place of its beam; counted once for an index.

    With ``signs``, rows whose links it follows.
    """
    known = graph._walk_costs.get(signs)
    if known is None:
        asked = np.unique(np.linspace(0, len(graph) - 1, _ASKED).astype(np.uint32))
        queries = native.row_values(graph._space, asked)
        counts = np.empty(len(asked), np.uint32)
        scored = []
        for beam in _BEAMS:
            graph._walk(queries, queries, 1, beam, 0, None, 1, None, counts, signs=signs, again=False)
            scored.append(float(counts.mean()))
        slope = max((scored[1] - scored[0]) / (_BEAMS[1] - _BEAMS[0]), 0.0)
        known = (max(scored[0] - slope * _BEAMS[0], 0.0), slope)
        graph._walk_costs[signs] = known
    return known


def search(
    graph: Graph,
    mapped: np.ndarray,
    prepared: np.ndarray,
    k: int,
    beam: int,
    candidates: int,
    allow: np.ndarray,
    threads: int | None,
    strategy: str | None,
) -> native.Scores:
    """The ``k`` best of the allowed rows for every query, mapped for the codes and prepared for rescoring."""
    rows = len(graph)
    words = native.allow_words(allow, rows)
    allowed = native.count_bits(words)
    wanted = min(max(k, candidates, beam), rows)
    if allowed == rows and strategy is None:
        found = graph._walk(mapped, prepared, k, beam, candidates, None, threads, None)
        graph._complete(found, mapped, prepared, k, candidates, threads)
        return found
    chosen = plan(graph, allowed, wanted, strategy)
    if chosen.strategy == "scan" or not allowed:
        return graph._scan(mapped, prepared, k, candidates, words, threads)
    covered = np.empty(len(mapped), np.uint8)
    if chosen.strategy == "follow":
        found = _follow(graph, chosen, mapped, prepared, k, candidates, words, threads, covered)
    else:
        width = min(rows, int(np.ceil(wanted * rows / allowed)))
        found = graph._walk(mapped, prepared, k, width, candidates, words, threads, covered)
        missed = np.flatnonzero(covered == 0)
        if missed.size:
            again = np.empty(len(missed), np.uint8)
            followed = _follow(graph, chosen, mapped[missed], prepared[missed], k, candidates, words, threads, again)
            found.scores[missed], found.rows[missed] = followed
            covered[missed] = again
    missed = np.flatnonzero(covered & 1 == 0)
    if missed.size:
        scanned = graph._scan(mapped[missed], prepared[missed], k, candidates, words, threads)
        found.scores[missed], found.rows[missed] = scanned
    return found


def _follow(
    graph: Graph,
    chosen: FilterPlan,
    mapped: np.ndarray,
    prepared: np.ndarray,
    k: int,
    candidates: int,
    words: np.ndarray,
    threads: int | None,
    covered: np.ndarray,
) -> native.Scores:
    """Bit 0 of ``covered`` is left unset where a scan is due."""
    room = graph._neighbors.shape[1]
    lines = graph._codes.shape[1] * graph._codes.itemsize / _LINE
    most = int(chosen.allowed * (_ROW + lines) / (_STEP + _ROW + lines))
    followed = (min(_NEAR, len(graph)), chosen.wide, _SCARCE, max(1, int(_ENOUGH * room)), most)
    return graph._walk(
        mapped, prepared, k, chosen.width, candidates, words, threads, covered, signs=False, followed=followed
    )
