"""Look-ups and listings: items by their ids, in their order, at random, counted; each over one committed moment."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from .attributes import arrow_schema
from .bag_search import coded_at, kept_bags
from .catalogue import Catalogue
from .conditions import Bound, Compound
from .expiry import as_datetime
from .filters import Filter
from .hits import Batch, Item
from .ids import check_ids, is_single
from .rows import Live
from .snapshot import View, Viewer
from .tables import find_keys, list_ids, read_payloads
from .texts import Wording, read_texts

Answer = TypeVar("Answer")


class Listing(ABC):
    """The part of :class:`nearfield.store.reading.Reader` that asks for items rather than for what is near."""

    catalogue: Catalogue
    viewer: Viewer
    schema: Mapping[str, str]

    @abstractmethod
    def view(self, answer: Callable[[View, Any], Answer], *, transaction: bool = False) -> Answer:
        """``answer(view, connection)`` of the newest view."""

    @abstractmethod
    def bound(self, condition: Filter | Compound | None, view: View, connection: Any) -> Any:
        """A condition as the parts of a view are asked with it."""

    @abstractmethod
    def condition(self, where: Any, attributes: bool = False) -> Filter | Compound | None:
        """What a caller gave as ``where``, checked."""

    def allow(self, ids: Any, where: Any) -> np.ndarray:
        """See :meth:`Store.allow`."""
        asked = self.condition(where)

        def answer(view: View, connection: Any) -> np.ndarray:
            condition = self.bound(asked, view, connection)
            wanted, kind = check_ids(ids, view.meta.get("id_type"), unique=False)
            passing: list[Any] = []
            for live in view.parts:
                words, count = live.allowed(condition)
                if count:
                    passing += live.part.take_ids(Live(live.part, words, count).rows())
            if kind == "int":
                return np.isin(np.array(wanted, np.int64), np.array(passing, np.int64))
            among = set(passing)
            return np.array([identifier in among for identifier in wanted], bool)

        return self.view(answer, transaction=isinstance(asked, Compound))

    def get(self, ids: Any, bags: bool = False) -> Any:
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
            own: list[Any] = [None] * len(wanted)
            if bags:
                own = [bag if len(bag) else None for bag in kept_bags(view).decode(coded_at(view, parts, rows))]
            return [
                Item(
                    identifier,
                    vectors[place],
                    found[place],
                    payloads.get(int(column[place])),
                    as_datetime(until[place]),
                    texts.get(int(column[place])),
                    own[place],
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

    def iterate(self, batch_size: int, where: Any = None, bags: str | None = None) -> Iterator[Batch]:
        """See :meth:`Store.iterate`; ``bags`` are left out, or come as "vectors" or "codes"."""
        return self._iterate(batch_size, self.condition(where), bags)

    def _iterate(self, batch_size: int, condition: Filter | Compound | None, bags: str | None) -> Iterator[Batch]:
        while True:
            with self.catalogue.reading(lasting=True) as connection:
                view = self.viewer.at(connection)
                if view is not None:
                    view = view.unexpired(self.catalogue.clock)
                    asked = self.bound(condition, view, connection)
                    yield from self._batches(view, connection, batch_size, asked, bags)
                    return

    def count(self, where: Any) -> int:
        """See :meth:`Store.count`."""
        condition = self.condition(where)

        def answer(view: View, connection: Any) -> int:
            asked = self.bound(condition, view, connection)
            return sum(live.allowed(asked)[1] for live in view.parts)

        return self.view(answer, transaction=isinstance(condition, Compound))

    def keys(self, where: Any) -> np.ndarray:
        """The keys of the items that pass, for :meth:`Store.delete`."""
        condition = self.condition(where)

        def answer(view: View, connection: Any) -> np.ndarray:
            asked = self.bound(condition, view, connection)
            found = [live.part.keys[live.rows(asked)] for live in view.parts]
            return np.concatenate([np.empty(0, np.int64), *found])

        return self.view(answer, transaction=isinstance(condition, Compound))

    def _batches(
        self, view: View, connection: Any, batch_size: int, condition: Filter | Bound | None, bags: str | None
    ) -> Iterator[Batch]:
        if bags is not None:
            kept_bags(view)
        parts, rows, keys = _living(view, condition)
        for start in range(0, len(rows), batch_size):
            some = slice(start, start + batch_size)
            yield self._batch(view, connection, parts[some], rows[some], keys[some], True, bags)

    def _batch(
        self,
        view: View,
        connection: Any,
        where: np.ndarray,
        some: np.ndarray,
        keys: np.ndarray,
        payload: bool,
        bags: str | None = None,
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
        own: Any = None if bags is None else coded_at(view, where, some)
        if bags == "vectors":
            own = kept_bags(view).decode(own)
        return Batch(ids, vectors, table, [payloads.get(key) for key in wanted], expires, texts, own)


def _living(view: View, condition: Filter | Bound | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Part, row and key of every living item that passes, in the order of their arrival."""
    living = [live.rows(condition) for live in view.parts]
    parts = np.concatenate([np.empty(0, np.int64), *(np.full(len(some), n) for n, some in enumerate(living))])
    rows = np.concatenate([np.empty(0, np.int64), *living])
    theirs = (live.part.keys[some] for live, some in zip(view.parts, living, strict=True))
    keys = np.concatenate([np.empty(0, np.int64), *theirs])
    if (np.diff(keys) < 0).any():  # segments between pending rows
        order = np.argsort(keys, kind="stable")
        parts, rows, keys = parts[order], rows[order], keys[order]
    return parts, rows, keys
