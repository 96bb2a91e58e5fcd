"""Which column of a table is what: ids, vectors, attributes, payload; and the rows of a table as a store takes them.

Tables come from Parquet files (:mod:`nearfield.store.loading`) and from data frames (:mod:`nearfield.store.frames`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..common.errors import CorruptFileError
from .attributes import TYPES
from .parquet import kind_of, payload_of, vectors_of

_ID_NAMES = ("id", "_id", "doc_id", "docid")
_VECTOR_NAMES = ("vector", "embedding", "vectors", "embeddings")


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, as :meth:`Store.add` takes them."""

    first: int
    ids: list[Any]
    vectors: np.ndarray
    attributes: Any
    payload: list[Any] | None
    expires: list[Any] | None = None
    text: list[str | None] | None = None


@dataclass(frozen=True)
class Roles:
    """What each column is.

    Attributes
    ----------
    place : the file, or a word for the table, as errors name it.
    id : None numbers the rows from 0.
    payload : the columns of the payload, which becomes a dict of them.
    whole : the payload is the value of its one column, not a dict.
    json : that value is JSON text.
    """

    place: str | Path
    id: str | None
    vector: str
    attributes: dict[str, str]
    payload: tuple[str, ...]
    whole: bool = False
    json: bool = False
    expires: str | None = None
    text: str | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        named = (self.id, self.vector, self.expires, self.text, *self.attributes, *self.payload)
        return list(dict.fromkeys(name for name in named if name is not None))

    def rows(self, batch: Any, first: int, dim: int | None) -> Rows:
        """The rows of an Arrow batch or table, of which the first has this number."""
        vectors = vectors_of(self.place, batch.column(self.vector), dim, first)
        if vectors.dtype not in (np.float32, np.float16):
            with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused with its row
                vectors = vectors.astype(np.float32)
        return Rows(
            first,
            self._ids(batch, first),
            vectors,
            batch.select(list(self.attributes)) if self.attributes else None,
            self._payload(batch),
            None if self.expires is None else batch.column(self.expires).to_pylist(),
            None if self.text is None else batch.column(self.text).to_pylist(),
        )

    def _ids(self, batch: Any, first: int) -> list[Any]:
        if self.id is None:
            return list(range(first, first + batch.num_rows))
        ids: list[Any] = batch.column(self.id).to_pylist()
        if None in ids:
            raise ValueError(f"{self.place}: row {first + ids.index(None)}: no id in column {self.id!r}")
        return ids

    def _payload(self, batch: Any) -> list[Any] | None:
        if not self.payload:
            return None
        found: list[Any] = [payload_of(values) for values in batch.select(list(self.payload)).to_pylist()]
        if not self.whole:
            return found
        values = [None if value is None else value[self.payload[0]] for value in found]
        try:
            return [None if text is None else json.loads(text) for text in values] if self.json else values
        except ValueError as error:
            raise CorruptFileError(self.place, f"a payload is not JSON: {error}") from error


class Fields:
    """The columns of a table and their kinds, from which the roles are chosen."""

    def __init__(self, place: str | Path, schema: Any):
        self.place = place
        self.types = {field.name: field.type for field in schema}
        self.kinds = {name: kind_of(type_) for name, type_ in self.types.items()}

    def __contains__(self, name: object) -> bool:
        return name in self.types

    def there(self, parameter: str, name: str | None) -> None:
        """ValueError where a column that was asked for is not there."""
        if name is not None and name not in self.types:
            raise ValueError(f"{parameter}: no column {name!r} in {self.place}; columns: {', '.join(self.types)}")

    def id(self, wanted: str | None) -> str | None:
        """The column of ids: the one wanted, or one of a usual name that can be; else None."""
        self.there("id_column", wanted)
        if wanted is None:
            return next((name for name in _ID_NAMES if self.kinds.get(name) in ("int", "string")), None)
        if self.kinds[wanted] not in ("int", "string"):
            raise ValueError(f"id_column: expected whole numbers or text, {wanted!r} is {self.types[wanted]}")
        return wanted

    def vector(self, wanted: str | None) -> str:
        """The column of vectors: the one wanted, or the only one, or the only one of a usual name."""
        self.there("vector_column", wanted)
        if wanted is None:
            lists = [name for name, kind in self.kinds.items() if kind == "vector"]
            usual = [name for name in lists if name.lower() in _VECTOR_NAMES] or lists
            if len(usual) != 1:
                shown = ", ".join(f"{name} ({type_})" for name, type_ in self.types.items())
                found = f"{len(usual)} ({', '.join(usual)})" if usual else "none"
                raise ValueError(
                    f"{self.place}: expected one column of lists of numbers, got {found}; columns: {shown}"
                )
            return usual[0]
        if self.kinds[wanted] != "vector":
            raise ValueError(f"vector_column: expected lists of numbers, {wanted!r} is {self.types[wanted]}")
        return wanted

    def attributes(self, asked: Mapping[str, str | None] | Sequence[str] | None) -> dict[str, str]:
        """Name -> type of the attributes asked for; a type that is not given is told from the column."""
        if asked is None:
            return {}
        given = (
            asked
            if isinstance(asked, Mapping)
            else dict.fromkeys(names(asked, "attributes", "names, or a dict of name -> type"))
        )
        chosen = {}
        for name, type_ in given.items():
            self.there("attributes", name)
            if type_ is None and self.kinds[name] not in TYPES:
                raise ValueError(
                    f"attributes: column {name!r} is {self.types[name]}; expected one that becomes {', '.join(TYPES)}; "
                    "left out of attributes it goes into the payload"
                )
            chosen[name] = type_ or self.kinds[name]
        return chosen

    def rest(self, *taken: str | None) -> tuple[str, ...]:
        """The columns that are none of these."""
        return tuple(name for name in self.types if name not in taken)


def names(value: Any, parameter: str, said: str) -> list[str]:
    """A list of column names; ``said`` is what is allowed."""
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        shown = repr(value) if isinstance(value, str | bytes) else type(value).__name__
        raise TypeError(f"{parameter}: expected {said}, got {shown}")
    return list(value)
