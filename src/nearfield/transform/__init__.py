"""Maps without training by gradient: principal components, and the plain linear map that indexes store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .linear import LinearMap as LinearMap

__all__ = ["LinearMap"]

__getattr__, __dir__ = lazy_names(__name__, {"LinearMap": ".linear"})
