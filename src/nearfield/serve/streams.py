"""Between the event loop and code that reads or writes a stream in a thread: no more than a few pieces wait."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from .errors import Problem

_PIECES = 8
_END = object()


class Feed:
    """A file that a thread reads and the event loop fills; ``read`` waits for what has not arrived.

    Parameters
    ----------
    most : bytes that one ``read`` may ask for: what a stream says of its own lengths is not believed.
    seconds : how long a reader waits for the next piece.
    """

    closed = False

    def __init__(self, most: int, seconds: float):
        self._most = most
        self._seconds = seconds
        self._pieces: queue.Queue[Any] = queue.Queue(_PIECES)
        self._rest = memoryview(b"")
        self._ended = False

    async def fill(self, stream: AsyncIterator[bytes]) -> None:
        """Pass the stream on, to its end or its error."""
        try:
            async for piece in stream:
                await self._put(piece)
            await self._put(_END)
        except Exception as error:
            await self._put(error)
            raise

    async def _put(self, piece: Any) -> None:
        while not self.closed:
            try:
                self._pieces.put_nowait(piece)
                return
            except queue.Full:
                await asyncio.sleep(0.002)

    def read(self, count: int = -1) -> bytes:
        """The next ``count`` bytes, fewer at the end."""
        if count < 0 or count > self._most:
            raise Problem(413, f"a piece of the stream is longer than {self._most:,} bytes; send smaller batches")
        found = bytearray()
        while len(found) < count and not self._ended:
            if not len(self._rest):
                self._next()
                continue
            taken = self._rest[: count - len(found)]
            found += taken
            self._rest = self._rest[len(taken) :]
        return bytes(found)

    def _next(self) -> None:
        try:
            piece = self._pieces.get(timeout=self._seconds)
        except queue.Empty:
            raise Problem(408, f"nothing arrived for {self._seconds:g} s") from None
        if piece is _END:
            self._ended = True
        elif isinstance(piece, BaseException):
            raise piece
        else:
            self._rest = memoryview(piece)

    def lines(self) -> Iterator[bytes]:
        """The lines, without their ends and without empty ones."""
        held = b""
        while not self._ended:
            if not len(self._rest):
                self._next()
                continue
            *whole, held = (held + bytes(self._rest)).split(b"\n")
            self._rest = memoryview(b"")
            if len(held) > self._most:
                raise Problem(413, f"a line is longer than {self._most:,} bytes")
            yield from (line for line in whole if line.strip())
        if held.strip():
            yield held

    def close(self) -> None:
        """Take nothing more."""
        self.closed = True

    def readable(self) -> bool:
        """As files say it."""
        return True


async def drained(
    produce: Callable[[], Iterator[bytes]], start: Callable[[Callable[[], None]], Any], seconds: float
) -> AsyncIterator[bytes]:
    """What a generator yields in a thread, piece by piece; it ends when the reader does, or reads nothing for long.

    ``start`` runs a function in a thread.
    """
    pieces: queue.Queue[Any] = queue.Queue(_PIECES)
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    stopped = threading.Event()

    def work() -> None:
        last: Any = _END
        try:
            for piece in produce():
                pieces.put(piece, timeout=seconds)
                loop.call_soon_threadsafe(arrived.set)
                if stopped.is_set():
                    return
        except queue.Full:
            last = TimeoutError(f"the client took nothing for {seconds:g} s")
        except BaseException as error:
            last = error
        while not stopped.is_set():
            try:
                pieces.put(last, timeout=0.1)
                break
            except queue.Full:
                continue
        if not loop.is_closed():
            loop.call_soon_threadsafe(arrived.set)

    start(work)
    try:
        while True:
            arrived.clear()
            try:
                piece = pieces.get_nowait()
            except queue.Empty:
                await arrived.wait()
                continue
            if piece is _END:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        stopped.set()
