"""The rooms of the house, their floors, and what each shows to the public. Tests read this table.

A room imports only from lower floors, from itself and from ``common``; never from its own floor's neighbours or above.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from .errors import MissingExtraError

FLOORS: dict[str, int] = {
    "native": 0,
    "common": 0,
    "encode": 1,
    "metric": 1,
    "transform": 1,
    "quantize": 1,
    "survey": 1,
    "decide": 1,
    "datasets": 1,
    "index": 2,
    "tune": 3,
    "store": 4,
    "integrate": 5,
    "evidence": 5,
    "bench": 5,
    "cli": 6,
}


def public_names() -> list[str]:
    """Every public name of every room, ``"room.name"``, as the room's ``__all__`` says."""
    rooms = {room: importlib.import_module(f"nearfield.{room}") for room in FLOORS}
    return [f"{room}.{name}" for room, module in rooms.items() for name in getattr(module, "__all__", ())]


def public_objects() -> dict[str, Any]:
    """What stands behind the public names, but for those whose extra is not installed."""
    found = {}
    for full in public_names():
        room, _, name = full.partition(".")
        with contextlib.suppress(MissingExtraError):
            found[full] = getattr(importlib.import_module(f"nearfield.{room}"), name)
    return found
