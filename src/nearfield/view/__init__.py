"""Pictures of a space: two coordinates for every row, and how much of the neighbourhoods such a map keeps.

The room can be called by its function's name: ``nearfield.view.layout(vectors)``.
"""

from __future__ import annotations

from ..common.lazy import callable_room
from .kept import neighbors_kept
from .layout import layout

__all__ = ["layout", "neighbors_kept"]

callable_room(__name__)
