"""HTTP as bytes: heads of requests that are known already, answers as a whole."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import NamedTuple

from .calls import JSON, Reply, to_json
from .gate import Head

# So many heads are remembered, of so many bytes: a client's requests have heads that differ in their length at most.
_KNOWN, _SHORT = 1024, 1024
_END = b"\r\n\r\n"


class Known(NamedTuple):
    """What a request with a known head is: where its body begins, how many bytes it has with it."""

    head: Head
    body: int
    size: int


class Heads:
    """Heads of requests that were parsed once: the same bytes at the same place of a connection mean the same again.

    Most requests have the head of one before them, byte for byte. Only what is the whole of one request is kept: one
    head, which ends with the first empty line, and a body of the length that it names. Written by the event loop, read
    by any thread.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}

    def find(self, data: bytes) -> Known | None:
        """The request that ``data`` begins with, if its head is known; whether all of it is there is not looked at."""
        return self._known.get(data[: data.find(_END, 0, _SHORT) + 4])

    def keep(self, data: bytes, head: Head, length: int) -> None:
        """``data``, which the parser took for this head and ``length`` bytes of body, and for nothing else."""
        end = data.find(_END, 0, _SHORT) + 4
        if end > 3:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[data[:end]] = Known(head, end, end + length)


def is_whole(data: bytes, length: int) -> bool:
    """Whether ``data`` ends with a head and its body of ``length`` bytes: no chunks, nothing that came after it."""
    end = data.find(_END) + 4
    # A parser that ends a line where there is but a line feed may see another end of the head: those are left alone.
    return end > 3 and len(data) == end + length and data.count(b"\n", 0, end) == data.count(b"\r\n", 0, end)


def whole(reply: Reply | bytes, keep_alive: bool) -> bytes:
    """Head and body of an answer; bytes are JSON as it was asked for."""
    if isinstance(reply, bytes):
        if keep_alive:  # as nearly all are
            return b"%scontent-length: %d\r\n\r\n%s" % (_OK, len(reply), reply)
        reply = Reply(reply)
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


def closing(line: bytes, message: str) -> bytes:
    """A whole answer after which the connection is closed."""
    _, status, phrase = line.decode().strip().split(" ", 2)
    error = {"status": int(status), "type": phrase.replace(" ", ""), "message": message}
    body = to_json({"error": error})
    head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
    return line + head + b"\r\n" + body


@cache
def _line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


_OK = b"%scontent-type: %s\r\n" % (_line(200), JSON)
