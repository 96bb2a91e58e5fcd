"""A connection: uvicorn's, with a bound on how many there are and on how long a request's head may take.

What uvicorn writes in two pieces, the head of an answer and its body, leaves in one: a second system call and a second
packet cost both sides more than finding the answer does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .calls import JSON, Gone, Reply, to_json
from .gate import Head

if TYPE_CHECKING:
    from .gate import Gate, Target

_FULL = b"HTTP/1.1 503 Service Unavailable\r\n"
_SLOW = b"HTTP/1.1 408 Request Timeout\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\n"
_CONTINUE = b"HTTP/1.1 100 "
# Requests of one connection that may wait for the answers before theirs; what is sent beyond is not read meanwhile.
_AHEAD = 16
# So many heads are remembered, of so many bytes: a client's requests have heads that differ in their length at most.
_KNOWN, _SHORT = 1024, 1024
_END = b"\r\n\r\n"


def closing(line: bytes, message: str) -> bytes:
    """A whole answer after which the connection is closed."""
    _, status, phrase = line.decode().strip().split(" ", 2)
    error = {"status": int(status), "type": phrase.replace(" ", ""), "message": message}
    body = to_json({"error": error})
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
    return line + head + b"\r\n" + body


class Joined:
    """A transport that keeps the head of each answer back until what follows it, as ASGI has it."""

    def __init__(self, transport: Any):
        self._transport = transport
        self.send_whole = self._write = transport.write
        self._head = b""
        self._begun = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send ``data``, or keep it where it is the head of an answer."""
        if not self._begun and not data.startswith(_CONTINUE):
            self._begun, self._head = True, data
        elif self._head:
            head, self._head = self._head, b""
            self._write(head + data)
        else:
            self._write(data)

    def end(self) -> None:
        """The answer is complete: what is written next is the head of another."""
        self._begun = False
        if self._head:
            head, self._head = self._head, b""
            self._write(head)

    def close(self) -> None:
        """Send what was kept, and close."""
        self.end()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Direct:
    """A request that goes to the gate by a call, in the place where uvicorn has the cycle of one with a task."""

    __slots__ = ("_connection", "_visit", "disconnected", "keep_alive", "response_complete")

    more_body = False
    body = b""

    def __init__(self, connection: Any, keep_alive: bool):
        self._connection = connection
        self._visit: Any = None
        self.disconnected = False
        self.keep_alive = keep_alive
        self.response_complete = False

    def begin(self, gate: Gate, head: Head, body: bytes) -> None:
        """Ask the gate."""
        connection = self._connection
        visit = gate.answer(head, connection.client, body, self.send, connection.loop)
        if not self.response_complete:
            self._visit = visit

    def send(self, reply: Reply) -> None:
        """Write the answer, and let the connection go on."""
        self._visit = None
        self.response_complete = True
        connection = self._connection
        if self.disconnected or connection.transport.is_closing():
            return
        connection.transport.send_whole(whole(reply, self.keep_alive))
        if not self.keep_alive:
            connection.transport.close()
        connection.answered()

    @property
    def message_event(self) -> Direct:
        """What uvicorn sets when the client has left."""
        return self

    def set(self) -> None:
        """The client has left."""
        if self._visit is not None:
            visit, self._visit = self._visit, None
            visit.end(Gone())


class Heads:
    """Heads of requests that were parsed once: the same bytes at the same place of a connection mean the same again.

    Most requests have the head of one before them, byte for byte. ``find`` and ``keep`` are given all that came at
    once. Only what is the whole of one request is kept: one head, which ends with the first empty line, and a body of
    the length that it names.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, _Whole] = {}

    def find(self, data: bytes) -> _Whole | None:
        """What ``data`` is, if it is the whole of a request whose head is known."""
        end = data.find(_END, 0, _SHORT) + 4
        known = self._known.get(data[:end])
        return known if known is not None and len(data) == known.size else None

    def keep(self, data: bytes, head: Head, length: int) -> None:
        """``data``, which the parser took for this head and ``length`` bytes of body, and for nothing else."""
        end = data.find(_END, 0, _SHORT) + 4
        if end > 3:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[data[:end]] = _Whole(head, end, end + length)


class _Whole(NamedTuple):
    """A request of so many bytes, and where its body begins."""

    head: Head
    body: int
    size: int


def is_whole(data: bytes, length: int) -> bool:
    """Whether ``data`` ends with a head and its body of ``length`` bytes: no chunks, nothing that came after it."""
    end = data.find(_END) + 4
    # A parser that ends a line where there is but a line feed may see another end of the head: those are left alone.
    return end > 3 and len(data) == end + length and data.count(b"\n", 0, end) == data.count(b"\r\n", 0, end)


def whole(reply: Reply, keep_alive: bool) -> bytes:
    """Head and body of an answer."""
    if keep_alive and reply.media is JSON and not reply.headers:  # as nearly all are
        return b"%scontent-length: %d\r\n\r\n%s" % (_json_line(reply.status), len(reply.body), reply.body)
    more = b"".join(b"%s: %s\r\n" % header for header in reply.headers)
    if not keep_alive:
        more += b"connection: close\r\n"
    return b"%scontent-type: %s\r\ncontent-length: %d\r\n%s\r\n%s" % (
        _line(reply.status),
        reply.media,
        len(reply.body),
        more,
        reply.body,
    )


@cache
def _json_line(status: int) -> bytes:
    return b"%scontent-type: %s\r\n" % (_line(status), JSON)


@cache
def _line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


def protocol(most: int, head_seconds: float, gate: Gate) -> type[asyncio.Protocol]:
    """The protocol class for ``uvicorn.Config(http=)``: ``most`` connections, each request's head within a time.

    A request that arrives in one piece, for an operation that ``gate`` takes without a task, is answered by a call: it
    costs half of what it does by ASGI. What arrives in several pieces, before the answer to another, or unlike most
    others, goes by ASGI.
    """
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Base
    except ImportError:  # slower, and without the bounds below, where httptools is not installed
        from uvicorn.protocols.http.h11_impl import H11Protocol

        return H11Protocol

    heads = Heads()

    class Connection(Base):
        """One connection."""

        # Whether the parser stands between two requests, and the direct one that it has just taken in, as
        # head and length of the body.
        _between = True
        _taken: tuple[Head, int] | None = None

        _waiting: asyncio.TimerHandle | None = None
        _resting: asyncio.TimerHandle | None = None
        _since = 0.0
        _joined: Joined
        _heads = 0
        _target: Target | None = None
        _body = b""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            # uvicorn reads on with every answer, however many requests wait behind it.
            flow: Any = self.flow
            flow.resume_reading = partial(self._read_on, flow.resume_reading)
            self._joined = Joined(transport)
            self.transport = cast("asyncio.Transport", self._joined)
            if len(self.connections) > most:
                transport.write(closing(_FULL, f"{most} connections are open already, the most this server takes"))
                transport.close()
                return
            self._expect()

        def data_received(self, data: bytes) -> None:
            between = self._between
            if between:
                if self._take(data):
                    return
                self._between = False
            count = self._heads
            super().data_received(data)
            if self._target is not None:
                self._go_by_asgi()
            if self._taken is not None:
                taken, self._taken = self._taken, None
                if is_whole(data, taken[1]):
                    self._between = True
                    if between:
                        heads.keep(data, *taken)
            if self._heads == count and self._waiting is None and self._idle():
                self._expect()

        def _take(self, data: bytes) -> bool:
            """Answer ``data`` without the parser, if that has seen the like of it."""
            known = heads.find(data)
            if known is None or not self._idle() or self.flow.write_paused or self.timeout_keep_alive_task is not None:
                return False
            self._arrived()
            cycle = Direct(self, True)
            self.cycle = cast("Any", cycle)
            cycle.begin(gate, known.head, data[known.body :])
            return True

        def on_headers_complete(self) -> None:
            self._heads += 1
            self._arrived()
            if self._idle() and not self.expect_100_continue and not self.flow.write_paused and not self.root_path:
                parser = self.parser
                target = gate.target(parser.get_method(), self.url)
                if target is not None and parser.get_http_version() == "1.1" and not parser.should_upgrade():
                    self._target, self._body = target, b""
                    return
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            if self._target is None:
                super().on_body(body)
            else:
                self._body += body

        def on_message_complete(self) -> None:
            if self._target is None:
                super().on_message_complete()
                return
            target, body, self._target, self._body = self._target, self._body, None, b""
            keep_alive = self.parser.should_keep_alive()
            head = Head(target, self.headers, dict(self.headers))
            if keep_alive:
                self._taken = head, len(body)
            cycle = Direct(self, keep_alive)
            self.cycle = cast("Any", cycle)
            cycle.begin(gate, head, body)

        def on_response_complete(self) -> None:
            self._joined.end()
            super().on_response_complete()

        def answered(self) -> None:
            """A direct request is answered: what uvicorn does then, with one timer a connection, not one an answer."""
            if self.pipeline or self.transport.is_closing():
                super().on_response_complete()
                return
            self.server_state.total_requests += 1
            self.flow.resume_reading()
            self._since = self.loop.time()
            if self._resting is None:
                self._resting = self.loop.call_later(self.timeout_keep_alive, self._rested)

        def _rested(self) -> None:
            """Close what nobody has used for so long, unless uvicorn looks after it since a later answer."""
            self._resting = None
            if self._idle() and self._waiting is None and self.timeout_keep_alive_task is None:
                left = self._since + self.timeout_keep_alive - self.loop.time()
                if left <= 0:
                    self.timeout_keep_alive_handler()
                else:
                    self._resting = self.loop.call_later(left, self._rested)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._resting is not None:
                self._resting.cancel()
            self._arrived()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            self._arrived()
            self._target = None
            self.transport.write(closing(_BAD, "this is not HTTP that can be understood"))
            self.transport.close()

        def _read_on(self, resume: Callable[[], None]) -> None:
            """Read more, unless too many requests wait already."""
            if len(self.pipeline) < _AHEAD:
                resume()

        def _idle(self) -> bool:
            """Whether no request waits for its answer."""
            return self.cycle is None or self.cycle.response_complete

        def _go_by_asgi(self) -> None:
            """What has not come as a whole is read by the application."""
            body, self._target, self._body = self._body, None, b""
            super().on_headers_complete()
            if body:
                super().on_body(body)

        def _expect(self) -> None:
            self._waiting = self.loop.call_later(head_seconds, self._late)

        def _arrived(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _late(self) -> None:
            self._waiting = None
            if not self.transport.is_closing():
                self.transport.write(closing(_SLOW, f"the request did not arrive within {head_seconds:g} s"))
                self.transport.close()

    return Connection
