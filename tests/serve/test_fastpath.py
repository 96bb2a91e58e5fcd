"""Requests that are answered without a task, by the event loop or by the fast path: by the rules of all others, in
order, each by itself."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from starlette.testclient import TestClient

from nearfield.serve import Keys, Limits, connection, create_app, fastpath
from nearfield.serve.server import address_of, bind, make_server, raise_file_limit, running
from nearfield.store import Store

SEARCH = "/v1/collections/papers/search"
RAW = "application/octet-stream"


def post(body: bytes, *more: str, path: str = SEARCH, media: str = "application/json", method: str = "POST") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Type: {media}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def asking(vector: np.ndarray, **more: Any) -> bytes:
    return post(json.dumps({"query": vector.tolist(), **more}).encode())


class Link:
    """A connection by which requests go out as they are, and answers are read one by one."""

    def __init__(self, url: str):
        parts = urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout=20)
        self._rest = b""

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> Link:
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(0.1)
            self.socket.sendall(piece)
        return self

    def answer(self, *, bodiless: bool = False) -> tuple[int, dict[str, str], Any]:
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = 0 if bodiless else int(headers.get("content-length", 0))
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(first.split()[1]), headers, json.loads(body) if body else None

    def closed(self) -> bool:
        return not self._rest and not self.socket.recv(1)

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        self._rest += piece


@contextlib.contextmanager
def serving(app: Any) -> Iterator[tuple[str, Any, threading.Thread]]:
    """A server's address, itself, and the thread that it runs in."""
    listening = bind("127.0.0.1", 0)
    server = make_server(app, grace=10.0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield address_of(listening), server, thread
    finally:
        server.should_exit = True
        thread.join()


def first(found: Any) -> Any:
    return found["hits"][0]["id"]


@pytest.fixture(params=[False, True], ids=["loop", "fast"], autouse=True)
def fast(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether a connection is left to the fast path after its first search, or never."""
    if request.param and not hasattr(select, "epoll"):
        pytest.skip("needs epoll")
    monkeypatch.setattr(connection, "_IN_A_ROW", 0 if request.param else 1 << 30)
    return bool(request.param)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Searches wait for this event, and say by its ``begun`` that they have begun."""
    release, begun, search = threading.Event(), threading.Event(), Store.search

    def waiting(self: Store, *arguments: Any, **options: Any) -> Any:
        begun.set()
        release.wait(20)
        return search(self, *arguments, **options)

    release.begun = begun  # type: ignore[attr-defined]
    monkeypatch.setattr(Store, "search", waiting)
    yield release
    release.set()


def test_it_is_taken_and_answers_as_asgi_does(app: Any, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    by_asgi = []
    monkeypatch.setattr(type(app.gate), "_operate", lambda self, *_: by_asgi.append(_))
    with running(app) as url, Link(url) as link:
        for k in (1, 3):
            link.send(asking(vectors[5], k=k))
            status, headers, found = link.answer()
            assert (status, first(found), len(found["hits"])) == (200, "p5", k)
            assert headers == {"content-type": "application/json", "content-length": headers["content-length"]}
            link.send(post(vectors[5].tobytes(), path=f"{SEARCH}?k={k}", media=RAW))
            assert link.answer()[2] == found
    assert not by_asgi


BODIES = [
    b"{",
    b"[]",
    b"{}",
    b'{"query": [1, 2, 3]}',
    b'{"query": []}',
    b'{"query": [ ]}',
    b'{"query": [0,0,0,0,0,0,0,0]}',
    b'{"query": [1e39,0,0,0,0,0,0,1]}',
    b'{"query": ["1",0,0,0,0,0,0,1]}',
    b'{"query": [true,0,0,0,0,0,0,1]}',
    b'{"query": [null,0,0,0,0,0,0,1]}',
    b'{"query": [NaN,0,0,0,0,0,0,1]}',
    b'{"query": [01,0,0,0,0,0,0,1]}',
    b'{"query": [1e-400,0,0,0,0,0,0,1]}',
    b'{"query": [-0,0,0,0,0,0,0,1], "cursor": true}',
    b'{"query": [[1,1,1,1,1,1,1,1]]}',
    b'{"query": [1,1,1,1,1,1,1,1]',
    b'{"query": [1,1,1,1,1,1,1,1],}',
    b'{"query": [1,1,1,1,1,1,1,1]} x',
    b'{"query": [1,1,1,1,1,1,1,1], "k": 3',
    b'{"query": [1,1,1,1,1,1,1,1], "k": 0}',
    b'{"query": [1,1,1,1,1,1,1,1], "k": true}',
    b'{"query": [1,1,1,1,1,1,1,1], "k": 10001}',
    b'{"query": [1,1,1,1,1,1,1,1], "k": null}',
    b'{"query": [1,1,1,1,1,1,1,1], "kk": 3}',
    b'{"query": [1,1,1,1,1,1,1,1], "where": "yeer > 3"}',
    b'{"query": [1,1,1,1,1,1,1,1], "where": "year > 2003", "attributes": true, "payload": true, "k": 2}',
    b'{"query": [1,1,1,1,1,1,1,1], "query": [2,1,1,1,1,1,1,1]}',
    b'{"query": [1,1,1,1,1,1,1,1], "\\u0071uery": [2,1,1,1,1,1,1,1]}',
    b'{"query": [1,1,1,1,1,1,1,1], "queries": [[1]]}',
    b'{"query": [1,1,1,1,1,1,1,1], "group_by": "topic", "k": 2}',
    b'{"query": [1,1,1,1,1,1,1,1], "text": "number", "k": 2}',
    b'{"query": [1,1,1,1,1,1,1,1], "like": "p3", "k": 2}',
    b'{"query": [1,1,1,1,1,1,1,1], "max_false": 0.1}',
    b'\n{ "query"\t:\r[ 1 , 1 ,1,1,1,1,1,-1.5E0 ] , "k" : 2 }\n',
    b'\x0b{"query": [1,1,1,1,1,1,1,1]}',
    b'{"k": 2, "query": [1,1,1,1,1,1,1,1]}',
    b'{"queries": [[1,1,1,1,1,1,1,1], [2,1,1,1,1,1,1,1]], "k": 2}',
    b'{"query": {"f32": "AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8="}, "k": 2}',
    b'{"query":{"f32":"AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8="},"k":2,"where":"year > 2003"}',
    b'{"query":{"f32":"AADAfwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8="},"k":2}',
    b'{"query":{"f32":"AACAPwAAgD8="},"k":2}',
    b'{"query":{"f32":"AACAPwA="},"k":2}',
    b'{"query":{"f32":"AACAPwA"},"k":2}',
    b'{"query":{"f32":"AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD9="},"k":2}',
    b'{"query":{"f32":"AACAPw==","f32":"AACAPw=="},"k":2}',
    b'{"query":{"f32":"AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8="},"query":[1]}',
    b'{"query":{"f32":"AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8="}',
    b'{ "query" : { "f32" : "AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAPwAAgD8=" } , "k" : 2 }',
    b'{"query": [1,1,1,1,1,1,1,1], "k": 2, "where": "' + b"year > 2000 and " * 30 + b'year > 2003"}',
]


def test_every_body_is_answered_as_by_asgi(app: Any) -> None:
    with running(app) as url, Link(url) as link, TestClient(app) as client:
        for body in BODIES * 2:
            for media in ("application/json", "text/plain", RAW):
                expected = client.post(SEARCH, content=body, headers={"content-type": media})
                status, _, found = link.send(post(body, media=media)).answer()
                assert (status, found) == (expected.status_code, expected.json()), (body, media)
        for path in (
            f"{SEARCH}?k=3",
            f"{SEARCH}?k=x",
            f"{SEARCH}?kk=3",
            f"{SEARCH}?k=3&k=4",
            f"{SEARCH}?",
            f"{SEARCH}%2f",
        ):
            for media in ("application/json", RAW):
                body = b'{"query": [1,1,1,1,1,1,1,1]}     '[:32]
                expected = client.post(path, content=body, headers={"content-type": media})
                with Link(url) as other:  # which is closed where no body is read
                    status, _, found = other.send(post(body, path=path, media=media)).answer()
                assert (status, found) == (expected.status_code, expected.json()), (path, media)


def test_pipelined_requests_are_answered_in_order(url: str, vectors: np.ndarray) -> None:
    health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    wanted = [*range(20)]
    raw = [
        post(vectors[n].tobytes(), path=f"{SEARCH}?k=1", media=RAW) if n % 2 else asking(vectors[n], k=1)
        for n in wanted
    ]
    with Link(url) as link:
        for _ in range(3):
            link.send(b"".join(one + health for one in raw))
            found = []
            for _ in wanted:
                found.append(first(link.answer()[2]))
                assert link.answer()[0] == 200
            assert found == [f"p{n}" for n in wanted]


def test_a_request_in_pieces(url: str, vectors: np.ndarray) -> None:
    whole = asking(vectors[3], k=1)
    chunked = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"
    raw = vectors[4].tobytes()
    chunks = (
        chunked % (SEARCH.encode(), RAW.encode()) + b"10\r\n" + raw[:16] + b"\r\n10\r\n" + raw[16:] + b"\r\n0\r\n\r\n"
    )
    with Link(url) as link:
        for cut in (4, 70, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
            assert first(link.send(whole[:cut], whole[cut:]).answer()[2]) == "p3"
        assert first(link.send(chunks).answer()[2]) == "p4"
        assert first(link.send(whole).answer()[2]) == "p3"
        head, body = whole.split(b"\r\n\r\n")
        link.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert link.answer()[0] == 100
        assert first(link.send(body).answer()[2]) == "p3"


@pytest.fixture
def parsed(app: Any, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The request lines that a parser took apart for the gate."""
    found: list[bytes] = []
    target = app.gate.target

    def noting(method: bytes, url: bytes) -> Any:
        found.append(url)
        return target(method, url)

    monkeypatch.setattr(app.gate, "target", noting)
    return found


def test_a_head_that_was_seen_is_not_parsed_again(app: Any, vectors: np.ndarray, parsed: list[bytes]) -> None:
    def raw(number: int) -> bytes:
        return post(vectors[number].tobytes(), path=f"{SEARCH}?k=1", media=RAW)

    with running(app) as url, Link(url) as link, Link(url) as other:
        for number in range(6):
            assert first((link if number % 2 else other).send(raw(number)).answer()[2]) == f"p{number}"
        assert len(parsed) == 1
        assert app.state.service.metrics.requests["search", "POST", 200] == 6
        link.send(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert link.answer()[0] == 200
        for number in range(6):  # one that is parsed, since another kind came before
            assert first(link.send(raw(number)).answer()[2]) == f"p{number}"
        assert parsed[1:] == [b"/health", parsed[0]]


def test_a_known_head_before_something_else(app: Any, vectors: np.ndarray, parsed: list[bytes]) -> None:
    one, two = asking(vectors[3], k=1), asking(vectors[4], k=1)
    head = one[: one.index(b"{")]
    garbage = head + b"x" * (len(one) - len(head))
    with running(app) as url:
        for pieces, answers in (
            ((one[:9], one[9:]), ["p3"]),
            ((head, one[len(head) :]), ["p3"]),
            ((one[:-1], one[-1:]), ["p3"]),
            ((one + two,), ["p3", "p4"]),
            ((one + two[:30], two[30:]), ["p3", "p4"]),
            ((b"\r\n" + one,), ["p3"]),
            ((garbage,), [None]),
        ):
            with Link(url) as link:
                for _ in range(2):
                    assert first(link.send(one).answer()[2]) == "p3"
                link.send(*pieces)
                for expected in answers:
                    status, _, found = link.answer()
                    assert (first(found) if status == 200 else None) == expected
                count = len(parsed)
                for request, expected in ((one, "p3"), (two, "p4"), (one, "p3"), (two, "p4")):
                    assert first(link.send(request).answer()[2]) == expected
                assert len(parsed) <= count + 1
        with Link(url) as link:
            assert first(link.send(one).answer()[2]) == "p3"
            assert link.send(one + b"garbage\r\n\r\n").answer()[0] in (200, 400)


def test_a_known_head_with_another_key(folder: Path, tmp_path: Path, vectors: np.ndarray) -> None:
    secret = Keys.new(tmp_path / "keys", "read")
    keys = Keys.load(tmp_path / "keys")
    app = create_app(folder, keys=keys)
    ask = asking(vectors[0]).replace(b"Host: x", b"Host: x\r\nX-API-Key: " + secret.encode())
    with running(app) as url, Link(url) as link:
        for _ in range(2):
            for request, expected in ((ask, 200), (ask.replace(b"nf_", b"no_"), 401), (asking(vectors[0]), 401)):
                assert link.send(request).answer()[0] == expected
        app.state.service.keys = Keys([("other", "read", "sha256:" + "0" * 64)])
        assert link.send(ask).answer()[0] == 401  # what a head says is known, not what it may


def test_the_end_of_a_connection(url: str, vectors: np.ndarray) -> None:
    for request in (
        asking(vectors[3], k=1).replace(b"Host: x", b"Host: x\r\nConnection: close"),
        asking(vectors[3], k=1).replace(b"HTTP/1.1", b"HTTP/1.0"),
    ):
        with Link(url) as link:
            status, headers, found = link.send(request).answer()
            assert (status, headers["connection"], first(found)) == (200, "close", "p3")
            assert link.closed()
    with Link(url) as link:  # not HTTP after the head: the connection ends, and others go on
        link.send(b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" % SEARCH.encode())
        assert link.answer()[0] == 400
        assert link.closed()


def test_only_the_head(url: str, vectors: np.ndarray) -> None:
    body = json.dumps({"query": vectors[0].tolist()}).encode()
    with Link(url) as link:
        status, headers, _ = link.send(post(body, method="HEAD")).answer(bodiless=True)
        assert (status, headers["allow"]) == (405, "POST")
    with Link(url) as link:
        assert link.send(b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n").answer(bodiless=True)[0] == 200
        assert first(link.send(asking(vectors[1])).answer()[2]) == "p1"


def test_a_client_that_leaves_is_not_searched_for(app: Any, vectors: np.ndarray, held: threading.Event) -> None:
    with running(app) as url, Link(url) as stays:
        stays.send(asking(vectors[0], k=2))
        held.begun.wait(10)  # type: ignore[attr-defined]
        others = [Link(url).send(asking(vectors[number], k=2)) for number in range(1, 9)]
        _until(lambda: len(app.gate.visits) == 9)
        for link in others[:6]:
            link.socket.close()
        _until(lambda: len(app.gate.visits) == 3)
        held.set()
        assert first(stays.answer()[2]) == "p0"
        assert [first(link.answer()[2]) for link in others[6:]] == ["p7", "p8"]
        counts = app.state.service.metrics.requests
        assert (counts["search", "POST", 499], counts["search", "POST", 200]) == (6, 3)
        assert app.state.service.metrics.batches.sum == 3  # who had left was not searched for
        _until(lambda: not app.gate.visits and not app.state.service.batcher._waiting)
        for link in others[6:]:
            link.socket.close()


def _turned(loop: asyncio.AbstractEventLoop) -> None:
    """Wait until ``loop`` has done what it was about."""
    done = threading.Event()
    loop.call_soon_threadsafe(done.set)
    assert done.wait(60)


def _until(holds: Any) -> None:
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_what_follows_is_not_http(app: Any, vectors: np.ndarray, held: threading.Event) -> None:
    with running(app) as url, Link(url) as link, Link(url) as other:
        link.send(asking(vectors[0]) + b"garbage\r\n\r\n")
        assert link.answer()[0] == 400
        assert link.closed()
        other.send(asking(vectors[1]))
        held.set()
        assert first(other.answer()[2]) == "p1"
        _until(lambda: not app.gate.visits)


def test_a_client_that_asks_twice_and_leaves(app: Any, vectors: np.ndarray, held: threading.Event) -> None:
    with running(app) as url:
        link = Link(url).send(asking(vectors[0]) + asking(vectors[1]))
        held.begun.wait(10)  # type: ignore[attr-defined]
        link.socket.close()
        with Link(url) as other:
            other.send(asking(vectors[2]))
            held.set()
            assert first(other.answer()[2]) == "p2"
        _until(lambda: not app.gate.visits)


def test_a_late_answer(folder: Path, vectors: np.ndarray, held: threading.Event) -> None:
    app = create_app(folder, limits=Limits(request_seconds=1.5))
    with running(app) as url, Link(url) as link, Link(url) as alone:
        began = time.monotonic()
        link.send(asking(vectors[0]))
        alone.send(asking(vectors[0], like="p3"))  # is awaited, in a task
        for one in (link, alone):
            status, headers, found = one.answer()
            assert (status, headers["retry-after"], "1.5 s" in found["error"]["message"]) == (503, "1", True)
        assert 1.4 < time.monotonic() - began < 30
        held.set()
        assert first(link.send(asking(vectors[0])).answer()[2]) == "p0"
        assert first(alone.send(asking(vectors[0])).answer()[2]) == "p0"
        assert not app.gate.visits


def test_a_body_over_the_limit(folder: Path, vectors: np.ndarray) -> None:
    with running(create_app(folder, limits=Limits(body=500))) as url, Link(url) as link:
        body = b'{"query": [' + b"1," * 400 + b"1]}"
        status, _, found = link.send(post(body)).answer()
        assert (status, "500 bytes" in found["error"]["message"]) == (413, True)
        with Link(url) as other:
            assert other.send(asking(vectors[0])).answer()[0] == 200


def test_a_slow_body(folder: Path, vectors: np.ndarray) -> None:
    app = create_app(folder, limits=Limits(body_seconds=1.5))
    with running(app) as url:
        for cut in (5, -3):
            with Link(url) as link:
                assert link.send(asking(vectors[0])[:cut]).answer()[0] == 408
                assert link.closed()
        with Link(url) as link:  # who has an answer and asks no more is not late
            link.send(asking(vectors[0])).answer()
            time.sleep(2)
            assert link.send(asking(vectors[0])).answer()[0] == 200


def test_a_connection_at_rest_is_closed(app: Any, vectors: np.ndarray) -> None:
    with serving(app) as (url, server, _):
        server.config.timeout_keep_alive = 2
        with Link(url) as link:
            for _ in range(4):
                began = time.monotonic()
                assert link.send(asking(vectors[0])).answer()[0] == 200
                time.sleep(0.8)
            assert link.closed()
            assert 1.8 < time.monotonic() - began < 30


def test_keys_rates_and_how_many(folder: Path, tmp_path: Path, vectors: np.ndarray, held: threading.Event) -> None:
    held.set()
    secret = Keys.new(tmp_path / "keys", "read")
    limits = Limits(rate=0.5, burst=3.0, active=2)
    app = create_app(folder, keys=Keys.load(tmp_path / "keys"), limits=limits)
    ask = asking(vectors[0])
    known = ask.replace(b"Host: x", b"Host: x\r\nX-API-Key: " + secret.encode())
    with running(app) as url, Link(url) as link:
        for request, word in ((ask, "a key is needed"), (known.replace(b"nf_", b"no_"), "none that this server")):
            status, headers, found = link.send(request).answer()
            assert (status, headers["www-authenticate"]) == (401, "Bearer")
            assert word in found["error"]["message"]
        held.clear()
        held.begun.clear()  # type: ignore[attr-defined]
        link.send(known)
        held.begun.wait(10)  # type: ignore[attr-defined]
        with Link(url) as second, Link(url) as third:
            second.send(known)
            _until(lambda: len(app.gate.visits) == 2)
            status, headers, found = third.send(known).answer()
            assert (status, "2 requests" in found["error"]["message"]) == (503, True)
            held.set()
            assert {link.answer()[0], second.answer()[0]} == {200}
            statuses = [link.send(known).answer()[0] for _ in range(4)]
            assert statuses.count(429) >= 2
        assert app.state.service.metrics.requests["none", "POST", 429] == statuses.count(429)


def test_one_that_does_not_fit_harms_no_other(url: str, vectors: np.ndarray) -> None:
    def raw(values: np.ndarray) -> bytes:
        return post(values.tobytes(), path=f"{SEARCH}?k=2", media=RAW)

    zeros, short = np.zeros(8, np.float32), vectors[0][:5]
    kinds = [
        (asking(vectors[7], k=2), 200, "p7"),
        (asking(short, k=2), 422, "expected 8 dimensions, got 5"),
        (raw(vectors[9]), 200, "p9"),
        (raw(short), 422, "expected 8 dimensions, got 5"),
        (asking(zeros, k=2), 422, "nonzero"),
        (post(b'{"query": [1, 2, "3"], "k": 2}'), 422, "float32 can hold"),
        (post(vectors[:2].tobytes(), path=f"{SEARCH}?k=2&queries=2", media=RAW), 200, "p0"),
    ]

    def ask(number: int) -> None:
        request, status, word = kinds[number % len(kinds)]
        with Link(url) as link:
            for _ in range(5):
                got, _, found = link.send(request).answer()
                assert got == status, found
                if status == 200:
                    hit = found["hits"][0]
                    assert (hit[0] if isinstance(hit, list) else hit)["id"] == word
                else:
                    assert word in found["error"]["message"]

    with ThreadPoolExecutor(28) as pool:
        list(pool.map(ask, range(56)))


def test_a_graceful_stop_answers_what_was_asked(app: Any, vectors: np.ndarray, held: threading.Event) -> None:
    with serving(app) as (url, server, thread):
        links = [Link(url).send(asking(vectors[number], k=1)) for number in range(6)]
        _until(lambda: len(app.gate.visits) == 6)
        server.should_exit = True
        time.sleep(0.5)
        assert thread.is_alive()
        held.set()
        for number, link in enumerate(links):
            status, headers, found = link.answer()
            assert (status, headers["connection"], first(found)) == (200, "close", f"p{number}")
            assert link.closed()
        thread.join(20)
        assert not thread.is_alive()


def test_who_does_not_read_is_not_written_to_for_ever(app: Any, vectors: np.ndarray) -> None:
    """A client that asks on and on and never reads: what waits for it in the server stays bounded."""
    request = asking(vectors[0], k=200)
    counts = app.state.service.metrics.requests
    with serving(app) as (url, server, _), Link(url) as link:
        for number in range(1, 5000):
            link.send(request)
            end = time.monotonic() + 1.0
            while counts["search", "POST", 200] < number and time.monotonic() < end:
                time.sleep(0.0002)
            if counts["search", "POST", 200] < number:
                break
        else:
            pytest.fail("all was written")
        (connection,) = server.server_state.connections
        assert connection.transport.get_write_buffer_size() < 1 << 18


def test_who_reads_late_reads_in_order(app: Any, vectors: np.ndarray) -> None:
    """Answers that wait in the server for a client that does not read are not overtaken by later ones."""
    counts = app.state.service.metrics.requests
    asked = 0
    with serving(app) as (url, _, _), Link(url) as link:
        for _ in range(2):
            waits = False
            for _ in range(1000 if not asked else 5):
                request = post(vectors[asked % 200].tobytes(), path=f"{SEARCH}?k=200", media=RAW)
                link.send(request)
                asked += 1
                end = time.monotonic() + (0.2 if waits else 1.0)
                while counts["search", "POST", 200] < asked and time.monotonic() < end:
                    time.sleep(0.0002)
                waits = waits or counts["search", "POST", 200] < asked
                if waits and asked > 20:
                    break
            link.socket.settimeout(60)
        found = [first(link.answer()[2]) for _ in range(asked)]
        assert found == [f"p{number % 200}" for number in range(asked)]
        for number in range(5):
            link.send(post(vectors[number].tobytes(), path=f"{SEARCH}?k=200", media=RAW))
            assert first(link.answer()[2]) == f"p{number}"


def test_who_asks_on_and_on_is_not_read_for_ever(app: Any, vectors: np.ndarray, held: threading.Event) -> None:
    """Requests sent before the answer to the first: so many wait in the server, the others in the client's socket."""
    health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    many = 60_000
    with serving(app) as (url, server, _), Link(url) as link:
        link.send(asking(vectors[3], k=1))
        assert held.begun.wait(20)  # type: ignore[attr-defined]
        sending = threading.Thread(target=link.socket.sendall, args=(health * many,), daemon=True)
        sending.start()
        (connection,) = server.server_state.connections
        _until(lambda: len(connection.pipeline) > 16 and connection.flow.read_paused)
        _turned(connection.loop)  # what was read at once is taken as a whole
        before = len(connection.pipeline)
        time.sleep(0.3)
        _turned(connection.loop)
        assert len(connection.pipeline) == before < many / 4
        held.set()
        assert first(link.answer()[2]) == "p3"
        most = 0
        for _ in range(many):
            assert link.answer()[0] == 200
            most = max(most, len(connection.pipeline))
        sending.join(20)
        assert most < many / 3
        assert first(link.send(asking(vectors[5], k=1)).answer()[2]) == "p5"


# -- connections that the event loop has lent --------------------------------------------------------------------------


@pytest.fixture
def only_fast(fast: bool) -> None:
    if not fast:
        pytest.skip("of connections that are lent")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Searches for seven hits wait for this event, which is set."""
    release, search = threading.Event(), Store.search
    release.set()

    def waiting(self: Store, queries: Any, k: int = 10, **options: Any) -> Any:
        if k == 7:
            release.wait(20)
        return search(self, queries, k, **options)

    monkeypatch.setattr(Store, "search", waiting)
    yield release
    release.set()


def raw(vector: np.ndarray, k: int = 1) -> bytes:
    return post(vector.tobytes(), path=f"{SEARCH}?k={k}", media=RAW)


def lent(app: Any, url: str, vectors: np.ndarray) -> Link:
    """A connection that has been lent, to a server that knows the heads of raw queries for one hit and for seven."""
    before = len(app.gate.fast._loans)
    link = Link(url)
    for request in (raw(vectors[0], 7), raw(vectors[0]), asking(vectors[0], k=1)) if not before else ():
        assert first(link.send(request).answer()[2]) == "p0"
    assert first(link.send(raw(vectors[0])).answer()[2]) == "p0"
    _until(lambda: len(app.gate.fast._loans) == before + 1)
    return link


@pytest.mark.usefixtures("only_fast")
def test_the_loop_has_no_part_in_it(app: Any, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(app) as url, lent(app, url, vectors) as link:
        monkeypatch.setattr(app.gate, "answer", None)
        for number in range(50):
            assert first(link.send(raw(vectors[number])).answer()[2]) == f"p{number}"
            assert first(link.send(asking(vectors[0], k=1)).answer()[2]) == "p0"
        assert len(app.gate.fast._loans) == 1
        assert app.state.service.metrics.requests["search", "POST", 200] == 104
        assert not app.gate.fast.active


@pytest.mark.usefixtures("only_fast")
def test_what_is_no_known_search_goes_back_to_the_loop(app: Any, vectors: np.ndarray) -> None:
    one, two = asking(vectors[0], k=1), asking(vectors[4], k=1)
    health = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with running(app) as url:
        for pieces, expected in (
            ((health,), [None]),
            ((raw(vectors[3], 2),), ["p3"]),
            ((one + two,), ["p0", "p4"]),
            ((one + health + two,), ["p0", None, "p4"]),
            ((one + two[:70], two[70:]), ["p0", "p4"]),
            ((one[:20], one[20:]), ["p0"]),
            ((b"\r\n" + one,), ["p0"]),
            ((asking(vectors[5], k=1, text="number"),), ["p5"]),
        ):
            with lent(app, url, vectors) as link:
                link.send(*pieces)
                for wanted in expected:
                    status, _, found = link.answer()
                    assert status == 200
                    assert found is None or wanted in [hit["id"] for hit in found["hits"]] or "text" in str(pieces)
                for number in range(6):
                    assert first(link.send(asking(vectors[number], k=1)).answer()[2]) == f"p{number}"
            _until(lambda: not app.gate.fast._loans)
        with lent(app, url, vectors) as link:
            assert link.send(b"no HTTP\r\n\r\n").answer()[0] == 400
            assert link.closed()


@pytest.mark.usefixtures("only_fast")
def test_a_lent_request_in_pieces(app: Any, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    one = asking(vectors[0], k=1)
    body = one.index(b"\r\n\r\n") + 4
    with running(app) as url, lent(app, url, vectors) as link:
        for cut in (body, body + 1, len(one) - 1):
            assert first(link.send(one[:cut], one[cut:]).answer()[2]) == "p0"
        assert first(link.send(one[: body + 9], one[body + 9 : -5], one[-5:]).answer()[2]) == "p0"
        assert len(app.gate.fast._loans) == 1
        monkeypatch.setattr(fastpath, "_REST", 0.05)
        link.send(one[:-3])
        _until(lambda: not app.gate.fast._loans)
        assert first(link.send(one[-3:]).answer()[2]) == "p0"
        gone = lent(app, url, vectors).send(one[:-3])
        time.sleep(0.02)
        gone.socket.close()
        _until(lambda: not app.gate.fast._loans)


@pytest.mark.usefixtures("only_fast")
def test_asked_on_before_the_answer(app: Any, vectors: np.ndarray, held: threading.Event) -> None:
    held.set()
    with running(app) as url, lent(app, url, vectors) as link:
        held.clear()
        held.begun.clear()  # type: ignore[attr-defined]
        link.send(asking(vectors[0], k=1))
        assert held.begun.wait(20)  # type: ignore[attr-defined]
        time.sleep(0.05)  # another thread leads
        for number in range(1, 4):
            link.send(asking(vectors[number], k=1))
            time.sleep(0.02)
        held.set()
        assert [first(link.answer()[2]) for _ in range(4)] == ["p0", "p1", "p2", "p3"]


@pytest.mark.usefixtures("only_fast")
def test_a_lent_client_that_leaves(app: Any, vectors: np.ndarray, held: threading.Event) -> None:
    held.set()
    with serving(app) as (url, server, _):
        links = [lent(app, url, vectors) for _ in range(5)]
        held.clear()
        for link in links:
            link.send(asking(vectors[0], k=1))
        _until(lambda: app.gate.fast.active == 5)
        for link in links[1:]:
            link.socket.close()
        time.sleep(0.05)
        held.set()
        assert first(links[0].answer()[2]) == "p0"
        _until(lambda: len(app.gate.fast._loans) == len(server.server_state.connections) == 1)
        assert not app.gate.fast.active
        links[0].socket.close()
        _until(lambda: not app.gate.fast._loans and not server.server_state.connections)


@pytest.mark.usefixtures("only_fast")
def test_a_search_that_lasts_holds_no_other_up(app: Any, vectors: np.ndarray, slow: threading.Event) -> None:
    with running(app) as url:
        held_up = [lent(app, url, vectors) for _ in range(4)]
        with lent(app, url, vectors) as link:
            slow.clear()
            for number, one in enumerate(held_up):  # each takes the lead along
                one.send(raw(vectors[number], 7))
                _until(lambda: app.gate.fast.active == number + 1)  # noqa: B023
                for at in range(5):
                    assert first(link.send(raw(vectors[at])).answer()[2]) == f"p{at}"
                assert len(app.gate.fast._loans) == 5
        slow.set()
        for number, one in enumerate(held_up):
            assert first(one.answer()[2]) == f"p{number}"
            one.socket.close()
        assert 1 < len(app.gate.fast._threads) <= app.state.service.limits.threads + 1


@pytest.mark.usefixtures("only_fast")
def test_a_late_answer_of_a_lent_connection(folder: Path, vectors: np.ndarray, slow: threading.Event) -> None:
    app = create_app(folder, limits=Limits(request_seconds=1.5))
    with running(app) as url, lent(app, url, vectors) as link:
        slow.clear()
        began = time.monotonic()
        status, headers, found = link.send(raw(vectors[0], 7)).answer()
        assert (status, headers["retry-after"], "1.5 s" in found["error"]["message"]) == (503, "1", True)
        assert 1.4 < time.monotonic() - began < 30
        slow.set()
        for k in (7, 1):
            assert first(link.send(raw(vectors[3], k)).answer()[2]) == "p3"
        _until(lambda: not app.gate.fast.active)
        assert app.state.service.metrics.requests["search", "POST", 503] == 1


@pytest.mark.usefixtures("only_fast")
def test_a_graceful_stop_answers_what_was_lent(app: Any, vectors: np.ndarray, slow: threading.Event) -> None:
    with serving(app) as (url, server, thread):
        links = [lent(app, url, vectors) for _ in range(6)]
        slow.clear()
        for number, link in enumerate(links[:3]):
            link.send(raw(vectors[number], 7))
        _until(lambda: app.gate.fast.active == 3)
        server.should_exit = True
        assert all(link.closed() for link in links[3:])
        assert thread.is_alive()
        slow.set()
        for number, link in enumerate(links[:3]):
            assert first(link.answer()[2]) == f"p{number}"
            assert link.closed()
        thread.join(20)
        assert not thread.is_alive()
        _until(lambda: not any(worker.is_alive() for worker in app.gate.fast._threads))


@pytest.mark.usefixtures("only_fast")
def test_a_connection_that_rests_goes_back(app: Any, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastpath, "_REST", 0.1)
    with running(app) as url, lent(app, url, vectors) as link:
        for _ in range(2):
            _until(lambda: not app.gate.fast._loans)
            assert first(link.send(asking(vectors[0], k=1)).answer()[2]) == "p0"
            _until(lambda: app.gate.fast._loans)


@pytest.mark.usefixtures("only_fast")
def test_what_fails_within_is_answered_by_the_loop(
    app: Any, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = app.gate.told
    with running(app) as url, lent(app, url, vectors) as link:
        for _ in range(2):
            monkeypatch.setattr(app.gate, "told", None)
            assert first(link.send(raw(vectors[3])).answer()[2]) == "p3"
            monkeypatch.setattr(app.gate, "told", told)
            _until(lambda: app.gate.fast._loans)
            assert first(link.send(raw(vectors[4])).answer()[2]) == "p4"
        assert not app.gate.fast.active
    assert "the fast path failed" in caplog.text


@pytest.mark.usefixtures("only_fast")
def test_where_there_are_no_more_descriptors(app: Any, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(number: int) -> int:
        raise OSError(24, "Too many open files")

    with running(app) as url, lent(app, url, vectors) as link, Link(url) as other:
        app.gate.fast._most = 1
        for number in range(5):
            assert first(other.send(raw(vectors[number])).answer()[2]) == f"p{number}"
        app.gate.fast._most = 9
        monkeypatch.setattr(fastpath.os, "dup", none_left)
        for number in range(5):
            assert first(other.send(raw(vectors[number])).answer()[2]) == f"p{number}"
        assert len(app.gate.fast._loans) == 1
        monkeypatch.undo()
        assert first(link.send(raw(vectors[7])).answer()[2]) == "p7"


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "expected"),
    [
        (1024, 1 << 20, 20_000, (20_000, 20_000)),
        (1024, 4096, 20_000, (2688, 896)),
        (1024, 1024, 100, (100, 100)),
        (64, 64, 20_000, (24, 8)),
    ],
)
def test_how_many_connections_there_may_be(
    soft: int, hard: int, connections: int, expected: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    assert raise_file_limit(connections) == expected


@pytest.mark.usefixtures("only_fast")
def test_many_at_once(app: Any, vectors: np.ndarray) -> None:
    """Forty clients ask in different ways, a few rest, some leave and come again."""

    def ask(number: int) -> None:
        own = np.random.default_rng(number)
        link = Link(url)
        for _ in range(60):
            row, k = int(own.integers(200)), int(own.integers(1, 4))
            packed = base64.b64encode(vectors[row].tobytes()).decode()
            request = [
                asking(vectors[row], k=k),
                raw(vectors[row], k),
                post(b'{"query": {"f32": "%s"}, "k": %d}' % (packed.encode(), k)),
                asking(vectors[row][:7], k=k),
            ][int(own.choice(4, p=[0.3, 0.3, 0.3, 0.1]))]
            status, _, found = link.send(request).answer()
            if status == 200:
                assert (found["hits"][0]["id"], len(found["hits"])) == (f"p{row}", k)
            else:
                assert "expected 8 dimensions, got 7" in found["error"]["message"]
            if own.random() < 0.03:
                link.socket.close()
                link = Link(url)
        link.socket.close()

    with running(app) as url, ThreadPoolExecutor(40) as pool:
        list(pool.map(ask, range(40)))
        counts = app.state.service.metrics.requests
        assert counts["search", "POST", 200] + counts["search", "POST", 422] == 2400
        _until(lambda: not app.gate.fast._loans)
        assert not app.gate.fast.active and not app.gate.visits


def test_where_requests_are_counted_for_their_rate_there_is_none(folder: Path, vectors: np.ndarray) -> None:
    app = create_app(folder, limits=Limits(rate=1000.0))
    with running(app) as url, Link(url) as link:
        for number in range(5):
            assert first(link.send(asking(vectors[number], k=1)).answer()[2]) == f"p{number}"
        assert app.gate.fast is None
