"""LangChain: :class:`LangChainVectorStore`, a vector store in a directory, and :class:`LangChainEmbeddings`."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..common.checks import check_int, require
from ..encode import Encoder
from ..store import Condition, Hit, Store
from .documents import METADATA, TEXT, Documents, Holder, metadata_of, similarity, text_of
from .langchain_filters import parse

require("langchain_core", "langchain")

from langchain_core.documents import Document  # noqa: E402
from langchain_core.embeddings import Embeddings  # noqa: E402
from langchain_core.runnables import run_in_executor  # noqa: E402
from langchain_core.vectorstores import VectorStore  # noqa: E402

Filter = Mapping[str, Any] | Callable[[Document], bool] | str | None


class LangChainEmbeddings(Embeddings):
    """An encoder of Nearfield's as LangChain's ``Embeddings``.

    Examples
    --------
    >>> from nearfield.encode import WordLlama
    >>> len(LangChainEmbeddings(WordLlama()).embed_query("how wings lift"))
    256
    """

    def __init__(self, encoder: Encoder):
        if not isinstance(encoder, Encoder):
            raise TypeError(f"encoder: expected one of nearfield.encode, got {type(encoder).__name__}")
        self.encoder = encoder

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector for each text."""
        found: list[list[float]] = self.encoder.encode(list(texts), progress=False).tolist()
        return found

    def embed_query(self, text: str) -> list[float]:
        """The vector of a text."""
        found: list[float] = self.encoder.encode(text, progress=False).tolist()
        return found


class LangChainVectorStore(Holder, VectorStore):
    """LangChain's vector store over a :class:`nearfield.store.Store`: durable, filtered, by meaning and by words.

    What is added is durable when the call returns; an id that exists is replaced. The store is made by the first text
    that is added; :attr:`store` is all of it, for tuning, verification, snapshots and everything else.

    Parameters
    ----------
    embedding : LangChain's ``Embeddings``; None where only vectors are given (``add_embeddings`` and the searches by
        vector).
    path : the store's directory, opened where it exists. None: a temporary one.
    store : an open store in place of a path. One that was filled otherwise can be searched: its payload is metadata.
    metric : "cosine", "ip" or "l2", of a store that is made.
    attributes : metadata fields to filter by fast, name -> type as in :meth:`Store.create`; a dotted name leads into
        nested metadata. Filters on other fields are as right, and look at each item's payload once.
    batch_size : texts that are embedded and written at a time; each batch is one transaction.
    relevance_score_fn : from a distance to a relevance in [0, 1], in place of the metric's own.
    dtype, tokenizer : of a store that is made.
    read_only : follow a store that another process writes to.

    Notes
    -----
    ``filter`` is a dict, a function of a document, or SQL over the declared fields. A dict is ``{"field": value}`` or
    ``{"field": {"$op": value}}``, combined by ``$and``, ``$or``, ``$nor`` and ``$not``; the operators are ``$eq $ne $lt
    $lte $gt $gte $in $nin $between $exists $contains $like $ilike``. A field that is missing is unequal to everything
    and in no list; values of two types are not compared. A field declared as timestamp is compared as a moment.

    Scores are the store's distances, smaller is nearer. Relevance is the judge's where one was fitted
    (:meth:`Store.fit_judge`), else the cosine, clipped at 0; the logistic function of an inner product; 1 / (1 + d).

    Raises
    ------
    StoreLockedError : another handle writes to the store.

    Examples
    --------
    >>> import tempfile
    >>> from nearfield.encode import WordLlama
    >>> folder = tempfile.TemporaryDirectory()
    >>> texts = ["Wings produce lift.", "Sourdough needs a day.", "A propeller is a rotating wing."]
    >>> about = [{"topic": "flight", "year": 1903}, {"topic": "bread", "year": 2020}, {"topic": "flight", "year": 1910}]
    >>> shelf = LangChainVectorStore.from_texts(texts, LangChainEmbeddings(WordLlama()), about, ids=["a", "b", "c"],
    ...     path=folder.name + "/shelf.nf", attributes={"year": "int"})
    >>> [document.id for document in shelf.similarity_search("how do aircraft fly", k=2)]
    ['c', 'a']
    >>> shelf.similarity_search("how do aircraft fly", k=1, filter={"year": {"$lt": 1905}, "topic": "flight"})[0].id
    'a'
    >>> shelf.delete(filter={"topic": "bread"}), len(shelf.store)
    (True, 2)
    >>> shelf.close(); folder.cleanup()
    """

    def __init__(
        self,
        embedding: Embeddings | None = None,
        path: str | os.PathLike[str] | None = None,
        *,
        store: Store | None = None,
        metric: str = "cosine",
        attributes: Mapping[str, str] | None = None,
        batch_size: int = 1024,
        relevance_score_fn: Callable[[float], float] | None = None,
        dtype: str = "float32",
        tokenizer: str = "porter",
        read_only: bool = False,
    ):
        if embedding is not None and not isinstance(embedding, Embeddings):
            raise TypeError(f"embedding: expected LangChain's Embeddings, got {type(embedding).__name__}")
        self._embedding = embedding
        self._batch_size = check_int(batch_size, "batch_size", 1)
        self._relevance = relevance_score_fn
        self._documents = Documents(
            path, store, metric=metric, dtype=dtype, tokenizer=tokenizer, attributes=attributes, read_only=read_only
        )
        self._metric = metric

    @property
    def embeddings(self) -> Embeddings | None:
        """What texts are embedded by."""
        return self._embedding

    @property
    def store(self) -> Store | None:
        """The store itself; None as long as nothing was ever added."""
        return self._documents.store

    def _embedder(self) -> Embeddings:
        if self._embedding is None:
            raise ValueError("embedding: expected LangChain's Embeddings to search and add by text, got None")
        return self._embedding

    # -- writing ------------------------------------------------------------------------------------------------------

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed texts and add them; an id that exists is replaced. Returns the ids, made up where none are given."""
        said, about, named = _checked(texts, metadatas, ids, kwargs)
        embedder = self._embedder()
        for some in self._batches(len(said)):
            self._put(named[some], embedder.embed_documents(said[some]), said[some], about[some])
        return named

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """See :meth:`add_texts`; the event loop goes on meanwhile."""
        said, about, named = _checked(texts, metadatas, ids, kwargs)
        embedder = self._embedder()
        for some in self._batches(len(said)):
            vectors = await embedder.aembed_documents(said[some])
            await run_in_executor(None, self._put, named[some], vectors, said[some], about[some])
        return named

    def add_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """Embed documents and add them, under ``ids``, their own ids, or new ones."""
        return self.add_texts(*_taken_apart(documents, kwargs), **kwargs)

    async def aadd_documents(self, documents: list[Document], **kwargs: Any) -> list[str]:
        """See :meth:`add_documents`."""
        return await self.aadd_texts(*_taken_apart(documents, kwargs), **kwargs)

    def add_embeddings(
        self,
        text_embeddings: Iterable[tuple[str, list[float]]],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
    ) -> list[str]:
        """Add texts whose vectors are there already."""
        pairs = list(text_embeddings)
        said, about, named = _checked([text for text, _ in pairs], metadatas, ids, {})
        for some in self._batches(len(said)):
            self._put(named[some], [vector for _, vector in pairs[some]], said[some], about[some])
        return named

    def _batches(self, count: int) -> list[slice]:
        return [slice(start, start + self._batch_size) for start in range(0, count, self._batch_size)]

    def _put(self, ids: list[str], vectors: Any, texts: list[str], metadatas: list[dict[str, Any]]) -> None:
        payloads = [{TEXT: text, METADATA: about} for text, about in zip(texts, metadatas, strict=True)]
        self._documents.put(ids, vectors, payloads)

    def delete(self, ids: list[str] | None = None, *, filter: Filter = None, **kwargs: Any) -> bool:
        """Delete by id, or what passes a filter; without either, everything. Ids that are not there are passed over."""
        _refuse(kwargs)
        if ids is None and filter is None:
            self._documents.clear()
        elif filter is None:
            self._documents.delete([ids] if isinstance(ids, str) else list(ids or ()))
        else:
            self._documents.delete(where=self._where(filter, None if ids is None else list(ids)))
        return True

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A vector store with these texts; the other arguments are those of the class."""
        made = cls(embedding, **kwargs)
        try:
            made.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            made.close()
            raise
        return made

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """See :meth:`from_texts`."""
        made = cls(embedding, **kwargs)
        try:
            await made.aadd_texts(texts, metadatas, ids=ids)
        except BaseException:
            made.close()
            raise
        return made

    # -- reading ------------------------------------------------------------------------------------------------------

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents of those ids that are there, in the order given."""
        return [_document(item.id, item.payload, item.text) for item in self._documents.get(list(ids))]

    def similarity_search(self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any) -> list[Document]:
        """The ``k`` documents nearest to a text.

        ``max_false`` cuts the answer where the judge finds nothing relevant any more; ``hybrid=True`` searches by the
        text's words as well.
        """
        return [document for document, _ in self.similarity_search_with_score(query, k, filter=filter, **kwargs)]

    async def asimilarity_search(
        self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """See :meth:`similarity_search`."""
        found = await self.asimilarity_search_with_score(query, k, filter=filter, **kwargs)
        return [document for document, _ in found]

    def similarity_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same with distances, smaller is nearer."""
        return _with_distances(self._hits(self._embedder().embed_query(query), k, filter, kwargs, query))

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """See :meth:`similarity_search_with_score`."""
        vector = await self._embedder().aembed_query(query)
        return _with_distances(await run_in_executor(None, self._hits, vector, k, filter, kwargs, query))

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[Document]:
        """The ``k`` documents nearest to a vector."""
        return [_document(hit.id, hit.payload, hit.text) for hit in self._hits(embedding, k, filter, kwargs)]

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, *, filter: Filter = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same with distances."""
        return _with_distances(self._hits(embedding, k, filter, kwargs))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter = None,
        **kwargs: Any,
    ) -> list[Document]:
        """``k`` of the ``fetch_k`` nearest documents, near the text and unlike each other."""
        vector = self._embedder().embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, filter=filter, **kwargs)

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter = None,
        **kwargs: Any,
    ) -> list[Document]:
        """See :meth:`max_marginal_relevance_search`."""
        vector = await self._embedder().aembed_query(query)
        return await self.amax_marginal_relevance_search_by_vector(
            vector, k, fetch_k, lambda_mult, filter=filter, **kwargs
        )

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter = None,
        **kwargs: Any,
    ) -> list[Document]:
        """The same for a vector."""
        _refuse(kwargs)
        hits = self._documents.diverse(embedding, k, fetch_k, lambda_mult, self._where(filter))
        return [_document(hit.id, hit.payload, hit.text) for hit in hits]

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        *,
        filter: Filter = None,
        **kwargs: Any,
    ) -> list[Document]:
        """See :meth:`max_marginal_relevance_search_by_vector`."""
        return await run_in_executor(
            None,
            lambda: self.max_marginal_relevance_search_by_vector(
                embedding, k, fetch_k, lambda_mult, filter=filter, **kwargs
            ),
        )

    def _hits(
        self, vector: Any, k: int, filter: Filter, options: Mapping[str, Any], query: str | None = None
    ) -> list[Hit]:
        given = dict(options)
        chosen: dict[str, Any] = {name: given.pop(name) for name in ("max_false", "beam") if name in given}
        if given.pop("hybrid", False):
            if query is None:
                raise ValueError("hybrid: expected False for a search by vector, which has no words")
            chosen["text"] = query
        _refuse(given)
        return self._documents.search(vector, k, self._where(filter), **chosen)

    def _where(self, filter: Filter, ids: Sequence[str] | None = None) -> Any:
        if isinstance(filter, str):
            return self._documents.where(ids=ids, where=filter)
        if callable(filter):
            test = filter
            return Condition(ids=ids, test=lambda identifier, payload: bool(test(_document(identifier, payload, None))))
        if filter is None or filter == {}:
            return self._documents.where(ids=ids)
        wanted = filter
        return self._documents.where(lambda schema: parse(wanted, schema), ids=ids)

    # -- relevance ----------------------------------------------------------------------------------------------------

    def _similarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        filter = kwargs.pop("filter", None)
        return self._judged(self._hits(self._embedder().embed_query(query), k, filter, kwargs, query))

    async def _asimilarity_search_with_relevance_scores(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        filter = kwargs.pop("filter", None)
        vector = await self._embedder().aembed_query(query)
        return self._judged(await run_in_executor(None, self._hits, vector, k, filter, kwargs, query))

    def _judged(self, hits: list[Hit]) -> list[tuple[Document, float]]:
        score = self._select_relevance_score_fn()
        found = []
        for hit in hits:
            relevance = hit.relevance
            if relevance is None or self._relevance is not None:
                # By words and vector together, a hit's distance is its standing: the vector's own is with its legs.
                relevance = score(hit.distance if hit.legs is None else hit.legs["vector"])
            found.append((_document(hit.id, hit.payload, hit.text), float(relevance)))
        return found

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        if self._relevance is not None:
            return self._relevance
        metric = self._metric if self.store is None else self.store.metric

        def relevance(distance: float) -> float:
            found = similarity(metric, distance)
            if metric == "ip":
                return float(0.5 * (1.0 + np.tanh(0.5 * found)))
            return min(1.0, max(0.0, found))

        return relevance


def _checked(
    texts: Iterable[str], metadatas: Any, ids: Any, rest: Mapping[str, Any]
) -> tuple[list[str], list[dict[str, Any]], list[str]]:
    """Texts, metadata and ids, one of each a text."""
    _refuse(rest)
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise TypeError(f"texts: expected a list of str, got {type(texts).__name__}")
    said = list(texts)
    for place, text in enumerate(said):
        if not isinstance(text, str):
            raise TypeError(f"texts: expected str, got {type(text).__name__} at position {place}")
    about = [{} for _ in said] if metadatas is None else [dict(one or {}) for one in metadatas]
    named = [None] * len(said) if ids is None else list(ids)
    for name, many in (("metadatas", about), ("ids", named)):
        if len(many) != len(said):
            raise ValueError(f"{name}: expected {len(said)}, one a text, got {len(many)}")
    return said, about, [str(uuid.uuid4()) if one is None else one for one in named]


def _taken_apart(documents: list[Document], options: dict[str, Any]) -> tuple[list[str], list[dict[str, Any]]]:
    """Texts and metadata of documents; their ids go among the options, unless some are there."""
    documents = list(documents)
    if options.get("ids") is None:
        options["ids"] = [document.id for document in documents]
    return [document.page_content for document in documents], [document.metadata for document in documents]


def _refuse(options: Mapping[str, Any]) -> None:
    if options:
        raise TypeError(f"{next(iter(options))}: not an argument here; filter, max_false, beam and hybrid are")


def _document(identifier: Any, payload: Any, text: str | None) -> Document:
    return Document(id=str(identifier), page_content=text_of(payload, text), metadata=metadata_of(payload))


def _with_distances(hits: list[Hit]) -> list[tuple[Document, float]]:
    return [(_document(hit.id, hit.payload, hit.text), hit.distance) for hit in hits]
