"""The head of an answer waits for its body; a request's head is known again; nothing is kept for ever."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("orjson", reason="needs nearfield[serve]")

from nearfield.serve.connection import Heads, Joined, is_whole


class Transport:
    """What was written, and whether it was closed."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> str:
        return name


def test_head_and_body_leave_together() -> None:
    transport = Transport()
    joined = Joined(transport)
    for answer in range(2):
        joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
        assert len(transport.written) == 2 * answer
        joined.write(b"one")
        joined.write(b"two")
        joined.end()
        assert transport.written[2 * answer :] == [b"HTTP/1.1 200 OK\r\n\r\none", b"two"]
    assert joined.get_extra_info("peername") == "peername"


def test_a_head_without_a_body_leaves_at_the_end() -> None:
    transport = Transport()
    joined = Joined(transport)
    joined.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    joined.end()
    assert transport.written == [b"HTTP/1.1 204 No Content\r\n\r\n"]
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    joined.close()
    assert transport.written[1:] == [b"HTTP/1.1 200 OK\r\n\r\n"]
    assert transport.closed and joined.is_closing()


def test_who_waits_to_be_told_to_go_on_is_told_at_once() -> None:
    transport = Transport()
    joined = Joined(transport)
    joined.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    joined.write(b"HTTP/1.1 200 OK\r\n\r\n")
    joined.write(b"body")
    assert transport.written[1:] == [b"HTTP/1.1 200 OK\r\n\r\nbody"]


HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
KNOWN: Any = "what is known of it"


def test_a_head_is_known_by_all_of_its_bytes() -> None:
    heads = Heads()
    assert heads.find(HEAD + b"abc") is None
    heads.keep(HEAD + b"abc", KNOWN, 3)
    found = heads.find(HEAD + b"xyz")
    assert found is not None
    assert (found.head, (HEAD + b"xyz")[found.body :]) == (KNOWN, b"xyz")
    for other in (HEAD + b"ab", HEAD + b"abcd", HEAD, HEAD[:-1], b"", b" " + HEAD + b"abc", HEAD.lower() + b"abc"):
        assert heads.find(other) is None


def test_so_many_heads_are_known_and_none_that_is_long() -> None:
    heads = Heads()
    for number in range(5000):
        heads.keep(b"GET /%d HTTP/1.1\r\n\r\n" % number, KNOWN, 0)
        assert heads.find(b"GET /%d HTTP/1.1\r\n\r\n" % number)
        assert len(heads._known) <= 1024
    long = b"GET /%s HTTP/1.1\r\n\r\n" % (b"a" * 2000)
    heads.keep(long, KNOWN, 0)
    assert heads.find(long) is None


def test_what_is_the_whole_of_a_request() -> None:
    assert is_whole(HEAD + b"abc", 3)
    assert is_whole(HEAD + b"\r\n\r\n", 4)
    chunked = HEAD.replace(b"Content-Length: 3", b"Transfer-Encoding: chunked")
    for data, length in (
        (HEAD + b"abcGET", 3),  # another begins
        (HEAD, 3),
        (b"abc", 3),
        (chunked + b"3\r\nabc\r\n0\r\n\r\n", 3),
        (HEAD.replace(b"\r\n", b"\n") + b"\r\n\r\nGET ", 4),  # where this head ends is not what it seems
    ):
        assert not is_whole(data, length)
