"""Indexes: rows of vectors, made small by a transform and a codec, that answer with the nearest rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .base import Index as Index
    from .base import Neighbors as Neighbors
    from .bounded import Bounded as Bounded
    from .bounded import rerank_bounded as rerank_bounded
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
    from .stages import Explanation as Explanation
    from .stages import Missed as Missed
    from .stages import explain as explain

__all__ = [
    "IVF",
    "BagEncoding",
    "Bounded",
    "BuildMemory",
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
    "TokenSearch",
    "TriedEncoding",
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
        "MeanEncoding": ".multivector.mean",
        "FixedDimensionalEncoding": ".multivector.fixed",
        "MultiVector": ".multivector.index",
        "TokenSearch": ".multivector.candidates",
        "LearnedEncoding": ".multivector.learned",
        "JoinedEncoding": ".multivector.joined",
        "choose_encoding": ".multivector.choose",
        "EncodingChoice": ".multivector.choose",
        "TriedEncoding": ".multivector.choose",
        "exact_maxsim": ".multivector.exact",
        "pool_tokens": ".multivector.reduce",
        "prune_tokens": ".multivector.reduce",
        "reduction_loss": ".multivector.reduce",
        "ReductionLoss": ".multivector.reduce",
        "Bounded": ".bounded",
        "BuildMemory": ".estimate",
        "Explanation": ".stages",
        "FilterPlan": ".filtered",
        "Flat": ".flat",
        "Graph": ".graph",
        "Hash": ".hash",
        "IVF": ".ivf",
        "Index": ".base",
        "Missed": ".stages",
        "Neighbors": ".base",
        "explain": ".stages",
        "load": ".files",
        "rerank_bounded": ".bounded",
    },
)
