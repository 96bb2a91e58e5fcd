"""Keeping a collection: segments, plans, judges, surveys, verification, snapshots, and the jobs that do it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.checks import check_bytes
from ...store import Store
from ..auth import allow
from ..calls import Call, Reply
from ..errors import Problem
from ..fields import Body, Field, Flag, Integer, ListOf, Number, OneOf, Text, Vectors, refuse
from ..jobs import Job
from ..routing import Operation
from .items import shaped

_ONE = "/v1/collections/{name}/"
_WAIT: dict[str, Field] = {
    "wait": Number("seconds to wait for the job before it is answered with 202", low=0, high=3600)
}


def _simple(work: Callable[[Store, dict[str, Any]], Any], *, writes: bool = False) -> Any:
    """A handler that answers ``work(store, fields)``."""

    async def handle(call: Call) -> Reply:
        hosted, name = call.service.hosted, call.collection
        fields = await call.fields() if call.operation.body is not None else {}

        def run() -> Any:
            with hosted.open(name) as store:
                return work(store, fields)

        return Reply.of(await (hosted.write(name, run) if writes else hosted.run(run)))

    return handle


def _job(kind: str, work: Callable[[Store, dict[str, Any]], Any]) -> Any:
    """A handler that begins ``work(store, fields)`` as a job."""

    async def handle(call: Call) -> Reply:
        hosted, name, jobs = call.service.hosted, call.collection, call.service.jobs
        fields = await call.fields()
        if not await hosted.run(hosted.__contains__, name):
            raise FileNotFoundError(f"name: no collection {name!r}")

        def run() -> Any:
            with hosted.open(name) as store:
                return work(store, fields)

        job = jobs.start(kind, name, call.operation.right or "admin", run)
        return await _answer(job, call.query.get("wait", 0.0))

    return handle


async def _answer(job: Job, seconds: float) -> Reply:
    """The job: 200 where it ended within the time, 202 where it has not."""
    if seconds and not job.ended.is_set():
        await asyncio.wait([asyncio.ensure_future(job.ended.wait())], timeout=seconds)
    if job.ended.is_set():
        return Reply.of(job.to_dict())
    reply = Reply.of(job.to_dict(), 202)
    reply.headers.append((b"location", b"/v1/jobs/" + job.id.encode()))
    return reply


def _optimize(store: Store, fields: dict[str, Any]) -> Any:
    queries = fields.get("queries")
    if queries is not None and not isinstance(queries, str):
        fields["queries"] = shaped(queries, store.dim, "queries")
    return store.optimize(**fields).to_dict()


def _survey(store: Store, fields: dict[str, Any]) -> Any:
    from ...survey import survey

    parts = [batch.vectors for batch in store.iterate(65_536)]
    if not parts:
        raise ValueError("survey: the collection is empty; add items first")
    return survey(np.concatenate(parts), metric=store.metric, progress=False, **fields).to_dict()


def _verify(store: Store, fields: dict[str, Any]) -> Any:
    report = store.verify(**fields)
    return {"ok": report.ok, "problems": report.problems, "counts": report.counts, "repairs": report.repairs}


def _fit_judge(store: Store, fields: dict[str, Any]) -> Any:
    if "queries" in fields:
        fields["queries"] = shaped(fields["queries"], store.dim, "queries")
    store.fit_judge(**fields)
    return {"judge": store.stats()["judge"]}


def _index_text(store: Store, fields: dict[str, Any]) -> Any:
    store.index_text(**fields)
    return {"text": store.stats().get("text")}


def _stats(store: Store, _: dict[str, Any]) -> Any:
    return {name: value for name, value in store.stats().items() if name != "path"}


def _plan(store: Store, _: dict[str, Any]) -> Any:
    plan = store.plan
    return {"plan": None if plan is None else plan.to_dict()}


# -- jobs -----------------------------------------------------------------------------------------------------------


async def _list_jobs(call: Call) -> Reply:
    found = [{**job.to_dict(), "result": None} for job in call.service.jobs]
    return Reply.of({"jobs": found})


async def _show_job(call: Call) -> Reply:
    job = call.service.jobs.get(call.path["id"])
    reply = await _answer(job, call.query.get("wait", 0.0))
    reply.status = 200
    reply.headers.clear()
    return reply


async def _cancel_job(call: Call) -> Reply:
    job = call.service.jobs.get(call.path["id"])
    allow(call.key, job.right)
    call.service.jobs.cancel(job)
    return Reply(status=204)


# -- snapshots ------------------------------------------------------------------------------------------------------


def _on_tag(work: Callable[[Store, str], Any], *, writes: bool = True, status: int = 200) -> Any:
    async def handle(call: Call) -> Reply:
        hosted, name, tag = call.service.hosted, call.collection, call.path["tag"]

        def run() -> Any:
            with hosted.open(name) as store:
                return work(store, tag)

        found = await (hosted.write(name, run) if writes else hosted.run(run))
        return Reply(status=204) if status == 204 else Reply.of(found, status)

    return handle


def _known(store: Store, tag: str) -> dict[str, Any]:
    tags = store.tags()
    if tag not in tags:
        raise Problem(404, f"tag: no snapshot {tag!r}; there are: {', '.join(map(repr, tags)) or 'none'}")
    return tags[tag]


def _make_tag(store: Store, tag: str) -> Any:
    store.tag(tag)
    return _known(store, tag)


def _remove_tag(store: Store, tag: str) -> None:
    _known(store, tag)
    store.untag(tag)


def _restore_tag(store: Store, tag: str) -> Any:
    _known(store, tag)
    store.restore(tag)
    return {"items": len(store)}


_ANY = {"type": "object"}
_JOB = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "kind": {"type": "string"},
        "collection": {"type": "string"},
        "state": {"type": "string", "enum": ["waiting", "running", "done", "failed", "cancelled"]},
        "created": {"type": "string"},
        "finished": {"type": ["string", "null"]},
        "result": {},
        "error": {"type": ["object", "null"]},
    },
    "required": ["id", "kind", "collection", "state"],
}
_TAG = {
    "type": "object",
    "properties": {
        "created": {"type": ["string", "null"]},
        "items": {"type": "integer"},
        "bytes": {"type": "integer"},
        "own_bytes": {"type": "integer"},
    },
}


@dataclass(frozen=True)
class _Samples(Vectors):
    """Vectors of a job, which is to be refused before it begins where they cannot be."""

    def check(self, value: Any, name: str) -> np.ndarray:
        found = super().check(value, name)
        if not np.isfinite(found).all():
            raise refuse(name, "numbers that float32 can hold", value)
        return found


_SEED = Integer("for what is drawn at random", low=0)


class _Size(Field):
    """Bytes, as a number or a text such as ``200MB``."""

    def check(self, value: Any, name: str) -> int:
        if type(value) not in (int, str):
            raise Problem(422, f"{name}: expected bytes such as 200000000 or '200MB', got {value!r}"[:200])
        return check_bytes(value, name)

    def schema(self) -> dict[str, Any]:
        return {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
                {"type": "string", "pattern": "^[1-9][0-9]{0,8}(B|kB|MB|GB|kiB|MiB|GiB)$"},
            ]
        }


def _post(name: str, right: str, handler: Any, summary: str, description: str = "", **more: Any) -> Operation:
    return Operation("POST", _ONE + name, right, handler, summary, description, tag="keeping", **more)


def _long(name: str, right: str, work: Any, summary: str, body: Body, **more: Any) -> Operation:
    return _post(
        name,
        right,
        _job(name, work),
        summary,
        body=body,
        parameters=_WAIT,
        reply=_JOB,
        status=202,
        answers=(200, 429),
        untimed=True,
        **more,
    )


OPERATIONS = [
    _post(
        "seal",
        "write",
        _simple(lambda store, _: {"changed": store.seal()}, writes=True),
        "Move pending rows into a segment, indexed by the plan's recipe",
        reply=_ANY,
        example={"changed": True},
        writes=True,
        untimed=True,
    ),
    _post(
        "compact",
        "admin",
        _simple(lambda store, _: {"changed": store.compact()}),
        "Merge all segments and pending rows into one, without what was deleted",
        "Searches and writes go on meanwhile. This may take minutes, and the answer comes at its end.",
        reply=_ANY,
        example={"changed": True},
        writes=True,
        untimed=True,
    ),
    _post(
        "index_text",
        "admin",
        _simple(_index_text),
        "Say where the items' texts are, and index their words",
        body=Body(
            {
                "text": Text("the key of the payload under which the text is", "text"),
                "tokenizer": Text("how texts become words", choices=("porter", "unicode61", "trigram")),
            }
        ),
        reply=_ANY,
        writes=True,
        untimed=True,
    ),
    _post(
        "fit_judge",
        "admin",
        _simple(_fit_judge),
        "Fit the relevance judge; hits carry `relevance` from then on",
        body=Body(
            {
                "queries": Vectors("labelled queries"),
                "labels": ListOf("for each, whether the collection holds an answer", item=Flag()),
                "hidden": Number(low=0.0, high=1.0),
                "nearest": Integer(low=1, high=1000),
                "sample": Integer("items asked as if they were queries", low=20, high=1_000_000),
                "background": Integer("random items each is compared with", low=20, high=1_000_000),
                "random_state": _SEED,
            }
        ),
        reply=_ANY,
        writes=True,
        untimed=True,
    ),
    Operation(
        "GET",
        _ONE + "stats",
        "read",
        _simple(_stats),
        "Counts, bytes, memory, plan, judge, live recall",
        reply=_ANY,
        tag="keeping",
    ),
    Operation(
        "GET",
        _ONE + "plan",
        "read",
        _simple(_plan),
        "The plan of the last optimize, or null",
        reply=_ANY,
        tag="keeping",
    ),
    _long(
        "optimize",
        "admin",
        _optimize,
        "Find the fastest recipe that reaches a recall within a budget, by measurement, and apply it",
        Body(
            {
                "recall": Number("the target", 0.95, low=0.0, high=1.0),
                "memory": _Size("most bytes resident, as a number or as 200MB"),
                "latency": Number("most seconds a query", low=0.0, high=1e3),
                "k": Integer(low=1, high=1000),
                "queries": OneOf(
                    "sample queries, or `observed` for those that were really asked",
                    kinds=(Text(choices=("observed",)), _Samples()),
                    allowed="vectors or 'observed'",
                ),
                "workload": ListOf("conditions of past queries", item=Text(least=1)),
                "random_state": _SEED,
            }
        ),
        writes=True,
    ),
    _long(
        "survey",
        "read",
        _survey,
        "Measure the space: what kind it is and what that means for search",
        Body(
            {
                "sample": Integer("rows whose neighbours are looked up", low=2, high=1_000_000),
                "random_state": _SEED,
            }
        ),
    ),
    _long(
        "verify",
        "read",
        _verify,
        "Check every file, and that every item is found",
        Body({"sample": Integer("items of each index that are searched", low=1), "random_state": _SEED}),
    ),
    _long(
        "repair",
        "admin",
        lambda store, fields: _verify(store, {**fields, "repair": True}),
        "Verify, and build again what is damaged and can be built again",
        Body({"sample": Integer("items of each index that are searched", low=1), "random_state": _SEED}),
        writes=True,
    ),
    Operation(
        "GET",
        "/v1/jobs",
        "read",
        _list_jobs,
        "All jobs that are remembered, without their results",
        reply={"type": "object", "properties": {"jobs": {"type": "array", "items": _JOB}}, "required": ["jobs"]},
        tag="jobs",
    ),
    Operation(
        "GET",
        "/v1/jobs/{id}",
        "read",
        _show_job,
        "A job, with its result once it is done",
        parameters=_WAIT,
        reply=_JOB,
        tag="jobs",
        untimed=True,
    ),
    Operation(
        "DELETE",
        "/v1/jobs/{id}",
        "read",
        _cancel_job,
        "Take a job that waits out of the line, or forget one that ended",
        "Needs the right that the job needed. 409 while it runs: a run is not broken off.",
        status=204,
        answers=(409,),
        tag="jobs",
    ),
    Operation(
        "GET",
        _ONE + "snapshots",
        "read",
        _simple(lambda store, _: {"snapshots": store.tags()}),
        "The snapshots by name",
        reply={
            "type": "object",
            "properties": {"snapshots": {"type": "object", "additionalProperties": _TAG}},
            "required": ["snapshots"],
        },
        tag="snapshots",
    ),
    Operation(
        "GET",
        _ONE + "snapshots/{tag}",
        "read",
        _on_tag(_known, writes=False),
        "What a snapshot holds",
        reply=_TAG,
        tag="snapshots",
    ),
    Operation(
        "PUT",
        _ONE + "snapshots/{tag}",
        "admin",
        _on_tag(_make_tag, status=201),
        "Keep the present moment under a name",
        reply=_TAG,
        status=201,
        answers=(409,),
        writes=True,
        tag="snapshots",
    ),
    Operation(
        "DELETE",
        _ONE + "snapshots/{tag}",
        "admin",
        _on_tag(_remove_tag, status=204),
        "Remove a snapshot and give its bytes back",
        status=204,
        writes=True,
        tag="snapshots",
    ),
    Operation(
        "POST",
        _ONE + "snapshots/{tag}/restore",
        "admin",
        _on_tag(_restore_tag),
        "Make the content of a snapshot the collection's own again",
        reply={"type": "object", "properties": {"items": {"type": "integer"}}, "required": ["items"]},
        example={"items": 2},
        writes=True,
        untimed=True,
        tag="snapshots",
    ),
]
