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
    from .multivector.candidates import TokenSearch as TokenSearch
    from .multivector.choose import EncodingChoice as EncodingChoice
    from .multivector.choose import TriedEncoding as TriedEncoding
    from .multivector.choose import choose_encoding as choose_encoding
    from .multivector.encoding import BagEncoding as BagEncoding
    from .multivector.exact import exact_maxsim as exact_maxsim
    from .multivector.fixed import FixedDimensionalEncoding as FixedDimensionalEncoding
    from .multivector.index import MultiVector as MultiVector
    from .multivector.joined import JoinedEncoding as JoinedEncoding
    from .multivector.learned import LearnedEncoding as LearnedEncoding
    from .multivector.mean import MeanEncoding as MeanEncoding
    from .multivector.reduce import ReductionLoss as ReductionLoss
    from .multivector.reduce import pool_tokens as pool_tokens
    from .multivector.reduce import prune_tokens as prune_tokens
    from .multivector.reduce import reduction_loss as reduction_loss
    from .sparse import SparseIndex as SparseIndex
    from .sparse import bm25_weights as bm25_weights
    from .stages import Explanation as Explanation
    from .stages import Missed as Missed
    from .stages import explain as explain

__all__ = [
    "IVF",
    "BagEncoding",
    "Bounded",
    "BuildMemory",
    "CrossEncoder",
    "EncodingChoice",
    "Explanation",
    "FilterPlan",
    "FixedDimensionalEncoding",
    "Flat",
    "Graph",
    "Hash",
    "Index",
    "JoinedEncoding",
    "LearnedEncoding",
    "MeanEncoding",
    "Missed",
    "MultiVector",
    "Neighbors",
    "ReductionLoss",
    "ScoredNeighbors",
    "SparseIndex",
    "TokenSearch",
    "TriedEncoding",
    "bm25_weights",
    "choose_encoding",
    "exact_maxsim",
    "explain",
    "load",
    "pool_tokens",
    "prune_tokens",
    "reduction_loss",
    "rerank_bounded",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "BagEncoding": ".multivector.encoding",
        "Bounded": ".bounded",
        "BuildMemory": ".estimate",
        "CrossEncoder": ".crossencoder",
        "EncodingChoice": ".multivector.choose",
        "Explanation": ".stages",
        "FilterPlan": ".filtered",
        "FixedDimensionalEncoding": ".multivector.fixed",
        "Flat": ".flat",
        "Graph": ".graph",
        "Hash": ".hash",
        "IVF": ".ivf",
        "Index": ".base",
        "JoinedEncoding": ".multivector.joined",
        "LearnedEncoding": ".multivector.learned",
        "MeanEncoding": ".multivector.mean",
        "Missed": ".stages",
        "MultiVector": ".multivector.index",
        "Neighbors": ".base",
        "ReductionLoss": ".multivector.reduce",
        "ScoredNeighbors": ".crossencoder",
        "SparseIndex": ".sparse",
        "TokenSearch": ".multivector.candidates",
        "TriedEncoding": ".multivector.choose",
        "bm25_weights": ".sparse",
        "choose_encoding": ".multivector.choose",
        "exact_maxsim": ".multivector.exact",
        "explain": ".stages",
        "load": ".files",
        "pool_tokens": ".multivector.reduce",
        "prune_tokens": ".multivector.reduce",
        "reduction_loss": ".multivector.reduce",
        "rerank_bounded": ".bounded",
    },
)
