"""Why an item is, or is not, in the answer to a query: :class:`Explanation`, one reason and the figures behind it.

The reasons are tried in the order in which a search would lose the item: there is none, it expired, it does not pass
the filter, it lies beyond the k-th, the judge cut it off, the index walked past it. Ranks and distances are exact: the
whole store is scanned once, for one query.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import native
from ..common.checks import check_vectors
from ..metric import get_metric
from .filters import Filter
from .ids import Id, check_ids, is_single
from .rows import Queries
from .search import Nearest, judge_hits, nearest, scores_of
from .spaces import space
from .tables import find_keys

if TYPE_CHECKING:
    from .snapshot import View

FOUND, ABSENT, EXPIRED, FILTERED = "found", "absent", "expired", "filtered"
BEYOND, CUT, MISSED = "beyond", "cut", "missed"

# Rows that are scored at a time, and the widest beam that is tried.
_ROWS = 1 << 16
_WIDEST = 1 << 14


@dataclass(frozen=True)
class Explanation:
    """What :meth:`Store.explain` found out about one item and one query; ``print`` shows the sentence.

    Attributes
    ----------
    id : the item.
    verdict : ``"found"``, or why not: ``"absent"``, ``"expired"``, ``"filtered"``, ``"beyond"`` the k-th, ``"cut"`` by
        ``max_false``, or ``"missed"`` by the index.
    reason : the same in a sentence, with the figures.
    distance : of the item from the query, exact; None where there is no item.
    rank : its exact place among the items that pass the filter, from 1; None where it is not among them.
    of : how many items pass the filter.
    farthest : distance of the last hit; None where there are no hits.
    relevance : what the judge says of it; None without a judge.
    beam : a beam that finds it where the index missed it; None where none up to 16384 does.
    attributes : the item's own, where a filter decides.

    Examples
    --------
    >>> print(Explanation("a", "beyond", "the 12th nearest of 40, and k is 10", 0.5, 12, 40))
    beyond: the 12th nearest of 40, and k is 10
    """

    id: Id
    verdict: str
    reason: str
    distance: float | None = None
    rank: int | None = None
    of: int | None = None
    farthest: float | None = None
    relevance: float | None = None
    beam: int | None = None
    attributes: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}"


def explain_item(
    committed: View,
    connection: Any,
    query: Any,
    identifier: Any,
    k: int,
    condition: Filter | None,
    max_false: float | None,
    beam: int | None,
    embedding: Any,
) -> Explanation:
    """See :meth:`Store.explain`."""
    if not is_single(identifier):
        raise TypeError(f"id: expected one id, got {identifier!r}")
    view = space(committed, query, embedding)
    metric = view.shape.metric
    array, single = check_vectors(query, "query", dim=view.shape.dim, nonzero=metric == "cosine")
    if not single and len(array) != 1:
        raise ValueError(f"query: expected one vector, got {len(array)}")
    if max_false is not None and view.judge is None:
        raise ValueError("max_false: this store has no judge; fit one with fit_judge()")
    wanted = check_ids(identifier, view.meta.get("id_type"))[0][0]
    key = find_keys(connection, [wanted]).get(wanted)
    if key is None:
        return Explanation(wanted, ABSENT, "no item has this id: it was never added, or it was deleted")
    if view.expires(np.array([key]))[0] == 0:
        return Explanation(wanted, EXPIRED, "its time to live is over")
    parts, rows = view.locate(np.array([key]))
    if parts[0] < 0:
        return Explanation(wanted, ABSENT, "the model that the query is of has no vector of it yet")

    asked = Queries(array, metric)
    score = scores_of(view, asked, slice(None), parts[None], rows[None])[0, 0]
    distance = float(get_metric(metric).distances_from_scores(np.array([score], np.float32))[0])
    attributes = view.gather_attributes(parts, rows)[0] if condition is not None else None
    if condition is not None and not _passes(view, condition, int(parts[0]), int(rows[0])):
        values = ", ".join(f"{name}: {value!r}" for name, value in (attributes or {}).items())
        reason = f"the filter is not true of it ({values})"
        return Explanation(wanted, FILTERED, reason, distance, attributes=attributes)

    rank, total = _rank(view, asked, condition, float(score), key)
    hits = nearest(view, metric, array, k, condition=condition, beam=beam)
    place = f"the {_ordinal(rank)} nearest of {total:,}"
    relevance, kept = None, hits
    if view.judge is not None:
        around = nearest(view, metric, array, view.judge.k, beam=beam)
        own = Nearest(np.array([[distance]], np.float32), np.array([[key]]), parts[None], rows[None], total)
        relevance = float(judge_hits(view, metric, array, own, around, None)[1][0, 0])
        kept = judge_hits(view, metric, array, hits, around, max_false)[0]
    last = kept.distances[0][kept.keys[0] >= 0]
    known: dict[str, Any] = {
        "distance": distance,
        "rank": rank,
        "of": total,
        "farthest": float(last[-1]) if len(last) else None,
        "relevance": relevance,
        "attributes": attributes,
    }
    if key in kept.keys[0]:
        found = int(np.flatnonzero(kept.keys[0] == key)[0]) + 1
        return Explanation(wanted, FOUND, f"it is hit {found}, {place} by exact search", **known)
    if key in hits.keys[0]:
        reason = f"{place}, and not relevant enough at max_false={max_false:g} (relevance {relevance:.2f})"
        return Explanation(wanted, CUT, reason, **known)
    if rank > k:
        return Explanation(wanted, BEYOND, f"{place}, and k is {k}", **known)
    wide = _enough(view, metric, array, k, condition, key, beam or k)
    found_by = f"beam={wide} finds it" if wide else "no beam finds it: verify(repair=True) mends the index"
    return Explanation(wanted, MISSED, f"{place}, and the index walked past it; {found_by}", beam=wide, **known)


def _passes(view: View, condition: Filter, part: int, row: int) -> bool:
    words, _ = view.parts[part].allowed(condition)
    return words is None or bool(words[row // 64] >> np.uint64(row % 64) & np.uint64(1))


def _rank(view: View, asked: Queries, condition: Filter | None, score: float, key: int) -> tuple[int, int]:
    """The item's place among those that pass, from 1, and how many those are: what comes before it is counted."""
    before = total = 0
    for live in view.parts:
        words, count = live.allowed(condition)
        total += count
        part = live.part
        rows = np.arange(len(part)) if words is None else np.flatnonzero(native.unpack_bits(words, len(part)))
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            scores = part.scores(asked, slice(None), some)[0]
            before += int((scores < score).sum()) + int(((scores == score) & (part.keys[some] < key)).sum())
    return before + 1, total


def _enough(
    view: View, metric: str, query: np.ndarray, k: int, condition: Filter | None, key: int, beam: int
) -> int | None:
    """The first beam, doubling, that finds the item."""
    beam = max(beam, k)
    while beam < _WIDEST:
        beam = min(2 * beam, _WIDEST)
        if key in nearest(view, metric, query, k, condition=condition, beam=beam).keys[0]:
            return beam
    return None


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"
