"""Streams between threads and the event loop: pieces, ends, errors, and clients that stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from nearfield.serve.errors import Problem
from nearfield.serve.streams import Feed, drained


async def pieces(*parts: Any) -> AsyncIterator[bytes]:
    for part in parts:
        if isinstance(part, Exception):
            raise part
        yield part


def fed(read: Callable[[Feed], Any], *parts: Any, most: int = 100, seconds: float = 5.0) -> Any:
    """What ``read`` makes of a feed in a thread while the loop fills it."""

    async def main() -> Any:
        feed = Feed(most, seconds)
        working = asyncio.ensure_future(asyncio.to_thread(read, feed))
        filling = asyncio.ensure_future(feed.fill(pieces(*parts)))
        try:
            return await working
        finally:
            feed.close()
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    return asyncio.run(main())


def test_a_feed_is_read_as_a_file() -> None:
    assert fed(lambda feed: [feed.read(3), feed.read(3), feed.read(9), feed.read(9)], b"ab", b"cdef", b"g") == [
        b"abc",
        b"def",
        b"g",
        b"",
    ]
    many = [b"x" * 10] * 50
    assert len(fed(lambda feed: b"".join(iter(lambda: feed.read(7), b"")), *many)) == 500


def test_lines_are_whole() -> None:
    assert fed(lambda feed: list(feed.lines()), b"a\nb", b"b\n\n  \nc") == [b"a", b"bb", b"c"]
    assert fed(lambda feed: list(feed.lines())) == []


def test_what_a_feed_refuses() -> None:
    with pytest.raises(Problem, match="longer than 100 bytes"):
        fed(lambda feed: feed.read(101), b"a")
    with pytest.raises(Problem, match="a line is longer"):
        fed(lambda feed: list(feed.lines()), b"a" * 101)
    with pytest.raises(OSError, match="gone"):
        fed(lambda feed: feed.read(5), b"a", OSError("gone"))


def test_a_client_that_sends_nothing_more() -> None:
    feed = Feed(100, 0.05)
    with pytest.raises(Problem, match=r"nothing arrived for 0.05 s") as refused:
        feed.read(1)
    assert refused.value.status == 408


def drain(produce: Callable[[], Iterator[bytes]], *, stop_after: int = 10**9, pause: float = 0.0) -> list[bytes]:
    async def main() -> list[bytes]:
        found = []
        stream = drained(produce, lambda work: threading.Thread(target=work).start(), 0.1)
        async for piece in stream:
            found.append(piece)
            if len(found) >= stop_after:
                await stream.aclose()
                break
            await asyncio.sleep(pause)
        return found

    return asyncio.run(main())


def test_a_generator_in_a_thread() -> None:
    assert drain(lambda: iter([b"%d" % number for number in range(100)])) == [b"%d" % number for number in range(100)]
    assert drain(lambda: iter(())) == []

    def failing() -> Iterator[bytes]:
        yield b"a"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        drain(failing)


def test_a_reader_that_stops() -> None:
    ended = threading.Event()

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.set()

    assert len(drain(endless, stop_after=3)) == 3
    assert ended.wait(5)


def test_an_export_that_cannot_begin_is_an_error(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from nearfield.store import Store

    def broken(self: Store, batch_size: int = 1) -> Iterator[Any]:
        raise MemoryError
        yield

    monkeypatch.setattr(Store, "iterate", broken)
    for format in ("jsonl", "arrow"):
        answer = http.get(f"/v1/collections/papers/export?format={format}")
        assert answer.status_code == answer.json()["error"]["status"] == 503
    assert http.get("/v1/collections/none/export").status_code == 404
