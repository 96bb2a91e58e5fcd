"""A connection: uvicorn's, with a bound on how many there are and on how long a request's head may take.

What uvicorn writes in two pieces, the head of an answer and its body, leaves in one: a second system call and a second
packet cost both sides more than finding the answer does.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from .calls import to_json

_FULL = b"HTTP/1.1 503 Service Unavailable\r\n"
_SLOW = b"HTTP/1.1 408 Request Timeout\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\n"
_CONTINUE = b"HTTP/1.1 100 "


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
        self._write = transport.write
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


def protocol(most: int, head_seconds: float) -> type[asyncio.Protocol]:
    """The protocol class for ``uvicorn.Config(http=)``: ``most`` connections, each request's head within a time."""
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Base
    except ImportError:  # slower, and without the bounds below, where httptools is not installed
        from uvicorn.protocols.http.h11_impl import H11Protocol

        return H11Protocol

    class Connection(Base):
        """One connection."""

        _waiting: asyncio.TimerHandle | None = None
        _joined: Joined

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._joined = Joined(transport)
            self.transport = cast("asyncio.Transport", self._joined)
            if len(self.connections) > most:
                transport.write(closing(_FULL, f"{most} connections are open already, the most this server takes"))
                transport.close()
                return
            self._expect()

        def data_received(self, data: bytes) -> None:
            if self._waiting is None and (self.cycle is None or self.cycle.response_complete):
                self._expect()
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._arrived()
            super().on_headers_complete()

        def on_response_complete(self) -> None:
            self._joined.end()
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._arrived()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            self._arrived()
            self.transport.write(closing(_BAD, "this is not HTTP that can be understood"))
            self.transport.close()

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
