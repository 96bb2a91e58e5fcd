"""The application: collections, operations, gate and page put together."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ..common.checks import require
from .auth import Keys
from .hosted import Hosted
from .limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..encode import Encoder


def create_app(
    path: str | os.PathLike[str],
    *,
    encoder: Encoder | None = None,
    keys: Keys | None = None,
    limits: Limits | None = None,
    qdrant: bool = False,
    page: bool = True,
    read_only: bool = False,
) -> FastAPI:
    """The server's ASGI application, for any ASGI server; ``nearfield serve`` runs it under uvicorn.

    Parameters
    ----------
    path : a store, or a folder of collections; see :class:`Hosted`.
    encoder : encodes the texts of clients, queries and items; None: collections whose vectors come from ``WordLlama``
        load that by themselves, and others take vectors only.
    keys : who may do what; None lets everybody do everything, which is for a machine of one's own.
    limits : see :class:`Limits`.
    qdrant : answer as a Qdrant server does as well; then the page moves from ``/`` to ``/ui``.
    page : whether to serve the page.
    read_only : open everything for reading, beside a writer elsewhere.

    Returns
    -------
    FastAPI : its ``state.hosted`` is the :class:`Hosted`. The end of the ASGI lifespan closes the stores.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> app = create_app(folder.name + "/all", page=False)
    >>> list(app.state.hosted)
    []
    >>> app.state.hosted.close(); folder.cleanup()
    """
    require("orjson", "serve")
    require("fastapi", "serve")
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException

    from .. import __version__
    from .api import operations
    from .api.gathering import answer_batch
    from .batching import Batcher
    from .gate import Gate
    from .jobs import Jobs
    from .metrics import Metrics
    from .openapi import document
    from .routing import Router
    from .service import Service

    limits = Limits() if limits is None else limits
    hosted = Hosted(path, read_only=read_only, threads=limits.threads)
    metrics = Metrics()
    service = Service(
        hosted,
        encoder,
        keys,
        limits,
        read_only,
        metrics,
        Jobs(limits.jobs, str(hosted.path)),
        Batcher(hosted, metrics, partial(answer_batch, limits, hosted)),
    )
    router = Router(operations())

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(app.state.gate.close)
        await service.close()

    # FastAPI's own pages of the document load scripts from elsewhere; the page has one of its own.
    app = guarded()(title="Nearfield", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.hosted = hosted
    app.state.service = service
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _told)
    if qdrant:
        _mount(app, "qdrant")
    if page:
        _mount(app, "page", prefix="/ui" if qdrant else "")
    own = app.openapi
    app.openapi = lambda: document(own(), router.operations, keys is not None, limits)
    app.gate = app.state.gate = Gate(app.answer, service, router)
    return app


def guarded() -> Any:
    """FastAPI's application with a gate in front: what passes by needs none of FastAPI's layers."""
    from fastapi import FastAPI

    class Guarded(FastAPI):
        gate: Any = None

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.gate(scope, receive, send)

        async def answer(self, scope: Any, receive: Any, send: Any) -> None:
            """What FastAPI answers by itself."""
            await super().__call__(scope, receive, send)

    return Guarded


async def _told(request: Any, error: Any) -> Any:
    """What FastAPI refuses by itself, in the form of all other errors."""
    from starlette.responses import Response

    from .calls import to_json
    from .errors import Problem, describe

    status = getattr(error, "status_code", 422)
    if hasattr(error, "errors"):
        first = error.errors()[0]
        message = f"{'.'.join(str(part) for part in first.get('loc', ()))}: {first.get('msg', 'does not fit')}"
    else:
        message = str(error.detail)
    body = to_json(describe(Problem(status, message)))
    return Response(body, status, headers=getattr(error, "headers", None), media_type="application/json")


def _mount(app: FastAPI, part: str, **settings: Any) -> None:
    """Add what ``serve/PART/`` offers: its ``mount(app, ...)``."""
    import importlib

    importlib.import_module(f".{part}", __package__).mount(app, **settings)
