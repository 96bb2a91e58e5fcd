"""A store as one Parquet file: what it holds, in a form that every other tool reads.

=============  ==============================================  =======================================================
column         Parquet type                                    holds
=============  ==============================================  =======================================================
``id``         int64 or string                                 the ids
``vector``     list of float (or float16), ``dim`` each        the vectors, bit by bit
one each       as in ``docs/format.md``                        the attributes, under their own names
``payload``    string                                          JSON text, or null
``expires``    timestamp, UTC                                  when the item expires, or null; only where some do
``text``       string                                          the texts; only in a store that has texts of its own
=============  ==============================================  =======================================================

An attribute that has one of these names pushes ours aside: it becomes ``_id`` and so on. The key ``nearfield`` of
the file's metadata holds JSON: which column is which, dim, metric, dtype, attributes, embedding, time to live and plan.
The order of the rows is that of the store. What is made from the items again is left out: indexes and the judge.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..common import files
from ..common.progress import Progress
from .attributes import arrow_schema
from .hits import Batch

DUMP_VERSION = 1
METADATA_KEY = b"nearfield"

# A group of rows is held in memory while it is written, encoded and not; so much and no more.
GROUP_BYTES = 32 << 20
GROUP_ROWS = 1 << 16
BATCH_ROWS = 1024


class _Sink:
    """Collects what the Parquet writer writes, so that it can go through the one door to disk."""

    closed = False
    mode = "wb"

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._position += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    def take(self) -> list[bytes]:
        pieces, self._pieces = self._pieces, []
        return pieces


def dump(path: Path, batches: Iterable[Batch], settings: Mapping[str, Any], total: int) -> int:
    """Write the batches, complete or not at all; returns how many items that were.

    ``settings`` are those of the catalogue's table ``meta``; the type of ids is that of the first batch.
    """
    written = [0]
    with Progress("dumping", total, unit="items") as bar:
        files.write_atomic(path, _chunks(batches, settings, bar, written))
    return written[0]


def _chunks(
    batches: Iterable[Batch], settings: Mapping[str, Any], bar: Progress, written: list[int]
) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, names, arriving = arrow_batches(batches, settings)
    sink = _Sink()
    with pq.ParquetWriter(
        pa.PythonFile(sink, mode="w"),
        schema,
        # A dictionary is worth its while where values repeat.
        use_dictionary=[name for name, type_ in settings["attributes"].items() if type_ == "string"],
        compression="zstd",
        write_statistics=[name for name in schema.names if name != names["vector"]],
        write_page_checksum=True,
    ) as writer:
        held: list[Any] = []
        size = rows = 0
        batch = next(arriving, None)
        while batch is not None:
            held.append(batch)
            size, rows = size + batch.nbytes, rows + batch.num_rows
            batch = next(arriving, None)
            if batch is None or size > GROUP_BYTES or rows >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(held), row_group_size=rows)
                written[0] += rows
                bar.update(rows)
                held, size, rows = [], 0, 0
                yield from sink.take()
    yield from sink.take()


def arrow_batches(batches: Iterable[Batch], settings: Mapping[str, Any]) -> tuple[Any, dict[str, str], Iterator[Any]]:
    """The Arrow schema of some batches, which column is which, and the batches themselves, made one at a time."""
    arriving = iter(batches)
    first = next(arriving, None)
    kind = settings.get("id_type") if first is None else "str" if isinstance(first.ids[0], str) else "int"
    names = column_names(
        settings["attributes"],
        expires=first is not None and first.expires is not None,
        text=first is not None and first.text is not None,
    )
    schema = dump_schema(settings, kind or "int", names)
    each = itertools.chain([] if first is None else [first], arriving)
    return schema, names, (_record_batch(batch, schema, names) for batch in each)


def arrow_reader(batches: Iterable[Batch], settings: Mapping[str, Any], columns: Sequence[str] | None) -> Any:
    """The batches as a stream of Arrow's, of some of the columns or all."""
    import pyarrow as pa

    schema, _, arriving = arrow_batches(batches, settings)
    if columns is not None:
        if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
            raise TypeError(f"columns: expected a list of names, got {columns!r}")
        for name in columns:
            if name not in schema.names:
                raise ValueError(f"columns: no column {name!r}; columns: {', '.join(schema.names)}")
        wanted = list(dict.fromkeys(columns))
        schema = pa.schema([schema.field(name) for name in wanted], metadata=schema.metadata)
        arriving = (batch.select(wanted) for batch in arriving)
    return pa.RecordBatchReader.from_batches(schema, arriving)


def column_names(attributes: Mapping[str, str], *, expires: bool = False, text: bool = False) -> dict[str, str]:
    """What the columns for id, vector, payload and perhaps expiry and text are called beside these attributes."""
    names: dict[str, str] = {}
    for role in ("id", "vector", "payload", *["expires"] * expires, *["text"] * text):
        name = role
        while name in attributes or name in names.values():
            name = "_" + name
        names[role] = name
    return names


def dump_schema(settings: Mapping[str, Any], kind: str, names: Mapping[str, str]) -> Any:
    """The Arrow schema of a dump, with what the store says of itself."""
    import pyarrow as pa

    number = pa.float32() if settings["dtype"] == "float32" else pa.float16()
    element = pa.field("element", number, nullable=False)
    fields = [
        pa.field(names["id"], pa.int64() if kind == "int" else pa.large_string(), nullable=False),
        pa.field(names["vector"], pa.list_(element, settings["dim"]), nullable=False),
        *arrow_schema(settings["attributes"]),
        pa.field(names["payload"], pa.large_string()),
    ]
    if "expires" in names:
        fields.append(pa.field(names["expires"], pa.timestamp("us", tz="UTC")))
    if "text" in names:
        fields.append(pa.field(names["text"], pa.large_string()))
    kept = ("dim", "metric", "dtype", "attributes", "embedding", "ttl", "plan", "text")
    said = {name: settings.get(name) for name in kept}
    text = json.dumps({"version": DUMP_VERSION, "columns": dict(names), "id_type": kind, **said})
    return pa.schema(fields, metadata={METADATA_KEY: text.encode()})


def _record_batch(batch: Batch, schema: Any, names: Mapping[str, str]) -> Any:
    import pyarrow as pa

    from .columns import one_array

    vectors = schema.field(names["vector"]).type
    flat = pa.array(np.ascontiguousarray(batch.vectors).reshape(-1))
    columns = {
        names["id"]: pa.array(batch.ids, schema.field(names["id"]).type),
        names["vector"]: pa.FixedSizeListArray.from_arrays(flat, type=vectors),
        names["payload"]: pa.array([json_text(value) for value in batch.payload], pa.large_string()),
    }
    if "expires" in names:
        columns[names["expires"]] = pa.array(batch.expires, schema.field(names["expires"]).type)
    if "text" in names:
        columns[names["text"]] = pa.array(batch.text, pa.large_string())
    arrays = [
        columns[name] if name in columns else one_array(batch.attributes.column(name))  # type: ignore[union-attr]
        for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def json_text(value: Any) -> str | None:
    """A payload as JSON text; None stays None."""
    if value is None:
        return None
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair: JSON can say it, UTF-8 cannot
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text
