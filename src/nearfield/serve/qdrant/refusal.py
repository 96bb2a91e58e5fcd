"""What the dialect answers when it does not do what was asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


class Refusal(Exception):
    """An answer with a status of its own: 400 for what makes no sense, 404, 409, and 501 for what is not supported."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


def bad(message: str) -> Refusal:
    """400: the request makes no sense, or none for this collection."""
    return Refusal(400, message)


def unsupported(what: str) -> Refusal:
    """501: it makes sense, and is not done here."""
    return Refusal(501, f"{what} is not supported by this server; docs/serve-qdrant.md lists what is")


def absent(what: str) -> Refusal:
    """404."""
    return Refusal(404, f"Not found: {what}")


def fields(
    body: Any, what: str, known: Collection[str], *, needed: Collection[str] = (), ignored: Collection[str] = ()
) -> Mapping[str, Any]:
    """``body`` as a mapping whose keys are ``known``, or ``ignored`` because they ask for nothing that is seen.

    Another key that holds something is refused with 501: an answer that takes no notice of it would be a wrong one.
    """
    if not isinstance(body, Mapping):
        raise bad(f"{what}: expected an object, got {type(body).__name__}")
    for key in needed:
        if body.get(key) is None:
            raise bad(f"{what}: expected the field '{key}'")
    for key, value in body.items():
        if value is not None and key not in known and key not in ignored:
            raise unsupported(f"{what}: '{key}'")
    return body


def whole(value: Any, name: str, default: int | None, low: int = 1, high: int = (1 << 63) - 1) -> int:
    """An integer from ``low`` to ``high``; ``default`` where there is none."""
    if value is None and default is not None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise bad(f"{name}: expected an integer from {low} to {high}, got {value!r}")
    return value


def number(value: Any, name: str) -> float:
    """A number of JSON, finite as all of them are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad(f"{name}: expected a number, got {value!r}")
    return float(value)


def texts(value: Any, name: str) -> list[str]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise bad(f"{name}: expected a list of texts, got {value!r}")
    return value


def several(value: Any) -> list[Any]:
    """A list, where Qdrant takes one thing or a list of them."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
