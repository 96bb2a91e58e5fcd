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
        where : a condition on the attributes: SQL text such as ``"year >= 2024 and topic in ('vision', 'nlp')"``,
            ``"contains(tags, 'new')"`` or ``"within(place, 52.5, 13.4, 10)"`` (km), or a pyarrow expression. See
            :class:`nearfield.store.Filter`.
        payload, attributes : whether hits carry them.
        max_false : cut every answer where the judge finds nothing relevant any more; needs :meth:`fit_judge`.
            See :meth:`nearfield.decide.Judge.keep` for what the rate means.
        beam : how far a graph is searched; None takes what the plan measured.

        Returns
        -------
        Hits : distances are exact whatever index found them; ``status`` says why there are fewer than k.
        """
        return self._reader.search(queries, k, where, payload, attributes, max_false, beam)

    def get(self, ids: Any) -> Any:
        """The items of these ids, None where there is none; a single id is answered with a single item."""
        return self._reader.get(ids)

    def iterate(self, batch_size: int = 1000) -> Iterator[Batch]:
        """All items in the order of their arrival, as they were when the iteration began."""
        check_int(batch_size, "batch_size", 1)
        return self._reader.iterate(batch_size)
