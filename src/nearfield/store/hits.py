"""What a store answers with: :class:`Hits` of a search, :class:`Item` of a look-up, :class:`Batch` of an iteration."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .ids import Id

if TYPE_CHECKING:
    import pyarrow as pa

    from .paging import Pages


@dataclass(frozen=True)
class Item:
    """One stored item, as :meth:`Store.get` returns it; ``expires`` is the time from which on it is gone, None: it
    stays.

    Examples
    --------
    >>> Item("a", np.zeros(2, np.float32), {"year": 2024}, {"title": "On stores"}).payload["title"]
    'On stores'
    """

    id: Id
    vector: np.ndarray
    attributes: dict[str, Any] | None = None
    payload: Any = None
    expires: dt.datetime | None = None
    text: str | None = None


@dataclass(frozen=True)
class Batch:
    """Some stored items in the order of their arrival, as :meth:`Store.iterate` yields them: columns, for bulk work.

    ``vectors`` is (n, d) in the store's dtype, ``attributes`` a pyarrow table (None without a schema), ``payload`` a
    list with None where an item has none, ``expires`` a list of times with None where an item stays, or None where
    nothing in the store expires; ``text`` a list with None where an item has none, or None where no item can have one.

    Examples
    --------
    >>> len(Batch([1, 2], np.zeros((2, 3), np.float32), None, [None, None]))
    2
    """

    ids: list[Id]
    vectors: np.ndarray
    attributes: pa.Table | None
    payload: list[Any]
    expires: list[dt.datetime | None] | None = None
    text: list[str | None] | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Hit:
    """One hit of one query, as iterating over :class:`Hits` yields it.

    Examples
    --------
    >>> Hit("a", 0.25).distance
    0.25
    """

    id: Id
    distance: float
    relevance: float | None = None
    attributes: dict[str, Any] | None = None
    payload: Any = None
    group: Any = None
    text: str | None = None
    legs: dict[str, float] | None = None


def split(flat: list[Any], k: int) -> list[list[Any]]:
    """A flat list as rows of ``k``."""
    return [flat[start : start + k] for start in range(0, len(flat), k)]


class Hits:
    """The answer to a search: the nearest items first.

    For one query every field is a list or 1-D array of length ``k``; for many queries there is one such row a query.
    Where there are fewer than ``k`` hits the rest is missing: id None, distance +inf, relevance 0, payload None, and
    ``status`` says why. With ``group_by`` there are ``k * group_size`` columns, and the missing ones say nothing but
    that groups have fewer items; ``status`` speaks of groups. The answer to a range search is as long as it is: nothing
    is missing.

    Attributes
    ----------
    ids : list of id or None
    distances : float32 array, smaller is nearer, exact: computed from the stored vectors
    relevance : float32 array in [0, 1], larger is better; None when the store has no judge
    status : ``"ok"``, or why there are fewer than k hits (one text, or one a query)
    attributes : list of dict or None; None when not asked for
    payload : list of JSON values; None when not asked for
    groups : list of the values of ``group_by``, None for items without one; None when not asked for
    text : list of texts, None for items without one; with the payload, in a store that has texts
    legs : of a search by words: ``"text"`` -> BM25 scores, and ``"vector"`` -> distances where a vector was given;
        None otherwise
    cursor : text for ``after=`` to get the next page, or None after the last (one, or a list of one a query); None
        also where there are no pages, with ``group_by`` and for a range search

    Examples
    --------
    >>> hits = Hits([["a", None]], np.array([[0.25, np.inf]], np.float32), ["only 1 item"], single=True)
    >>> hits.ids, hits.status, [hit.id for hit in hits]
    (['a', None], 'only 1 item', ['a'])
    """

    def __init__(
        self,
        ids: list[list[Id | None]],
        distances: np.ndarray,
        status: list[str],
        *,
        relevance: np.ndarray | None = None,
        attributes: list[list[dict[str, Any] | None]] | None = None,
        payload: list[list[Any]] | None = None,
        groups: list[list[Any]] | None = None,
        pages: Pages | None = None,
        text: list[list[str | None]] | None = None,
        legs: dict[str, np.ndarray] | None = None,
        single: bool = False,
        number: int = 0,
    ):
        self._number = number  # of the first query here, among those that were searched together
        self._rows = (ids, distances, status, relevance, attributes, payload, groups, text, legs, pages)
        self._single = single
        self.ids: Any = ids[0] if single else ids
        self.distances: np.ndarray = distances[0] if single else distances
        self.status: Any = status[0] if single else status
        self.relevance: np.ndarray | None = relevance[0] if single and relevance is not None else relevance
        self.attributes: Any = attributes[0] if single and attributes is not None else attributes
        self.payload: Any = payload[0] if single and payload is not None else payload
        self.groups: Any = groups[0] if single and groups is not None else groups
        self.text: Any = text[0] if single and text is not None else text
        self.legs: Any = {name: rows[0] for name, rows in legs.items()} if single and legs is not None else legs

    @property
    def single(self) -> bool:
        """Whether these are the hits of one query."""
        return self._single

    @property
    def cursor(self) -> Any:
        """Where this page ends, for ``after=``; None when nothing comes after it."""
        pages = self._rows[-1]
        if pages is None:
            return None
        cursors = pages.cursors()
        return cursors[self._number] if self._single else cursors

    def __len__(self) -> int:
        """Hits found for one query, or the number of queries."""
        return sum(identifier is not None for identifier in self.ids) if self._single else len(self.ids)

    def __getitem__(self, index: int) -> Any:
        """The :class:`Hit` at a rank of one query, or the :class:`Hits` of one query of many."""
        if self._single:
            return list(self)[index]
        ids, distances, status, relevance, attributes, payload, groups, text, legs, pages = self._rows
        if not -len(ids) <= index < len(ids):
            raise IndexError(f"expected a query from 0 to {len(ids) - 1}, got {index}")
        one = slice(index, index + 1) if index != -1 else slice(index, None)
        return Hits(
            ids[one],
            distances[one],
            status[one],
            relevance=None if relevance is None else relevance[one],
            attributes=None if attributes is None else attributes[one],
            payload=None if payload is None else payload[one],
            groups=None if groups is None else groups[one],
            text=None if text is None else text[one],
            legs=None if legs is None else {name: rows[one] for name, rows in legs.items()},
            pages=pages,
            number=self._number + index % len(ids),
            single=True,
        )

    def __iter__(self) -> Iterator[Any]:
        if not self._single:
            for index in range(len(self.ids)):
                yield self[index]
            return
        for rank, identifier in enumerate(self.ids):
            if identifier is not None:
                yield Hit(
                    identifier,
                    float(self.distances[rank]),
                    None if self.relevance is None else float(self.relevance[rank]),
                    None if self.attributes is None else self.attributes[rank],
                    None if self.payload is None else self.payload[rank],
                    None if self.groups is None else self.groups[rank],
                    None if self.text is None else self.text[rank],
                    None if self.legs is None else {name: float(rows[rank]) for name, rows in self.legs.items()},
                )

    def to_arrow(self) -> pa.Table:
        """A pyarrow table of one row a hit.

        Its columns are ``query`` (where there are several), ``rank`` from 0, ``id``, ``distance``, and what the search
        brought along: ``relevance``, the number of each leg (``text_leg``, ``vector_leg``), ``group``, ``text``,
        ``payload`` as JSON text, and the attributes under their own names. An attribute of one of our names pushes ours
        aside (``_id``). DuckDB, polars and all that know Arrow's C interface take the hits as they are.

        Examples
        --------
        >>> hits = Hits([["a", None]], np.array([[0.25, np.inf]], np.float32), ["only 1 item"], single=True)
        >>> hits.to_arrow().to_pylist()
        [{'rank': 0, 'id': 'a', 'distance': 0.25}]
        """
        from .hit_table import to_arrow

        return to_arrow(self)

    def to_pandas(self) -> Any:
        """A pandas DataFrame with the columns of :meth:`to_arrow`; the payload as Python values."""
        from .hit_table import to_pandas

        return to_pandas(self)

    def to_polars(self) -> Any:
        """A polars DataFrame with the columns of :meth:`to_arrow`."""
        from .hit_table import to_polars

        return to_polars(self)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Arrow's C interface, by which other libraries take the hits."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        from .hit_display import to_html

        return to_html(self)

    def __repr__(self) -> str:
        if not self._single:
            return f"Hits({len(self.ids)} queries, k={self.distances.shape[1]})"
        lines = [f"Hits({len(self)} of {len(self.ids)}, {self.status})"]
        for hit in list(self)[:10]:
            relevance = "" if hit.relevance is None else f"  {hit.relevance:.2f}"
            lines.append(f"  {hit.distance:.4f}{relevance}  {hit.id!r}")
        return "\n".join(lines)
