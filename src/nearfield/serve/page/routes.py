"""What the page needs beside the REST interface: its files, maps, surveys with their pictures, values to choose from.

Whatever a client names here is looked up among what is there; no name of it becomes a path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from ...common.checks import check_int
from ...store import Store
from ..auth import SCOPE_KEY, allow
from ..calls import to_json
from ..errors import Problem, describe, status_of
from . import atlas, surveying
from .files import HEADERS, PLOTLY, File, page_files, plotly
from .work import DONE, FAILED, Piece, Works

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ..service import Service

_SHOWN_VALUES = 200
_SAMPLED_VALUES = 20_000


def mount(app: FastAPI, prefix: str = "") -> None:
    """Add the page to an application: under ``prefix``, or ``/`` without one, its files under ``/page``."""
    page = Page(app.state.service, prefix)
    app.add_route(prefix or "/", page.index, ["GET"], include_in_schema=False)
    app.add_route("/docs", page.reference, ["GET"], include_in_schema=False)
    app.add_route("/page/home", page.home, ["GET"], include_in_schema=False)
    for method, path, handler in (
        ("GET", "facts", page.facts),
        ("GET", "values", page.values),
        ("GET", "plan", page.plan),
        ("GET", "map", page.map),
        ("POST", "map", page.draw),
        ("POST", "map/stop", page.stop),
        ("GET", "column", page.column),
        ("GET", "survey", page.survey),
        ("POST", "survey", page.measure),
        ("GET", "survey/figure", page.figure),
        ("GET", "survey/report", page.report),
    ):
        app.add_route(f"/page/data/{path}", page.told(handler, "read"), [method], include_in_schema=False)
    app.add_route("/page/{name:path}", page.told(page.file), ["GET"], include_in_schema=False)


class Page:
    """The page of one server, and what was drawn for it."""

    def __init__(self, service: Service, prefix: str = ""):
        self.service = service
        self.prefix = prefix
        self.works = Works()

    # -- files --------------------------------------------------------------------------------------------------------

    async def index(self, request: Request) -> Response:
        """The page itself."""
        return _sent(request, page_files()["index.html"])

    async def reference(self, request: Request) -> Response:
        """The reference of the REST interface."""
        return _sent(request, page_files()["reference.html"])

    async def home(self, request: Request) -> Response:
        """To the page, from where its address is not known; relative, since a proxy may put a path before it."""
        return Response(status_code=307, headers={**HEADERS, "Location": f"..{self.prefix or '/'}", **_FRESH})

    async def file(self, request: Request) -> Response:
        """One of its files; names are looked up, not opened."""
        name = request.path_params["name"]
        if name == PLOTLY:
            return _sent(request, await self.service.hosted.run(plotly))
        found = page_files().get(name)
        if found is None:
            raise Problem(404, "the page has no such file")
        return _sent(request, found)

    # -- collections --------------------------------------------------------------------------------------------------

    async def facts(self, request: Request) -> Response:
        """What the page asks of a collection before anything else."""
        encoder = self.service.encoder

        def look(store: Store) -> dict[str, Any]:
            stats = store.stats()
            names = ("items", "dim", "metric", "attributes", "id_type")
            made_by = stats["embedding"]
            if encoder is None:  # what the server loads by itself
                encodes = bool(made_by) and made_by.get("encoder") == "WordLlama"
            else:
                encodes = made_by == encoder.fingerprint()
            return {
                **{name: stats[name] for name in names},
                "text": stats["text"] is not None,
                "judge": stats["judge"] is not None and stats["judge"]["promises"],
                "encodes": encodes,
            }

        return _json(await self._of(request, look))

    async def values(self, request: Request) -> Response:
        """The most frequent values of an attribute, in a sample."""

        def look(store: Store) -> dict[str, Any]:
            name = _attribute(request, store.attributes)
            if store.attributes[name] == "geo":
                return {"values": []}
            table = store.sample(_SAMPLED_VALUES, payload=False).attributes
            assert table is not None  # since it has this attribute
            column = table.column(name)
            if store.attributes[name] == "strings":
                import pyarrow.compute as pc

                column = pc.list_flatten(column)
            return {"values": atlas.values_of(column)[:_SHOWN_VALUES]}

        return _json(await self._of(request, look))

    async def plan(self, request: Request) -> Response:
        """The plan, each of its recipes in words, and what each misses."""

        def look(store: Store) -> dict[str, Any]:
            plan = store.plan
            if plan is None:
                return {"plan": None}
            # That a sample was not timed is no shortfall of the recipe.
            misses = [[one for one in plan.shortfalls(t) if one != "latency" or t.timed] for t in plan.trials]
            return {"plan": plan.to_dict(), "labels": [str(trial.recipe) for trial in plan.trials], "misses": misses}

        return _json(await self._of(request, look))

    # -- maps ---------------------------------------------------------------------------------------------------------

    async def map(self, request: Request) -> Response:
        """The map of a sample, or how far it is."""
        return _json(await self._progress(request, _map_key(request), lambda drawn: drawn.to_dict()))

    async def draw(self, request: Request) -> Response:
        """Begin to draw a map."""
        key = _map_key(request)
        name, count = key[1], key[2]

        def work(report: Any) -> atlas.Atlas:
            report("Reading the items", 0.0)
            with self.service.hosted.open(name) as store:
                revision, batch, metric = atlas.read(store, count)
            return atlas.draw(revision, batch, metric, self._while_serving(report))

        await self._of(request, lambda store: None)
        return _json(_said(self.works.begin(key, work)), 202)

    async def stop(self, request: Request) -> Response:
        """Draw no further."""
        self.works.stop(_map_key(request))
        return _json({"state": "none"})

    async def column(self, request: Request) -> Response:
        """What colours a map by an attribute."""
        drawn = self._finished(_map_key(request))
        kinds = await self._of(request, lambda store: store.attributes)
        name = _attribute(request, kinds if drawn.attributes is not None else {})
        return _json(await self.service.hosted.run(atlas.colored, drawn.attributes.column(name), kinds[name]))

    # -- surveys ------------------------------------------------------------------------------------------------------

    async def survey(self, request: Request) -> Response:
        """The survey, or how far it is."""
        return _json(await self._progress(request, _survey_key(request), lambda found: found.to_dict()))

    async def measure(self, request: Request) -> Response:
        """Begin to survey a collection."""
        key = _survey_key(request)

        def work(report: Any) -> surveying.Surveyed:
            report("Reading the vectors", 0.0)
            with self.service.hosted.open(key[1]) as store:
                revision, vectors, metric = surveying.read(store)
            return surveying.measure(revision, vectors, metric, self._while_serving(report))

        await self._of(request, lambda store: None)
        return _json(_said(self.works.begin(key, work)), 202)

    async def figure(self, request: Request) -> Response:
        """The picture of one measure."""
        found = self._finished(_survey_key(request))
        measure, theme = request.query_params.get("measure", ""), request.query_params.get("theme", "light")
        if measure not in found.figures or theme not in surveying.THEMES:
            raise Problem(404, f"measure: no picture of {measure[:60]!r} in the theme {theme[:20]!r}")
        return Response(found.figure(measure, theme), media_type="image/svg+xml", headers={**HEADERS, **_FRESH})

    async def report(self, request: Request) -> Response:
        """The whole report, to be saved."""
        key = _survey_key(request)
        found = self._finished(key)
        content = await self.service.hosted.run(found.report, f"Survey of {key[1]}")
        # It brings its own styles; as a page of this server it may do nothing else.
        fence = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
        return Response(content, media_type="text/html", headers={**HEADERS, **fence, **_FRESH})

    # -- inside -------------------------------------------------------------------------------------------------------

    def told(self, handler: Callable[[Request], Awaitable[Response]], right: str | None = None) -> Any:
        """``handler`` for who has the right; what it refuses is told here, before FastAPI calls it a failure."""

        async def endpoint(request: Request) -> Response:
            try:
                if right is not None:
                    allow(request.scope.get(SCOPE_KEY), right)
                return await handler(request)
            except Exception as error:
                status = status_of(error)
                if status == 500:
                    raise
                headers = error.headers if isinstance(error, Problem) else {}
                body = to_json(describe(error, str(self.service.hosted.path)))
                return Response(body, status, {**HEADERS, **_FRESH, **headers}, "application/json")

        return endpoint

    async def _of(self, request: Request, look: Callable[[Store], Any]) -> Any:
        """``look(store)`` of the collection that a request names."""
        name = _collection(request)

        def run() -> Any:
            with self.service.hosted.open(name) as store:
                return look(store)

        return await self.service.hosted.run(run)

    async def _progress(self, request: Request, key: tuple[Any, ...], told: Callable[[Any], Any]) -> bytes:
        """How far a piece of work is; with its result, and whether that is of other items by now, when it is done."""
        revision = await self._of(request, lambda store: store.revision)
        piece = self.works.find(key)
        if piece is None:
            return to_json({"state": "none"})
        if piece.state != DONE:
            return to_json(_said(piece))
        result = piece.result

        def tell() -> bytes:
            stale = result.revision != revision
            if stale and result.revision.split("-")[0] != revision.split("-")[0]:
                return to_json({"state": "none"})  # another collection of the same name
            return to_json({"state": DONE, "stale": stale, **told(result)})

        return await self.service.hosted.run(tell)

    def _finished(self, key: tuple[Any, ...]) -> Any:
        piece = self.works.find(key)
        if piece is None or piece.state != DONE:
            raise Problem(404, f"the {key[0]} is not there; begin it first")
        return piece.result

    def _while_serving(self, report: Callable[[str, float], None]) -> Callable[[str, float], None]:
        """``report``, which ends the work of a server that stops."""

        def serving(stage: str, share: float) -> None:
            if self.service.stopping:
                raise Problem(503, "the server is stopping")
            report(stage, share)

        return serving


_FRESH = {"Cache-Control": "no-store"}


def _collection(request: Request) -> str:
    name = request.query_params.get("collection")
    if not name:
        raise Problem(422, "collection: expected the name of one, got none")
    return str(name)


def _map_key(request: Request) -> tuple[str, str, int]:
    text = request.query_params.get("sample", "10000")
    try:
        count = check_int(int(text), "sample", 3, atlas.MOST_ITEMS)
    except ValueError:
        allowed = f"an integer from 3 to {atlas.MOST_ITEMS}"
        raise Problem(422, f"sample: expected {allowed}, got {text[:40]!r}") from None
    return "map", _collection(request), count


def _survey_key(request: Request) -> tuple[str, str]:
    return "survey", _collection(request)


def _attribute(request: Request, known: dict[str, str]) -> str:
    name = request.query_params.get("attribute", "")
    if name not in known:
        raise Problem(404, f"attribute: expected one of {', '.join(known) or 'none'}, got {name[:60]!r}")
    return str(name)


def _said(piece: Piece) -> dict[str, Any]:
    said: dict[str, Any] = {"state": piece.state, "stage": piece.stage, "progress": piece.share}
    if piece.state == FAILED and piece.error is not None:
        said["message"] = describe(piece.error)["error"]["message"]
    return said


def _json(value: Any, status: int = 200) -> Response:
    body = value if isinstance(value, bytes) else to_json(value)
    return Response(body, status, media_type="application/json", headers={**HEADERS, **_FRESH})


def _sent(request: Request, file: File) -> Response:
    """A file, or 304 where the browser has it; it asks each time, so that a new version of the page is one."""
    headers = {**HEADERS, "Cache-Control": "no-cache", "ETag": file.tag, "Vary": "Accept-Encoding"}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(file.packed, media_type=file.media, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.plain, media_type=file.media, headers=headers)
