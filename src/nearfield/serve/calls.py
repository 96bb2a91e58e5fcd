"""One request on its way in, and its answer on the way out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson

from .errors import Problem

if TYPE_CHECKING:
    from .auth import Key
    from .fields import Body
    from .routing import Operation
    from .service import Service

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z
# Bytes of JSON that are read in a millisecond or so.
LONG = 1 << 18
# Query strings of so many bytes are remembered.
_SHORT = 256
JSON = b"application/json"


def to_json(value: Any) -> bytes:
    """As JSON; numbers that JSON does not have become null, as do NaN and infinities."""
    return orjson.dumps(value, default=_plain, option=_OPTIONS)


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # arrays that orjson does not take, such as of float16 or not contiguous
        return value.tolist()
    if hasattr(value, "total_seconds"):
        return value.total_seconds()
    if isinstance(value, int):  # beyond 64 bits
        return str(value)
    raise TypeError(f"cannot be told as JSON: {type(value).__name__}")


@lru_cache(64)
def media_type(header: bytes) -> str:
    """What a content type says, without its parameters."""
    return header.partition(b";")[0].strip().lower().decode("latin-1")


def _pairs(query: bytes) -> list[tuple[str, str]]:
    return parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=64)


# Most requests have one of a few query strings.
_known_pairs = lru_cache(256)(_pairs)


class Gone(Exception):
    """The client left before its request was complete."""


@dataclass
class Reply:
    """What is sent: ``body`` as it is, or piece by piece from ``chunks``."""

    body: bytes = b""
    status: int = 200
    media: bytes = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    chunks: AsyncIterator[bytes] | None = None

    @classmethod
    def of(cls, value: Any, status: int = 200) -> Reply:
        """``value`` as JSON."""
        return cls(to_json(value), status)


class Call:
    """A request to one operation: its path's names, its parameters, its body."""

    def __init__(
        self,
        service: Service,
        operation: Operation,
        path: dict[str, str],
        headers: dict[bytes, bytes],
        receive: Any,
        key: Key,
    ):
        self.service = service
        self.operation = operation
        self.path = path
        self.key = key
        self.headers = headers
        self.raw = b""
        self._receive = receive
        self.query: dict[str, Any] = {}
        # What an operation remembers of requests to the same target; a request that comes by ASGI has none before it.
        self.memo: dict[Any, Any] = {}

    @property
    def collection(self) -> str:
        """The collection's name in the path."""
        return self.path["name"]

    @cached_property
    def media(self) -> str:
        """The media type of the body, without its parameters."""
        return media_type(self.headers.get(b"content-type", b""))

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it arrives; raises :class:`Gone` when the client leaves before its end."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Gone
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    async def read(self, limit: int) -> None:
        """Take the whole body in; 413 where it is longer than ``limit`` bytes."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body = message.get("body", b"")
        if len(body) > limit:
            raise too_large(limit)
        if message.get("more_body"):
            pieces, length = [body], len(body)
            async for piece in self.stream():
                length += len(piece)
                if length > limit:
                    raise too_large(limit)
                pieces.append(piece)
            body = b"".join(pieces)
        self.raw = body

    async def fields(self) -> dict[str, Any]:
        """:meth:`json`, in a thread where the body is so long that other requests would notice."""
        return await self.service.hosted.run(self.json) if self.long else self.json()

    @property
    def long(self) -> bool:
        """Whether reading the body as JSON takes so long that other requests would notice."""
        return len(self.raw) > LONG and self.media == "application/json"

    def json(self) -> dict[str, Any]:
        """The body as checked JSON fields."""
        body = self.operation.body
        assert body is not None
        if not self.raw and not body.required:
            return {}
        if self.media != "application/json":
            allowed = " or ".join(("application/json", *self.operation.accepts))
            raise Problem(415, f"expected a body of type {allowed}, got {self.media or 'none'!r}")
        return read_json(body, self.raw)


def read_json(body: Body, raw: bytes) -> dict[str, Any]:
    """JSON as the checked fields of a body."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error}") from None
    except RecursionError:
        raise Problem(400, "the body is not JSON that can be read: it is nested too deeply") from None
    return body.check(value, holds(raw, b"true") or holds(raw, b"false"))


def parameters_of(operation: Operation, text: bytes) -> dict[str, Any]:
    """The parameters in a query string, checked by what the operation takes."""
    try:
        pairs = _known_pairs(text) if len(text) <= _SHORT else _pairs(text)
    except (ValueError, UnicodeDecodeError):
        raise Problem(400, "the query string: expected percent-encoded UTF-8 of at most 64 fields") from None
    found: dict[str, Any] = {}
    for name, value in pairs:
        known = operation.parameters.get(name)
        if known is None:
            allowed = ", ".join(operation.parameters) or "none"
            raise Problem(422, f"{name[:40]}: no such parameter here; parameters: {allowed}")
        if name in found:
            raise Problem(422, f"{name}: expected once, got it twice")
        found[name] = known.read(value, name)
    return found


def holds(raw: bytes, word: bytes) -> bool:
    """``word in raw``, quick where not even its first letter is there: a body of numbers has few letters."""
    first = raw.find(word[:1])
    return first >= 0 and raw.find(word, first) >= 0


def too_large(limit: int) -> Problem:
    """The answer to a body over the limit."""
    return Problem(413, f"the body is longer than {limit:,} bytes, the most this server takes; send it in parts")
