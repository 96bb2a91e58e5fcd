"""LlamaIndex: :class:`LlamaIndexVectorStore`, a vector store in a directory, and :class:`LlamaIndexEmbedding`."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..common.checks import check_real, require
from ..encode import Encoder
from ..store import Hit, Item, Store
from .documents import METADATA, TEXT, Documents, Holder, metadata_of, similarity, text_of
from .filters import And, Node
from .llama_index_filters import SOURCE, parse, source

require("llama_index.core", "llama-index")

from llama_index.core.base.embeddings.base import BaseEmbedding  # noqa: E402
from llama_index.core.bridge.pydantic import PrivateAttr  # noqa: E402
from llama_index.core.schema import BaseNode, Document, MetadataMode, TextNode  # noqa: E402
from llama_index.core.vector_stores.types import (  # noqa: E402
    BasePydanticVectorStore,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict  # noqa: E402

_NODE, _TYPE = "node", "node_type"
_WORDS = (VectorStoreQueryMode.TEXT_SEARCH, VectorStoreQueryMode.SPARSE)
_BOTH = (VectorStoreQueryMode.HYBRID, VectorStoreQueryMode.SEMANTIC_HYBRID)

# Nodes that maximal marginal relevance chooses from, for each that it returns.
_PREFETCH = 4


class LlamaIndexEmbedding(BaseEmbedding):
    """An encoder of Nearfield's as LlamaIndex's embedding model.

    Examples
    --------
    >>> from nearfield.encode import WordLlama
    >>> len(LlamaIndexEmbedding(WordLlama()).get_text_embedding("how wings lift"))
    256
    """

    _encoder: Encoder = PrivateAttr()

    def __init__(self, encoder: Encoder, **options: Any):
        if not isinstance(encoder, Encoder):
            raise TypeError(f"encoder: expected one of nearfield.encode, got {type(encoder).__name__}")
        super().__init__(**{"model_name": type(encoder).__name__, "embed_batch_size": 1024, **options})
        self._encoder = encoder

    @classmethod
    def class_name(cls) -> str:
        """Its name in LlamaIndex's settings."""
        return "NearfieldEmbedding"

    def _get_text_embedding(self, text: str) -> list[float]:
        found: list[float] = self._encoder.encode(text, progress=False).tolist()
        return found

    def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
        found: list[list[float]] = self._encoder.encode(list(texts), progress=False).tolist()
        return found

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return await asyncio.to_thread(self._get_text_embedding, query)


class LlamaIndexVectorStore(Holder, BasePydanticVectorStore):
    """LlamaIndex's vector store over a :class:`nearfield.store.Store`: durable, filtered, by meaning and by words.

    What is added is durable when the call returns; a node whose id exists is replaced. Whole nodes are kept, so an
    index needs no other storage: ``VectorStoreIndex.from_vector_store``. The store is made by the first node that is
    added; :attr:`client` is all of it.

    Query modes: ``DEFAULT`` by vector; ``TEXT_SEARCH`` and ``SPARSE`` by words (BM25); ``HYBRID`` and
    ``SEMANTIC_HYBRID`` by both; ``MMR``. In hybrid queries ``alpha`` weights the vector's part of both, each scaled to
    the candidates' range, 0 is words alone and 1 the vector alone; without it hits are ordered as the store does.

    Parameters
    ----------
    path : the store's directory, opened where it exists. None: a temporary one.
    store : an open store in place of a path. One that was filled otherwise can be searched: its payload is metadata.
    metric : "cosine", "ip" or "l2", of a store that is made.
    attributes : metadata fields to filter by fast, name -> type as in :meth:`Store.create`; a dotted name leads into
        nested metadata. Filters on other fields are as right, and look at each node's payload once.
    dtype, tokenizer : of a store that is made.
    read_only : follow a store that another process writes to.

    Notes
    -----
    Filters mean what they do in LlamaIndex's ``SimpleVectorStore``, and may be nested; but values of two types are
    unequal and unordered instead of an error. A field declared as timestamp is compared as a moment.
    Similarities: the cosine; the inner product; 1 / (1 + d) for Euclidean distances; BM25 for words.

    Raises
    ------
    StoreLockedError : another handle writes to the store.

    Examples
    --------
    >>> import tempfile
    >>> from llama_index.core.schema import TextNode
    >>> folder = tempfile.TemporaryDirectory()
    >>> shelf = LlamaIndexVectorStore(folder.name + "/shelf.nf", attributes={"year": "int"})
    >>> shelf.add([TextNode(id_="a", text="Lift.", metadata={"year": 1903}, embedding=[1.0, 0.0]),
    ...            TextNode(id_="b", text="Bread.", metadata={"year": 2020}, embedding=[0.6, 0.8])])
    ['a', 'b']
    >>> from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
    >>> late = MetadataFilters(filters=[MetadataFilter(key="year", value=2000, operator=">")])
    >>> found = shelf.query(VectorStoreQuery(query_embedding=[1.0, 0.0], similarity_top_k=2, filters=late))
    >>> found.ids, [round(one, 3) for one in found.similarities], found.nodes[0].text
    (['b'], [0.6], 'Bread.')
    >>> shelf.close(); folder.cleanup()
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    flat_metadata: bool = False

    _documents: Documents = PrivateAttr()
    _metric: str = PrivateAttr()

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        store: Store | None = None,
        metric: str = "cosine",
        attributes: Mapping[str, str] | None = None,
        dtype: str = "float32",
        tokenizer: str = "porter",
        read_only: bool = False,
    ):
        super().__init__(stores_text=True)
        self._documents = Documents(
            path,
            store,
            metric=metric,
            dtype=dtype,
            tokenizer=tokenizer,
            attributes=attributes,
            own={SOURCE: "string"},
            read_only=read_only,
        )
        self._metric = metric

    @classmethod
    def class_name(cls) -> str:
        """Its name in LlamaIndex's settings."""
        return "NearfieldVectorStore"

    @property
    def client(self) -> Store | None:
        """The store itself; None as long as nothing was ever added."""
        return self._documents.store

    # -- writing ------------------------------------------------------------------------------------------------------

    def add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """Add nodes with their embeddings; one whose id exists is replaced. One transaction; returns the ids."""
        nodes = list(nodes)
        for place, node in enumerate(nodes):
            if not isinstance(node, BaseNode):
                raise TypeError(f"nodes: expected LlamaIndex's nodes, got {type(node).__name__} at position {place}")
        payloads = [_payload(node) for node in nodes]
        own = {SOURCE: [payload[SOURCE] for payload in payloads]}
        ids = [node.node_id for node in nodes]
        self._documents.put(ids, [node.get_embedding() for node in nodes], payloads, own=own)
        return ids

    async def async_add(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[str]:
        """See :meth:`add`."""
        return await asyncio.to_thread(self.add, nodes, **kwargs)

    def delete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """Delete the nodes of a document."""
        self._documents.delete(where=self._documents.where(lambda _: source([ref_doc_id])))

    async def adelete(self, ref_doc_id: str, **delete_kwargs: Any) -> None:
        """See :meth:`delete`."""
        await asyncio.to_thread(self.delete, ref_doc_id)

    def delete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """Delete nodes by id, by filter, or what is named by both; without either, everything."""
        where = self._documents.where(lambda schema: parse(filters, schema), ids=node_ids)
        if where is None:
            self._documents.clear()
        else:
            self._documents.delete(where=where)

    async def adelete_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **delete_kwargs: Any
    ) -> None:
        """See :meth:`delete_nodes`."""
        await asyncio.to_thread(self.delete_nodes, node_ids, filters)

    def clear(self) -> None:
        """Delete all nodes."""
        self._documents.clear()

    async def aclear(self) -> None:
        """See :meth:`clear`."""
        await asyncio.to_thread(self.clear)

    # -- reading ------------------------------------------------------------------------------------------------------

    def get(self, text_id: str) -> list[float]:
        """The embedding of a node; KeyError where there is none of that id."""
        found = self._documents.get([text_id])
        if not found:
            raise KeyError(text_id)
        vector: list[float] = found[0].vector.tolist()
        return vector

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Nodes by id, in the order given, by filter, or both; without either, all of them as they were added."""
        where = self._documents.where(lambda schema: parse(filters, schema), ids=node_ids)
        found = {name: _node(name, payload, None) for name, _, payload, _ in self._documents.items(where)}
        if node_ids is None:
            return list(found.values())
        return [found[name] for name in dict.fromkeys(node_ids) if name in found]

    async def aget_nodes(
        self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None
    ) -> list[BaseNode]:
        """See :meth:`get_nodes`."""
        return await asyncio.to_thread(self.get_nodes, node_ids, filters)

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Nodes, their similarities and ids, best first.

        ``max_false`` cuts the answer where the judge finds nothing relevant any more, ``beam`` says how far a graph is
        searched (:meth:`Store.search`); ``mmr_threshold``, ``mmr_prefetch_k`` and ``mmr_prefetch_factor`` are those of
        LlamaIndex's other stores.
        """

        def wanted(schema: Mapping[str, str]) -> Node | None:
            node = parse(query.filters, schema)
            if not query.doc_ids:
                return node
            return source(query.doc_ids) if node is None else And((source(query.doc_ids), node))

        # An index that keeps no list of its nodes says so by empty lists.
        where = self._documents.where(wanted, ids=query.node_ids or None)
        mode = VectorStoreQueryMode(query.mode)
        k = query.similarity_top_k
        options: dict[str, Any] = {name: kwargs[name] for name in ("max_false", "beam") if name in kwargs}
        if mode in _WORDS:
            hits = self._documents.search(None, query.sparse_top_k or k, where, text=_text(query), **options)
            return _result(hits, [-hit.distance for hit in hits])
        vector = _vector(query)
        if mode in _BOTH:
            return self._both(vector, query, where, options)
        metric = self._metric if self.client is None else self.client.metric
        if mode == VectorStoreQueryMode.MMR:
            balance = kwargs.get("mmr_threshold", query.mmr_threshold)
            wide = kwargs.get("mmr_prefetch_k") or int(k * kwargs.get("mmr_prefetch_factor", _PREFETCH))
            hits = self._documents.diverse(vector, k, wide, 0.5 if balance is None else balance, where)
        elif mode == VectorStoreQueryMode.DEFAULT:
            hits = self._documents.search(vector, k, where, **options)
        else:
            raise ValueError(
                "mode: expected DEFAULT, TEXT_SEARCH, SPARSE, HYBRID, SEMANTIC_HYBRID or MMR, "
                f"got {mode.name}, which trains a classifier for each query"
            )
        return _result(hits, [similarity(metric, hit.distance) for hit in hits])

    async def aquery(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """See :meth:`query`."""
        return await asyncio.to_thread(self.query, query, **kwargs)

    def _both(
        self, vector: Any, query: VectorStoreQuery, where: Any, options: Mapping[str, Any]
    ) -> VectorStoreQueryResult:
        k = query.hybrid_top_k or query.similarity_top_k
        if query.alpha is None:
            hits = self._documents.search(vector, k, where, text=_text(query), **options)
            return _result(hits, [-hit.distance if hit.relevance is None else hit.relevance for hit in hits])
        alpha = check_real(query.alpha, "alpha", 0.0, 1.0)
        wide = max(k, query.similarity_top_k, query.sparse_top_k or 0, 5 * k)
        hits = self._documents.search(vector, wide, where, text=_text(query), **options)
        legs = [hit.legs or {} for hit in hits]
        words = _scaled(np.array([leg.get("text", 0.0) for leg in legs]))
        meaning = _scaled(-np.array([leg.get("vector", np.inf) for leg in legs]))
        scores = alpha * meaning + (1 - alpha) * words
        best = np.argsort(-scores, kind="stable")[:k].tolist()
        return _result([hits[place] for place in best], scores[best].tolist())


def _scaled(scores: np.ndarray) -> np.ndarray:
    """From 0 for the worst to 1 for the best; what has no score is worst."""
    finite = np.isfinite(scores)
    if not finite.any():
        return np.zeros(len(scores))
    low, high = scores[finite].min(), scores[finite].max()
    if low == high:
        return finite.astype(np.float64)
    return np.where(finite, (scores - low) / (high - low), 0.0)


def _vector(query: VectorStoreQuery) -> Any:
    if query.query_embedding is None:
        raise ValueError("query_embedding: expected the query's vector, got None")
    return query.query_embedding


def _text(query: VectorStoreQuery) -> str:
    if not query.query_str:
        raise ValueError(f"query_str: expected the query's text to search by words, got {query.query_str!r}")
    return query.query_str


def _payload(node: BaseNode) -> dict[str, Any]:
    """A node as it is kept: text and metadata apart, so that each is there once."""
    flat = node_to_metadata_dict(node, remove_text=True)
    content = json.loads(flat["_node_content"])
    metadata = content.pop("metadata", {})
    return {
        TEXT: node.get_content(metadata_mode=MetadataMode.NONE),
        METADATA: metadata,
        SOURCE: node.ref_doc_id or "None",
        _TYPE: flat["_node_type"],
        _NODE: content,
    }


def _node(identifier: Any, payload: Any, text: str | None) -> BaseNode:
    said, metadata = text_of(payload, text), metadata_of(payload)
    if not isinstance(payload, Mapping) or not isinstance(payload.get(_NODE), Mapping):
        return TextNode(id_=str(identifier), text=said, metadata=metadata)
    content = json.dumps({**payload[_NODE], "metadata": metadata})
    if payload.get(_TYPE) == Document.class_name():  # which LlamaIndex's own function makes a TextNode of
        whole = Document.from_json(content)
        whole.set_content(said)
        return whole
    return metadata_dict_to_node({"_node_content": content, "_node_type": payload.get(_TYPE)}, text=said)


def _result(hits: Sequence[Hit | Item], similarities: list[float]) -> VectorStoreQueryResult:
    return VectorStoreQueryResult(
        nodes=[_node(hit.id, hit.payload, hit.text) for hit in hits],
        similarities=similarities,
        ids=[str(hit.id) for hit in hits],
    )
