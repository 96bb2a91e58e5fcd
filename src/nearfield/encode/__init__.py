"""Things become vectors here. Every encoder is one :class:`Encoder`: ``encode``, ``dim``, ``fingerprint``.

Choose :class:`WordLlama` for speed without any download (static word vectors, some 20,000 short texts a second),
:class:`OnnxText` for the quality of a sentence transformer from a folder on disk without torch, and
:class:`SentenceTransformers` when that library is installed anyway. :class:`PairScorer` gives no vectors: it judges a
query and an item together. :func:`load_encoder` rebuilds the encoder a store
was made with from its fingerprint, and refuses when the weights are no longer the same. :class:`OnnxTokens` gives a
vector for every token, as :class:`Bags`, for late interaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .bags import Bags as Bags
    from .base import Encoder as Encoder
    from .load import load_encoder as load_encoder
    from .onnx_text import OnnxText as OnnxText
    from .onnx_tokens import OnnxTokens as OnnxTokens
    from .pair_scorer import PairScorer as PairScorer
    from .sentence_transformers import SentenceTransformers as SentenceTransformers
    from .wordllama import WordLlama as WordLlama

__all__ = [
    "Bags",
    "Encoder",
    "OnnxText",
    "OnnxTokens",
    "PairScorer",
    "SentenceTransformers",
    "WordLlama",
    "load_encoder",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Bags": ".bags",
        "Encoder": ".base",
        "OnnxText": ".onnx_text",
        "OnnxTokens": ".onnx_tokens",
        "PairScorer": ".pair_scorer",
        "SentenceTransformers": ".sentence_transformers",
        "WordLlama": ".wordllama",
        "load_encoder": ".load",
    },
)
