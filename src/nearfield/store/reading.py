"""Reading: searches, look-ups and iteration, each over one committed moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..common.checks import check_int, check_real, check_vectors
from ..common.errors import CorruptFileError
from .attributes import arrow_schema
from .catalogue import Catalogue
from .expiry import as_datetime
from .explaining import Explanation, explain_item
from .filters import Filter
from .fusing import nearest_both
from .grouping import Groups, check_column, explain_groups, grouped
from .hits import Batch, Hits, Item, split
from .ids import check_ids, is_single
from .likeness import NONE, Likeness
from .maintenance import Maintenance
from .many import distinct, nearest_many
from .paging import Origin, Pages, explain_page, page, read_cursors
from .ranging import Bounds, explain_range, relevances, within
from .search import Nearest, explain, judge_hits, judged, nearest
from .segment import logger
from .snapshot import View, Viewer
from .spaces import space
from .tables import find_keys, list_ids, read_payloads
from .text_search import search_text
from .texts import Wording, read_texts
from .watch import Watch

Answer = TypeVar("Answer")
MAX_K = 1 << 20
_FILTERS_KEPT = 128


class Reader:
    """Answers of one open store; safe to call from many threads."""

    def __init__(self, catalogue: Catalogue, viewer: Viewer, maintenance: Maintenance | None, watch: Watch):
        self.catalogue = catalogue
        self.schema = viewer.shape.schema
        self.viewer = viewer
        self.maintenance = maintenance
        self.watch = watch
        self._filters: dict[str, Filter] = {}
        self.groups = Groups()
        self.bounds = Bounds()
        self._repair_failed = False

    def view(self, answer: Callable[[View, Any], Answer], *, transaction: bool = False) -> Answer:
        """``answer(view, connection)`` of the newest view; ``transaction`` keeps the catalogue at the same moment."""
        view = self.viewer.current()
        if view.troubled and self.maintenance is not None:
            self._try_repair(self.maintenance)
            view = self.viewer.current()
        if not transaction:
            return answer(view.unexpired(self.catalogue.clock), None)
        while True:
            with self.catalogue.reading() as connection:
                pinned = self.viewer.at(connection)
                if pinned is not None:
                    return answer(pinned.unexpired(self.catalogue.clock), connection)

    def _try_repair(self, maintenance: Maintenance) -> None:
        """The writer rebuilds a damaged derived file when it meets one; if it cannot, searches go on without it."""
        if self._repair_failed or not maintenance.lock.acquire(blocking=False):
            return
        try:
            maintenance.repair(self.viewer.current().segments)
        except (OSError, CorruptFileError, MemoryError) as error:  # what it would be rebuilt from may be damaged too
            self._repair_failed = True
            logger.warning("%s: a derived file cannot be rebuilt now: %s", self.catalogue.folder, error)
        finally:
            maintenance.lock.release()

    def search(
        self,
        queries: Any,
        k: int,
        where: Any,
        payload: bool,
        attributes: bool,
        max_false: float | None,
        beam: int | None,
        group_by: Any = None,
        group_size: int = 1,
        after: Any = None,
        embedding: Any = None,
        old_queries: Any = None,
        text: Any = None,
        likeness: Likeness = NONE,
    ) -> Hits:
        """See :meth:`Store.search`."""
        if likeness:
            for given, parameter in ((text, "text"), (after, "after"), (old_queries, "old_queries")):
                if given is not None:
                    raise ValueError(f"{parameter}: expected None with like, unlike, aspect or to")
            if max_false is not None and (likeness.unlike, likeness.aspect, likeness.to) != (None, None, None):
                raise ValueError("max_false: expected None with unlike, aspect or to, of which the judge knows nothing")
        if text is not None:
            for given, parameter in ((after, "after"), (old_queries, "old_queries")):
                if given is not None:
                    raise ValueError(f"{parameter}: expected None with text, whose scores change with every write")
        elif queries is None and likeness.like is None:
            raise ValueError("queries: expected vectors, a text to search by or items to be like, got none of them")
        condition = self.condition(where, attributes)
        _check_numbers(k, beam, max_false)
        check_int(group_size, "group_size", 1, MAX_K // k)
        name = None if group_by is None else check_column(group_by, self.schema)
        if name is None and group_size != 1:
            raise ValueError(f"group_size: expected 1 without group_by, got {group_size}")
        if text is not None:
            return search_text(
                self, queries, text, k, condition, payload, attributes, max_false, beam, name, group_size, embedding
            )
        if name is not None and after is not None:
            raise ValueError("after: expected None with group_by, since the groups of an answer depend on all of it")
        if old_queries is not None and (name is not None or after is not None or max_false is not None):
            raise ValueError("old_queries: expected None with group_by, after or max_false")
        columns = k * group_size

        def answer(committed: View, connection: Any) -> Hits:
            view = committed if queries is None else space(committed, queries, embedding)
            given, single = (None, True) if queries is None else _checked(queries, "queries", view)
            view, array = likeness.apply(view, connection, given)
            metric = view.shape.metric
            if beam is None and view is committed and old_queries is None:  # with a beam a query makes its own choice
                offered.append(array)
            relevance = pages = groups = None
            find: Callable[..., Nearest] = nearest
            marks = None
            origin = (self.catalogue.folder, metric, array, condition)
            if old_queries is not None:
                find = partial(nearest_both, committed, old_queries=_old(committed, view, old_queries, len(array)))
                view = committed
            if name is not None:
                find = partial(grouped, groups=self.groups, name=name, size=group_size)
            elif after is not None:
                marks = read_cursors(after, Origin.of(view.identity, *origin), self.catalogue.folder)
                find = partial(page, marks=marks)
            if old_queries is not None:
                hits = find(queries=array, k=columns, condition=condition, beam=beam)
            elif view.judge is not None:
                hits, relevance = judged(
                    view, metric, array, columns, condition=condition, beam=beam, max_false=max_false, find=find
                )
            elif max_false is not None:
                raise ValueError("max_false: this store has no judge; fit one with fit_judge()")
            else:
                hits = find(view, metric, array, columns, condition=condition, beam=beam)
            parts, rows = hits.parts.ravel(), hits.rows.ravel()
            if name is not None:
                groups = split(self.groups.values(view, name, parts, rows), columns)
                status = explain_groups(view, hits, groups, k, condition, max_false)
            elif old_queries is not None:
                status = explain(view, hits, k, condition, max_false)
            else:
                pages = Pages(view, hits, k, marks, *origin)
                reasons = explain if after is None else explain_page
                status = reasons(view, hits, k, condition, max_false)
            found, payloads = self.details(view, connection, hits.keys, parts, rows, payload, attributes)
            return Hits(
                split(view.gather_ids(parts, rows), columns),
                hits.distances,
                status,
                relevance=relevance,
                attributes=found,
                payload=payloads,
                groups=groups,
                pages=pages,
                text=self.texts_of(view, connection, hits.keys) if payload else None,
                single=single,
            )

        offered: list[np.ndarray] = []
        answered = self.view(answer, transaction=payload or bool(likeness))
        for array in offered:
            self.watch.offer(array, k, condition)
        return answered

    def search_range(
        self,
        queries: Any,
        radius: float,
        where: Any,
        limit: int | None,
        payload: bool,
        attributes: bool,
        embedding: Any = None,
    ) -> Hits | list[Hits]:
        """See :meth:`Store.search_range`."""
        condition = self.condition(where, attributes)
        if limit is not None:
            check_int(limit, "limit", 1, MAX_K)

        def answer(view: View, connection: Any) -> Hits | list[Hits]:
            view = space(view, queries, embedding)
            metric = view.shape.metric
            array, single = _checked(queries, "queries", view)
            low = -np.inf if metric == "ip" else 0.0
            check_real(radius, "radius", low, np.inf, open_low=metric == "ip", open_high=True)
            found = within(view, metric, array, float(radius), condition=condition, bounds=self.bounds)
            kept = [near.first(limit) for near in found]
            relevance = relevances(view, metric, array, kept)
            answers = []
            for number, (near, every) in enumerate(zip(kept, found, strict=True)):
                one = near.keys[None]
                values, payloads = self.details(view, connection, one, near.parts, near.rows, payload, attributes)
                answers.append(
                    Hits(
                        [view.gather_ids(near.parts, near.rows)],
                        near.distances[None],
                        [explain_range(len(near.keys), len(every.keys))],
                        relevance=None if relevance is None else relevance[number][None],
                        attributes=values,
                        payload=payloads,
                        single=True,
                    )
                )
            return answers[0] if single else answers

        return self.view(answer, transaction=payload)

    def explain(
        self, query: Any, identifier: Any, k: int, where: Any, max_false: float | None, beam: int | None, embedding: Any
    ) -> Explanation:
        """See :meth:`Store.explain`."""
        condition = self.condition(where, False)
        _check_numbers(k, beam, max_false)
        asked = query, identifier, k, condition, max_false, beam, embedding
        return self.view(lambda view, connection: explain_item(view, connection, *asked), transaction=True)

    def condition(self, where: Any, attributes: bool) -> Filter | None:
        """What every search is given beside its queries, checked."""
        condition = self._filter(where)
        if attributes and not self.schema:
            raise ValueError("attributes: this store has none; name them in Store.create(attributes={...})")
        return condition

    def details(
        self,
        view: View,
        connection: Any,
        keys: np.ndarray,
        parts: np.ndarray,
        rows: np.ndarray,
        payload: bool,
        attributes: bool,
    ) -> tuple[Any, Any]:
        """Attributes and payloads of hits, as far as they are asked for."""
        found = payloads = None
        if attributes:
            values = view.gather_attributes(parts, rows)
            found = split(values, keys.shape[1]) if keys.size else [[] for _ in keys]
        if payload:
            known = read_payloads(connection, np.unique(keys).tolist(), self.catalogue.path)
            payloads = [[known.get(key) for key in row] for row in keys.tolist()]
        return found, payloads

    def texts_of(self, view: View, connection: Any, keys: np.ndarray) -> list[list[str | None]] | None:
        """The texts of hits; None where the store has none."""
        wording = Wording.of(view.meta)
        if wording is None:
            return None
        known = read_texts(connection, np.unique(keys).tolist(), self.catalogue.path, wording)
        return [[known.get(key) for key in row] for row in keys.tolist()]

    def search_many(
        self,
        queries: Any,
        k: int,
        where: Any,
        payload: bool,
        attributes: bool,
        max_false: float | None,
        beam: int | None,
        embedding: Any = None,
    ) -> Hits:
        """See :meth:`Store.search_many`."""
        self.condition(None, attributes)
        _check_numbers(k, beam, max_false)

        def answer(view: View, connection: Any) -> Hits:
            view = space(view, queries, embedding)
            metric = view.shape.metric
            array, _ = _checked(queries, "queries", view)
            asked = distinct(where, len(array), self._filter)
            relevance = None
            hits, passing = nearest_many(view, metric, array, k, asked, beam=beam)
            if view.judge is not None:
                around = nearest(view, metric, array, view.judge.k, beam=beam)
                hits, relevance = judge_hits(view, metric, array, hits, around, max_false)
            elif max_false is not None:
                raise ValueError("max_false: this store has no judge; fit one with fit_judge()")
            status = [""] * len(array)
            for condition, own, allowed in zip(asked.conditions, asked.groups(), passing.tolist(), strict=True):
                for place, text in zip(own, explain(view, hits.of(own, allowed), k, condition, max_false), strict=True):
                    status[place] = text
            parts, rows = hits.parts.ravel(), hits.rows.ravel()
            found, payloads = self.details(view, connection, hits.keys, parts, rows, payload, attributes)
            ids = split(view.gather_ids(parts, rows), k)
            texts = self.texts_of(view, connection, hits.keys) if payload else None
            return Hits(
                ids, hits.distances, status, relevance=relevance, attributes=found, payload=payloads, text=texts
            )

        return self.view(answer, transaction=payload)

    def _filter(self, where: Any) -> Filter | None:
        if where is None:
            return None
        if not isinstance(where, str):
            return Filter(where, self.schema)
        known = self._filters.get(where)
        if known is None:
            known = Filter(where, self.schema)
            if len(self._filters) >= _FILTERS_KEPT:
                self._filters.clear()
            self._filters[where] = known
        return known

    def get(self, ids: Any) -> Any:
        """See :meth:`Store.get`."""

        def answer(view: View, connection: Any) -> list[Item | None]:
            wanted, _ = check_ids(ids, view.meta.get("id_type"), unique=False)
            keys = find_keys(connection, dict.fromkeys(wanted))
            column = np.array([keys.get(identifier, -1) for identifier in wanted], np.int64)
            until = view.expires(column)
            column[until == 0] = -1
            parts, rows = view.locate(column)
            vectors = view.gather_vectors(parts, rows, view.shape)
            found = view.gather_attributes(parts, rows) if self.schema else [None] * len(wanted)
            payloads = read_payloads(connection, keys.values(), self.catalogue.path)
            texts = read_texts(connection, keys.values(), self.catalogue.path, Wording.of(view.meta))
            return [
                Item(
                    identifier,
                    vectors[place],
                    found[place],
                    payloads.get(int(column[place])),
                    as_datetime(until[place]),
                    texts.get(int(column[place])),
                )
                if parts[place] >= 0
                else None
                for place, identifier in enumerate(wanted)
            ]

        items = self.view(answer, transaction=True)
        return items[0] if is_single(ids) else items

    def sample(self, count: int, random_state: int, payload: bool) -> Batch:
        """See :meth:`Store.sample`."""

        def answer(view: View, connection: Any) -> Batch:
            parts, rows, keys = _living(view)
            if count < len(keys):
                chosen = np.random.default_rng(random_state).choice(len(keys), count, replace=False)
                chosen.sort()
                parts, rows, keys = parts[chosen], rows[chosen], keys[chosen]
            return self._batch(view, connection, parts, rows, keys, payload)

        return self.view(answer, transaction=True)

    def ids_after(self, after: int, limit: int) -> tuple[list[Any], int | None]:
        """See :meth:`Store.ids_after`."""

        def answer(view: View, connection: Any) -> tuple[list[Any], int | None]:
            rows = list_ids(connection, after, limit + 1)
            following = rows[limit - 1][0] if len(rows) > limit else None
            rows = rows[:limit]
            until = view.expires(np.array([key for key, _ in rows], np.int64))
            return [identifier for (_, identifier), end in zip(rows, until, strict=True) if end], following

        return self.view(answer, transaction=True)

    def iterate(self, batch_size: int) -> Iterator[Batch]:
        """See :meth:`Store.iterate`."""
        while True:
            with self.catalogue.reading(lasting=True) as connection:
                view = self.viewer.at(connection)
                if view is not None:
                    yield from self._batches(view.unexpired(self.catalogue.clock), connection, batch_size)
                    return

    def _batches(self, view: View, connection: Any, batch_size: int) -> Iterator[Batch]:
        parts, rows, keys = _living(view)
        for start in range(0, len(rows), batch_size):
            some = slice(start, start + batch_size)
            yield self._batch(view, connection, parts[some], rows[some], keys[some], True)

    def _batch(
        self, view: View, connection: Any, where: np.ndarray, some: np.ndarray, keys: np.ndarray, payload: bool
    ) -> Batch:
        """The items at ``(part, row)``, which have these keys; without ``payload`` there are no texts either."""
        wanted = keys.tolist()
        payloads = read_payloads(connection, wanted, self.catalogue.path) if payload else {}
        table = None
        if self.schema:
            import pyarrow as pa

            pieces = [view.parts[number].part.table().take(some[where == number]) for number in np.unique(where)]
            table = pa.concat_tables(pieces or [arrow_schema(self.schema).empty_table()]).combine_chunks()
            if (np.diff(where) < 0).any():
                table = table.take(np.argsort(np.argsort(where, kind="stable")))
        ids: list[Any] = view.gather_ids(where, some)
        vectors = view.gather_vectors(where, some, view.shape)
        expires = None
        if view.expiry is not None:
            expires = [as_datetime(at) for at in view.expires(keys).tolist()]
        texts = None
        if payload and view.meta.get("text") is not None:
            known = read_texts(connection, wanted, self.catalogue.path, Wording.of(view.meta))
            texts = [known.get(key) for key in wanted]
        return Batch(ids, vectors, table, [payloads.get(key) for key in wanted], expires, texts)


def _living(view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Part, row and key of every living item, in the order of their arrival."""
    places = [np.full(live.count, number) for number, live in enumerate(view.parts)]
    parts = np.concatenate([np.empty(0, np.int64), *places])
    rows = np.concatenate([np.empty(0, np.int64), *(live.rows() for live in view.parts)])
    keys = np.concatenate([np.empty(0, np.int64), *(live.part.keys[live.rows()] for live in view.parts)])
    if (np.diff(keys) < 0).any():  # segments between pending rows
        order = np.argsort(keys, kind="stable")
        parts, rows, keys = parts[order], rows[order], keys[order]
    return parts, rows, keys


def _checked(queries: Any, name: str, view: View) -> tuple[np.ndarray, bool]:
    return check_vectors(queries, name, dim=view.shape.dim, nonzero=view.shape.metric == "cosine")


def _old(committed: View, asked: View, old_queries: Any, count: int) -> np.ndarray:
    """The old model's queries beside those of the new one."""
    if committed.next is None:
        raise ValueError("old_queries: expected None, as the store is not being moved from one model to another")
    if asked is committed:
        raise ValueError("old_queries: expected queries of the new model beside them, got old ones as queries")
    array, _ = _checked(old_queries, "old_queries", committed)
    if len(array) != count:
        raise ValueError(f"old_queries: expected {count}, one for each of the queries, got {len(array)}")
    return array


def _check_numbers(k: int, beam: int | None, max_false: float | None) -> None:
    check_int(k, "k", 1, MAX_K)
    if beam is not None:
        check_int(beam, "beam", 1, MAX_K)
    if max_false is not None:
        check_real(max_false, "max_false", 0.0, 1.0)
