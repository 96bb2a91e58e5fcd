"""Queries that arrive together are searched together.

While one search of a collection runs, those that ask the same of it in the same way wait, and are the next search: no
time is added by waiting for company, but for a few turns of the event loop while each of them brings some, and the
busier the server the larger the batch. One call into the store for many queries costs less than as many calls, and
answers each as it would alone.

Who asks is told by a call, all those of one search in one turn of the event loop: a task and a future for each of them
would cost more than a tenth of the query.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from .errors import Problem
from .hosted import Hosted
from .metrics import Metrics

logger = logging.getLogger("nearfield.serve")

# Most numbers in the queries that are searched at once: an answer must not wait for too many others.
MOST = 1 << 18
# Turns of the event loop that a search waits for more of its kind, while each of them brings some.
TURNS = 4

Tell = Callable[[Any], None]


class Waiting:
    """Queries that wait for their answer, and who is told of it: of bytes, or of the exception met."""

    __slots__ = ("queries", "tell")

    def __init__(self, queries: Any, tell: Tell):
        self.queries = queries
        self.tell: Tell | None = tell

    def withdraw(self) -> None:
        """Nobody wants the answer any more: it is not searched for unless that has begun."""
        self.tell = None


class Batcher:
    """Gathers searches by collection and parameters; ``answer(key, queries)`` answers those that are gathered."""

    def __init__(self, hosted: Hosted, metrics: Metrics, answer: Any):
        self._hosted = hosted
        self._metrics = metrics
        self.answer = answer
        self._waiting: dict[Hashable, deque[Waiting]] = {}

    def put(self, key: Hashable, queries: Any, tell: Tell) -> Waiting:
        """Have ``queries``, which have a ``size``, answered to ``tell``; ``key`` is everything else that was asked for.

        Called by the event loop, as ``tell`` will be.
        """
        waiting = Waiting(queries, tell)
        line = self._waiting.get(key)
        if line is None:
            self._waiting[key] = deque((waiting,))
            loop = asyncio.get_running_loop()
            # What else this turn of the loop reads from other connections comes along.
            loop.call_soon(self._gather, loop, key, 1, TURNS)
        else:
            line.append(waiting)
        return waiting

    async def ask(self, key: Hashable, queries: Any) -> bytes:
        """The same for who can await the answer."""
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def tell(answer: Any) -> None:
            if future.done():
                return
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)

        waiting = self.put(key, queries, tell)
        try:
            return await future
        finally:
            waiting.withdraw()

    def _gather(self, loop: asyncio.AbstractEventLoop, key: Hashable, before: int, turns: int) -> None:
        """Begin the next search for ``key`` after a turn of the loop that brought none of its kind, or after so many.

        Earlier, it would want the interpreter while that reads those, and both would take longer.
        """
        count = len(self._waiting[key])
        if count > before and turns:
            loop.call_soon(self._gather, loop, key, count, turns - 1)
        else:
            self._next(loop, key)

    def _next(self, loop: asyncio.AbstractEventLoop, key: Hashable) -> None:
        """Begin the next search for ``key``, if anybody waits."""
        line = self._waiting[key]
        taken: list[Waiting] = []
        count = 0
        while line and (not taken or count + line[0].queries.size <= MOST):
            one = line.popleft()
            if one.tell is not None:
                taken.append(one)
                count += one.queries.size
        if not taken:
            del self._waiting[key]
            return
        self._metrics.batch(len(taken))
        try:
            working = self._hosted.submit(self.answer, key, [one.queries for one in taken])
        except Problem as problem:
            loop.call_soon(self._next, loop, key)
            _tell(taken, [problem] * len(taken))
            return
        working.add_done_callback(partial(self._done, loop, key, taken))

    def _done(
        self, loop: asyncio.AbstractEventLoop, key: Hashable, taken: list[Waiting], working: Future[list[Any]]
    ) -> None:
        """A search has ended: called by its thread."""
        try:
            loop.call_soon_threadsafe(self._told, loop, key, taken, working)
        except RuntimeError:  # the loop has ended, and with it all who asked
            self._waiting.pop(key, None)

    def _told(
        self, loop: asyncio.AbstractEventLoop, key: Hashable, taken: list[Waiting], working: Future[list[Any]]
    ) -> None:
        if working.cancelled():
            answers: Sequence[Any] = [Problem(503, "the server is stopping")] * len(taken)
        else:
            error = working.exception()
            answers = working.result() if error is None else [error] * len(taken)
        _tell(taken, answers)
        if self._waiting[key]:
            loop.call_soon(self._gather, loop, key, len(self._waiting[key]), TURNS)
        else:
            del self._waiting[key]


def _tell(taken: list[Waiting], answers: Sequence[Any]) -> None:
    for one, answer in zip(taken, answers, strict=True):
        if one.tell is not None:
            try:
                one.tell(answer)
            except Exception:  # one connection's trouble is not that of the others
                logger.exception("an answer could not be sent")
