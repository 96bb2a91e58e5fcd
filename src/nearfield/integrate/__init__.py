"""Nearfield inside other projects: their protocols, spoken by our indexes and stores.

``langchain``, ``llama_index`` and ``haystack`` stand on ``documents`` (texts with schemaless metadata over a store) and
``filters`` (what columns answer, and what a test of the payload must); each is an extra of its own.
:class:`KNeighborsTransformer` gives scikit-learn, UMAP and what else reads a neighbour graph our neighbours;
:class:`MTEBIndex` is the index of an MTEB run; :class:`AnnBenchmarks` is the module that ann-benchmarks calls;
:func:`to_arrow` streams a store to DuckDB, polars and all that know Arrow. Nothing of those projects is imported before
one of their names is used. Data frames go in by :meth:`nearfield.store.Store.add`, and hits come out by
``hits.to_pandas()``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .ann_benchmarks import AnnBenchmarks as AnnBenchmarks
    from .arrow import to_arrow as to_arrow
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
    from .mteb_index import MTEBIndex as MTEBIndex
    from .neighbors import KNeighborsTransformer as KNeighborsTransformer

__all__ = [
    "AnnBenchmarks",
    "HaystackBM25Retriever",
    "HaystackDocumentEmbedder",
    "HaystackDocumentStore",
    "HaystackEmbeddingRetriever",
    "HaystackHybridRetriever",
    "HaystackTextEmbedder",
    "KNeighborsTransformer",
    "LangChainEmbeddings",
    "LangChainVectorStore",
    "LlamaIndexEmbedding",
    "LlamaIndexVectorStore",
    "MTEBIndex",
    "to_arrow",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AnnBenchmarks": ".ann_benchmarks",
        "HaystackBM25Retriever": ".haystack_components",
        "HaystackDocumentEmbedder": ".haystack_components",
        "HaystackDocumentStore": ".haystack",
        "HaystackEmbeddingRetriever": ".haystack_components",
        "HaystackHybridRetriever": ".haystack_components",
        "HaystackTextEmbedder": ".haystack_components",
        "KNeighborsTransformer": ".neighbors",
        "LangChainEmbeddings": ".langchain",
        "LangChainVectorStore": ".langchain",
        "LlamaIndexEmbedding": ".llama_index",
        "LlamaIndexVectorStore": ".llama_index",
        "MTEBIndex": ".mteb_index",
        "to_arrow": ".arrow",
    },
)
