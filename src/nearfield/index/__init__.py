"""Indexes: rows of vectors, made small by a transform and a codec, that answer with the nearest rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .base import Index as Index
    from .base import Neighbors as Neighbors
    from .bounded import Bounded as Bounded
    from .bounded import rerank_bounded as rerank_bounded
    from .crossencoder import CrossEncoder as CrossEncoder
    from .crossencoder import ScoredNeighbors as ScoredNeighbors
    from .estimate import BuildMemory as BuildMemory
    from .files import load as load
    from .filtered import FilterPlan as FilterPlan
    from .flat import Flat as Flat
    from .graph import Graph as Graph
    from .hash import Hash as Hash
    from .ivf import IVF as IVF
    from .sparse import SparseIndex as SparseIndex
    from .sparse import bm25_weights as bm25_weights
    from .stages import Explanation as Explanation
    from .stages import Missed as Missed
    from .stages import explain as explain

__all__ = [
    "IVF",
    "Bounded",
    "BuildMemory",
    "CrossEncoder",
    "Explanation",
    "FilterPlan",
    "Flat",
    "Graph",
    "Hash",
    "Index",
    "Missed",
    "Neighbors",
    "ScoredNeighbors",
    "SparseIndex",
    "bm25_weights",
    "explain",
    "load",
    "rerank_bounded",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Bounded": ".bounded",
        "BuildMemory": ".estimate",
        "CrossEncoder": ".crossencoder",
        "Explanation": ".stages",
        "FilterPlan": ".filtered",
        "Flat": ".flat",
        "Graph": ".graph",
        "Hash": ".hash",
        "IVF": ".ivf",
        "Index": ".base",
        "Missed": ".stages",
        "Neighbors": ".base",
        "ScoredNeighbors": ".crossencoder",
        "SparseIndex": ".sparse",
        "bm25_weights": ".sparse",
        "explain": ".stages",
        "load": ".files",
        "rerank_bounded": ".bounded",
    },
)
