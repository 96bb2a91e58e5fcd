"""Data frames in: pandas, polars, Arrow and DuckDB tables, and columns of them, as :meth:`Store.add` takes them.

They come through Arrow's C interface (``__arrow_c_stream__``), so that none of those libraries is needed here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .columns import one_array
from .dumping import METADATA_KEY
from .parquet import kind_of, vectors_of
from .roles import Fields, Roles, Rows, names

_PLACE = "the table"
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def is_frame(value: Any) -> bool:
    """Whether this is a table with named columns, of whatever library."""
    return (hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")) and not is_column(value)


def is_column(value: Any) -> bool:
    """Whether this is one column: a Series, an Arrow array."""
    return not hasattr(value, "columns") and not hasattr(value, "schema") and _has_list(value)


def _has_list(value: Any) -> bool:
    return hasattr(value, "to_pylist") or hasattr(value, "to_list")


def arrow_table(frame: Any, parameter: str) -> Any:
    """A table of any library as an Arrow table of plain types, without pandas' unnamed index."""
    import pyarrow as pa

    if isinstance(frame, Mapping) or not is_frame(frame):
        if not (type(frame).__module__.startswith("pandas.") and hasattr(frame, "columns")):
            raise TypeError(
                f"{parameter}: expected vectors beside the ids, or a table (pandas, polars, Arrow, DuckDB) in their "
                f"place, got {type(frame).__name__} alone"
            )
        table = pa.Table.from_pandas(frame)  # before pandas 2.2
    else:
        table = pa.table(frame)
    doubled = [name for name in table.schema.names if table.schema.names.count(name) > 1]
    if doubled:
        raise ValueError(f"{parameter}: expected a name for every column of its own, {doubled[0]!r} comes twice")
    keep = [name for name in table.schema.names if not _UNNAMED_INDEX.fullmatch(name)]
    table = table.select(keep)
    for place, field in enumerate(table.schema):
        plain = _plain_type(field.type)
        if plain != field.type:
            table = table.set_column(place, field.name, table.column(place).cast(plain))
    return table.combine_chunks()


def _plain_type(type_: Any) -> Any:
    """The same without views, which polars sends and few functions know."""
    import pyarrow as pa

    if pa.types.is_string_view(type_):
        return pa.large_string()
    if pa.types.is_binary_view(type_):
        return pa.large_binary()
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        inner = _plain_type(type_.value_type)
        return type_ if inner == type_.value_type else pa.large_list(inner)
    if pa.types.is_struct(type_):
        fields = [field.with_type(_plain_type(field.type)) for field in type_]
        return type_ if fields == list(type_) else pa.struct(fields)
    return type_


def rows_of(
    frame: Any,
    schema: Mapping[str, str],
    *,
    id_column: str | None = None,
    vector_column: str | None = None,
    attributes: Sequence[str] | None = None,
    payload: str | Sequence[str] | None = None,
    text: str | None = None,
    expires: Any = None,
) -> Rows:
    """The rows of a table for a store with these attributes; columns are named as in :meth:`Store.add`."""
    table = arrow_table(frame, "ids")
    fields = Fields(_PLACE, table.schema)
    known = _known(table.schema, fields)
    identifier = fields.id(id_column or known.get("id"))
    if identifier is None:
        shown = ", ".join(fields.types)
        raise ValueError(f"id_column: expected the name of a column of whole numbers or text; columns: {shown}")
    vector = fields.vector(vector_column or known.get("vector"))
    taken = {identifier, vector}
    if attributes is None:
        chosen = [name for name in schema if name in fields and name not in taken]
    else:
        chosen = names(attributes, "attributes", "names")
        for name in chosen:
            fields.there("attributes", name)
            if name not in schema:
                held = ", ".join(schema) or "none"
                raise ValueError(f"attributes: unknown column {name!r}; the attributes of this store: {held}")
    if isinstance(text, str) or text is None:
        fields.there("text", text)
    else:
        raise TypeError(f"text: expected the name of a column, got {type(text).__name__}")
    said = text or known.get("text")
    moment = expires if isinstance(expires, str) and expires in fields else None
    if expires is None:
        moment = known.get("expires")
    whole = isinstance(payload, str)
    if payload is None and "payload" in known:
        rest: Sequence[str] = (known["payload"],)
    elif payload is None:
        rest = fields.rest(*taken, *chosen, said, moment)
    else:
        rest = [payload] if isinstance(payload, str) else names(payload, "payload", "names, or one name")
        for name in rest:
            fields.there("payload", name)
    own = payload is None and "payload" in known
    roles = Roles(
        _PLACE,
        identifier,
        vector,
        {name: schema[name] for name in chosen},
        tuple(rest),
        whole=whole or own,
        json=own,
        expires=moment,
        text=said,
    )
    if not table.num_rows:
        return Rows(0, [], np.empty((0, 0), np.float32), None, None)
    return roles.rows(table, 0, None)


def _known(schema: Any, fields: Fields) -> dict[str, str]:
    """The columns of a table that a store wrote, by what they are, as far as they are still there."""
    try:
        said = json.loads((schema.metadata or {})[METADATA_KEY])["columns"]
        return {role: name for role, name in said.items() if name in fields}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def as_matrix(vectors: Any) -> Any:
    """A column of lists of numbers as an (n, d) array; anything else as it is."""
    packed = isinstance(vectors, np.ndarray) and vectors.dtype == object and vectors.ndim == 1 and len(vectors)
    if not packed and (isinstance(vectors, np.ndarray) or not is_column(vectors)):
        return vectors
    import pyarrow as pa

    if isinstance(vectors, pa.Array | pa.ChunkedArray):
        column = vectors
    elif hasattr(vectors, "__arrow_c_stream__"):
        column = pa.chunked_array(vectors)
    else:
        try:
            column = pa.array(vectors, from_pandas=True)
        except pa.ArrowInvalid:  # objects that are no lists: refused with what they are
            return vectors
    if kind_of(column.type) != "vector":
        return vectors
    found = vectors_of("vectors", one_array(column), None, 0)
    with np.errstate(over="ignore"):  # what is too large becomes infinite and is refused with its row
        return found if found.dtype in (np.float32, np.float16) else found.astype(np.float32)


def as_list(values: Any) -> Any:
    """A Series or an Arrow array as a list with None for what is missing; anything else as it is."""
    if isinstance(values, Sequence | Mapping | np.ndarray) or not is_column(values):
        return values
    if hasattr(values, "to_pylist"):
        return values.to_pylist()
    if hasattr(values, "isna"):  # pandas, whose missing values are many things
        values = values.astype(object).where(~values.isna(), None)
    return values.to_list()
