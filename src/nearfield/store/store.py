"""The durable collection: :class:`Store`, one directory, one writer, many readers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.checks import check_choice, check_vectors
from .asking import Asking
from .expiry import moments
from .fitting import Fitting
from .frames import as_list, as_matrix, rows_of
from .ids import check_ids, is_single
from .keeping import Keeping
from .maintenance import living_vectors
from .moving import Moving
from .snapshot import Shape
from .spaces import NEW, space_of
from .workload import Workload
from .writing import Batch as Incoming
from .writing import as_stored, check_embedding

if TYPE_CHECKING:
    from ..encode import Encoder
    from ..tune import Plan, Recipe
    from .coded_bags import CodedBags
    from .hits import Item
    from .upgrade import Upgrade

# Fewer queries than this are too few to plan by.
LEAST_OBSERVED = 100

# Most rows that a plan is measured on.
_TUNED_ROWS = 150_000


class Store(Asking, Fitting, Keeping, Moving):
    """A durable collection of vectors in one directory: crash-safe, searchable at once, measured.

    Make one with :meth:`create`, open it with :meth:`open`; both are context managers. An add, upsert or delete is
    durable when it returns and found by the next search. One process writes, any number read and follow it; threads
    may search while one adds. Choose it over :class:`nearfield.index.Graph` whenever the vectors must outlive the
    process, change, or carry attributes; take the bare index for a fixed array in memory. What is promised, and how it
    is tested, is in ``docs/guarantees.md``. The directory must be on a local file system.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store.create(folder.name + "/papers.nf", dim=3, attributes={"year": "int"})
    >>> store.add(["a", "b"], np.eye(3, dtype=np.float32)[:2], attributes={"year": [2023, 2024]})
    2
    >>> store.search(np.float32([1, 0, 0]), k=1).ids
    ['a']
    >>> hits = store.search(np.float32([1, 0, 0]), k=2, where="year >= 2024")
    >>> hits.ids, hits.status
    (['b', None], 'only 1 item passes the filter')
    >>> store.close(); folder.cleanup()
    """

    def add(
        self,
        ids: Any,
        vectors: Any = None,
        *,
        attributes: Any = None,
        payload: Any = None,
        text: Any = None,
        bags: Any = None,
        embedding: Any = None,
        ttl: float | dt.timedelta | None = None,
        expires: Any = None,
        id_column: str | None = None,
        vector_column: str | None = None,
    ) -> int:
        """Add new items, all or none of them; returns how many. Durable when it returns.

        Batches of a thousand or more are fastest: each call is one synced transaction.

        Parameters
        ----------
        ids : unique ints (64 bits) or non-empty strings; the first add fixes which. One id with one vector is fine.
            Or, without ``vectors``, a whole table: see *Tables*.
        vectors : (n, d) float32, or anything that becomes float32 without loss; or a column of lists of numbers (a
            pandas or polars Series, an Arrow array), whose double precision is rounded. None beside ``bags`` where the
            store computes them, by the ``encoding`` it was created with.
        attributes : pyarrow table, dict of columns, DataFrame, or list of dicts; what is missing is null.
        payload : list of JSON values, at most 200 levels deep, returned on request.
        text : list of texts, None where an item has none, to be searched by their words (``search(text=)``). Not needed
            where the payload holds the text and :meth:`create` was told under which key.
        bags : :class:`~nearfield.encode.Bags`, one for each item, or a list of (t, d') arrays, None or empty where an
            item has none; one (t, d') array with a single id. In a store that keeps them (:meth:`create`).
        embedding : fingerprint of the encoder that made the vectors; ValueError when it is not the store's. While the
            store is moved to another model (:meth:`upgrade`) both are welcome, told apart by fingerprint or dimensions.
        ttl : how long the items live, in seconds or as a timedelta; ``float("inf")``: until they are deleted. None
            takes the store's own (:meth:`create`).
        expires : instead of ``ttl``, the time from which on an item is gone, one for all or a list of one per item:
            datetime, numpy datetime64, ISO text (UTC unless they say a zone), seconds since 1970, or None for never.
        id_column, vector_column : of a table, where they are not named as usual.

        Tables
        ------
        ``add(table)`` takes a pandas or polars DataFrame, an Arrow table or batch, a DuckDB relation, or anything else
        with ``__arrow_c_stream__``, in one transaction; take one batch after another for what does not fit in memory.
        The ids are the column ``id``, the vectors the only column of lists of numbers, or the one named ``vector`` or
        ``embedding``; numbers of double precision are rounded to float32. The store's attributes are found by their
        names, and every other column goes into the payload, a dict. In place of values, the parameters are names then:
        ``attributes`` a list of columns, ``payload`` a list of columns (or one, whose value is the payload itself),
        ``text`` the column of texts, ``expires`` a column of times.

        Raises
        ------
        ValueError, TypeError : something does not fit, or an id exists already; nothing was changed.
        OSError : the disk is full or fails; nothing was changed.

        Notes
        -----
        An expired item is not found, counted or returned by anything from that moment on, and its id is free. Its
        rows leave the disk with the next writes, a seal or :meth:`compact` at the latest. The clock never goes
        backwards: a store takes the newest time that it saw, or that its last writer wrote down.

        Examples
        --------
        >>> import tempfile, numpy as np
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/cache.nf", dim=2, ttl=3600)
        >>> store.add(["a", "b"], np.eye(2, dtype=np.float32), expires=["2001-01-01", "2999-01-01"])
        2
        >>> len(store), "a" in store, store.get("b").expires.year
        (1, False, 2999)
        >>> import pyarrow as pa
        >>> store.add(pa.table({"id": ["c"], "embedding": [[1.0, 1.0]], "title": ["A table"]}))
        1
        >>> store.get("c").payload
        {'title': 'A table'}
        >>> store.close(); folder.cleanup()
        """
        given = (attributes, payload, text, bags, embedding, ttl, expires)
        return self._put(ids, vectors, *given, id_column, vector_column, replace=False)

    def upsert(
        self,
        ids: Any,
        vectors: Any = None,
        *,
        attributes: Any = None,
        payload: Any = None,
        text: Any = None,
        bags: Any = None,
        embedding: Any = None,
        ttl: float | dt.timedelta | None = None,
        expires: Any = None,
        id_column: str | None = None,
        vector_column: str | None = None,
    ) -> int:
        """Like :meth:`add`, but an item whose id exists is replaced: vector, bag, attributes, payload, text, expiry."""
        given = (attributes, payload, text, bags, embedding, ttl, expires)
        return self._put(ids, vectors, *given, id_column, vector_column, replace=True)

    def _put(
        self,
        ids: Any,
        vectors: Any,
        attributes: Any,
        payload: Any,
        text: Any,
        bags: Any,
        embedding: Any,
        ttl: Any,
        expires: Any,
        id_column: str | None,
        vector_column: str | None,
        *,
        replace: bool,
    ) -> int:
        writer = self._writing()[0]
        if vectors is None and bags is None:
            named = {"id_column": id_column, "vector_column": vector_column, "attributes": attributes}
            rows = rows_of(ids, self.attributes, **named, payload=payload, text=text, expires=expires)
            ids, vectors, attributes, payload, text = rows.ids, rows.vectors, rows.attributes, rows.payload, rows.text
            if ttl is None or expires is not None:  # a ttl outdoes a column that nobody asked for
                expires = expires if rows.expires is None else rows.expires
        else:
            for name, value in (("id_column", id_column), ("vector_column", vector_column)):
                if value is not None:
                    raise ValueError(f"{name}: expected None where vectors are given beside ids, got {value!r}")
            vectors = None if vectors is None else as_matrix(vectors)
            payload, text, expires = as_list(payload), as_list(text), as_list(expires)
        coded = coding = None
        if bags is not None:
            vectors, coded, coding = self._coded(ids, vectors, bags)
        new, embedding = self._whose(vectors, embedding)
        if new is not None:
            new, vectors = self._mapped_back(new, vectors)
        if is_single(ids):
            payload = None if payload is None else [payload]
            attributes = [attributes] if isinstance(attributes, Mapping) else attributes
            text = [text] if isinstance(text, str) else text
        fingerprint = check_embedding(embedding, self.dim)
        clock = self._catalogue.clock
        batch = Incoming(
            self._shape,
            writer.kind,
            ids,
            vectors,
            attributes,
            payload,
            lambda rows: moments(ttl, expires, rows, self._ttl, clock),
            text,
            coded,
            coding,
        )
        return writer.put(batch, replace=replace, embedding=fingerprint, encoded=new)

    def _coded(self, ids: Any, vectors: Any, bags: Any) -> tuple[Any, CodedBags | None, str]:
        """The items' vectors, by the encoding where none are given; their bags' codes, and whose codes they are."""
        space = self._bag_space()
        if is_single(ids):
            ids, bags = [ids], [bags] if isinstance(bags, np.ndarray) else bags
        checked = space.check(bags, len(ids) if hasattr(ids, "__len__") else len(bags))
        if vectors is None:
            if space.encoding is None:
                raise ValueError("vectors: expected one per item, as this store has no encoding to compute them by")
            checked.require_filled()
            vectors = space.encoding.documents(checked)
        return vectors, space.encode(checked), space.identity

    def _whose(self, vectors: Any, embedding: Any) -> tuple[Any, Any]:
        """The setting ``next`` where vectors are of the model the store is moved to; else None, and their embedding."""
        following = self._meta("next").get("next")
        if following is None:
            if isinstance(embedding, str):
                raise TypeError("embedding: expected a dict, an encoder's fingerprint(), got str")
            return None, embedding
        own = self.dim, self._meta("embedding").get("embedding")
        whose = space_of(vectors, embedding, own, (following["dim"], following["embedding"]), "vectors")
        return (following if whose == NEW else None), None

    def _mapped_back(self, following: Any, vectors: Any) -> tuple[np.ndarray, np.ndarray]:
        """Vectors of the next model as they are kept, and what the map back to the old one makes of them."""
        shape = Shape(following["dim"], self.dtype, following["metric"], self._shape.schema)
        array, _ = check_vectors(vectors, dim=shape.dim, nonzero=shape.metric == "cosine")
        back: Any = self._reader.view(lambda view, _: None if view.next is None else view.next.back)
        if back is None:
            raise ValueError("vectors: the store moved to another model meanwhile; add again")
        return as_stored(array, shape), back.transform(array)

    def delete(self, ids: Any = None, *, where: Any = None) -> int:
        """Delete items; ids that are not there are passed over. Returns how many were. Durable when it returns.

        With ``where``, a condition as in :meth:`search`, in place of ids: all items that pass it at this moment. What
        is added or replaced meanwhile stays.
        """
        writer = self._writing()[0]
        if (ids is None) == (where is None):
            raise TypeError(f"ids, where: expected one of the two, got {'none' if ids is None else 'both'}")
        if where is not None:
            return writer.delete_keys(self._reader.keys(where).tolist())
        wanted, _ = check_ids(ids, writer.kind, unique=False)
        return writer.delete(list(dict.fromkeys(wanted)))

    def seal(self) -> bool:
        """Move pending rows into a segment, indexed by the plan's recipe; returns whether there were any.

        Adding does this by itself, without an index, when 65,536 rows or 256 MB are pending. Call it when many rows
        are pending and a full :meth:`compact` would take too long.
        """
        return self._writing()[1].seal()

    def compact(self) -> bool:
        """Merge all segments and pending rows into one, without what was deleted; returns whether anything changed.

        Builds the index the plan says; without a plan, a graph over 8-bit codes above 20,000 items and none below.
        Searches, adds and deletes of other threads go on meanwhile. Ctrl-C leaves the store as it was. A judge or a
        fusion that has gone stale is fitted again afterwards (:meth:`refit`), at one search an item.
        """
        changed = self._writing()[1].compact()
        self._refit_stale()
        return changed

    def optimize(
        self,
        recall: float = 0.95,
        memory: int | str | None = None,
        latency: float | None = None,
        k: int = 10,
        queries: Any = None,
        *,
        workload: Any = None,
        recipes: Sequence[Recipe] | None = None,
        random_state: int = 0,
    ) -> Plan:
        """Find the fastest recipe that reaches a recall within a memory budget, by measurement, and apply it.

        The plan is kept with the store, shown by :meth:`stats`, and used by every later seal and compaction. See
        :func:`nearfield.tune.tune` for the parameters; when the target cannot be met the plan says so and the
        closest recipe is applied. ``queries="observed"`` takes those that were really asked, of which a sample is kept
        while the store is searched (a hundred at least; see :meth:`stats`).

        ``recipes`` are candidates of your own, instead of the usual ones: one :class:`~nearfield.tune.Recipe` fixes the
        choice, and is measured all the same.

        ``workload`` is a log of past queries, for :meth:`search_many`: a sequence of conditions, or of pairs (vector,
        condition), of which some thousand are enough. From it every segment of 5,000 rows or more gets a partition:
        rows that the same conditions ask for stand together. It takes 1.1 bytes a dimension and row, is kept up to
        date by :meth:`compact`, and conditions that were never seen are answered as well.
        """
        maintenance = self._writing()[1]
        log = None if workload is None else Workload.check(workload, self._shape)
        if isinstance(queries, str):
            check_choice(queries, "queries", ("observed",))
            queries = self._watch.record.queries(self._viewer.current())
            if len(queries) < LEAST_OBSERVED:
                raise ValueError(
                    f"queries: expected at least {LEAST_OBSERVED} observed queries, found {len(queries)}; search the "
                    "store with what is asked of it for a while, or give the queries"
                )
        from ..tune import tune

        with maintenance.lock:
            maintenance.writer.purge()
            view = self._viewer.current()
            if not view.items:
                raise ValueError("optimize: the store is empty; add items first")
            maintenance.limit.refuse_tuning(self._shape, view.parts, _TUNED_ROWS)
            plan = tune(
                living_vectors(view, self._shape),
                metric=self.metric,
                recall=recall,
                k=k,
                memory=memory,
                latency=latency,
                queries=queries,
                recipes=recipes,
                sample=_TUNED_ROWS,
                share_queries=False,  # later compactions would have none to build with
                random_state=random_state,
            )
            maintenance.compact(plan.to_dict())
            if log is not None:
                maintenance.partition(log)
        self._refit_stale()
        return plan

    def upgrade(
        self,
        encoder: Encoder | None = None,
        *,
        pairs: Any = 1000,
        text: str | Callable[[Item], str] = "text",
        metric: str | None = None,
        embedding: Mapping[str, Any] | None = None,
        queries: Any = None,
        old_queries: Any = None,
        relevant: Sequence[Any] | None = None,
        random_state: int = 0,
    ) -> Upgrade:
        """Begin to move the store to another embedding model, while it serves.

        From items encoded by both models a map is learnt, and its loss is stated. From then on queries of the new model
        are answered as well: from the new vectors of items that are encoded, and from the mapped old ones of the
        others. :meth:`Upgrade.run`, or ``next`` and ``put``, encode them; :meth:`Upgrade.finish` drops the old model.
        See ``docs/concepts-upgrade.md``.

        Parameters
        ----------
        encoder : the new model, where it runs here; else give ``pairs`` as vectors.
        pairs : how many items to encode now, at random, 20 at least; or ``(ids, new vectors)`` of items of the store;
            or ``(old vectors, new vectors)`` of anything else. A thousand are a start; ``upgrade.choice["enough"]``
            says beyond how many the loss stops falling. Fewer than dimensions work, and lose more.
        text : where an item's text is, for the encoder: a key of its payload, or a function of the item. Where the
            payload has none there, it is the text the item was added with.
        metric : of the new model's space; None means as before.
        embedding : the new model's fingerprint; None takes the encoder's. Needed where both have as many dimensions.
        queries : sample queries, as texts (with an encoder) or as vectors of the new model, some hundred at least: the
            items that their answers depend on are encoded first, and the loss is stated for them.
        old_queries : the same queries as vectors of the old model, row by row, which are pairs as well and raise the
            quality from the beginning; or others without ``queries``; "observed" takes those that were really asked.
        relevant : beside both, for each query the ids of the items that answer it, an empty list where that is not
            known; 20 known ones at least, some hundred are good. They decide how far the new model is believed in
            ``search(old_queries=)``, so that a worse one takes nothing away (:attr:`Upgrade.weight`), and are asked
            again as more is encoded. None takes those of a query judge or a fusion that keeps them with their texts,
            where ``encoder`` can encode these; without any both models are believed alike.
        random_state : draws the pairs, and the folds by which the loss is measured.

        Returns
        -------
        Upgrade : also ``store.upgrading``, from now on and after a restart.

        Raises
        ------
        ValueError : a move is under way already; too few pairs; ids that are not there.

        Examples
        --------
        >>> import tempfile
        >>> rng = np.random.default_rng(0)
        >>> things = rng.standard_normal((100, 4)).astype(np.float32)
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=4)
        >>> store.add(list(range(100)), things)
        100
        >>> new = things @ np.linalg.qr(rng.standard_normal((6, 4)))[0].T.astype(np.float32)
        >>> print(store.upgrade(pairs=(list(range(40)), new[:40])))  # doctest: +ELLIPSIS
        40 of 100 items encoded by the new model; for the others a map (..., 40 pairs) loses ...
        >>> store.search(new[77], k=1).ids, store.search(new[77], k=1, old_queries=things[77]).ids
        ([77], [77])
        >>> store.close(); folder.cleanup()
        """
        from .beginning import begin

        return begin(self, encoder, pairs, text, metric, embedding, queries, old_queries, relevant, random_state)

    def index_text(self, text: str | None = None, *, tokenizer: str = "porter") -> None:
        """Say where the items' texts are and how they become words, and index them all again, in one transaction.

        For a store made without; the parameters are those of :meth:`create`. Texts given to :meth:`add` stay, and come
        before those of the payload. Some 5,000 texts of 1,500 characters take a second, while nobody else can write.

        Examples
        --------
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2)
        >>> store.add([1, 2], np.eye(2, dtype=np.float32), payload=[{"body": "Lift of a wing."}, {"body": "Drag."}])
        2
        >>> store.index_text("body")
        >>> store.search(text="wings", k=1).ids
        [1]
        >>> store.search(np.float32([0, 1]), text="drag", k=2).ids
        [2, 1]
        >>> store.close(); folder.cleanup()
        """
        from .texts import Wording, choose

        writer = self._writing()[0]
        choose(writer.catalogue, Wording.check(text, tokenizer))

    def index_bags(self, bags: int | Mapping[str, Any]) -> None:
        """Keep bags from now on, in a store made without; ``bags`` as in :meth:`create`.

        Items that are there have none until they are replaced (:meth:`upsert`), and ``search(bags=)`` finds only those
        that have one. An ``encoding`` is for a store that is empty yet. ValueError where bags are kept already.

        Examples
        --------
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> store = Store.create(folder.name + "/a.nf", dim=2)
        >>> store.add([1, 2], np.eye(2, dtype=np.float32))
        2
        >>> store.index_bags(3)
        >>> store.upsert([2], np.float32([[0, 1]]), bags=[np.eye(3, dtype=np.float32)])
        1
        >>> store.search(np.float32([1, 0]), bags=np.float32([[0, 0, 1]]), k=1).ids
        [2]
        >>> store.close(); folder.cleanup()
        """
        from .bags import check_space, choose

        choose(self._writing()[0].catalogue, check_space(bags, self.dim, self.metric))
