"""What a store can be asked: searches, look-ups, iteration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..common.checks import check_int, check_random_state
from .explaining import Explanation
from .handle import Handle
from .hits import Batch, Hits
from .ids import Id
from .likeness import Likeness
from .reading import MAX_K


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
        bags: Any = None,
        candidates: int | None = None,
        rescore: Any = None,
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
            then have a say on every item, by the weight that judged questions chose where there are any
            (:attr:`Upgrade.weight`); best for as long as the old model can be called. Distances are on the scale of
            the new model's; at weight 0 the answer is the old model's, distances as well.
        like : the id of an item, or several: hits are like them, and like ``queries`` where there are some, each
            counting as much as one item. The items themselves are left out.
        unlike : items to move away from, with half the weight: "like this, but not like that". They are left out too.
        aspect : the name of an aspect, or name -> weight: near then means near in that respect, and a negative weight
            asks for what differs in it. Needs :meth:`Store.fit_aspects`; ``docs/concepts-aspects.md`` says what it is
            good for. Distances are the weighted sum of the cosines, below zero.
        to : aspect -> a label of it: what is asked for in that aspect, in place of what the query is; with ``aspect``
            left out all aspects count alike. Refused with these four: ``text``, ``after``, ``old_queries``, and, but
            for ``like``, ``max_false``.
        bags : a bag of vectors for the query, (t, d'), or :class:`~nearfield.encode.Bags` of one a query: the items
            nearest to ``queries`` are compared with it in full, by MaxSim over the codes of their bags, and ordered by
            that; items without a bag are left out. Without ``queries`` the store's ``encoding`` computes them
            (:meth:`Store.create`). With ``text``, bags are a third leg, and an item may be without. Refused together
            with ``after``, ``old_queries``, ``like`` and its kin. See ``docs/concepts-multivector.md``.
        candidates : how many of the nearest that pass ``where`` are compared by their bags, None: 100. With as many as
            pass, the answer is exact up to the codes.
        rescore : ``score(query, hits) -> floats``, such as a cross-encoder, or a :class:`Rescore` with budget and
            timeout: the first hundred hits are scored again, and the best by that are the answer; distances are minus
            the scores. Filters and groups hold, ``max_false`` cuts before; refused together with ``after``.

        Returns
        -------
        Hits : distances are exact whatever index found them; ``status`` says why there are fewer than k. With ``text``
            or ``bags`` they say how the hits were ordered: BM25 or MaxSim below zero for words or bags alone; for
            several legs 1 - relevance after :meth:`fit_fusion`, or else below zero how far they stand out.
            ``hits.legs`` has each leg's own numbers.

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
        ask = partial(
            self._reader.search,
            queries,
            where=where,
            max_false=max_false,
            beam=beam,
            group_by=group_by,
            group_size=group_size,
            after=after,
            embedding=embedding,
            old_queries=old_queries,
            text=text,
            likeness=Likeness(like, unlike, aspect, to),
            bags=bags,
            candidates=candidates,
        )
        if rescore is None:
            return ask(k=k, payload=payload, attributes=attributes)
        if after is not None:
            raise ValueError("after: expected None with rescore, which orders the first hits only")
        return self._rescored(ask, rescore, k, (text, queries, bags), group_size, payload, attributes)

    def _rescored(
        self, ask: Any, rescore: Any, k: int, asked: Sequence[Any], group_size: int, payload: bool, attributes: bool
    ) -> Hits:
        from .rescoring import rescored

        self._reader.condition(None, attributes)
        return rescored(
            ask,
            rescore,
            k,
            asked=asked,
            group_size=group_size,
            payload=payload,
            attributes=attributes,
            typed=bool(self.attributes),
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
        queries: Any = None,
        k: int = 10,
        *,
        where: Any = None,
        payload: bool = False,
        attributes: bool = False,
        max_false: float | None = None,
        beam: int | None = None,
        embedding: Any = None,
        bags: Any = None,
        candidates: int | None = None,
        rescore: Any = None,
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
        bags, candidates, rescore : likewise. With ``bags`` candidates are found as :meth:`search` finds them.

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
        ask = partial(
            self._reader.search_many,
            queries,
            where=where,
            max_false=max_false,
            beam=beam,
            embedding=embedding,
            bags=bags,
            candidates=candidates,
        )
        if rescore is None:
            return ask(k=k, payload=payload, attributes=attributes)
        return self._rescored(ask, rescore, k, (queries, bags), 1, payload, attributes)

    def explain(
        self,
        query: Any,
        id: Any,
        k: int = 10,
        *,
        where: Any = None,
        max_false: float | None = None,
        beam: int | None = None,
        embedding: Any = None,
    ) -> Explanation:
        """Why an item is, or is not, in the answer to a query: the first reason a search would lose it for.

        For debugging one answer: the store is scanned once, exactly. :func:`nearfield.index.explain` says which stage
        of an index loses neighbours over many queries.

        Parameters
        ----------
        query : (d,) float32.
        id : of the item.
        k, where, max_false, beam, embedding : of the search to explain, as in :meth:`search`.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2, metric="l2", attributes={"year": "int"})
        >>> store.add(["a", "b"], np.float32([[0, 0], [0, 1]]), attributes={"year": [2023, 2024]})
        2
        >>> print(store.explain(np.float32([0, 0]), "b", k=1))
        beyond: the 2nd nearest of 2, and k is 1
        >>> store.explain(np.float32([0, 0]), "a", where="year > 2023").reason
        'the filter is not true of it (year: 2023)'
        >>> store.close(); folder.cleanup()
        """
        return self._reader.explain(query, id, k, where, max_false, beam, embedding)

    def allow(self, ids: Any, where: Any = None) -> np.ndarray:
        """Which of these ids are in the store and pass a condition: bool (n,), one for each, in their order.

        For an index of your own beside the store whose rows are these ids, such as a
        :class:`~nearfield.index.SparseIndex` or a :class:`~nearfield.index.CrossEncoder`: give it to their ``allow=``.
        Takes a look at every item that passes.

        Parameters
        ----------
        ids : of items, that need not be there, each once or several times.
        where : as in :meth:`search`; None asks only whether they are there.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.index import SparseIndex
        >>> from nearfield.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2, attributes={"year": "int"})
        >>> store.add(["a", "b", "c"], np.eye(3, 2, dtype=np.float32) + 1, attributes={"year": [2020, 2024, 2025]})
        3
        >>> words = SparseIndex().build(np.float32([[3, 0], [2, 0], [1, 1]]))
        >>> allowed = store.allow(["a", "b", "c"], "year > 2022")
        >>> words.search(np.float32([[1, 0]]), 1, allow=allowed).rows
        array([[1]])
        >>> store.close(); folder.cleanup()
        """
        return self._reader.allow(ids, where)

    def get(self, ids: Any, *, bags: bool = False) -> Any:
        """The items of these ids, None where there is none; a single id is answered with a single item.

        ``bags`` says whether they carry what the codes of their bags stand for.
        """
        return self._reader.get(ids, bags)

    def ids_after(self, after: int = 0, limit: int = 1000) -> tuple[list[Id], int | None]:
        """The next ids in the order of arrival, and where to go on: a listing without state, such as for a server.

        Choose :meth:`iterate` within one process: it shows one moment. Here each call sees the newest: what was added
        since comes at the end, what was deleted is left out, what was replaced comes again under its new place.

        Parameters
        ----------
        after : 0 for the beginning, then what the call before returned.
        limit : most ids.

        Returns
        -------
        ids, after : ``after`` is None when nothing comes behind them now.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2)
        >>> store.add(["c", "a", "b"], np.ones((3, 2), np.float32))
        3
        >>> store.ids_after(limit=2)
        (['c', 'a'], 2)
        >>> store.ids_after(2, limit=2)
        (['b'], None)
        >>> store.close(); folder.cleanup()
        """
        check_int(after, "after", 0, 2**63 - 1)
        check_int(limit, "limit", 1, MAX_K)
        return self._reader.ids_after(after, limit)

    def iterate(self, batch_size: int = 1000, *, where: Any = None, bags: bool = False) -> Iterator[Batch]:
        """All items in the order of their arrival, or those that pass ``where``, as they were when the iteration began.

        ``where`` is a condition as in :meth:`search`; with ``bags`` come their bags.
        """
        check_int(batch_size, "batch_size", 1)
        return self._reader.iterate(batch_size, where, "vectors" if bags else None)

    def count(self, where: Any = None) -> int:
        """How many items pass a condition, which is one as in :meth:`search`; ``len(store)`` without."""
        return self._reader.count(where)

    def sample(self, count: int, *, payload: bool = True, random_state: int = 0) -> Batch:
        """Some of the items, drawn at random, in the order of their arrival: for measures and maps of a large store.

        Parameters
        ----------
        count : how many; all there are where there are fewer.
        payload : False leaves payloads and texts unread, which takes most of the time.
        random_state : chooses them; the same items come as long as nothing is added or deleted.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> from nearfield.store import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2)
        >>> store.add(range(100), np.ones((100, 2), np.float32))
        100
        >>> len(store.sample(10)), len(store.sample(1000))
        (10, 100)
        >>> store.close(); folder.cleanup()
        """
        check_int(count, "count", 1)
        check_random_state(random_state)
        return self._reader.sample(count, random_state, payload)
