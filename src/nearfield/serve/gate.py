"""The gate: every request passes here, and what goes wrong behind it becomes one clear answer here.

It counts, finds out who asks, refuses what is too much, keeps time, and hands ``/v1`` to the router and everything else
to FastAPI. It is a plain ASGI application, because at ten thousand requests a second every layer shows.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any
from urllib.parse import quote

from .auth import ANYONE, SCOPE_KEY, Key, allow, secret_of
from .calls import Call, Gone, Reply, to_json, too_large
from .errors import Problem, describe, status_of
from .limits import Buckets
from .routing import Router
from .service import Service

logger = logging.getLogger("nearfield.serve")

# What is answered to everybody, whatever the keys.
OPEN = frozenset({"/health", "/ready"})
CLIENT_LEFT = 499


class Gate:
    """The outermost layer of the application."""

    def __init__(self, app: Any, service: Service, router: Router):
        self.app = app
        self.service = service
        self.router = router
        self.limits = service.limits
        self.visits: set[_Visit] = set()
        self._period = min(0.25, self.limits.body_seconds / 4, self.limits.request_seconds / 4)
        self._sweeping: asyncio.AbstractEventLoop | None = None
        self.hide = str(service.hosted.path)
        limits = service.limits
        self.buckets = None if limits.rate is None else Buckets(limits.rate, limits.burst or limits.rate)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        visit = _Visit(send)
        self.visits.add(visit)
        try:
            try:
                await self._admit(scope, receive, visit)
            except asyncio.CancelledError:
                if visit.task is None or not visit.late:
                    raise
                visit.task.uncancel()
                raise self._too_late(visit) from None
            finally:
                self.visits.discard(visit)
        except Gone:
            visit.status = CLIENT_LEFT
        except Exception as error:
            if visit.started:  # too late for another answer: the server closes the connection
                logger.exception("%s %s: failed in the middle of an answer", scope["method"], scope["path"])
                raise
            await self._refuse(error, scope, visit)
        finally:
            self.service.metrics.request(visit.name, scope["method"], visit.status, time.perf_counter() - started)

    async def _admit(self, scope: Any, receive: Any, visit: _Visit) -> None:
        path = scope["path"]
        if path in OPEN:
            scope[SCOPE_KEY] = None
            visit.name = path[1:]
            await self._answer_open(path, scope["method"], visit)
            return
        if len(self.visits) > self.limits.active:
            raise Problem(
                503, f"{self.limits.active} requests are being answered already; come back in a second", _SOON
            )
        scope[SCOPE_KEY] = key = self._who(scope)
        if self.buckets is not None:
            client = scope.get("client")
            self.buckets.take(key.name if key is not None and key is not ANYONE else client[0] if client else "")
        self._watch(visit)
        if path.startswith("/v1") or path == "/metrics":
            await self._operate(scope, receive, visit, key)
        else:
            visit.name = "other"
            await self.app(scope, self._bounded(receive, visit), visit.send)

    # -- time: one look at all requests now and then costs less than a timer for each ---------------------------------

    def _watch(self, visit: _Visit) -> None:
        """End this request when its time is over."""
        loop = asyncio.get_running_loop()
        visit.task = asyncio.current_task(loop)  # without being told, it would look for the loop again
        visit.deadline = time.monotonic() + self.limits.body_seconds
        if self._sweeping is not loop:
            self._sweeping = loop
            loop.call_later(self._period, self._sweep)

    def _sweep(self) -> None:
        now = time.monotonic()
        for visit in list(self.visits):
            if visit.deadline < now and visit.task is not None:
                visit.late, visit.deadline = True, math.inf
                visit.task.cancel()
        if self.visits:
            asyncio.get_running_loop().call_later(self._period, self._sweep)
        else:
            self._sweeping = None

    def _arrived(self, visit: _Visit, timed: bool = True) -> None:
        """The request is here; the time for its answer begins."""
        visit.received = True
        visit.deadline = time.monotonic() + self.limits.request_seconds if timed else math.inf

    def _too_late(self, visit: _Visit) -> Problem:
        if not visit.received:
            late = f"the request did not arrive within {self.limits.body_seconds:g} s"
            return Problem(408, late, {"Connection": "close"})
        return Problem(503, f"no answer within {self.limits.request_seconds:g} s, the most this server takes", _SOON)

    def _who(self, scope: Any) -> Key | None:
        keys = self.service.keys
        if keys is None:
            return ANYONE
        secret = secret_of(scope["headers"])
        key = keys.identify(secret)
        if secret is not None and key is None:
            raise Problem(401, "the key is none that this server knows", {"WWW-Authenticate": "Bearer"})
        return key

    async def _answer_open(self, path: str, method: str, visit: _Visit) -> None:
        if method not in ("GET", "HEAD"):
            raise Problem(405, f"expected GET here, got {method}", {"Allow": "GET, HEAD"})
        if path == "/ready":
            if self.service.stopping:
                raise Problem(503, "the server is stopping")
            await visit.reply(Reply(b'{"ready":true}'), method)
        else:
            await visit.reply(_EMPTY, method)

    async def _operate(self, scope: Any, receive: Any, visit: _Visit, key: Key | None) -> None:
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        root = scope.get("root_path")
        if root and raw.startswith(root.encode()):
            raw = raw[len(root.encode()) :]
        method = scope["method"]
        operation, values = self.router.find(method, raw)
        visit.name = operation.name
        if operation.right is not None:
            key = allow(key, operation.right)
        if operation.writes and self.service.read_only:
            raise Problem(403, "this server only reads (--read-only)")
        call = Call(self.service, operation, values, scope, receive, key or ANYONE)
        if scope["query_string"]:
            call.query = call.parameters()
        if not operation.streams and method not in ("GET", "HEAD"):
            _announced(call, self.limits.body)
            await call.read(self.limits.body)
        self._arrived(visit, not (operation.streams or operation.untimed))
        reply = await operation.handler(call)
        if reply.chunks is not None:
            visit.deadline = math.inf
        await visit.reply(reply, method)

    def _bounded(self, receive: Any, visit: _Visit) -> Any:
        """``receive`` for what FastAPI answers: the same limits of size and time."""
        length = 0

        async def bounded() -> Any:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > self.limits.body:
                raise too_large(self.limits.body)
            if not message.get("more_body") and not visit.received:
                self._arrived(visit)
            return message

        return bounded

    async def _refuse(self, error: Exception, scope: Any, visit: _Visit) -> None:
        status = status_of(error)
        if status == 500:
            logger.error("%s %s", scope["method"], scope["path"], exc_info=error)
        headers = error.headers if isinstance(error, Problem) else {}
        reply = Reply(to_json(describe(error, self.hide)), status)
        reply.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        if not visit.received and scope["method"] not in ("GET", "HEAD"):  # what is left of the body is not waited for
            reply.headers.append((b"connection", b"close"))
        await visit.reply(reply, scope["method"])


class _Visit:
    """How far the answer to one request is."""

    __slots__ = ("_send", "deadline", "late", "name", "received", "started", "status", "task")

    def __init__(self, send: Any):
        self._send = send
        self.task: asyncio.Task[Any] | None = None
        self.deadline = math.inf
        self.late = False
        self.name = "none"
        self.status = 500
        self.started = False
        self.received = False

    async def send(self, message: Any) -> None:
        """Pass a message on, and note its status."""
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
        await self._send(message)

    async def reply(self, reply: Reply, method: str) -> None:
        """Send ``reply``, without its body when only the head was asked for."""
        self.status = reply.status
        headers = [(b"content-type", reply.media)] if reply.body or reply.chunks is not None else []
        if reply.headers:
            headers += reply.headers
        if reply.chunks is None:
            headers.append((b"content-length", b"%d" % len(reply.body)))
            self.started = True
            await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await self._send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
            return
        first = await anext(reply.chunks, None)  # what goes wrong at once is still answered as an error
        self.started = True
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if method != "HEAD" and first is not None:
            await self._send({"type": "http.response.body", "body": first, "more_body": True})
            async for chunk in reply.chunks:
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


def _announced(call: Call, limit: int) -> None:
    """Refuse a body by the length that its header says, before any of it is read."""
    length = call.headers.get(b"content-length")
    if length and (not length.isdigit() or int(length) > limit):
        raise too_large(limit)


_EMPTY = Reply()
_SOON = {"Retry-After": "1"}
