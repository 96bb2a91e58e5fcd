"""The gate: every request passes here, and what goes wrong behind it becomes one clear answer here.

It counts, finds out who asks, refuses what is too much, keeps time, and hands ``/v1`` to the router and everything else
to FastAPI. It is a plain ASGI application, because at ten thousand requests a second every layer shows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any
from urllib.parse import quote

from .auth import ANYONE, SCOPE_KEY, Key, allow, secret_of
from .calls import JSON, Call, Gone, Reply, to_json, too_large
from .errors import Problem, describe, status_of
from .limits import Buckets
from .routing import Operation, Router
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
        self.active = 0
        self.hide = str(service.hosted.path)
        limits = service.limits
        self.buckets = None if limits.rate is None else Buckets(limits.rate, limits.burst or limits.rate)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        visit = _Visit(scope, send)
        self.active += 1
        try:
            await self._admit(scope, receive, visit)
        except Gone:
            visit.status = CLIENT_LEFT
        except Exception as error:
            if visit.started:  # too late for another answer: the server closes the connection
                logger.exception("%s %s: failed in the middle of an answer", scope["method"], scope["path"])
                raise
            await self._refuse(error, scope, visit)
        finally:
            self.active -= 1
            self.service.metrics.request(visit.name, scope["method"], visit.status, time.perf_counter() - started)

    async def _admit(self, scope: Any, receive: Any, visit: _Visit) -> None:
        path = scope["path"]
        if path in OPEN:
            scope[SCOPE_KEY] = None
            visit.name = path[1:]
            await self._answer_open(path, scope["method"], visit)
            return
        if self.active > self.limits.active:
            raise Problem(
                503, f"{self.limits.active} requests are being answered already; come back in a second", _SOON
            )
        scope[SCOPE_KEY] = key = self._who(scope)
        if self.buckets is not None:
            client = scope.get("client")
            self.buckets.take(key.name if key is not None and key is not ANYONE else client[0] if client else "")
        timer = asyncio.timeout(self.limits.body_seconds)
        try:
            async with timer:
                if path.startswith("/v1") or path == "/metrics":
                    await self._operate(scope, receive, visit, key, timer)
                else:
                    visit.name = "other"
                    await self.app(scope, self._bounded(receive, visit, timer), visit.send)
        except TimeoutError as error:
            if not timer.expired():
                raise
            if not visit.received:
                seconds = self.limits.body_seconds
                raise Problem(
                    408, f"the request did not arrive within {seconds:g} s", {"Connection": "close"}
                ) from error
            raise Problem(
                503, f"no answer within {self.limits.request_seconds:g} s, the most this server takes", _SOON
            ) from error

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

    async def _operate(self, scope: Any, receive: Any, visit: _Visit, key: Key | None, timer: asyncio.Timeout) -> None:
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        root = scope.get("root_path", "").encode()
        if root and raw.startswith(root):
            raw = raw[len(root) :]
        method = scope["method"]
        operation, values = self.router.find(method, raw.partition(b"?")[0])
        visit.name = operation.name
        if operation.right is not None:
            key = allow(key, operation.right)
        if operation.writes and self.service.read_only:
            raise Problem(403, "this server only reads (--read-only)")
        call = Call(self.service, operation, values, scope, receive, key or ANYONE)
        call.query = call.parameters()
        if operation.streams:
            visit.received = True
            timer.reschedule(None)
        elif method not in ("GET", "HEAD"):
            _announced(call, self.limits.body)
            await call.read(self.limits.body)
        visit.received = True
        if operation.untimed:
            timer.reschedule(None)
        elif not operation.streams:
            timer.reschedule(asyncio.get_running_loop().time() + self.limits.request_seconds)
        reply = await operation.handler(call)
        if reply.chunks is not None:
            timer.reschedule(None)
        await visit.reply(reply, method)

    def _bounded(self, receive: Any, visit: _Visit, timer: asyncio.Timeout) -> Any:
        """``receive`` for what FastAPI answers: the same limits of size and time."""
        length = 0

        async def bounded() -> Any:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            if length > self.limits.body:
                raise too_large(self.limits.body)
            if not message.get("more_body") and not visit.received:
                visit.received = True
                timer.reschedule(asyncio.get_running_loop().time() + self.limits.request_seconds)
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

    __slots__ = ("_send", "name", "received", "started", "status")

    def __init__(self, scope: Any, send: Any):
        self._send = send
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
        self.started = True
        headers = [(b"content-type", reply.media)] if reply.body or reply.chunks is not None else []
        if reply.headers:
            headers += reply.headers
        if reply.chunks is None:
            headers.append((b"content-length", b"%d" % len(reply.body)))
            await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
            await self._send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
            return
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if method != "HEAD":
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

__all__ = ["CLIENT_LEFT", "JSON", "OPEN", "Gate", "Operation"]
