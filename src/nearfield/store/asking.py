"""What a store can be asked: searches, look-ups, iteration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..common.checks import check_int
from .handle import Handle
from .hits import Batch, Hits
from .likeness import Likeness


class Asking(Handle):
    """The part of :class:`nearfield.store.Store` that answers."""

    def search(
        self,
        queries: Any = None,
        k: int = 10,
        *,
        text: str | Sequence[str] | None = None,
        where: Any = None,
        payload: bool = False,
        attributes: bool = False,
        max_false: float | None = None,
        beam: int | None = None,
        group_by: str | None = None,
        group_size: int = 1,
        after: str | Sequence[str] | None = None,
        embedding: Any = None,
        old_queries: Any = None,
        like: Any = None,
        unlike: Any = None,
        aspect: Any = None,
        to: Mapping[str, Any] | None = None,
    ) -> Hits:
        """The ``k`` nearest items of each query, of the last committed moment.

        By vector, by the words of a text, or by both at once: words find names, numbers and rare terms, vectors what is
        said in other words. See ``docs/concepts-text.md``.

        Parameters
        ----------
        queries : (d,) or (q, d) float32; None to search by words alone.
        k : how many hits a query.
        text : the question as text, one a query: items that hold any of its words are found, whatever they mean. No
            query language: quotes and signs are nothing special. At most the 64 rarest of its words count. Refused
            together with ``after`` and ``old_queries``.
        where : a condition on the attributes: SQL text such as ``"year >= 2024 and topic in ('vision', 'nlp')"``,
            ``"contains(tags, 'new')"`` or ``"within(place, 52.5, 13.4, 10)"`` (km), or a pyarrow expression. See
            :class:`nearfield.store.Filter`. Or a :class:`nearfield.store.Condition`, for a set of ids and for what the
            payload says.
        payload, attributes : whether hits carry them; with the payload come the texts.
        max_false : cut every answer where the judge finds nothing relevant any more; needs :meth:`fit_judge` or
            :meth:`fit_query_judge`, and with ``text`` :meth:`fit_fusion`.
            See :meth:`nearfield.decide.Judge.keep` for what the rate means.
        beam : how far a graph is searched; None takes what the plan measured.
        group_by : an attribute of type bool, int, string or timestamp: the answer has at most ``group_size`` hits for
            each of its values, and ``k`` groups: such as ten documents, of which the items are passages. The groups
            are those with the nearest items; missing values are one group, as in SQL. ``hits.groups`` names them.
        group_size : hits a group; 1 is right for a list of results, 2 or 3 to show more of each.
        after : ``hits.cursor`` of the page before, one a query: the next ``k`` hits. No item comes twice, whatever is
            written between pages; what is added later shows when it is farther away than the cursor. The cursor must
            come from the same query and ``where`` on the same store, or a copy of it; ``k`` may change. Page p costs
            about what ``k = 1.5 p k`` does, at most a scan of the vectors. For everything there is, take
            :meth:`iterate` or :meth:`search_range`, which are one call and complete.
        embedding : fingerprint of the encoder that made the queries; ValueError when the store holds none of its
            vectors. While the store is moved to another model (:meth:`Store.upgrade`) it says which of the two the
            queries are of, as do "old" and "new"; None goes by their dimensions, which must then differ.
        old_queries : while the store is moved: the same queries by the old model, beside those of the new one. Both
            then have a say on every item; best for as long as the old model can be called. Distances are on the scale
            of the new model's.
        like : the id of an item, or several: hits are like them, and like ``queries`` where there are some, each
            counting as much as one item. The items themselves are left out.
        unlike : items to move away from, with half the weight: "like this, but not like that". They are left out too.
        aspect : the name of an aspect, or name -> weight: near then means near in that respect, and a negative weight
            asks for what differs in it. Needs :meth:`Store.fit_aspects`; ``docs/concepts-aspects.md`` says what it is
            good for. Distances are the weighted sum of the cosines, below zero.
        to : aspect -> a label of it: what is asked for in that aspect, in place of what the query is; with ``aspect``
            left out all aspects count alike. Refused with these four: ``text``, ``after``, ``old_queries``, and, but
            for ``like``, ``max_false``.

        Returns
        -------
        Hits : distances are exact whatever index found them; ``status`` says why there are fewer than k. With ``text``
            they say how the hits were ordered: BM25 below zero for words alone; for both 1 - relevance after
            :meth:`fit_fusion`, or else below zero how far they stand out. ``hits.legs`` has each leg's own numbers.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2, metric="l2", attributes={"page": "string"})
        >>> rows = np.float32([[0, 0], [0, 1], [0, 2], [0, 3]])
        >>> store.add([1, 2, 3, 4], rows, attributes={"page": ["a", "a", "b", "b"]})
        4
        >>> store.search(rows[0], k=2, group_by="page").ids
        [1, 3]
        >>> first = store.search(rows[0], k=2)
        >>> first.ids, store.search(rows[0], k=2, after=first.cursor).ids
        ([1, 2], [3, 4])
        >>> store.close(); folder.cleanup()
        """
        return self._reader.search(
            queries,
            k,
            where,
            payload,
            attributes,
            max_false,
            beam,
            group_by,
            group_size,
            after,
            embedding,
            old_queries,
            text,
            Likeness(like, unlike, aspect, to),
        )

    def search_range(
        self,
        queries: Any,
        radius: float,
        *,
        where: Any = None,
        limit: int | None = None,
        payload: bool = False,
        attributes: bool = False,
        embedding: Any = None,
    ) -> Hits | list[Hits]:
        """All items within a distance of each query, none missing: for near-duplicates, clustering, alerts.

        Choose :meth:`search` for the best few, which looks at a small part of the store. This looks at all of it,
        through 8-bit codes with an error bound where a segment is searched this way often.

        Parameters
        ----------
        queries : (d,) or (q, d) float32; many at once share the work.
        radius : the largest distance, included: for cosine 0.05 is nearly the same text, 0.3 the same topic with most
            encoders; ``hits.distances`` of a few searches show the scale of yours.
        where, payload, attributes, embedding : as in :meth:`search`.
        limit : keep the nearest so many of each query; None keeps all, which may be the whole store.

        Returns
        -------
        Hits for one query, a list of them for many: as long as the answer is, nearest first, without padding.
        ``status`` is ``"ok"``, or says how many there are when ``limit`` cut the answer.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2, metric="l2")
        >>> rows = np.float32([[0, 0], [0, 1], [0, 2], [0, 3]])
        >>> store.add([1, 2, 3, 4], rows)
        4
        >>> store.search_range(rows[0], 2.0).ids
        [1, 2, 3]
        >>> store.search_range(rows[0], 2.0, limit=1).status
        'limit: the nearest 1 of 3 items within the radius'
        >>> store.close(); folder.cleanup()
        """
        return self._reader.search_range(queries, radius, where, limit, payload, attributes, embedding)

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
        embedding: Any = None,
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
        k, payload, attributes, max_false, beam, embedding : see :meth:`search`. With ``beam`` no partition is used.

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
        return self._reader.search_many(queries, k, where, payload, attributes, max_false, beam, embedding)

    def get(self, ids: Any) -> Any:
        """The items of these ids, None where there is none; a single id is answered with a single item."""
        return self._reader.get(ids)

    def iterate(self, batch_size: int = 1000, *, where: Any = None) -> Iterator[Batch]:
        """All items in the order of their arrival, or those that pass ``where``, as they were when the iteration began.

        ``where`` is a condition as in :meth:`search`.
        """
        check_int(batch_size, "batch_size", 1)
        return self._reader.iterate(batch_size, where)

    def count(self, where: Any = None) -> int:
        """How many items pass a condition, which is one as in :meth:`search`; ``len(store)`` without."""
        return self._reader.count(where)
