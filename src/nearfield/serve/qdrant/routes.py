"""Qdrant's paths in the application: requests in, answers in Qdrant's envelope out."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from ..auth import SCOPE_KEY, allow
from ..calls import to_json
from ..errors import Problem, describe, status_of
from .dialect import Dialect
from .endpoints import ENDPOINTS, REFUSED, VERSION, Endpoint, Request, refuse
from .refusal import Refusal, absent, bad

if TYPE_CHECKING:
    from fastapi import FastAPI

logger = logging.getLogger("nearfield.serve.qdrant")

_PAGE = "/ui"  # of people, where it is served
_ANY = ("GET", "POST", "PUT", "PATCH", "DELETE")


def mount(app: FastAPI) -> None:
    """Add Qdrant's paths under ``/``."""
    dialect = Dialect(app.state.hosted)
    app.state.qdrant = dialect
    for path, text in (("/healthz", "healthz"), ("/livez", "livez"), ("/readyz", "all shards are ready")):
        app.add_route(path, _saying(text), ["GET"], include_in_schema=False)
    app.add_route("/", _about, ["GET"], include_in_schema=False)
    for endpoint in ENDPOINTS:
        app.add_route(endpoint.path, _route(dialect, endpoint), [endpoint.method], include_in_schema=False)
    for path, what in REFUSED:
        for place in (path, path + "/{rest:path}"):
            endpoint = Endpoint("", place, "read", refuse(what), what)
            app.add_route(place, _route(dialect, endpoint), list(_ANY), include_in_schema=False)
    other = Endpoint("", "/collections/{rest:path}", "read", _nowhere, "")  # none of the above
    app.add_route(other.path, _route(dialect, other), list(_ANY), include_in_schema=False)


def _nowhere(request: Request) -> Any:
    raise absent(f"no such path: /collections/{request.path['rest']}")


def _saying(text: str) -> Any:
    async def answer(request: Any) -> Any:
        from fastapi.responses import PlainTextResponse

        return PlainTextResponse(text)

    return answer


async def _about(request: Any) -> Any:
    if "text/html" in request.headers.get("accept", "") and any(
        getattr(route, "path", None) == _PAGE for route in request.app.routes
    ):  # a person's browser; relative, since a proxy may put a path before it
        return _reply(b"", 307, {"Location": _PAGE[1:], "Vary": "Accept"})
    return _reply(to_json({"title": "nearfield - as a Qdrant server", "version": VERSION, "commit": ""}))


def _reply(content: bytes, status: int = 200, headers: Any = None) -> Any:
    from fastapi.responses import Response

    return Response(content, status, headers, "application/json")


def _route(dialect: Dialect, endpoint: Endpoint) -> Any:
    hosted = dialect.hosted

    async def answer(request: Any) -> Any:
        started = time.perf_counter()
        path, query = dict(request.path_params), dict(request.query_params)

        def work(raw: bytes) -> bytes:  # in a thread, with the reading and writing of JSON, which may be long
            result = endpoint.answer(Request(dialect, path, query, _parsed(raw)))
            return to_json({"result": result, "status": "ok", "time": time.perf_counter() - started})

        try:
            allow(request.scope.get(SCOPE_KEY), endpoint.right)
            if endpoint.writes and hosted.read_only:
                raise Refusal(403, "this server was started to read only")
            raw = await request.body()
            if endpoint.writes and "name" in path:
                return _reply(await hosted.write(dialect.resolve(path["name"]), work, raw))
            return _reply(await hosted.run(work, raw))
        except Exception as error:
            status, message = _told(error, str(hosted.path))
            if status >= 500 and status != 501:
                logger.error("%s %s", request.method, request.url.path, exc_info=error)
            told = to_json({"status": {"error": message}, "time": time.perf_counter() - started})
            return _reply(told, status, error.headers if isinstance(error, Problem) else None)

    return answer


def _told(error: Exception, hide: str) -> tuple[int, str]:
    """The status and the sentence for what went wrong; the store's refusals are those of a request."""
    if isinstance(error, Refusal):
        return error.status, str(error)
    if isinstance(error, RecursionError):
        return 400, "expected a request that is nested less deeply"
    status = status_of(error)
    message = describe(error, hide)["error"]["message"]
    return (400 if status == 422 else status), message


def _parsed(raw: bytes) -> Any:
    if not raw:
        return {}
    import orjson

    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad(f"Format error in JSON body: {error}") from None
