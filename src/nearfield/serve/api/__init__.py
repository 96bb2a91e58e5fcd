"""What the paths under ``/v1`` offer, by subject; each file describes its operations and does them."""

from __future__ import annotations

from ..routing import Operation
from . import about, collections, items, keeping, moving, searching


def operations() -> list[Operation]:
    """All operations of the server."""
    return [
        *about.OPERATIONS,
        *collections.OPERATIONS,
        *items.OPERATIONS,
        *searching.OPERATIONS,
        *keeping.OPERATIONS,
        *moving.OPERATIONS,
    ]
