"""From a target and a budget to a recipe: transform, codec, index and search settings, chosen by measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import callable_room, lazy_names

if TYPE_CHECKING:
    from .compression import Compressed as Compressed
    from .compression import Compression as Compression
    from .compression import compress as compress
    from .plan import Plan as Plan
    from .plan import Trial as Trial
    from .recipe import Recipe as Recipe
    from .survival import Forecast as Forecast
    from .tuner import tune as tune

__all__ = ["Compressed", "Compression", "Forecast", "Plan", "Recipe", "Trial", "compress", "tune"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Compressed": ".compression",
        "Compression": ".compression",
        "Forecast": ".survival",
        "Plan": ".plan",
        "Recipe": ".recipe",
        "Trial": ".plan",
        "compress": ".compression",
        "tune": ".tuner",
    },
)

callable_room(__name__)
