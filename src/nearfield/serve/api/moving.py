"""Streams of items, in and out: JSON lines, or Arrow's IPC stream format."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from ...store import Store
from ...store.dumping import column_names, dump_batch, dump_schema
from ..calls import Call, Gone, Reply, to_json
from ..errors import Problem, describe, status_of
from ..fields import Body, Field, Id, Map, Text, Vector
from ..routing import Operation
from ..streams import Feed, drained
from .items import TIME, put_items

LINES, ARROW = "application/x-ndjson", "application/vnd.apache.arrow.stream"
_JSON_LINES = (LINES, "application/jsonl", "application/x-jsonlines")
_BATCH = 1000
_EXPORTED = 1024
_BYTES = 8 << 20

_ROW = Body(
    {
        "id": Id(),
        "vector": Vector(),
        "attributes": Map(value=Field()),
        "payload": Field(),
        "text": Text(),
        "expires": TIME,
    },
    required=("id",),
)


async def _import(call: Call) -> Reply:
    service, name = call.service, call.collection
    method = call.query.get("method", "upsert")
    if call.media in _JSON_LINES:
        read = _of_lines
    elif call.media == ARROW:
        read = _of_arrow
    else:
        raise Problem(415, f"expected a stream of type {LINES} or {ARROW}, got {call.media or 'none'!r}")
    feed = Feed(service.limits.body, service.limits.body_seconds)
    done = {"items": 0, "batches": 0}

    def work() -> None:
        try:
            with service.hosted.open(name) as store:
                for ids, fields in read(store, feed):
                    done["items"] += put_items(service, store, method, ids, fields)
                    done["batches"] += 1
        finally:
            feed.close()

    filling = asyncio.ensure_future(feed.fill(call.stream()))
    try:
        working = service.hosted.stream(work)
        await asyncio.wait({filling, working}, return_when=asyncio.FIRST_COMPLETED)
        await working
    except Gone:
        raise
    except Exception as error:
        return _stopped(error, done, str(service.hosted.path))
    finally:
        feed.close()
        filling.cancel()
        await asyncio.wait({filling})
        if not filling.cancelled():
            filling.exception()  # the thread met it as well
    return Reply.of(done)


def _stopped(error: Exception, done: dict[str, int], hide: str) -> Reply:
    """What went wrong, with what is stored already."""
    body = describe(error, hide)
    body["error"]["message"] += f"; the {done['items']:,} items before this batch are stored"
    reply = Reply.of(body | done, status_of(error))
    reply.headers.append((b"connection", b"close"))  # the rest of the stream is not waited for
    return reply


def _of_lines(store: Store, feed: Feed) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Batches of JSON lines. Lines with the same fields go together, since what one leaves out has a default."""
    rows: list[dict[str, Any]] = []
    size = 0
    for number, line in enumerate(feed.lines(), 1):
        try:
            row = _ROW.check(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            raise Problem(400, f"line {number} is not JSON: {error}") from None
        except Problem as problem:
            raise Problem(problem.status, f"line {number}: {problem.message}") from None
        if rows and (len(rows) >= _BATCH or size > _BYTES or _kind(row) != _kind(rows[0])):
            yield _columns(rows)
            rows, size = [], 0
        rows.append(row)
        size += len(line)
    if rows:
        yield _columns(rows)


def _kind(row: dict[str, Any]) -> tuple[Any, ...]:
    return "expires" in row, len(row["vector"]) if "vector" in row else None


def _columns(rows: list[dict[str, Any]]) -> tuple[list[Any], dict[str, Any]]:
    fields: dict[str, Any] = {}
    if "vector" in rows[0]:
        fields["vectors"] = np.stack([row["vector"] for row in rows])
    if "expires" in rows[0]:
        fields["expires"] = [row["expires"] for row in rows]
    for name in ("attributes", "payload", "text"):
        if any(name in row for row in rows):
            fields[name] = [row.get(name, {} if name == "attributes" else None) for row in rows]
    return [row["id"] for row in rows], fields


def _of_arrow(store: Store, feed: Feed) -> Iterator[tuple[list[Any], dict[str, Any]]]:
    """Record batches: ``id``, ``vector``, ``payload`` (JSON text), ``text``, ``expires``, and the attributes."""
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(pa.PythonFile(feed, mode="r")) as reader:
            names = column_names(store.attributes, expires=True, text=True)
            if names["id"] not in reader.schema.names:
                raise Problem(422, f"expected a column {names['id']!r}, got {', '.join(reader.schema.names)}")
            known = {*names.values(), *store.attributes}
            for column in reader.schema.names:
                if column not in known:
                    allowed = ", ".join(sorted(known))
                    raise Problem(422, f"{column[:40]}: no attribute of the collection; columns: {allowed}")
            for batch in reader:
                batch.validate(full=True)
                for start in range(0, batch.num_rows, _BATCH * 10):
                    yield _of_batch(store, batch.slice(start, _BATCH * 10), names)
    except pa.ArrowInvalid as error:
        raise Problem(400, f"not an Arrow stream: {str(error).splitlines()[0]}") from None
    except pa.ArrowException as error:
        raise Problem(422, f"an Arrow stream that cannot be taken: {str(error).splitlines()[0]}") from None
    except OSError as error:
        raise Problem(400, f"the Arrow stream broke off: {str(error).splitlines()[0]}") from None


def _of_batch(store: Store, batch: Any, names: dict[str, str]) -> tuple[list[Any], dict[str, Any]]:
    fields: dict[str, Any] = {}
    held = set(batch.schema.names)
    if names["vector"] in held:
        column = batch.column(names["vector"])
        lengths = set(column.value_lengths().to_pylist()) if hasattr(column, "value_lengths") else {None}
        if len(lengths) != 1 or None in lengths or column.flatten().null_count:
            raise Problem(422, f"{names['vector']}: expected lists of numbers, all of one length and none missing")
        flat = column.flatten().to_numpy(zero_copy_only=False)
        if flat.dtype not in (np.float32, np.float16):
            flat = flat.astype(np.float32)
        fields["vectors"] = flat.reshape(batch.num_rows, -1)
    if names["payload"] in held:
        texts = batch.column(names["payload"]).to_pylist()
        try:
            fields["payload"] = [None if text is None else json.loads(text) for text in texts]
        except (TypeError, ValueError) as error:
            raise Problem(422, f"{names['payload']}: expected JSON text: {error}") from None
    for name in ("expires", "text"):
        if names[name] in held:
            fields[name] = batch.column(names[name]).to_pylist()
    attributes = [name for name in batch.schema.names if name in store.attributes]
    if attributes:
        fields["attributes"] = batch.select(attributes)
    ids = batch.column(names["id"]).to_pylist()
    if None in ids:
        raise Problem(422, f"{names['id']}: expected an id in every row, got none in row {ids.index(None)}")
    return ids, fields


async def _export(call: Call) -> Reply:
    service, name = call.service, call.collection
    wanted = call.query.get("format", "jsonl")
    if not await service.hosted.run(service.hosted.__contains__, name):
        raise FileNotFoundError(f"name: no collection {name!r}")

    def produce() -> Iterator[bytes]:
        with service.hosted.open(name) as store:
            yield from (_to_lines if wanted == "jsonl" else _to_arrow)(store)

    chunks = drained(produce, service.hosted.stream, service.limits.request_seconds)
    return Reply(media=(LINES if wanted == "jsonl" else ARROW).encode(), chunks=chunks)


def _to_lines(store: Store) -> Iterator[bytes]:
    for batch in store.iterate(_EXPORTED):
        attributes = [None] * len(batch) if batch.attributes is None else batch.attributes.to_pylist()
        lines = []
        for place, identifier in enumerate(batch.ids):
            row: dict[str, Any] = {"id": identifier, "vector": batch.vectors[place].astype(np.float32, copy=False)}
            for field, values in (
                ("attributes", attributes),
                ("payload", batch.payload),
                ("text", batch.text),
                ("expires", batch.expires),
            ):
                if values is not None and values[place] is not None:
                    row[field] = values[place]
            lines.append(to_json(row))
        yield b"\n".join(lines) + b"\n"


def _to_arrow(store: Store) -> Iterator[bytes]:
    import pyarrow as pa

    sink = _Sink()
    batches = iter(store.iterate(_EXPORTED))
    first = next(batches, None)
    names = column_names(
        store.attributes,
        expires=first is not None and first.expires is not None,
        text=first is not None and first.text is not None,
    )
    kind = "str" if first is not None and isinstance(first.ids[0], str) else "int"
    settings = {"dim": store.dim, "metric": store.metric, "dtype": store.dtype.name, "attributes": store.attributes}
    schema = dump_schema({**settings, "embedding": store.embedding}, kind, names)
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema) as writer:
        for batch in itertools.chain([] if first is None else [first], batches):
            writer.write_batch(dump_batch(batch, schema, names))
            yield sink.take()
    yield sink.take()


class _Sink:
    """Keeps what is written until it is taken."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        return len(piece)

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    def flush(self) -> None:
        """As files do."""

    def close(self) -> None:
        """As files do."""
        self.closed = True


_ONE = "/v1/collections/{name}/"

OPERATIONS = [
    Operation(
        "POST",
        _ONE + "import",
        "write",
        _import,
        "Add or replace items from a stream of any length",
        f"JSON lines ({LINES}) with `id`, `vector`, `attributes`, `payload`, `text`, `expires`; or an Arrow IPC stream "
        f"({ARROW}) with columns `id`, `vector` (lists), `payload` (JSON text), `text`, `expires` and one for each "
        "attribute. Without a vector the server's encoder makes it from the text. Each batch, of some thousand rows, "
        "is durable by itself, all or none of it; an error says how many items are stored before it.",
        parameters={
            "method": Text("upsert replaces what exists, add refuses it", "upsert", choices=("upsert", "add")),
        },
        reply={
            "type": "object",
            "properties": {"items": {"type": "integer"}, "batches": {"type": "integer"}},
            "required": ["items", "batches"],
        },
        example={"items": 2000, "batches": 2},
        accepts=(LINES, ARROW),
        answers=(409, 501),
        streams=True,
        writes=True,
    ),
    Operation(
        "GET",
        _ONE + "export",
        "read",
        _export,
        "All items of one moment, as a stream that `import` takes",
        parameters={"format": Text("JSON lines or Arrow", "jsonl", choices=("jsonl", "arrow"))},
        reply={"type": "string"},
        media=f"{LINES} {ARROW}",
        streams=True,
    ),
]
