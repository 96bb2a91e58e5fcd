"""Range search: every item within a distance, and none missing.

No graph can promise that it met everything, so all rows are looked at. What makes it fast is to look at fewer bytes:
a segment that is searched this way again and again gets 8-bit codes of its rows with a bound on the error of each. A
row whose score by codes is beyond the radius by more than the bound is out; the others, a few more than the answer, are
computed from the stored vectors. So the answer is that of a scan of the vectors, bit for bit.

The bound. Let x' be what the codes of a row x stand for, e the length of x - x', and q a query. By Cauchy and Schwarz,
<q, x> and <q, x'> differ by at most |q| e; by the triangle inequality, |q - x| and |q - x'| by at most e. The core
rounds a query to steps of a share of its largest value before it multiplies, and sums in single precision; both are
added as shares of the lengths (``_ROUNDED``, ``_SINGLE``).
"""

from __future__ import annotations

import threading
import weakref
from typing import NamedTuple

import numpy as np

from .. import native
from ..metric import Metric, get_metric
from .filters import Filter
from .rows import Part, Queries
from .search import nearest
from .segment import Segment
from .snapshot import View

# Fewer rows than this are read as they are, and rows for so many queries at once that their bytes do not count.
CODED_ROWS = 8192
CODED_QUERIES = 16
# Codes are made when a segment has answered so many range queries: making them takes what some fifty save by them.
CODED_AFTER = 100
# Scores computed at once, and rows: few calls for one query, blocks that stay in a cache for many.
_SCORES, _LEAST_ROWS, _MOST_ROWS = 1 << 17, 1024, 16384
_BLOCK = 1024  # of rows that share a bound

# The core rounds a query to steps of 1/16065 of its largest value or, in many dimensions, of 255 / 2.1e9 of the sum of
# its values; half a step in every dimension is at most this times sqrt(d), as a share of the query's length.
_ROUNDED = 4e-5
# Error of a sum of d products in single precision, as a share of the lengths and of d + 64, with room to spare.
_SINGLE = 1.5e-7


class Within(NamedTuple):
    """All items within the radius of one query, nearest first, ties by key."""

    distances: np.ndarray
    keys: np.ndarray
    parts: np.ndarray
    rows: np.ndarray

    def first(self, limit: int | None) -> Within:
        """The nearest so many."""
        return Within(*(column[:limit] for column in self))


class Codes:
    """8-bit codes of a part's rows and, for every block of them, how far a row lies at most from what its codes say."""

    def __init__(self, part: Part, metric: str):
        dim = part.vectors.shape[1]
        step = max(1, len(part) // _BLOCK)
        sample = _exact_rows(part, metric, slice(None, None, step))
        self.center = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
        codes = np.empty((len(part), native.code_row_bytes("sq8", dim)), np.uint8)
        errors, lengths = [], []
        for start in range(0, len(part), _BLOCK):
            exact = _exact_rows(part, metric, slice(start, start + _BLOCK))
            some = native.encode("sq8", exact, self.center)
            stood = native.decode("sq8", some, self.center)
            codes[start : start + _BLOCK] = some
            length = _longest(exact) + _longest(stood - self.center)
            errors.append(_longest(exact - stood) + _SINGLE * length)
            lengths.append(length)
        self.error, self.length = np.array(errors), np.array(lengths)
        self.space = native.make_space("sq8", codes, dim, center=self.center)
        self.rounded = _ROUNDED * np.sqrt(dim)
        self.single = _SINGLE * (dim + 64)
        self.bytes = codes.nbytes + self.error.nbytes + self.length.nbytes

    def sizes(self, queries: Queries) -> np.ndarray:
        """The lengths of the queries, from where the codes count."""
        prepared = queries.prepared.astype(np.float64)
        return np.linalg.norm(prepared - self.center if queries.metric.native == "l2" else prepared, axis=1)

    def limits(self, metric: Metric, sizes: np.ndarray, radius: float, rows: np.ndarray) -> np.ndarray:
        """For each query the score by codes beyond which none of these rows, ascending, can lie within the radius."""
        blocks = slice(int(rows[0]) // _BLOCK, int(rows[-1]) // _BLOCK + 1)
        error, length = self.error[blocks].max(), self.length[blocks].max()
        if metric.native == "l2":
            wrong = 2 * sizes * length * self.rounded + self.single * (sizes + length) ** 2
            return np.square(radius * (1 + self.single) + error) + wrong
        score = radius - 1 + 2e-7 if metric.name == "cosine" else radius
        return score + sizes * (error + length * (self.rounded + self.single))


def _longest(rows: np.ndarray) -> float:
    """The length of the longest row, not less than it is."""
    scale = float(np.abs(rows).max(initial=0.0))
    if not scale:
        return 0.0
    rows = rows / np.float32(scale)  # so that no square overflows or vanishes
    return scale * float(np.sqrt(np.einsum("ij,ij->i", rows, rows).max())) * (1 + _SINGLE * (rows.shape[1] + 64))


def _exact_rows(part: Part, metric: str, some: slice) -> np.ndarray:
    """Rows as the metric prepares them: of length one for cosine."""
    rows = np.asarray(part.vectors[some], np.float32)
    return part.inverse_lengths(some)[:, None] * rows if metric == "cosine" else rows


class Bounds:
    """The codes of the segments that are searched by range; forgotten with their segment."""

    def __init__(self) -> None:
        self._codes: weakref.WeakKeyDictionary[Part, Codes] = weakref.WeakKeyDictionary()
        self._asked: weakref.WeakKeyDictionary[Part, int] = weakref.WeakKeyDictionary()
        self._making = threading.Lock()

    def of(self, part: Part, queries: Queries) -> Codes | None:
        """The codes of a part; None where its rows are better read as they are, or the codes are being made."""
        if not isinstance(part, Segment) or len(part) < CODED_ROWS or len(queries) > CODED_QUERIES:
            return None
        known = self._codes.get(part)
        if known is not None or not self._making.acquire(blocking=False):
            return known
        try:
            self._asked[part] = self._asked.get(part, 0) + len(queries)
            if part not in self._codes and self._asked[part] > CODED_AFTER:
                self._codes[part] = Codes(part, queries.metric.name)
            return self._codes.get(part)
        finally:
            self._making.release()

    def memory(self) -> int:
        """Bytes of all codes."""
        return sum(codes.bytes for codes in list(self._codes.values()))


def within(
    view: View, metric: str, queries: np.ndarray, radius: float, *, condition: Filter | None, bounds: Bounds
) -> list[Within]:
    """All living items that pass ``condition`` within ``radius`` of each query."""
    asked = Queries(queries, metric)
    found: list[list[Within]] = [[] for _ in range(len(queries))]
    for number, live in enumerate(view.parts if len(queries) else ()):
        words, allowed = live.allowed(condition)
        if not allowed:
            continue
        part = live.part
        rows = np.arange(len(part)) if words is None else _set_bits(words, len(part))
        for query, (distances, near) in enumerate(_in_part(part, asked, radius, rows, bounds.of(part, asked))):
            if len(near):
                found[query].append(Within(distances, part.keys[near], np.full(len(near), number), near))
    return [_sorted(pieces) for pieces in found]


def _in_part(
    part: Part, queries: Queries, radius: float, rows: np.ndarray, codes: Codes | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Per query the distances and rows within the radius, in any order."""
    metric = queries.metric
    calibration = part.calibration
    edge = np.float32(radius if calibration is None else calibration.before(radius, metric))
    step = min(max(_SCORES // len(queries), _LEAST_ROWS), _MOST_ROWS)
    sizes = None if codes is None else codes.sizes(queries)
    who, where, near = [], [], []
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        if codes is None or sizes is None:
            scores = native.score(part.space, queries.prepared, some, metric=metric.native)
            distances = metric.distances_from_scores(scores)
            query, place = np.nonzero(distances <= edge)
            near.append(distances[query, place])
        else:
            scores = native.score(codes.space, queries.prepared, some, metric=metric.native)
            query, place = np.nonzero(scores <= codes.limits(metric, sizes, float(edge), some)[:, None])
        who.append(query)
        where.append(some[place])
    order = np.argsort(np.concatenate(who), kind="stable")
    candidates = np.concatenate(where)[order]
    ends = np.searchsorted(np.concatenate(who)[order], np.arange(len(queries) + 1))
    known = np.concatenate(near)[order] if codes is None else None
    answers = []
    for number in range(len(queries)):
        mine = slice(ends[number], ends[number + 1])
        some = candidates[mine]
        if known is not None:
            distances = known[mine]
        else:
            scores = native.score(part.space, queries.prepared[number : number + 1], some, metric=metric.native)
            distances = metric.distances_from_scores(scores)[0]
            inside = distances <= edge
            distances, some = distances[inside], some[inside]
        answers.append((distances if calibration is None else calibration.distances(distances, metric), some))
    return answers


def _set_bits(words: np.ndarray, rows: int) -> np.ndarray:
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), count=rows, bitorder="little"))


def _sorted(pieces: list[Within]) -> Within:
    if not pieces:
        return Within(np.empty(0, np.float32), *(np.empty(0, np.int64) for _ in range(3)))
    columns = [np.concatenate(column) for column in zip(*pieces, strict=True)]
    order = np.lexsort((columns[1], columns[0]))
    return Within(*(column[order] for column in columns))


def relevances(view: View, metric: str, queries: np.ndarray, found: list[Within]) -> list[np.ndarray] | None:
    """The relevance of every item found, by the store's judge; None without one."""
    judge = view.judge
    if judge is None or view.scales is None:
        return None
    around = nearest(view, metric, queries, judge.k)
    scales = view.scales.of(around.keys)
    asked = get_metric(metric).prepare_queries(queries) if judge.uses_queries_ else None
    answers = []
    for number, near in enumerate(found):
        one = slice(number, number + 1)
        answers.append(
            judge.relevance(
                near.distances[None],
                scales[one],
                neighbors=around.distances[one],
                queries=None if asked is None else asked[one],
            )[0]
            if len(near.keys)
            else np.empty(0, np.float32)
        )
    return answers


def explain_range(kept: int, found: int) -> str:
    """``"ok"``, or that a limit cut the answer."""
    return "ok" if kept == found else f"limit: the nearest {kept:,} of {found:,} items within the radius"
