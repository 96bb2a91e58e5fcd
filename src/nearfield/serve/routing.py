"""Operations: what each path offers, described once, for the router as for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from .errors import Problem

if TYPE_CHECKING:
    from .calls import Call, Reply
    from .fields import Body, Field

ANY = "*"
# So many paths are remembered: most requests are for a few.
_KNOWN = 1024


@dataclass(frozen=True)
class Operation:
    """One method of one path: who may call it, what it takes, what it does.

    ``handler`` is awaited with the :class:`Call`; a ``streams`` operation reads its body itself, without the limits of
    a body and of time, an ``untimed`` one takes as long as it takes; ``answers`` are further statuses it gives.

    ``gathered`` is called with a :class:`Call`, bytes and where the body begins in them, and returns what it has in
    common with others that can be answered together, and what it asks; None where this call is to be awaited after all.
    """

    method: str
    path: str
    right: str | None
    handler: Callable[[Call], Awaitable[Reply]]
    summary: str
    description: str = ""
    body: Body | None = None
    parameters: Mapping[str, Field] = field(default_factory=dict)
    reply: Mapping[str, Any] = field(default_factory=dict)
    example: Any = None
    status: int = 200
    answers: tuple[int, ...] = ()
    streams: bool = False
    writes: bool = False
    untimed: bool = False
    media: str = "application/json"
    accepts: tuple[str, ...] = ()
    tag: str = "items"
    gathered: Callable[[Call, bytes, int], tuple[Any, Any] | None] | None = None

    name: str = field(init=False)

    def __post_init__(self) -> None:
        """Give it a name for logs, metrics and clients: ``search``, ``put_snapshots_tag``."""
        parts = [part.strip("{}") for part in self.path.split("/")[1:] if part != "v1"]
        if parts[:1] == ["collections"] and len(parts) > 2:
            parts = parts[2:]
        last = "_".join(parts) or "about"
        object.__setattr__(self, "name", last if self.method == "POST" else f"{self.method.lower()}_{last}")


class Router:
    """Finds the operation of a path by its segments, as they were sent: ``%2F`` in a name does not part it."""

    def __init__(self, operations: Iterable[Operation]):
        self.operations = tuple(operations)
        self._root: dict[str, Any] = {}
        self._known: dict[tuple[str, bytes], tuple[Operation, dict[str, str]]] = {}
        for operation in self.operations:
            node = self._root
            for segment in operation.path.split("/")[1:]:
                node = node.setdefault(ANY if segment.startswith("{") else segment, {})
            methods = node.setdefault("", ({}, [part[1:-1] for part in operation.path.split("/") if part[:1] == "{"]))
            methods[0][operation.method] = operation

    def find(self, method: str, raw_path: bytes) -> tuple[Operation, dict[str, str]]:
        """The operation and what stands in its path; 404 or 405 where there is none."""
        known = self._known.get((method, raw_path))
        if known is None:
            known = self._find(method, raw_path.partition(b"?")[0])
            if len(self._known) >= _KNOWN:
                self._known.clear()
            self._known[method, raw_path] = known
        return known

    def _find(self, method: str, raw_path: bytes) -> tuple[Operation, dict[str, str]]:
        node = self._root
        values = []
        try:
            for segment in raw_path.decode("ascii").split("/")[1:]:
                following = node.get(segment) if segment else None
                if following is None:
                    following = node[ANY]
                    values.append(unquote_to_bytes(segment).decode() if "%" in segment else segment)
                node = following
            operations, names = node[""]
        except (KeyError, UnicodeDecodeError):
            raise Problem(404, "there is nothing at this path; /openapi.json lists what there is") from None
        operation = operations.get(method) or (operations.get("GET") if method == "HEAD" else None)
        if operation is None:
            allowed = ", ".join(sorted(operations))
            raise Problem(405, f"expected {allowed} here, got {method}", {"Allow": allowed})
        return operation, dict(zip(names, values, strict=True))
