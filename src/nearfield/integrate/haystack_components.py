"""Haystack components that ask a :class:`HaystackDocumentStore`, and that embed by an encoder of Nearfield's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from ..common.checks import check_int, require
from ..encode import Encoder, load_encoder
from .haystack import HaystackDocumentStore

require("haystack", "haystack")

from haystack import component, default_from_dict, default_to_dict  # noqa: E402
from haystack.dataclasses import Document  # noqa: E402
from haystack.document_stores.types import FilterPolicy, apply_filter_policy  # noqa: E402


class _Retriever:
    """What the retrievers have in common: filters, how many, and how to be written down."""

    def __init__(
        self,
        document_store: HaystackDocumentStore,
        filters: dict[str, Any] | None,
        top_k: int,
        filter_policy: FilterPolicy | str,
        **settings: Any,
    ):
        if not isinstance(document_store, HaystackDocumentStore):
            raise TypeError(f"document_store: expected a HaystackDocumentStore, got {type(document_store).__name__}")
        self.document_store = document_store
        self.filters = filters
        self.top_k = check_int(top_k, "top_k", 1)
        self.filter_policy = FilterPolicy.from_str(filter_policy) if isinstance(filter_policy, str) else filter_policy
        self._settings = settings

    def to_dict(self) -> dict[str, Any]:
        """The settings, and those of the document store."""
        described: dict[str, Any] = default_to_dict(
            self,
            document_store=self.document_store.to_dict(),
            filters=self.filters,
            top_k=self.top_k,
            filter_policy=self.filter_policy.value,
            **self._settings,
        )
        return described

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        given = dict(data["init_parameters"])
        if isinstance(given.get("document_store"), Mapping):
            given["document_store"] = HaystackDocumentStore.from_dict(given["document_store"])
        made: Self = default_from_dict(cls, {**data, "init_parameters": given})
        return made

    def _asked(self, filters: dict[str, Any] | None, top_k: int | None, **options: Any) -> dict[str, Any]:
        """The arguments of a retrieval: those of the call, else the component's own."""
        found = {name: self._settings[name] if value is None else value for name, value in options.items()}
        found["filters"] = apply_filter_policy(self.filter_policy, self.filters, filters)
        found["top_k"] = self.top_k if top_k is None else top_k
        if self._settings.get("max_false") is not None:
            found["max_false"] = self._settings["max_false"]
        return found


@component
class HaystackEmbeddingRetriever(_Retriever):
    """The documents nearest to an embedding (:meth:`HaystackDocumentStore.embedding_retrieval`).

    ``max_false`` cuts the answer where the store's judge finds nothing relevant any more.

    Examples
    --------
    >>> from haystack import Document
    >>> shelf = HaystackDocumentStore()
    >>> shelf.write_documents([Document(id="a", content="Lift.", embedding=[1.0, 0.0])])
    1
    >>> HaystackEmbeddingRetriever(shelf, top_k=1).run(query_embedding=[1.0, 0.1])["documents"][0].id
    'a'
    >>> shelf.close()
    """

    def __init__(
        self,
        document_store: HaystackDocumentStore,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        return_embedding: bool = False,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
        max_false: float | None = None,
    ):
        settings = {"scale_score": scale_score, "return_embedding": return_embedding, "max_false": max_false}
        _Retriever.__init__(self, document_store, filters, top_k, filter_policy, **settings)  # the decorator remakes it

    @component.output_types(documents=list[Document])
    def run(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        scale_score: bool | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """Retrieve; what is given here comes before the component's own settings."""
        asked = self._asked(filters, top_k, scale_score=scale_score, return_embedding=return_embedding)
        return {"documents": self.document_store.embedding_retrieval(query_embedding, **asked)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        scale_score: bool | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """See :meth:`run`."""
        asked = self._asked(filters, top_k, scale_score=scale_score, return_embedding=return_embedding)
        return {"documents": await self.document_store.embedding_retrieval_async(query_embedding, **asked)}


@component
class HaystackBM25Retriever(_Retriever):
    """The documents that hold the words of a text (:meth:`HaystackDocumentStore.bm25_retrieval`).

    Examples
    --------
    >>> from haystack import Document
    >>> shelf = HaystackDocumentStore(embedding_dim=2)
    >>> shelf.write_documents([Document(id="a", content="Wings produce lift."), Document(id="b", content="Bread.")])
    2
    >>> [one.id for one in HaystackBM25Retriever(shelf).run(query="lift of a wing")["documents"]]
    ['a']
    >>> shelf.close()
    """

    def __init__(
        self,
        document_store: HaystackDocumentStore,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
        max_false: float | None = None,
    ):
        settings = {"scale_score": scale_score, "max_false": max_false}
        _Retriever.__init__(self, document_store, filters, top_k, filter_policy, **settings)  # the decorator remakes it

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        scale_score: bool | None = None,
    ) -> dict[str, list[Document]]:
        """Retrieve; what is given here comes before the component's own settings."""
        asked = self._asked(filters, top_k, scale_score=scale_score)
        return {"documents": self.document_store.bm25_retrieval(query, **asked)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        scale_score: bool | None = None,
    ) -> dict[str, list[Document]]:
        """See :meth:`run`."""
        asked = self._asked(filters, top_k, scale_score=scale_score)
        return {"documents": await self.document_store.bm25_retrieval_async(query, **asked)}


@component
class HaystackHybridRetriever(_Retriever):
    """The best documents by words and by embedding at once (:meth:`HaystackDocumentStore.hybrid_retrieval`).

    Take it in place of two retrievers and a joiner: each candidate is scored by both, not only by the leg that found
    it.

    Examples
    --------
    >>> from haystack import Document
    >>> shelf = HaystackDocumentStore()
    >>> shelf.write_documents([Document(id="a", content="Lift.", embedding=[1.0, 0.0]),
    ...                        Document(id="b", content="Bread.", embedding=[0.0, 1.0])])
    2
    >>> retriever = HaystackHybridRetriever(shelf, top_k=1)
    >>> retriever.run(query="bread", query_embedding=[0.4, 0.6])["documents"][0].id
    'b'
    >>> shelf.close()
    """

    def __init__(
        self,
        document_store: HaystackDocumentStore,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
        filter_policy: FilterPolicy | str = FilterPolicy.REPLACE,
        max_false: float | None = None,
    ):
        settings = {"return_embedding": return_embedding, "max_false": max_false}
        _Retriever.__init__(self, document_store, filters, top_k, filter_policy, **settings)  # the decorator remakes it

    @component.output_types(documents=list[Document])
    def run(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """Retrieve; what is given here comes before the component's own settings."""
        asked = self._asked(filters, top_k, return_embedding=return_embedding)
        return {"documents": self.document_store.hybrid_retrieval(query, query_embedding, **asked)}

    @component.output_types(documents=list[Document])
    async def run_async(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int | None = None,
        return_embedding: bool | None = None,
    ) -> dict[str, list[Document]]:
        """See :meth:`run`."""
        asked = self._asked(filters, top_k, return_embedding=return_embedding)
        return {"documents": await self.document_store.hybrid_retrieval_async(query, query_embedding, **asked)}


class _Embedder:
    def __init__(self, encoder: Encoder | Mapping[str, Any]):
        found = load_encoder(encoder) if isinstance(encoder, Mapping) else encoder
        if not isinstance(found, Encoder):
            raise TypeError(f"encoder: expected one of nearfield.encode or its fingerprint, got {type(found).__name__}")
        self.encoder = found

    def to_dict(self) -> dict[str, Any]:
        """The encoder's fingerprint, from which it is loaded again."""
        described: dict[str, Any] = default_to_dict(self, encoder=self.encoder.fingerprint())
        return described

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        made: Self = default_from_dict(cls, data)
        return made


@component
class HaystackTextEmbedder(_Embedder):
    """A text's embedding by an encoder of Nearfield's, for the query of a pipeline.

    Examples
    --------
    >>> from nearfield.encode import WordLlama
    >>> len(HaystackTextEmbedder(WordLlama()).run(text="how wings lift")["embedding"])
    256
    """

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        """Embed a text."""
        if not isinstance(text, str):
            raise TypeError(f"text: expected str, got {type(text).__name__}; HaystackDocumentEmbedder takes documents")
        return {"embedding": self.encoder.encode(text, progress=False).tolist()}

    @component.output_types(embedding=list[float])
    async def run_async(self, text: str) -> dict[str, Any]:
        """See :meth:`run`."""
        return await asyncio.to_thread(self.run, text)


@component
class HaystackDocumentEmbedder(_Embedder):
    """Documents with their embeddings by an encoder of Nearfield's.

    Examples
    --------
    >>> from haystack import Document
    >>> from nearfield.encode import WordLlama
    >>> embedder = HaystackDocumentEmbedder(WordLlama())
    >>> len(embedder.run(documents=[Document(content="Wings produce lift.")])["documents"][0].embedding)
    256
    """

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """Embed the content of documents; those given are not changed."""
        if not isinstance(documents, list) or any(not isinstance(one, Document) for one in documents):
            raise TypeError("documents: expected a list of Documents; HaystackTextEmbedder takes a text")
        if not documents:
            return {"documents": []}
        vectors = self.encoder.encode([one.content or "" for one in documents], progress=False)
        return {
            "documents": [
                replace(one, embedding=vector.tolist()) for one, vector in zip(documents, vectors, strict=True)
            ]
        }

    @component.output_types(documents=list[Document])
    async def run_async(self, documents: list[Document]) -> dict[str, Any]:
        """See :meth:`run`."""
        return await asyncio.to_thread(self.run, documents)
