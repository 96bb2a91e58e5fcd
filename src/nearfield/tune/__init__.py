"""From a target and a budget to a recipe: transform, codec, index and search settings, chosen by measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import callable_room, lazy_names

if TYPE_CHECKING:
    from .compression import Compressed as Compressed
    from .compression import Compression as Compression
    from .compression import compress as compress
    from .map_choice import MapCandidate as MapCandidate
    from .map_choice import MapChoice as MapChoice
    from .map_choice import MapLoss as MapLoss
    from .maps import choose_map as choose_map
    from .plan import Plan as Plan
    from .plan import Trial as Trial
    from .recipe import Recipe as Recipe
    from .survival import Forecast as Forecast
    from .tuner import tune as tune

__all__ = [
    "Compressed",
    "Compression",
    "Forecast",
    "MapCandidate",
    "MapChoice",
    "MapLoss",
    "Plan",
    "Recipe",
    "Trial",
    "choose_map",
    "compress",
    "tune",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Compressed": ".compression",
        "Compression": ".compression",
        "Forecast": ".survival",
        "MapCandidate": ".map_choice",
        "MapChoice": ".map_choice",
        "MapLoss": ".map_choice",
        "Plan": ".plan",
        "Recipe": ".recipe",
        "Trial": ".plan",
        "choose_map": ".maps",
        "compress": ".compression",
        "tune": ".tuner",
    },
)

callable_room(__name__)
