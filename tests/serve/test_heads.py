"""A request's head is known again; nothing is kept for ever; answers as bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("orjson", reason="needs nearfield[serve]")

from nearfield.serve.calls import Reply
from nearfield.serve.heads import Heads, closing, is_whole, whole

HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
KNOWN: Any = "what is known of it"


def test_a_head_is_known_by_all_of_its_bytes() -> None:
    heads = Heads()
    assert heads.find(HEAD + b"abc") is None
    heads.keep(HEAD + b"abc", KNOWN, 3)
    found = heads.find(HEAD + b"xyz")
    assert found is not None
    assert (found.head, (HEAD + b"xyz")[found.body :]) == (KNOWN, b"xyz")
    for other in (HEAD[:-1], b"", b" " + HEAD + b"abc", HEAD.lower() + b"abc"):
        assert heads.find(other) is None


def test_how_long_a_request_is_with_its_body() -> None:
    heads = Heads()
    heads.keep(HEAD + b"abc", KNOWN, 3)
    for body in (b"", b"ab", b"abc", b"abcd"):
        found = heads.find(HEAD + body)
        assert found is not None and found.size == len(HEAD) + 3


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


def test_answers_as_bytes() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n"
    assert whole(b"{}", True) == whole(Reply(b"{}"), True) == head + b"\r\n{}"
    assert whole(b"{}", False) == whole(Reply(b"{}"), False) == head + b"connection: close\r\n\r\n{}"
    reply = Reply(b"no", 404, b"text/plain", [(b"x-a", b"b")])
    assert whole(reply, True) == (
        b"HTTP/1.1 404 Not Found\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nx-a: b\r\n\r\nno"
    )
    told, _, body = closing(b"HTTP/1.1 408 Request Timeout\r\n", "too late").partition(b"\r\n\r\n")
    assert told.startswith(b"HTTP/1.1 408 Request Timeout\r\n") and told.endswith(b"connection: close")
    assert json.loads(body)["error"] == {"status": 408, "type": "RequestTimeout", "message": "too late"}
