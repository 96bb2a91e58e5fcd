"""``search(rescore=)``: what a search found, scored again by a function that is called, such as a cross-encoder.

The search itself, with its filters, groups and cut, names as many hits as may be scored; the best by the scorer are the
answer. Every call is counted and checked, and ended when the time is over (:mod:`nearfield.index.crossencoder_calls`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import check_choice, check_int, check_real
from ..index.crossencoder_calls import Calls, Scorer, Stopped
from .hits import Hits
from .hybrid import first_of_groups
from .reading import MAX_K


@dataclass(frozen=True)
class Rescore:
    """How hits are scored again, for ``Store.search(rescore=)``, where more is to be said than the function.

    Parameters
    ----------
    score : ``score(query, hits) -> (n,)``: finite numbers, larger is better, for one query and a list of
        :class:`Hit` with payload, text and attributes.
    queries : what the scorer is given as query: for a single search the thing itself, else a list of one a query. None:
        the text that was searched for, or the query's vector, or its bag.
    budget : hits scored a query, at least ``k``: the first so many of the search. 100 is a good start; what is relevant
        and comes later is lost.
    timeout : seconds a query; None waits as long as the scorer takes. When they are over, the answer is the best of
        what was scored, and ``status`` says so; a call under way goes on in a thread that is left behind.
    batch : hits a call; None gives all at once, but 64 where there is a timeout.
    on_error : "raise": a scorer that raises or answers with NaN, infinity or a wrong shape is a ValueError, its own
        error the cause. "partial": such a query is answered from what was scored before, and ``status`` says so.

    Examples
    --------
    >>> import tempfile
    >>> from nearfield.store import Store
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store.create(folder.name + "/a.nf", dim=2)
    >>> store.add([1, 2, 3], np.float32([[1, 0], [1, 1], [0, 1]]), text=["a wing", "long wings", "a very long wing"])
    3
    >>> longest = Rescore(lambda query, hits: [len(hit.text) for hit in hits], budget=2)
    >>> hits = store.search(np.float32([1, 0]), k=2, rescore=longest)
    >>> hits.ids, hits.distances, hits.status
    ([2, 1], array([-10.,  -6.], dtype=float32), 'ok')
    >>> store.close(); folder.cleanup()
    """

    score: Scorer
    queries: Any = None
    budget: int = 100
    timeout: float | None = None
    batch: int | None = None
    on_error: str = "raise"

    @classmethod
    def of(cls, value: Any, k: int) -> Rescore:
        """As a caller says it, checked."""
        how = value if isinstance(value, cls) else cls(value, budget=max(100, k))
        if not callable(how.score):
            raise TypeError(f"rescore: expected a function of a query and hits, or Rescore, got {type(value).__name__}")
        check_int(how.budget, "rescore: budget", k, MAX_K)
        check_choice(how.on_error, "rescore: on_error", ("raise", "partial"))
        if how.timeout is not None:
            check_real(how.timeout, "rescore: timeout", 0.0, 1e9)
        if how.batch is not None:
            check_int(how.batch, "rescore: batch", 1)
        return how


def rescored(
    search: Callable[..., Hits],
    how: Any,
    k: int,
    *,
    asked: Sequence[Any],
    group_size: int = 1,
    payload: bool,
    attributes: bool,
    typed: bool,
) -> Hits:
    """The ``k`` best, or ``k`` groups, of what ``search(k=, payload=, attributes=)`` finds, by the scorer.

    ``asked`` are text, vectors and bags of the queries, those that there are: the first is what the scorer is given.
    ``typed`` says whether the store has attributes.
    """
    rescore = Rescore.of(how, check_int(k, "k", 1, MAX_K))
    check_int(group_size, "group_size", 1, MAX_K // k)
    wide = search(k=max(k, -(-rescore.budget // group_size)), payload=True, attributes=typed)
    single = isinstance(wide.status, str)
    many = [wide] if single else [wide[number] for number in range(len(wide))]
    given: Any = next((one for one in (rescore.queries, *asked) if one is not None), None)
    if not single and not (hasattr(given, "__len__") and hasattr(given, "__iter__")):
        raise TypeError(f"rescore: queries: expected a list of one per query, got {type(given).__name__}")
    queries = [given] if single else list(given)
    if len(queries) != len(many):
        raise ValueError(f"rescore: queries: expected {len(many)}, one per query, got {len(queries)}")
    columns = k * group_size
    chosen = np.full((len(many), columns), -1)
    distances, status = np.full((len(many), columns), np.inf, np.float32), []
    for number, (query, hits) in enumerate(zip(queries, many, strict=True)):
        places, scores, stopped = _scored(rescore, query, hits, number)
        best = np.lexsort((places, -scores))
        enough = len(best) >= columns
        if hits.groups is not None:
            values = [hits.groups[place] for place in places[best]]
            best, enough = best[first_of_groups(values, k, group_size)], len(set(values)) >= k
        best = best[:columns]
        chosen[number, : len(best)], distances[number, : len(best)] = places[best], -scores[best]
        status.append(stopped or ("ok" if enough else hits.status))
    return wide.choose(chosen, distances, status, payload=payload, attributes=attributes)


def _scored(how: Rescore, query: Any, hits: Hits, number: int) -> tuple[np.ndarray, np.ndarray, str | None]:
    """Ranks and scores of the hits that were scored, and the status where not all were that should be."""
    places = np.flatnonzero([identifier is not None for identifier in hits.ids])[: how.budget]
    items = list(hits)[: how.budget]
    deadline = None if how.timeout is None else time.monotonic() + float(how.timeout)
    calls = Calls(how.score, items, query, how.batch, deadline)
    status = None
    try:
        calls.ask(np.arange(len(items)))
    except Stopped as stopped:
        if how.on_error == "raise" and not stopped.timeout:
            raise ValueError(f"rescore: {stopped} (query {number})") from stopped.__cause__
        status = f"partial: {len(calls.rows)} of {len(items)} hits scored: {stopped}"
    return places[calls.rows], calls.scores, status
