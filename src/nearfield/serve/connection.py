"""A connection: uvicorn's, with a bound on how many there are and on how long a request's head may take.

What uvicorn writes in two pieces, the head of an answer and its body, leaves in one: a second system call and a second
packet cost both sides more than finding the answer does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from .calls import Gone, Reply
from .fastpath import FastPath, Loan
from .gate import Head
from .heads import Heads, closing, is_whole, whole

if TYPE_CHECKING:
    from .gate import Gate, Target

_FULL = b"HTTP/1.1 503 Service Unavailable\r\n"
_SLOW = b"HTTP/1.1 408 Request Timeout\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\n"
_CONTINUE = b"HTTP/1.1 100 "
# Requests of one connection that may wait for the answers before theirs; what is sent beyond is not read meanwhile.
_AHEAD = 16
# After so many searches in a row of one connection the next are left to the fast path.
_IN_A_ROW = 2


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
            if visit.waiting is not None:
                connection.in_a_row += 1

    def send(self, reply: Reply | bytes) -> None:
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


def protocol(most: int, lent: int, head_seconds: float, gate: Gate) -> type[asyncio.Protocol]:
    """The protocol class for ``uvicorn.Config(http=)``: ``most`` connections, ``lent`` of them to the fast path, each
    request's head within a time.

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
    fast = gate.fast = FastPath.make(gate, heads, lent)

    class Connection(Base):
        """One connection."""

        # Searches since the last request of another kind, and whether the next are left to the fast path now.
        in_a_row = 0
        _loan: Loan | None = None
        _ending = False

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
            if known is None or len(data) != known.size or not self._idle() or self.flow.write_paused:
                return False
            if self.timeout_keep_alive_task is not None:
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
            self.in_a_row = 0
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
            head = Head(target, self.headers)
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
            self._rest()
            if fast is not None and self.in_a_row > _IN_A_ROW:
                self.in_a_row = 0
                # Not now: the answer leaves at the end of this turn of the loop, and must not be overtaken.
                self.loop.call_soon(self._lend, fast)

        def _lend(self, fast: FastPath) -> None:
            """Leave what comes next to the fast path, if it takes it and nothing has come or is still to leave."""
            transport = self.transport
            idle = self._idle() and self._between and self._waiting is None and self.timeout_keep_alive_task is None
            if not idle or self._loan is not None or self._ending or self.scheme != "http":
                return
            if transport.is_closing() or transport.get_write_buffer_size():
                return
            self.flow.pause_reading()
            try:
                self._loan = fast.lend(self, transport.get_extra_info("socket").fileno())
            except OSError:
                self.flow.resume_reading()
                return
            if self._resting is not None:
                self._resting.cancel()
                self._resting = None

        def returned(self, data: bytes, reply: bytes) -> None:
            """Back from the fast path, with what it has read and not answered, and what it has not sent."""
            self._loan = None
            if self.transport.is_closing():
                return
            if reply:
                self._joined.send_whole(reply)
            if self._ending and not data:
                super().shutdown()
                return
            self.flow.resume_reading()
            self._rest()
            if data:
                self.data_received(data)
                if self._ending:
                    super().shutdown()

        def shutdown(self) -> None:
            """The server stops: what is being answered is the last of this connection."""
            self._ending = True
            if self._loan is not None and fast is not None:
                fast.recall(self._loan)
            else:
                super().shutdown()

        def _rest(self) -> None:
            """Nothing is asked: that may last a while."""
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
