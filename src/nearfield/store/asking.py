"""What a store can be asked: searches, look-ups, iteration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..common.checks import check_int
from .handle import Handle
from .hits import Batch, Hits


class Asking(Handle):
    """The part of :class:`nearfield.store.Store` that answers."""

    def search(
        self,
        queries: Any,
        k: int = 10,
        *,
        where: Any = None,
        payload: bool = False,
        attributes: bool = False,
        max_false: float | None = None,
        beam: int | None = None,
    ) -> Hits:
        """The ``k`` nearest items of each query, of the last committed moment.

        Parameters
        ----------
        queries : (d,) or (q, d) float32.
        k : how many hits a query.
        where : a condition on the attributes: SQL text such as ``"year >= 2024 and topic in ('vision', 'nlp')"`` or a
            pyarrow expression.
        payload, attributes : whether hits carry them.
        max_false : cut every answer where the judge finds nothing relevant any more; needs :meth:`fit_judge`.
            See :meth:`nearfield.decide.Judge.keep` for what the rate means.
        beam : how far a graph is searched; None takes what the plan measured.

        Returns
        -------
        Hits : distances are exact whatever index found them; ``status`` says why there are fewer than k.
        """
        return self._reader.search(queries, k, where, payload, attributes, max_false, beam)

    def search_many(
        self,
        queries: Any,
        k: int = 10,
        *,
        where: Any = None,
        payload: bool = False,
        attributes: bool = False,
        max_false: float | None = None,
        beam: int | None = None,
    ) -> Hits:
        """The ``k`` nearest items of each of many queries, each with a condition of its own.

        Choose it over :meth:`search` for batches of some dozen queries and more whose conditions repeat, such as a log
        that is run again: each distinct condition is read and evaluated once, and queries that share one are compared
        with its rows together: on 59,436 Debian packages 2,000 queries under 64 conditions take a sixth of the time,
        on one thread. A log given to :meth:`optimize` as ``workload`` pays where thousands of rows pass a condition.

        Parameters
        ----------
        queries : (q, d) float32.
        where : one condition for all queries, as in :meth:`search`, or a sequence with one for each; None for none.
        k, payload, attributes, max_false, beam : see :meth:`search`. With ``beam`` no partition is used.

        Returns
        -------
        Hits : of every query, in the order of the queries, of one committed moment. An answer is that of
            :meth:`search`, or, where that was cheaper, that of an exact scan, or one from the segment's partition,
            which by measurement finds as much as :meth:`search`. The more queries share a condition, the more often
            it is exact.

        Raises
        ------
        ValueError : as many conditions as queries were expected; everything that :meth:`search` refuses.

        Notes
        -----
        Source: HQI (Mohoney et al., SIGMOD 2023): predicates shared by a batch, queries grouped by partition, list and
        filter, a layout learnt from past queries. Departures: rows that pass are found by bitset, so routing needs no
        reasoning about the conditions; groups of few rows are scanned, and walk a graph where that is cheaper.
        """
        return self._reader.search_many(queries, k, where, payload, attributes, max_false, beam)

    def get(self, ids: Any) -> Any:
        """The items of these ids, None where there is none; a single id is answered with a single item."""
        return self._reader.get(ids)

    def iterate(self, batch_size: int = 1000) -> Iterator[Batch]:
        """All items in the order of their arrival, as they were when the iteration began."""
        check_int(batch_size, "batch_size", 1)
        return self._reader.iterate(batch_size)
