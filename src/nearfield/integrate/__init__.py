"""Adapters to other frameworks: each a thin module over :class:`nearfield.store.Store`, each an extra of its own.

``langchain``, ``llama_index`` and ``haystack`` stand on ``documents`` (texts with schemaless metadata over a store) and
``filters`` (what columns answer, and what a test of the payload must). Nothing of a framework is imported before one of
its names is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .haystack import HaystackDocumentStore as HaystackDocumentStore
    from .haystack_components import HaystackBM25Retriever as HaystackBM25Retriever
    from .haystack_components import HaystackDocumentEmbedder as HaystackDocumentEmbedder
    from .haystack_components import HaystackEmbeddingRetriever as HaystackEmbeddingRetriever
    from .haystack_components import HaystackHybridRetriever as HaystackHybridRetriever
    from .haystack_components import HaystackTextEmbedder as HaystackTextEmbedder
    from .langchain import LangChainEmbeddings as LangChainEmbeddings
    from .langchain import LangChainVectorStore as LangChainVectorStore
    from .llama_index import LlamaIndexEmbedding as LlamaIndexEmbedding
    from .llama_index import LlamaIndexVectorStore as LlamaIndexVectorStore

__all__ = [
    "HaystackBM25Retriever",
    "HaystackDocumentEmbedder",
    "HaystackDocumentStore",
    "HaystackEmbeddingRetriever",
    "HaystackHybridRetriever",
    "HaystackTextEmbedder",
    "LangChainEmbeddings",
    "LangChainVectorStore",
    "LlamaIndexEmbedding",
    "LlamaIndexVectorStore",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "HaystackBM25Retriever": ".haystack_components",
        "HaystackDocumentEmbedder": ".haystack_components",
        "HaystackDocumentStore": ".haystack",
        "HaystackEmbeddingRetriever": ".haystack_components",
        "HaystackHybridRetriever": ".haystack_components",
        "HaystackTextEmbedder": ".haystack_components",
        "LangChainEmbeddings": ".langchain",
        "LangChainVectorStore": ".langchain",
        "LlamaIndexEmbedding": ".llama_index",
        "LlamaIndexVectorStore": ".llama_index",
    },
)
