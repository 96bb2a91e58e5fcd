"""The gate: every request passes here, and what goes wrong behind it becomes one clear answer here.

It counts, finds out who asks, refuses what is too much, keeps time, and hands ``/v1`` to the router and everything else
to FastAPI. It is a plain ASGI application, because at ten thousand requests a second every layer shows.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from .auth import ANYONE, SCOPE_KEY, Key, Keys, allow, secret_of
from .calls import Call, Gone, Reply, parameters_of, to_json, too_large
from .errors import Problem, describe, status_of
from .limits import Buckets
from .routing import Operation, Router
from .service import Service
from .visits import AwaitedVisit, DirectVisit, Visit

if TYPE_CHECKING:
    from .fastpath import FastPath

logger = logging.getLogger("nearfield.serve")

# What is answered to everybody, whatever the keys.
OPEN = frozenset({"/health", "/ready"})
CLIENT_LEFT = 499
# So many request lines are remembered, of so many bytes: most requests have one of a few.
_KNOWN, _SHORT = 1024, 512


class Target(NamedTuple):
    """What a request line asks for: an operation, what stands in its path, its checked parameters."""

    operation: Operation
    values: dict[str, str]
    parameters: dict[str, Any]
    method: str
    path: str
    memo: dict[Any, Any]


class Head:
    """What a gate knows of a request before its body: its target, its headers as they came and by their names.

    ``call`` is what requests with this head have in common, once one was let in by the fast path, and ``keys`` those by
    which it was.
    """

    __slots__ = ("call", "headers", "keys", "named", "target")

    def __init__(self, target: Target, headers: list[tuple[bytes, bytes]]):
        self.target = target
        self.headers = headers
        self.named = dict(headers)
        self.call: Call | None = None
        self.keys: Keys | None = None


class Gate:
    """The outermost layer of the application."""

    def __init__(self, app: Any, service: Service, router: Router):
        self.app = app
        self.service = service
        self.router = router
        self.limits = service.limits
        self.visits: set[Visit] = set()
        self.fast: FastPath | None = None
        self._period = min(0.25, self.limits.body_seconds / 4, self.limits.request_seconds / 4)
        self._sweeping: asyncio.AbstractEventLoop | None = None
        self._targets: dict[tuple[bytes, bytes], Target | None] = {}
        self.hide = str(service.hosted.path)
        limits = service.limits
        self.buckets = None if limits.rate is None else Buckets(limits.rate, limits.burst or limits.rate)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, by ASGI."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = AwaitedVisit(scope["method"], scope["path"], send)
        self.visits.add(visit)
        try:
            try:
                await self._admit(scope, receive, visit)
            except asyncio.CancelledError:
                if visit.task is None or visit.late is None:
                    raise
                visit.task.uncancel()
                raise visit.late from None
            finally:
                self.visits.discard(visit)
        except Gone:
            visit.status = CLIENT_LEFT
        except Exception as error:
            if visit.started:  # too late for another answer: the server closes the connection
                logger.exception("%s %s: failed in the middle of an answer", visit.method, visit.path)
                raise
            refusal = self._refusal(error, visit.method, visit.path)
            if not visit.received and visit.method not in ("GET", "HEAD"):  # the rest of the body is not waited for
                refusal.headers.append((b"connection", b"close"))
            await visit.reply(refusal)
        finally:
            self._count(visit)

    async def _admit(self, scope: Any, receive: Any, visit: AwaitedVisit) -> None:
        path = visit.path
        if path in OPEN:
            scope[SCOPE_KEY] = None
            visit.name = path[1:]
            await self._answer_open(path, visit)
            return
        scope[SCOPE_KEY] = key = self._enter(scope["headers"], scope.get("client"))
        loop = asyncio.get_running_loop()
        visit.task = asyncio.current_task(loop)  # without being told, it would look for the loop again
        self._watch(visit, loop)
        if path.startswith("/v1") or path == "/metrics":
            await self._operate(scope, receive, visit, key)
        else:
            visit.name = "other"
            await self.app(scope, self._bounded(receive, visit), visit.send)

    # -- a request that is there as a whole needs no task of its own --------------------------------------------------

    def target(self, method: bytes, url: bytes) -> Target | None:
        """What a request line asks for, where :meth:`answer` takes such requests; None where they go by ASGI."""
        line = method, url
        try:
            return self._targets[line]
        except KeyError:
            if len(url) > _SHORT:
                return None
            if len(self._targets) >= _KNOWN:
                self._targets.clear()
            self._targets[line] = found = self._target(method, url)
            return found

    def _target(self, method: bytes, url: bytes) -> Target | None:
        if url[:1] != b"/" or b"#" in url:
            return None
        path, _, query = url.partition(b"?")
        try:
            operation, values = self.router.find(method.decode(), path)
            if operation.gathered is None:
                return None
            return Target(operation, values, parameters_of(operation, query), method.decode(), path.decode(), {})
        except (Problem, UnicodeDecodeError):  # by ASGI it is told so
            return None

    def answer(
        self,
        head: Head,
        client: tuple[str, int] | None,
        body: bytes,
        send: Callable[[Reply | bytes], None],
        loop: asyncio.AbstractEventLoop,
    ) -> DirectVisit:
        """Answer a request of ``client`` by one call of ``send``, now or later; by the same rules as all others.

        The visit returned is to be ended with :class:`Gone` if the client leaves.
        """
        visit = DirectVisit(head.target.method, head.target.path, send, self._finish)
        self.visits.add(visit)
        try:
            key = self._enter(head.headers, client)
            visit.name = head.target.operation.name
            call = self._call_of(head, key)
            self._check_size(len(body))
            call.raw = body
            self._watch(visit, loop)
            self._arrived(visit)
            assert call.operation.gathered is not None
            found = call.operation.gathered(call, body, 0)
            if found is None:  # it asks for something that takes longer
                visit.task = loop.create_task(_awaited(call, visit))
            else:
                visit.waiting = self.service.batcher.put(*found, visit.tell)
        except Exception as error:
            visit.tell(error)
        return visit

    def gathered(self, head: Head, client: tuple[str, int] | None, data: bytes, body: int) -> Any:
        """The key and the queries of a search that :meth:`told` will be told the answer to; None where it is no such.

        ``data`` is the request as it came, whose body begins at ``body``.

        Called by the threads of the fast path, as is :meth:`told`.
        """
        self._check_room()
        call = head.call
        if call is None or head.keys is not self.service.keys:
            head.keys = self.service.keys
            call = head.call = self._call_of(head, self._enter(head.headers, client))
        assert call.operation.gathered is not None
        self._check_size(len(data) - body)
        return call.operation.gathered(call, data, body)

    def told(self, heads: list[Head], seconds: list[float], answers: list[Any]) -> list[Reply | bytes]:
        """What is sent as the answers to requests that took so long."""
        replies = []
        counted: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        for head, took, answer in zip(heads, seconds, answers, strict=True):
            target = head.target
            reply, status = self._reply(answer, target.method, target.path)
            counted[target.operation.name, target.method, status].append(took)
            replies.append(reply)
        for key, times in counted.items():
            self.service.metrics.request(*key, *times)
        return replies

    def too_late(self) -> Problem:
        """What is said to who has waited for too long."""
        return Problem(503, f"no answer within {self.limits.request_seconds:g} s, the most this server takes", _SOON)

    def close(self) -> None:
        """Nothing more will be asked."""
        if self.fast is not None:
            self.fast.close()

    def _call_of(self, head: Head, key: Key | None) -> Call:
        target = head.target
        call = self._call(target.operation, target.values, head.named, None, key)
        call.query, call.memo = target.parameters, target.memo
        return call

    def _reply(self, answer: Any, method: str, path: str) -> tuple[Reply | bytes, int]:
        """What is sent for bytes, a reply or an exception, and its status; bytes are JSON as it was asked for."""
        if isinstance(answer, bytes):
            return answer, 200
        reply = self._refusal(answer, method, path) if isinstance(answer, BaseException) else answer
        return reply, reply.status

    def _finish(self, visit: DirectVisit, answer: Any) -> None:
        self.visits.discard(visit)
        if isinstance(answer, Gone):
            visit.status = CLIENT_LEFT
            self._count(visit)
            return
        reply, visit.status = self._reply(answer, visit.method, visit.path)
        self._count(visit)
        visit.send(reply)

    # -- the rules ----------------------------------------------------------------------------------------------------

    def _enter(self, headers: list[tuple[bytes, bytes]], client: tuple[str, int] | None) -> Key | None:
        """Find out who asks, and refuse what is too much."""
        self._check_room()
        key = self._who(headers)
        if self.buckets is not None:
            self.buckets.take(key.name if key is not None and key is not ANYONE else client[0] if client else "")
        return key

    def _check_size(self, size: int) -> None:
        if size > self.limits.body:
            raise too_large(self.limits.body)

    def _check_room(self) -> None:
        if len(self.visits) + (0 if self.fast is None else self.fast.active) > self.limits.active:
            raise Problem(
                503, f"{self.limits.active} requests are being answered already; come back in a second", _SOON
            )

    def _call(
        self,
        operation: Operation,
        values: dict[str, str],
        headers: dict[bytes, bytes],
        receive: Any,
        key: Key | None,
    ) -> Call:
        """The call of an operation, if it may be called."""
        if operation.right is not None and key is not ANYONE:
            key = allow(key, operation.right)
        if operation.writes and self.service.read_only:
            raise Problem(403, "this server only reads (--read-only)")
        return Call(self.service, operation, values, headers, receive, key or ANYONE)

    def _count(self, visit: Visit) -> None:
        self.service.metrics.request(visit.name, visit.method, visit.status, time.perf_counter() - visit.began)

    # -- time: one look at all requests now and then costs less than a timer for each ---------------------------------

    def _watch(self, visit: Visit, loop: asyncio.AbstractEventLoop) -> None:
        """End this request when its time is over."""
        visit.deadline = visit.began + self.limits.body_seconds
        if self._sweeping is not loop:
            self._sweeping = loop
            loop.call_later(self._period, self._sweep)

    def _sweep(self) -> None:
        now = time.perf_counter()
        for visit in list(self.visits):
            if visit.deadline < now:
                visit.overdue(self._too_late(visit))
        if self.visits:
            asyncio.get_running_loop().call_later(self._period, self._sweep)
        else:
            self._sweeping = None

    def _arrived(self, visit: Visit, timed: bool = True) -> None:
        """The request is here; the time for its answer begins."""
        visit.received = True
        visit.deadline = time.perf_counter() + self.limits.request_seconds if timed else math.inf

    def _too_late(self, visit: Visit) -> Problem:
        if not visit.received:
            late = f"the request did not arrive within {self.limits.body_seconds:g} s"
            return Problem(408, late, {"Connection": "close"})
        return self.too_late()

    def _who(self, headers: list[tuple[bytes, bytes]]) -> Key | None:
        keys = self.service.keys
        if keys is None:
            return ANYONE
        secret = secret_of(headers)
        key = keys.identify(secret)
        if secret is not None and key is None:
            raise Problem(401, "the key is none that this server knows", {"WWW-Authenticate": "Bearer"})
        return key

    async def _answer_open(self, path: str, visit: AwaitedVisit) -> None:
        if visit.method not in ("GET", "HEAD"):
            raise Problem(405, f"expected GET here, got {visit.method}", {"Allow": "GET, HEAD"})
        if path == "/ready":
            if self.service.stopping:
                raise Problem(503, "the server is stopping")
            await visit.reply(Reply(b'{"ready":true}'))
        else:
            await visit.reply(_EMPTY)

    async def _operate(self, scope: Any, receive: Any, visit: AwaitedVisit, key: Key | None) -> None:
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        root = scope.get("root_path")
        if root and raw.startswith(root.encode()):
            raw = raw[len(root.encode()) :]
        operation, values = self.router.find(visit.method, raw)
        visit.name = operation.name
        call = self._call(operation, values, dict(scope["headers"]), receive, key)
        if scope["query_string"]:
            call.query = parameters_of(operation, scope["query_string"])
        if not operation.streams and visit.method not in ("GET", "HEAD"):
            _announced(call, self.limits.body)
            await call.read(self.limits.body)
        self._arrived(visit, not (operation.streams or operation.untimed))
        reply = await operation.handler(call)
        if reply.chunks is not None:
            visit.deadline = math.inf
        await visit.reply(reply)

    def _bounded(self, receive: Any, visit: Visit) -> Any:
        """``receive`` for what FastAPI answers: the same limits of size and time."""
        length = 0

        async def bounded() -> Any:
            nonlocal length
            message = await receive()
            length += len(message.get("body", b""))
            self._check_size(length)
            if not message.get("more_body") and not visit.received:
                self._arrived(visit)
            return message

        return bounded

    def _refusal(self, error: BaseException, method: str, path: str) -> Reply:
        status = status_of(error)
        if status == 500:
            logger.error("%s %s", method, path, exc_info=error)
        headers = error.headers if isinstance(error, Problem) else {}
        reply = Reply(to_json(describe(error, self.hide)), status)
        reply.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        return reply


async def _awaited(call: Call, visit: DirectVisit) -> None:
    """What an operation has to await."""
    try:
        answer: Any = await call.operation.handler(call)
    except Exception as error:
        answer = error
    visit.task = None
    visit.tell(answer)


def _announced(call: Call, limit: int) -> None:
    """Refuse a body by the length that its header says, before any of it is read."""
    length = call.headers.get(b"content-length")
    if length and (not length.isdigit() or int(length) > limit):
        raise too_large(limit)


_EMPTY = Reply()
_SOON = {"Retry-After": "1"}
