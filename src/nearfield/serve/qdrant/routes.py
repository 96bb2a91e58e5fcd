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
    for place in ("/collections/{rest:path}",):  # below a collection, and none of the above
        app.add_route(
            place, _route(dialect, Endpoint("", place, "read", _nowhere, "")), list(_ANY), include_in_schema=False
        )


def _nowhere(request: Request) -> Any:
    raise absent(f"no such path: /collections/{request.path['rest']}")


def _saying(text: str) -> Any:
    async def answer(request: Any) -> Any:
        from fastapi.responses import PlainTextResponse

        return PlainTextResponse(text)

    return answer


async def _about(request: Any) -> Any:
    return _reply({"title": "nearfield - as a Qdrant server", "version": VERSION, "commit": ""})


def _reply(content: Any, status: int = 200, headers: Any = None) -> Any:
    from fastapi.responses import Response

    return Response(to_json(content), status, headers, "application/json")


def _route(dialect: Dialect, endpoint: Endpoint) -> Any:
    async def answer(request: Any) -> Any:
        started = time.perf_counter()
        headers = None
        try:
            allow(request.scope.get(SCOPE_KEY), endpoint.right)
            if endpoint.writes and dialect.hosted.read_only:
                raise Refusal(403, "this server was started to read only")
            asked = Request(
                dialect, dict(request.path_params), dict(request.query_params), _parsed(await request.body())
            )
            hosted = dialect.hosted
            if endpoint.writes and "name" in asked.path:
                result = await hosted.write(dialect.resolve(asked.name), endpoint.answer, asked)
            else:
                result = await hosted.run(endpoint.answer, asked)
            content, status = {"result": result, "status": "ok"}, 200
        except Exception as error:
            status, message = _told(error, str(dialect.hosted.path))
            headers = error.headers if isinstance(error, Problem) else None
            if status >= 500 and status != 501:
                logger.error("%s %s", request.method, request.url.path, exc_info=error)
            content = {"status": {"error": message}}
        return _reply({**content, "time": time.perf_counter() - started}, status, headers)

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
