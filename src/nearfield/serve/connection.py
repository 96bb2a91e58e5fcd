"""A connection: uvicorn's, with a bound on how many there are and on how long a request's head may take."""

from __future__ import annotations

import asyncio
from typing import Any

from .calls import to_json

_FULL = b"HTTP/1.1 503 Service Unavailable\r\n"
_SLOW = b"HTTP/1.1 408 Request Timeout\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\n"


def closing(line: bytes, message: str) -> bytes:
    """A whole answer after which the connection is closed."""
    _, status, phrase = line.decode().strip().split(" ", 2)
    error = {"status": int(status), "type": phrase.replace(" ", ""), "message": message}
    body = to_json({"error": error})
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
    return line + head + b"\r\n" + body


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

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
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
