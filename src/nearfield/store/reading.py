"""Reading: searches, look-ups and iteration, each over one committed moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from ..common.checks import check_int, check_real, check_vectors
from .catalogue import Catalogue, find_keys, read_payloads
from .filters import Filter
from .hits import Batch, Hits, Item
from .ids import check_ids, is_single
from .maintenance import Maintenance
from .many import distinct, nearest_many
from .search import Nearest, explain, judge_hits, judged, nearest
from .segment import logger
from .snapshot import Shape, View, Viewer

Answer = TypeVar("Answer")
MAX_K = 1 << 20
_FILTERS_KEPT = 128


class Reader:
    """Answers of one open store; safe to call from many threads."""

    def __init__(self, catalogue: Catalogue, shape: Shape, viewer: Viewer, maintenance: Maintenance | None):
        self.catalogue = catalogue
        self.shape = shape
        self.viewer = viewer
        self.maintenance = maintenance
        self._filters: dict[str, Filter] = {}
        self._repair_failed = False

    def view(self, answer: Callable[[View, Any], Answer], *, transaction: bool = False) -> Answer:
        """``answer(view, connection)`` of the newest view; ``transaction`` keeps the catalogue at the same moment."""
        view = self.viewer.current()
        if view.troubled and self.maintenance is not None:
            self._try_repair(self.maintenance)
            view = self.viewer.current()
        if not transaction:
            return answer(view, None)
        while True:
            with self.catalogue.reading() as connection:
                pinned = self.viewer.at(connection)
                if pinned is not None:
                    return answer(pinned, connection)

    def _try_repair(self, maintenance: Maintenance) -> None:
        """The writer rebuilds a damaged index when it meets one; if it cannot, searches go on scanning the vectors."""
        if self._repair_failed or not maintenance.lock.acquire(blocking=False):
            return
        try:
            maintenance.repair(self.viewer.current().segments)
        except OSError as error:
            self._repair_failed = True
            logger.warning("%s: an index cannot be rebuilt now: %s", self.catalogue.folder, error)
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
    ) -> Hits:
        """See :meth:`Store.search`."""
        metric = self.shape.metric
        array, single = self._checked(queries, k, attributes, max_false, beam)
        condition = self._filter(where)

        def answer(view: View, connection: Any) -> Hits:
            relevance = None
            if view.judge is not None:
                hits, relevance = judged(view, metric, array, k, condition=condition, beam=beam, max_false=max_false)
            elif max_false is not None:
                raise ValueError("max_false: this store has no judge; fit one with fit_judge()")
            else:
                hits = nearest(view, metric, array, k, condition=condition, beam=beam)
            status = explain(view, hits, k, condition, max_false)
            return self._hits(view, connection, hits, k, status, relevance, payload, attributes, single=single)

        return self.view(answer, transaction=payload)

    def search_many(
        self,
        queries: Any,
        k: int,
        where: Any,
        payload: bool,
        attributes: bool,
        max_false: float | None,
        beam: int | None,
    ) -> Hits:
        """See :meth:`Store.search_many`."""
        array, _ = self._checked(queries, k, attributes, max_false, beam)
        asked = distinct(where, len(array), self._filter)
        metric = self.shape.metric

        def answer(view: View, connection: Any) -> Hits:
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
            return self._hits(view, connection, hits, k, status, relevance, payload, attributes, single=False)

        return self.view(answer, transaction=payload)

    def _checked(
        self, queries: Any, k: int, attributes: bool, max_false: float | None, beam: int | None
    ) -> tuple[np.ndarray, bool]:
        """The queries, and whether there was but one; everything else that the two searches refuse alike."""
        array, single = check_vectors(queries, "queries", dim=self.shape.dim, nonzero=self.shape.metric == "cosine")
        check_int(k, "k", 1, MAX_K)
        if beam is not None:
            check_int(beam, "beam", 1, MAX_K)
        if max_false is not None:
            check_real(max_false, "max_false", 0.0, 1.0)
        if attributes and not self.shape.schema:
            raise ValueError("attributes: this store has none; name them in Store.create(attributes={...})")
        return array, single

    def _hits(
        self,
        view: View,
        connection: Any,
        hits: Nearest,
        k: int,
        status: list[str],
        relevance: np.ndarray | None,
        payload: bool,
        attributes: bool,
        *,
        single: bool,
    ) -> Hits:
        """What was found, with its ids and all that was asked for beside them."""
        parts, rows = hits.parts.ravel(), hits.rows.ravel()
        found = payloads = None
        if attributes:
            found = _split(view.gather_attributes(parts, rows), k)
        if payload:
            known = read_payloads(connection, np.unique(hits.keys).tolist(), self.catalogue.path)
            payloads = [[known.get(key) for key in row] for row in hits.keys.tolist()]
        ids = _split(view.gather_ids(parts, rows), k)
        return Hits(ids, hits.distances, status, relevance=relevance, attributes=found, payload=payloads, single=single)

    def _filter(self, where: Any) -> Filter | None:
        if where is None:
            return None
        if not isinstance(where, str):
            return Filter(where, self.shape.schema)
        known = self._filters.get(where)
        if known is None:
            known = Filter(where, self.shape.schema)
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
            parts, rows = view.locate(column)
            vectors = view.gather_vectors(parts, rows, self.shape)
            found = view.gather_attributes(parts, rows) if self.shape.schema else [None] * len(wanted)
            payloads = read_payloads(connection, keys.values(), self.catalogue.path)
            return [
                Item(identifier, vectors[place], found[place], payloads.get(int(column[place])))
                if parts[place] >= 0
                else None
                for place, identifier in enumerate(wanted)
            ]

        items = self.view(answer, transaction=True)
        return items[0] if is_single(ids) else items

    def iterate(self, batch_size: int) -> Iterator[Batch]:
        """See :meth:`Store.iterate`."""
        while True:
            with self.catalogue.reading() as connection:
                view = self.viewer.at(connection)
                if view is not None:
                    yield from self._batches(view, connection, batch_size)
                    return

    def _batches(self, view: View, connection: Any, batch_size: int) -> Iterator[Batch]:
        places = [np.full(live.count, number) for number, live in enumerate(view.parts)]
        parts = np.concatenate([np.empty(0, np.int64), *places])
        rows = np.concatenate([np.empty(0, np.int64), *(live.rows() for live in view.parts)])
        for start in range(0, len(rows), batch_size):
            where, some = parts[start : start + batch_size], rows[start : start + batch_size]
            pieces = [(view.parts[number].part, some[where == number]) for number in np.unique(where)]
            keys = np.concatenate([part.keys[wanted] for part, wanted in pieces]).tolist()
            payloads = read_payloads(connection, keys, self.catalogue.path)
            table = None
            if self.shape.schema:
                import pyarrow as pa

                table = pa.concat_tables([part.table().take(wanted) for part, wanted in pieces]).combine_chunks()
            ids: list[Any] = view.gather_ids(where, some)
            vectors = view.gather_vectors(where, some, self.shape)
            yield Batch(ids, vectors, table, [payloads.get(key) for key in keys])


def _split(flat: list[Any], k: int) -> list[list[Any]]:
    return [flat[start : start + k] for start in range(0, len(flat), k)]
