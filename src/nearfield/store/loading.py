"""A store from a Parquet file: one that :mod:`nearfield.store.dumping` wrote, or anybody's with a column of vectors."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..common.errors import CorruptFileError, FormatVersionError
from .dumping import DUMP_VERSION, METADATA_KEY
from .parquet import open_parquet, read_batches, vectors_of
from .roles import Fields, Roles, Rows

BATCH_ROWS = 8192
BATCH_BYTES = 32 << 20


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
        self._fields = Fields(path, self._file.schema_arrow)
        self.items = int(self._file.metadata.num_rows)
        self.plan: dict[str, Any] | None = None
        self.settings: dict[str, Any]
        said = (self._file.schema_arrow.metadata or {}).get(METADATA_KEY)
        if said is not None:
            given = {"id_column": id_column, "vector_column": vector_column, "attributes": attributes, **settings}
            for name, value in given.items():
                if value is not None:
                    raise ValueError(f"{name}: {path} is a dump, which says this itself; got {value!r}")
            self._roles = self._read_dump(said)
        else:
            self._roles = self._guess(id_column, vector_column, attributes, settings)

    def _read_dump(self, said: bytes) -> Roles:
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
            roles = Roles(
                self.path,
                columns["id"],
                columns["vector"],
                attributes,
                (columns["payload"],),
                whole=True,
                json=True,
                expires=columns.get("expires"),
                text=columns.get("text"),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptFileError(self.path, f"the metadata of the dump cannot be understood: {error!r}") from error
        for name in roles.columns:
            if name not in self._fields:
                raise CorruptFileError(self.path, f"the dump has no column {name!r}")
        return roles

    def _guess(
        self,
        id_column: str | None,
        vector_column: str | None,
        attributes: Mapping[str, str | None] | Sequence[str] | None,
        settings: Mapping[str, Any],
    ) -> Roles:
        fields = self._fields
        identifier, vector = fields.id(id_column), fields.vector(vector_column)
        if not self.items:
            raise ValueError(f"{self.path}: expected at least one row, found none")
        chosen = fields.attributes(attributes)
        self.settings = {**{name: value for name, value in settings.items() if value is not None}, "attributes": chosen}
        column = self._file.iter_batches(1, columns=[vector])
        self.settings["dim"] = vectors_of(self.path, next(column).column(0), None, 0).shape[1]
        return Roles(self.path, identifier, vector, chosen, fields.rest(identifier, vector, *chosen))

    def rows(self) -> Iterator[Rows]:
        """All rows in the order of the file, some megabytes at a time."""
        dim = self.settings["dim"]
        size = max(1, min(BATCH_ROWS, BATCH_BYTES // (4 * dim)))
        first = 0
        for batch in read_batches(self.path, self._file, size, self._roles.columns):
            yield self._roles.rows(batch, first, dim)
            first += batch.num_rows
