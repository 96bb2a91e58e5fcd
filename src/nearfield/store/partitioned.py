"""A segment's rows by what past queries asked for: leaves of a tree of cuts, lists around centroids in every leaf.

The partition is an :class:`nearfield.index.IVF` over 8-bit codes whose lists never cross a leaf. It is derived: learnt
again when it is damaged or the segment is compacted, and passed over when it is missing. Which leaves a condition
reaches is read off its rows, so a condition that was never seen is answered as well, only from more leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import native
from ..common import files
from ..common.errors import CorruptFileError
from .cuts import grow
from .filters import Filter
from .rows import Found, Part, Queries
from .snapshot import Shape
from .workload import Workload

# A segment of fewer rows is not worth a partition: a scan of them takes no longer.
MIN_ROWS = 5_000
# Leaves hold this many rows at least, and there are no more than so many.
LEAF_ROWS = 400
LEAVES = 128
# Most rows that the leaves are learnt from.
SAMPLE = 100_000
# Rows of one condition: fewer are compared in full.
LEAST_BUDGET = 1000
# How much of the recall of searches one by one may be missing, of the sample that it is measured on.
MISSING = 0.002
# The shares of a condition's rows that are tried, and how many queries tell whether they do.
SHARES = (0.02, 0.04, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
TRIED = 256
# Coarse centroids, whose membership rows can be cut by, and how many of the nearest a past query is taken to ask for.
COARSE = 64
COARSE_PROBES = 16
# Past queries, each with its condition and centroids, that the tree is grown for.
GROWN_FOR = 256
_K = 10


@dataclass(frozen=True)
class Partitioned:
    """A loaded partition.

    Parameters
    ----------
    index : the inverted file.
    share : the share of a condition's rows that a query is compared with, found by measurement.
    """

    index: Any
    share: float

    def budget(self, allowed: int, k: int) -> int:
        """How many rows a query is compared with where ``allowed`` pass its condition."""
        return min(allowed, max(int(np.ceil(self.share * allowed)), LEAST_BUDGET, 4 * k))

    def centroids(self, allowed: int) -> int:
        """About how many centroids a query is compared with, for an estimate of its cost."""
        return int(np.ceil(self.index.list_count * allowed / len(self.index)))

    def candidates(self, k: int) -> int:
        """How many rows are looked at again by their vectors: 8 bits of the query and of the row blur few places."""
        return max(2 * k, k + 16)

    def search(
        self, queries: Queries, groups: Sequence[tuple[np.ndarray, np.ndarray | None, int]], k: int, found: Found
    ) -> np.ndarray:
        """Answer groups of (queries, packed rows that pass, how many) into ``found``; returns rows compared a query."""
        chosen = np.concatenate([own for own, _, _ in groups])
        which = np.repeat(np.arange(len(groups)), [len(own) for own, _, _ in groups])
        scored = np.empty(len(chosen), np.uint32)
        best = self.index.search_batch(
            queries.raw[chosen],
            k,
            [words for _, words, _ in groups],
            which,
            budget=[self.budget(allowed, k) for _, _, allowed in groups],
            candidates=self.candidates(k),
            scored=scored,
        )
        found.distances[chosen], found.rows[chosen] = best
        return scored


def load_partition(path: Path, entry: dict[str, Any], part: Part, root: str) -> Partitioned:
    """The partition a segment's description names; an error of whatever kind says why it cannot be used."""
    from ..index import IVF

    if files.size(path) != entry["bytes"] or root != entry["root"]:
        raise CorruptFileError(path, "not the file the catalogue names: its size or digest differs")
    index = IVF.load(path, vectors=part.vectors)
    if len(index) != len(part):
        raise CorruptFileError(path, f"expected a partition of {len(part)} rows, found {len(index)}")
    return Partitioned(index, float(entry["share"]))


def write_partition(path: Path, part: Part, workload: Workload, shape: Shape) -> dict[str, Any]:
    """Learn a partition of a segment and save it; returns its description, without the digest of the file.

    How far lists must be read is measured: as far as to find what a search of the segment one by one finds, for past
    queries, or rows of the segment where the log has no vectors.
    """
    from ..index import IVF

    labels, cuts = _leaves(part, workload, shape)
    index = IVF(shape.metric, rescore="vectors").build(part.vectors, labels=labels)
    share = _measure(part, Partitioned(index, 1.0), workload, shape)
    index.save(path)
    return {
        "file": path.name,
        "bytes": files.size(path),
        "share": share,
        "leaves": int(labels.max()) + 1,
        "lists": index.list_count,
        "cuts": cuts,
    }


def _mask(table: Any, text: str | None, shape: Shape, n: int) -> np.ndarray:
    return np.ones(n, bool) if text is None else Filter(text, shape.schema).mask(table)


def _leaves(part: Part, workload: Workload, shape: Shape) -> tuple[np.ndarray, list[str]]:
    """The leaf of each row, and the questions that were asked; learnt from a sample of a long segment's rows."""
    n = len(part)
    sample = np.sort(np.random.default_rng(0).permutation(n)[:SAMPLE])
    table = part.table() if shape.schema else None
    some = None if table is None else table.take(sample)
    questions = workload.cuts(shape)
    names = [cut.key.partition(":")[2] for cut in questions]
    answers = [cut.mask(some) for cut in questions]
    passing = np.array([_mask(some, text, shape, len(sample)) for text in workload.conditions])
    weights, nearest, near = workload.weights, np.empty(0, np.int64), np.empty((0, 0), bool)
    if workload.vectors is not None:
        nearest, probed = _coarse(part, workload.vectors)
        chosen = np.unique(np.linspace(0, len(probed) - 1, GROWN_FOR).astype(np.int64))
        of = workload.of[chosen]  # type: ignore[index]
        weights = workload.weights[of] / np.bincount(of, minlength=len(passing))[of]
        passing = passing[of] & probed[chosen][:, nearest[sample]]
        near = np.unique(probed[chosen], axis=0)[:: max(1, len(chosen) // COARSE)]
        answers += list(near[:, nearest[sample]])
        names += ["near a past query"] * len(near)

    def answer(number: int) -> np.ndarray:
        """What all rows answer."""
        return questions[number].mask(table) if number < len(questions) else near[number - len(questions)][nearest]

    smallest = max(1, max(LEAF_ROWS, n // (4 * LEAVES)) * len(sample) // n)
    every = np.array(answers, bool).reshape(-1, len(sample))
    tree = grow(passing, weights, every, smallest=smallest, most=LEAVES)
    labels = tree.labels if len(sample) == n else tree.apply(answer, n)
    return labels, [names[cut] for _, cut in tree.splits]


def _coarse(part: Part, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest coarse centroid of each row, and which centroids, bool (m, c), are near each past query."""
    from ..index.partition import partition
    from ..metric.queries import metric_of

    metric = metric_of(part.metric)
    rows = np.concatenate(
        [metric.prepare_base(np.asarray(part.vectors[start : start + 8192])) for start in range(0, len(part), 8192)]
    )
    lists = partition(rows, COARSE, unit=metric.nonzero, seed=0)
    nearest = np.empty(len(part), np.int64)
    nearest[lists.order] = np.repeat(np.arange(len(lists.centroids)), np.diff(lists.offsets))
    found = native.exact_search(lists.centroids, metric.prepare_queries(vectors), COARSE_PROBES, metric=metric.native)
    probed = np.zeros((len(vectors), len(lists.centroids)), bool)
    np.put_along_axis(probed, found.rows, True, axis=1)
    return nearest, probed


def _measure(part: Part, partition: Partitioned, workload: Workload, shape: Shape) -> float:
    """The smallest share of a condition's rows that finds as much as searches one by one, within :data:`MISSING`."""
    table = part.table() if shape.schema else None
    n = len(part)
    packed = [native.pack_bits(_mask(table, text, shape, n)) for text in workload.conditions]
    allowed = np.array([native.count_bits(words) for words in packed])
    if workload.vectors is not None:
        usable = np.flatnonzero(allowed[workload.of] > LEAST_BUDGET)[:TRIED]
        vectors, of = workload.vectors[usable], workload.of[usable]  # type: ignore[index]
    else:
        rng = np.random.default_rng(0)
        large = np.flatnonzero(allowed > LEAST_BUDGET)
        if not len(large):
            return SHARES[-1]
        chances = workload.weights[large] / workload.weights[large].sum()
        of = np.sort(rng.choice(large, TRIED, p=chances))
        rows = [rng.choice(np.flatnonzero(_bits(packed[number], n))) for number in of.tolist()]
        vectors = np.ascontiguousarray(part.vectors[np.array(rows)], np.float32)
    if not len(of):
        return SHARES[-1]
    asked = {number: packed[number] for number in np.unique(of).tolist()}
    queries = Queries(vectors, part.metric)
    truth, single = (_one_by_one(part, queries, of, asked, allowed, exact=exact) for exact in (True, False))
    target = _recall(single, truth)
    groups = [(np.flatnonzero(of == number), words, int(allowed[number])) for number, words in asked.items()]
    for share in SHARES:
        found = Found(np.full((len(of), _K), np.inf, np.float32), np.full((len(of), _K), -1))
        Partitioned(partition.index, share).search(queries, groups, _K, found)
        if _recall(found, truth) >= target - MISSING:
            return share
    return 1.0


def _bits(words: np.ndarray, n: int) -> np.ndarray:
    return np.unpackbits(words.view(np.uint8), count=n, bitorder="little").view(bool)


def _one_by_one(
    part: Part, queries: Queries, of: np.ndarray, asked: dict[int, np.ndarray], allowed: np.ndarray, *, exact: bool
) -> Found:
    found = Found(np.full((len(of), _K), np.inf, np.float32), np.full((len(of), _K), -1))
    for number, words in asked.items():
        own = np.flatnonzero(of == number)
        some = Queries(queries.raw[own], part.metric)
        best = part.search(some, _K, allow=words, allowed=int(allowed[number]), exact=exact)
        found.distances[own], found.rows[own] = best
    return found


def _recall(found: Found, truth: Found) -> float:
    """The share of answers at least as near as the farthest true one: ties stand in for each other."""
    last = np.where(np.isfinite(truth.distances), truth.distances, -np.inf).max(axis=1, keepdims=True)
    return float(
        (found.distances <= last + 1e-6 * np.maximum(1, np.abs(last))).sum() / np.isfinite(truth.distances).sum()
    )
