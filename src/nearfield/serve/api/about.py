"""The server itself: what it is, and what it counted."""

from __future__ import annotations

from typing import Any

from ..calls import Call, Reply
from ..routing import Operation


async def _about(call: Call) -> Reply:
    from ... import __version__

    service = call.service
    encoder = service.encoder
    found: dict[str, Any] = {
        "name": "nearfield",
        "version": __version__,
        "collections": await service.hosted.run(lambda: list(service.hosted)),
        "encoder": None if encoder is None else encoder.fingerprint().get("encoder"),
        "limits": service.limits.to_dict(),
        "read_only": service.read_only,
        "right": call.key.right,
    }
    return Reply.of(found)


async def _metrics(call: Call) -> Reply:
    service = call.service
    stats = await service.hosted.run(service.hosted.stats)
    gauges = {f"nearfield_collections_{name}": float(value) for name, value in stats.items()}
    gauges["nearfield_calls_waiting"] = float(service.hosted.waiting)
    for state, count in service.jobs.count().items():
        gauges[f"nearfield_jobs_{state}"] = float(count)
    return Reply(service.metrics.text(gauges).encode(), media=b"text/plain; version=0.0.4; charset=utf-8")


OPERATIONS = [
    Operation(
        "GET",
        "/v1",
        "read",
        _about,
        "What this server is",
        reply={
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "version": {"type": "string"},
                "collections": {"type": "array", "items": {"type": "string"}},
                "encoder": {"type": ["string", "null"]},
                "limits": {"type": "object"},
                "read_only": {"type": "boolean"},
                "right": {"type": "string"},
            },
            "required": ["name", "version", "collections", "limits"],
        },
        tag="server",
    ),
    Operation(
        "GET",
        "/metrics",
        "read",
        _metrics,
        "Counts and times in Prometheus' text format",
        media="text/plain",
        reply={"type": "string"},
        tag="server",
    ),
]
