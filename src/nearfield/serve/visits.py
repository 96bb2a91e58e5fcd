"""Visits: how far the answer to each request is, whichever way the request came."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .calls import Reply

if TYPE_CHECKING:
    from .batching import Waiting
    from .errors import Problem


class Visit:
    """What the gate knows of any request."""

    __slots__ = ("began", "deadline", "late", "method", "name", "path", "received", "started", "status")

    def __init__(self, method: str, path: str):
        self.began = time.perf_counter()
        self.deadline = math.inf
        self.late: Problem | None = None
        self.method = method
        self.name = "none"
        self.path = path
        self.received = False
        self.started = False
        self.status = 500

    def overdue(self, problem: Problem) -> None:
        """End it, as its time is over, with what is to be said of that."""
        self.late, self.deadline = problem, math.inf


class AwaitedVisit(Visit):
    """A request that came by ASGI and has a task of its own."""

    __slots__ = ("_send", "task")

    def __init__(self, method: str, path: str, send: Any):
        super().__init__(method, path)
        self._send = send
        self.task: asyncio.Task[Any] | None = None

    def overdue(self, problem: Problem) -> None:
        """End its task."""
        super().overdue(problem)
        if self.task is not None:
            self.task.cancel()

    async def send(self, message: Any) -> None:
        """Pass a message on, and note its status."""
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
        await self._send(message)

    async def reply(self, reply: Reply) -> None:
        """Send ``reply``, without its body when only the head was asked for."""
        self.status = reply.status
        headers = [(b"content-type", reply.media)] if reply.body or reply.chunks is not None else []
        if reply.headers:
            headers += reply.headers
        if reply.chunks is None:
            headers.append((b"content-length", b"%d" % len(reply.body)))
            self.started = True
            await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
            body = b"" if self.method == "HEAD" else reply.body
            await self._send({"type": "http.response.body", "body": body})
            return
        first = await anext(reply.chunks, None)  # what goes wrong at once is still answered as an error
        self.started = True
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if self.method != "HEAD" and first is not None:
            await self._send({"type": "http.response.body", "body": first, "more_body": True})
            async for chunk in reply.chunks:
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


class DirectVisit(Visit):
    """A request that was there as a whole and waits for one call: ``tell``, with bytes, a reply or an exception."""

    __slots__ = ("_finish", "send", "task", "waiting")

    def __init__(
        self, method: str, path: str, send: Callable[[Reply | bytes], None], finish: Callable[[DirectVisit, Any], None]
    ):
        super().__init__(method, path)
        self.received = True
        self.send = send
        self.task: asyncio.Task[Any] | None = None
        self.waiting: Waiting | None = None
        self._finish = finish

    def tell(self, answer: Any) -> None:
        """Answer it, unless that was done."""
        if not self.started:
            self.started = True
            self.waiting = None  # it knows of this: what holds itself would be left to the collector, with its arrays
            self._finish(self, answer)

    def overdue(self, problem: Problem) -> None:
        """Answer without what it waits for."""
        super().overdue(problem)
        self.end(problem)

    def end(self, answer: Any) -> None:
        """Answer, or with :class:`Gone` do not, and wait no more."""
        if self.waiting is not None:
            self.waiting.withdraw()
        if self.task is not None:
            self.task.cancel()
        self.tell(answer)
