"""From distances to decisions: calibrated relevance, and a cut-off whose error rate is stated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .judge import Judge as Judge
    from .rate import Rate as Rate

__all__ = ["Judge", "Rate"]
__getattr__, __dir__ = lazy_names(__name__, {"Judge": ".judge", "Rate": ".rate"})
