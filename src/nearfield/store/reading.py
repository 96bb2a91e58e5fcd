"""Reading: searches, each over one committed moment."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ..common.checks import check_int, check_real, check_vectors
from ..common.errors import CorruptFileError
from .bag_search import CANDIDATES, search_bags, search_bags_many
from .catalogue import Catalogue
from .conditions import Compound, Condition, Outcomes, compound
from .conditions import bound as bind
from .explaining import Explanation, explain_item
from .filters import Filter
from .fusing import nearest_both
from .grouping import Groups, check_column, explain_groups, grouped
from .hits import Hits, split
from .likeness import NONE, Likeness
from .listing import Listing
from .maintenance import Maintenance
from .many import Asked, distinct, nearest_many
from .paging import Origin, Pages, explain_page, page, read_cursors
from .ranging import Bounds, explain_range, relevances, within
from .search import Nearest, explain, judge_hits, judged, nearest
from .segment import logger
from .snapshot import View, Viewer
from .spaces import space
from .tables import read_payloads
from .text_search import search_text
from .texts import Wording, read_texts
from .watch import Watch

Answer = TypeVar("Answer")
MAX_K = 1 << 20
_FILTERS_KEPT = 128


class Reader(Listing):
    """Answers of one open store; safe to call from many threads."""

    def __init__(self, catalogue: Catalogue, viewer: Viewer, maintenance: Maintenance | None, watch: Watch):
        self.catalogue = catalogue
        self.schema = viewer.shape.schema
        self.viewer = viewer
        self.maintenance = maintenance
        self.watch = watch
        self._filters: dict[str, Filter] = {}
        self._outcomes = Outcomes()
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
        bags: Any = None,
        candidates: int | None = None,
    ) -> Hits:
        """See :meth:`Store.search`."""
        width = _check_candidates(candidates, bags)
        if bags is not None:
            for given, parameter in ((likeness or None, "like, unlike, aspect, to"), (after, "after")):
                if given is not None:
                    raise ValueError(f"{parameter}: expected None with bags, which order what vectors name")
            if old_queries is not None:
                raise ValueError(
                    "old_queries: expected None with bags; give the vectors of one of the models as queries"
                )
            if text is not None and candidates is not None:
                raise ValueError("candidates: expected None with text, of which a fixed number is scored by all legs")
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
        elif queries is None and likeness.like is None and bags is None:
            raise ValueError("queries: expected vectors, a text, bags or items to be like, got none of them")
        asked = self.condition(where, attributes)
        _check_numbers(k, beam, max_false)
        check_int(group_size, "group_size", 1, MAX_K // k)
        name = None if group_by is None else check_column(group_by, self.schema)
        if name is None and group_size != 1:
            raise ValueError(f"group_size: expected 1 without group_by, got {group_size}")
        beside = (payload, attributes, max_false, beam, name, group_size, embedding)
        if text is not None:
            return search_text(self, queries, text, bags, k, asked, *beside)
        if bags is not None:
            return search_bags(self, queries, bags, k, width, asked, *beside)
        if name is not None and after is not None:
            raise ValueError("after: expected None with group_by, since the groups of an answer depend on all of it")
        if old_queries is not None and (name is not None or after is not None or max_false is not None):
            raise ValueError("old_queries: expected None with group_by, after or max_false")
        columns = k * group_size

        def answer(committed: View, connection: Any) -> Hits:
            view = committed if queries is None else space(committed, queries, embedding)
            condition = self.bound(asked, committed, connection)
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
        compound = isinstance(asked, Compound)
        answered = self.view(answer, transaction=payload or bool(likeness) or compound)
        if not isinstance(asked, Compound):  # a compound condition is bound to a moment that is over
            for array in offered:
                self.watch.offer(array, k, asked)
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
        asked = self.condition(where, attributes)
        if limit is not None:
            check_int(limit, "limit", 1, MAX_K)

        def answer(view: View, connection: Any) -> Hits | list[Hits]:
            condition = self.bound(asked, view, connection)
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

        return self.view(answer, transaction=payload or isinstance(asked, Compound))

    def bound(self, condition: Filter | Compound | None, view: View, connection: Any) -> Any:
        """A condition as the parts of a view are asked with it."""
        return bind(condition, connection, self.catalogue.path, view.meta.get("id_type"))

    def explain(
        self, query: Any, identifier: Any, k: int, where: Any, max_false: float | None, beam: int | None, embedding: Any
    ) -> Explanation:
        """See :meth:`Store.explain`."""
        asked = self.condition(where)
        _check_numbers(k, beam, max_false)

        def answer(view: View, connection: Any) -> Explanation:
            condition = self.bound(asked, view, connection)
            return explain_item(view, connection, query, identifier, k, condition, max_false, beam, embedding)

        return self.view(answer, transaction=True)

    def condition(self, where: Any, attributes: bool = False) -> Filter | Compound | None:
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
        bags: Any = None,
        candidates: int | None = None,
    ) -> Hits:
        """See :meth:`Store.search_many`."""
        width = _check_candidates(candidates, bags)
        self.condition(None, attributes)
        _check_numbers(k, beam, max_false)
        if bags is not None:
            return search_bags_many(
                self, queries, bags, k, width, where, payload, attributes, max_false, beam, embedding
            )

        def answer(committed: View, connection: Any) -> Hits:
            view = space(committed, queries, embedding)
            metric = view.shape.metric
            array, _ = _checked(queries, "queries", view)
            asked = self.asked(where, len(array), committed, connection)
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

        return self.view(answer, transaction=payload or compound(where))

    def asked(self, where: Any, count: int, view: View, connection: Any) -> Asked:
        """The conditions of ``count`` queries, for this moment."""
        found = distinct(where, count, self._filter)
        return found._replace(conditions=[self.bound(one, view, connection) for one in found.conditions])

    def _filter(self, where: Any) -> Filter | Compound | None:
        if where is None:
            return None
        if isinstance(where, Condition):
            attributes: Any = self._filter(where.where)
            return Compound(where, attributes, self._outcomes)
        if not isinstance(where, str):
            return Filter(where, self.schema)
        known = self._filters.get(where)
        if known is None:
            known = Filter(where, self.schema)
            if len(self._filters) >= _FILTERS_KEPT:
                self._filters.clear()
            self._filters[where] = known
        return known


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


def _check_candidates(candidates: int | None, bags: Any) -> int:
    if candidates is None:
        return CANDIDATES
    if bags is None:
        raise ValueError("candidates: expected None without bags")
    return check_int(candidates, "candidates", 1, MAX_K)


def _check_numbers(k: int, beam: int | None, max_false: float | None) -> None:
    check_int(k, "k", 1, MAX_K)
    if beam is not None:
        check_int(beam, "beam", 1, MAX_K)
    if max_false is not None:
        check_real(max_false, "max_false", 0.0, 1.0)
