"""A store from a Parquet file: one that :mod:`nearfield.store.dumping` wrote, or anybody's with a column of vectors."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..common.decoding import decoding, expect
from ..common.errors import CorruptFileError, FormatVersionError
from .attributes import TYPES
from .bags import BagSpace
from .coded_bags import CodedBags
from .dumping import DUMP_VERSION, METADATA_KEY
from .parquet import kind_of, open_parquet, payload_of, read_batches, vectors_of

BATCH_ROWS = 8192
BATCH_BYTES = 32 << 20
BAG_ROWS = 256  # where there are bags, of some hundred kilobytes each

_ID_NAMES = ("id", "_id", "doc_id", "docid")
_VECTOR_NAMES = ("vector", "embedding", "vectors", "embeddings")


@dataclass(frozen=True)
class Rows:
    """Some rows of a file, as :meth:`Store.add` takes them."""

    first: int
    ids: list[Any]
    vectors: np.ndarray
    attributes: Any
    payload: list[Any] | None
    expires: list[Any] | None = None
    text: list[str | None] | None = None
    bags: CodedBags | None = None


class ParquetItems:
    """The items of a Parquet file. Making one reads the schema only, and refuses what cannot be a store.

    Attributes
    ----------
    settings : dim, metric, dtype, attributes, embedding and ttl for ``Store.create``.
    plan : the plan of a dumped store, or None.
    items : how many rows there are.
    """

    def __init__(
        self,
        path: Path,
        *,
        id_column: str | None = None,
        vector_column: str | None = None,
        attributes: Mapping[str, str | None] | Sequence[str] | None = None,
        **settings: Any,
    ):
        self.path = path
        self._file = open_parquet(path)
        self._fields = {field.name: field.type for field in self._file.schema_arrow}
        self._kinds = {name: kind_of(type_) for name, type_ in self._fields.items()}
        self.items = int(self._file.metadata.num_rows)
        self.plan: dict[str, Any] | None = None
        self._text = False  # whether the payload is one column of JSON text
        self._expires: str | None = None
        self._own_text: str | None = None
        self._bags: str | None = None
        said = (self._file.schema_arrow.metadata or {}).get(METADATA_KEY)
        if said is not None:
            given = {"id_column": id_column, "vector_column": vector_column, "attributes": attributes, **settings}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(f"{name}: {path} is a dump, which says this itself; got {value!r}")
            self._read_dump(said)
        else:
            self._guess(id_column, vector_column, attributes, settings)

    def _read_dump(self, said: bytes) -> None:
        try:
            known = json.loads(said)
            version = int(known["version"])
            if version > DUMP_VERSION:
                raise FormatVersionError(self.path, version, DUMP_VERSION)
            columns, attributes = known["columns"], dict(known["attributes"])
            self.settings = {name: known[name] for name in ("dim", "metric", "dtype", "embedding")}
            self.settings["attributes"] = attributes
            if known.get("ttl") is not None:
                self.settings["ttl"] = dt.timedelta(microseconds=known["ttl"])
            if known.get("text") is not None:
                self.settings |= {"text": known["text"]["field"], "tokenizer": known["text"]["tokenizer"]}
            self.plan = known["plan"]
            self._expires, self._own_text = columns.get("expires"), columns.get("text")
            self._bags = columns.get("bags")
            if self._bags is not None:
                self.settings["bags"] = BagSpace.from_json(known["bags"], self.path)
            self._id, self._vector, payload = columns["id"], columns["vector"], columns["payload"]
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(self.path, f"the metadata of the dump cannot be understood: {error!r}") from error
        self._text, self._rest = True, [payload]
        for name in (self._id, self._vector, payload, self._expires, self._own_text, self._bags, *attributes):
            if name is not None and name not in self._fields:
                raise CorruptFileError(self.path, f"the dump has no column {name!r}")

    def _guess(
        self,
        id_column: str | None,
        vector_column: str | None,
        attributes: Mapping[str, str | None] | Sequence[str] | None,
        settings: Mapping[str, Any],
    ) -> None:
        for parameter, wanted in (("id_column", id_column), ("vector_column", vector_column)):
            self._there(parameter, wanted)
        self._id = id_column or next((name for name in _ID_NAMES if self._kinds.get(name) in ("int", "string")), None)
        if self._id is not None and self._kinds[self._id] not in ("int", "string"):
            raise ValueError(f"id_column: expected whole numbers or text, {self._id!r} is {self._fields[self._id]}")
        lists = [name for name, kind in self._kinds.items() if kind == "vector"]
        usual = [name for name in lists if name.lower() in _VECTOR_NAMES] or lists
        if vector_column is None and len(usual) != 1:
            shown = ", ".join(f"{name} ({type_})" for name, type_ in self._fields.items())
            found = f"{len(usual)} ({', '.join(usual)})" if usual else "none"
            raise ValueError(f"{self.path}: expected one column of lists of numbers, got {found}; columns: {shown}")
        self._vector = vector_column or usual[0]
        if self._kinds[self._vector] != "vector":
            found = self._fields[self._vector]
            raise ValueError(f"vector_column: expected lists of numbers, {self._vector!r} is {found}")
        if not self.items:
            raise ValueError(f"{self.path}: expected at least one row, found none")
        chosen = self._attributes(attributes)
        self._rest = [name for name in self._fields if name not in {self._id, self._vector, *chosen}]
        self.settings = {**{name: value for name, value in settings.items() if value is not None}, "attributes": chosen}
        column = self._file.iter_batches(1, columns=[self._vector])
        self.settings["dim"] = vectors_of(self.path, next(column).column(0), None, 0).shape[1]

    def _attributes(self, attributes: Mapping[str, str | None] | Sequence[str] | None) -> dict[str, str]:
        if attributes is None:
            return {}
        if isinstance(attributes, str) or not isinstance(attributes, Mapping | Sequence):
            raise TypeError(f"attributes: expected names, or a dict of name -> type, got {attributes!r}")
        given = attributes if isinstance(attributes, Mapping) else dict.fromkeys(attributes)
        chosen = {}
        for name, type_ in given.items():
            self._there("attributes", name)
            if type_ is None and self._kinds[name] not in TYPES:
                raise ValueError(
                    f"attributes: column {name!r} is {self._fields[name]}; expected one that becomes "
                    f"{', '.join(TYPES)}; "
                    "left out of attributes it goes into the payload"
                )
            chosen[name] = type_ or self._kinds[name]
        return chosen

    def _there(self, parameter: str, name: str | None) -> None:
        if name is not None and name not in self._fields:
            raise ValueError(f"{parameter}: no column {name!r} in {self.path}; columns: {', '.join(self._fields)}")

    def rows(self) -> Iterator[Rows]:
        """All rows in the order of the file, some megabytes at a time."""
        dim = self.settings["dim"]
        size = max(1, min(BATCH_ROWS, BATCH_BYTES // (4 * dim)))
        size = size if self._bags is None else min(size, BAG_ROWS)
        attributes = self.settings["attributes"]
        named = (self._id, self._vector, self._expires, self._own_text, self._bags, *attributes, *self._rest)
        wanted = [name for name in named if name is not None]
        first = 0
        for batch in read_batches(self.path, self._file, size, wanted):
            vectors = vectors_of(self.path, batch.column(self._vector), dim, first)
            if vectors.dtype not in (np.float32, np.float16):
                with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused with its row
                    vectors = vectors.astype(np.float32)
            yield Rows(
                first,
                self._ids(batch, first),
                vectors,
                batch.select(list(attributes)) if attributes else None,
                self._payload(batch),
                None if self._expires is None else batch.column(self._expires).to_pylist(),
                None if self._own_text is None else batch.column(self._own_text).to_pylist(),
                None if self._bags is None else self._coded(batch.column(self._bags), first),
            )
            first += batch.num_rows

    def _coded(self, column: Any, first: int) -> CodedBags:
        space: BagSpace = self.settings["bags"]
        with decoding(self.path, f"the bags of the rows from {first} on"):
            coded = CodedBags.from_rows(column.to_pylist(), *space.widths)
            odd = space.odd(coded)
            expect(odd is None, str(odd))
        return coded

    def _ids(self, batch: Any, first: int) -> list[Any]:
        if self._id is None:
            return list(range(first, first + batch.num_rows))
        ids: list[Any] = batch.column(self._id).to_pylist()
        if None in ids:
            raise ValueError(f"{self.path}: row {first + ids.index(None)}: no id in column {self._id!r}")
        return ids

    def _payload(self, batch: Any) -> list[Any] | None:
        if not self._rest:
            return None
        if not self._text:
            return [payload_of(values) for values in batch.select(self._rest).to_pylist()]
        texts = batch.column(self._rest[0]).to_pylist()
        try:
            return [None if text is None else json.loads(text) for text in texts]
        except ValueError as error:
            raise CorruptFileError(self.path, f"a payload is not JSON: {error}") from error
