"""The rooms of the house, their floors, and what each shows to the public. Tests read this table.

A room imports only from lower floors, from itself and from ``common``; never from its own floor's neighbours or above.
"""

from __future__ import annotations

import importlib
from typing import Any

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
    "view": 1,
    "index": 2,
    "tune": 3,
    "store": 4,
    "serve": 5,
    "evidence": 5,
    "bench": 6,
    "cli": 7,
}


def public_objects() -> dict[str, Any]:
    """Every public name of every room, ``"room.name" -> object``, as the room's ``__all__`` says."""
    found = {}
    for room in FLOORS:
        module = importlib.import_module(f"nearfield.{room}")
        for name in getattr(module, "__all__", ()):
            found[f"{room}.{name}"] = getattr(module, name)
    return found
