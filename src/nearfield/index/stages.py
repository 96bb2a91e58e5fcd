"""Why a search missed a neighbour: the stage that lost it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import native
from ..common.checks import check_choice, check_int, check_vectors
from .flat import Flat
from .graph import DEFAULT_BEAM, Graph
from .hash import Hash
from .ivf import IVF

STAGES = {
    "filter": "not allowed by the filter",
    "transform": "behind too many others once transformed: keep more dimensions, or more candidates",
    "code": "behind too many others by its codes: use more bits, or rescore more candidates",
    "probes": "near by its codes, in a list or bucket that was not read: use more probes",
    "unreachable": "no walk can come to it: build again",
    "beam": "near by its codes, and the walk ended before it: use a wider beam",
    "rescore": "among the candidates, and put behind others by the codes that rescore: use finer ones",
}
# Distances this near to each other, relative to the size of the vectors, are ties.
_TIE = 1e-6


class Missed(NamedTuple):
    """A neighbour that should have been found: the query's number, its row, and the stage that lost it.

    Examples
    --------
    >>> Missed(0, 17, "beam").stage
    'beam'
    """

    query: int
    row: int
    stage: str


@dataclass(frozen=True)
class Explanation:
    """What a search missed, and where.

    Attributes
    ----------
    missed : every neighbour not found, nearest first for each query.
    wanted : how many neighbours there were to find, those that the filter excludes not counted.

    Examples
    --------
    >>> print(Explanation((Missed(0, 17, "beam"),), 10))
    recall 0.9000: 1 of 10 neighbours missed
      beam            1  near by its codes, and the walk ended before it: use a wider beam
    """

    missed: tuple[Missed, ...]
    wanted: int

    @property
    def counts(self) -> dict[str, int]:
        """How many each stage lost, in the order a search goes through them."""
        stages = [one.stage for one in self.missed]
        return {stage: stages.count(stage) for stage in STAGES if stage in stages}

    @property
    def recall(self) -> float:
        """The share found of what the filter allows."""
        lost = sum(one.stage != "filter" for one in self.missed)
        return 1.0 - lost / self.wanted if self.wanted else 1.0

    def of(self, stage: str) -> list[Missed]:
        """What one stage lost."""
        check_choice(stage, "stage", tuple(STAGES))
        return [one for one in self.missed if one.stage == stage]

    def __str__(self) -> str:
        lost = sum(one.stage != "filter" for one in self.missed)
        head = f"recall {self.recall:.4f}: {lost:,} of {self.wanted:,} neighbours missed"
        return "\n".join(
            [head, *(f"  {stage:<12}{count:>5,}  {STAGES[stage]}" for stage, count in self.counts.items())]
        )


def explain(
    index: Flat | Graph | Hash | IVF,
    vectors: Any,
    queries: Any,
    k: int = 10,
    *,
    beam: int | None = None,
    probes: int | None = None,
    candidates: int | None = None,
    allow: np.ndarray | None = None,
) -> Explanation:
    """For every true neighbour that a search does not return, which stage lost it.

    The search is compared with an exact one over ``vectors``, stage by stage: was the row allowed, was it among the
    best once transformed, by its codes, within reach of the walk, within its beam, and after rescoring? Use it when
    recall is below what you need, to learn what to change; :func:`nearfield.tune` does the changing for you.

    Parameters
    ----------
    index : a built :class:`Flat`, :class:`Graph`, :class:`Hash` or :class:`IVF`.
    vectors : (n, d), what it was built from.
    queries : float32 (q, d) or (d,).
    k, beam, probes, candidates, allow : of the search to explain.

    Returns
    -------
    Explanation : printed, a table of stages, counts and what helps.

    Raises
    ------
    ValueError : vectors that are not those of the index, by their shape; what a search refuses.

    Notes
    -----
    Takes an exact scan of all rows, two if there is a transform, and the memory of the transformed rows.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((3000, 32), np.float32)
    >>> explanation = explain(Graph("l2").build(rows), rows, rows[:100] + np.float32(0.3), beam=10)
    >>> list(explanation.counts), explanation.recall < 1
    (['code', 'beam'], True)
    """
    check_int(k, "k", 1, native.MAX_K)
    if not isinstance(index, Flat | Graph | Hash | IVF):
        raise TypeError(f"index: expected a Flat, Graph, Hash or IVF, got {type(index).__name__}")
    index.arrays()  # refuses an empty index
    exact = Flat(index.metric).build(vectors)
    if (len(exact), exact.dim) != (len(index), index.dim):
        expected, got = (len(index), index.dim), (len(exact), exact.dim)
        raise ValueError(f"vectors: expected those of the index, of shape {expected}, got {got}")
    asked = np.atleast_2d(np.asarray(queries))
    truth = exact.search(asked, k)
    words = None if allow is None else native.allow_words(allow, len(index))
    options: dict[str, Any] = {"candidates": candidates, "allow": words}
    for name, value, kind in (("beam", beam, Graph), ("probes", probes, (Hash, IVF))):
        if isinstance(index, kind):
            options[name] = value
        elif value is not None:
            raise ValueError(f"{name}: expected None for a {type(index).__name__} index, which has none")
    found = index.search(asked, k, **options).rows
    missed = [] if words is None else _not_allowed(truth.rows, words)
    allowed = truth if words is None else exact.search(asked, k, allow=words)
    stages = _Stages(index, vectors, asked, k, beam, probes, candidates, words)
    for query, (rows, distances) in enumerate(zip(allowed.rows, allowed.distances, strict=True)):
        for row in _lost(exact, asked[query], rows[rows >= 0], distances[rows >= 0], found[query]):
            missed.append(Missed(query, int(row), stages.of(query, int(row))))
    missed.sort(key=lambda one: one.query)
    return Explanation(tuple(missed), int((allowed.rows >= 0).sum()))


def _not_allowed(rows: np.ndarray, words: np.ndarray) -> list[Missed]:
    kept = np.maximum(rows, 0)
    out = (words[kept // 64] >> (kept % 64).astype(np.uint64) & np.uint64(1)) == 0
    return [Missed(int(q), int(rows[q, j]), "filter") for q, j in zip(*np.nonzero(out & (rows >= 0)), strict=True)]


def _lost(exact: Flat, query: np.ndarray, rows: np.ndarray, distances: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The nearest of ``rows`` not found, as many as no tie stands in for."""
    absent = rows[~np.isin(rows, found)]
    if not absent.size:
        return absent
    others = np.setdiff1d(found[found >= 0], rows)
    ties = 0
    if others.size:
        only = np.zeros(len(exact), bool)
        only[others] = True
        near = exact.search(query, len(others), allow=only).distances
        ties = int((near <= distances[-1] + _TIE * max(1.0, abs(float(distances[-1])))).sum())
    return absent[: max(0, len(absent) - ties)]


class _Stages:
    """What each stage of a search keeps, for all queries."""

    def __init__(
        self,
        index: Flat | Graph | Hash | IVF,
        vectors: Any,
        queries: np.ndarray,
        k: int,
        beam: int | None,
        probes: int | None,
        candidates: int | None,
        words: np.ndarray | None,
    ):
        mapped, _, _ = index._queries(queries)
        depth = max(k, index._candidates(k, candidates))
        metric = index.metric.native
        self.kept: list[tuple[str, np.ndarray]] = []
        if index._map is not None:
            rows = np.concatenate(list(index._mapped(np.asarray(vectors))))
            asked = index._map_queries(check_vectors(queries, "queries")[0])
            best = native.exact_search(rows, asked, depth, metric=metric, allow=words)
            self.kept.append(("transform", best.rows))
        alone: Any = copy.copy(index)  # what the codes find without a second look
        alone.rescore = alone._second = alone._second_codes = alone._vectors = None
        self.reached: np.ndarray | None = None
        if isinstance(index, IVF):  # its codes are kept in another order: reading every list is its scan
            every = alone.search(queries, depth, probes=index.list_count, allow=words)
            self.kept.append(("code", every.rows))
            read = index._probes(probes)
            self.kept.append(("probes", alone.search(queries, depth, probes=read, allow=words).rows))
            return
        self.kept.append(("code", native.scan(index._space, mapped, depth, metric=metric, allow=words).rows))
        if isinstance(index, Hash):
            read = index._probes(probes)
            self.kept.append(("probes", alone.search(queries, depth, probes=read, allow=words).rows))
        if isinstance(index, Graph):
            self.reached = index.reachable()
            width = max(DEFAULT_BEAM if beam is None else beam, depth)
            self.kept.append(("beam", alone.search(queries, depth, beam=width, allow=words).rows))

    def of(self, query: int, row: int) -> str:
        for stage, rows in self.kept:
            if row not in rows[query]:
                lost = stage == "beam" and self.reached is not None and not self.reached[row]
                return "unreachable" if lost else stage
        return "rescore"
