"""Haystack: :class:`HaystackDocumentStore`, a document store in a directory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from ..common.checks import check_int, require
from ..store import Hit, Store
from .documents import METADATA, TEXT, Documents, Holder, metadata_of, similarity, text_of
from .filters import And, Node
from .haystack_async import Asynchronous
from .haystack_filters import EMBEDDED, embedded, parse
from .haystack_metadata import count_unique, fields_info, min_max, unique_values

require("haystack", "haystack")

from haystack import default_from_dict, default_to_dict  # noqa: E402
from haystack.dataclasses import Document  # noqa: E402
from haystack.document_stores.errors import DuplicateDocumentError  # noqa: E402
from haystack.document_stores.types import DuplicatePolicy  # noqa: E402

# Kept beside content and meta, where a document has them.
_REST = ("blob", "sparse_embedding", "score")

# What Haystack's own in-memory store divides raw scores by before it takes the logistic function of them.
_IP_SCALE, _BM25_SCALE = 100.0, 8.0


class HaystackDocumentStore(Holder, Asynchronous):
    """Haystack's document store over a :class:`nearfield.store.Store`: durable, filtered, by meaning and by words.

    What is written is durable when the call returns. The store is made by the first write; :attr:`store` is all of it.
    :class:`HaystackEmbeddingRetriever`, :class:`HaystackBM25Retriever` and :class:`HaystackHybridRetriever` ask it in
    pipelines. Several document stores of one process may name the same path; they share it.

    Parameters
    ----------
    path : the store's directory, opened where it exists. None: a temporary one.
    embedding_dim : dimensions of the embeddings. Needed where documents without an embedding are written first; else
        None takes those of the first embedding.
    store : an open store in place of a path. One that was filled otherwise can be searched: its payload is meta.
    metric : "cosine", "ip" or "l2", of a store that is made.
    attributes : meta fields to filter by fast, without ``meta.``, name -> type as in :meth:`Store.create`; a dotted
        name leads into nested meta. Filters on other fields are as right, and look at each document's payload once.
    return_embedding : whether ``filter_documents`` gives embeddings.
    dtype, tokenizer : of a store that is made.
    read_only : follow a store that another process writes to.

    Notes
    -----
    Filters mean what they do in Haystack's ``InMemoryDocumentStore``: fields without a column are compared by its own
    function. A field declared as timestamp is compared as a moment, in UTC unless it says a zone. Of embeddings only
    whether there is one can be asked. Embeddings are kept as float32.

    A document without an embedding takes a place in the store, and is never an answer to a vector. Documents with a
    sparse embedding or a blob keep it; it is not searched.

    Raises
    ------
    StoreLockedError : another process writes to the store.

    Examples
    --------
    >>> import tempfile
    >>> from haystack import Document
    >>> folder = tempfile.TemporaryDirectory()
    >>> shelf = HaystackDocumentStore(folder.name + "/shelf.nf", attributes={"year": "int"})
    >>> shelf.write_documents([Document(id="a", content="Lift.", meta={"year": 1903}, embedding=[1.0, 0.0]),
    ...                        Document(id="b", content="Bread.", meta={"year": 2020}, embedding=[0.6, 0.8]),
    ...                        Document(id="c", content="Not embedded yet.")])
    3
    >>> late = {"field": "meta.year", "operator": ">", "value": 2000}
    >>> [(one.id, round(one.score, 3)) for one in shelf.embedding_retrieval([1.0, 0.0], filters=late)]
    [('b', 0.6)]
    >>> [one.id for one in shelf.bm25_retrieval("lift")], shelf.count_documents_by_filter(late)
    (['a'], 1)
    >>> shelf.close(); folder.cleanup()
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        embedding_dim: int | None = None,
        *,
        store: Store | None = None,
        metric: str = "cosine",
        attributes: Mapping[str, str] | None = None,
        return_embedding: bool = True,
        dtype: str = "float32",
        tokenizer: str = "porter",
        read_only: bool = False,
    ):
        self._documents = Documents(
            path,
            store,
            metric=metric,
            dtype=dtype,
            tokenizer=tokenizer,
            attributes=attributes,
            own={EMBEDDED: "bool"},
            dim=embedding_dim,
            read_only=read_only,
        )
        self._given: dict[str, Any] = {
            "path": None if path is None and store is None else str(self._documents.path),
            "embedding_dim": embedding_dim,
            "metric": metric,
            "attributes": None if attributes is None else dict(attributes),
            "return_embedding": return_embedding,
            "dtype": dtype,
            "tokenizer": tokenizer,
            "read_only": read_only,
        }
        self._return_embedding = return_embedding

    @property
    def store(self) -> Store | None:
        """The store itself; None as long as nothing was ever written."""
        return self._documents.store

    def to_dict(self) -> dict[str, Any]:
        """The settings, for Haystack's pipelines; the documents stay where they are."""
        described: dict[str, Any] = default_to_dict(self, **self._given)
        return described

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        made: Self = default_from_dict(cls, data)
        return made

    # -- documents ----------------------------------------------------------------------------------------------------

    def count_documents(self) -> int:
        """How many documents there are."""
        return self._documents.count()

    def filter_documents(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """The documents that pass a filter, in the order in which they were written."""
        return [
            _document(identifier, payload, vector=vector if self._return_embedding else None)
            for identifier, vector, payload, _ in self._documents.items(self._where(filters))
        ]

    def write_documents(self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE) -> int:
        """Write documents in one transaction; returns how many were written.

        ``policy`` is for documents whose id is there already: FAIL, which NONE means too, refuses all of them with
        DuplicateDocumentError; SKIP leaves them; OVERWRITE replaces them.
        """
        if isinstance(documents, str | Mapping) or not isinstance(documents, Iterable):
            raise ValueError(f"documents: expected a list of Documents, got {type(documents).__name__}")
        documents = list(documents)
        for place, one in enumerate(documents):
            if not isinstance(one, Document):
                raise ValueError(f"documents: expected Documents, got {type(one).__name__} at position {place}")
        if not isinstance(policy, DuplicatePolicy):
            raise ValueError(f"policy: expected a DuplicatePolicy, got {policy!r}")
        if policy == DuplicatePolicy.OVERWRITE:
            self._put(documents, replace=True)
            return len({one.id for one in documents})
        while True:
            documents = self._new(documents, skip=policy == DuplicatePolicy.SKIP)
            try:
                self._put(documents, replace=False)
                return len(documents)
            except ValueError:
                # Another thread may have been quicker with one of them.
                if len(self._new(documents, skip=policy == DuplicatePolicy.SKIP)) == len(documents):
                    raise

    def _new(self, documents: list[Document], *, skip: bool) -> list[Document]:
        """Those that are not there yet."""
        store = self._documents.store
        fresh: dict[str, Document] = {}
        for one in documents:
            if one.id in fresh or (store is not None and one.id in store):
                if not skip:
                    raise DuplicateDocumentError(f"documents: id {one.id!r} is there already")
            else:
                fresh[one.id] = one
        return list(fresh.values())

    def _put(self, documents: Sequence[Document], *, replace: bool) -> None:
        given = [one.embedding for one in documents if one.embedding is not None]
        dim = len(given[0]) if given else self._given["embedding_dim"]
        if documents and self.store is not None:
            dim = self.store.dim
        elif documents and dim is None:
            raise ValueError(
                "embedding_dim: expected the number of dimensions, as none of the documents has an embedding"
            )
        # Under cosine there is no direction for zeros: what has no embedding stands on the first axis, and is left out.
        none = np.eye(1, dim or 1, dtype=np.float32)[0]
        vectors = [none if one.embedding is None else one.embedding for one in documents]
        has = [one.embedding is not None for one in documents]
        if self.store is not None and EMBEDDED not in self.store.attributes and not all(has):
            raise ValueError(
                f"documents: expected embeddings, as this store was made otherwise and has no column {EMBEDDED}"
            )
        payloads = [_payload(one) for one in documents]
        self._documents.put([one.id for one in documents], vectors, payloads, own={EMBEDDED: has}, replace=replace)

    def delete_documents(self, document_ids: list[str]) -> None:
        """Delete by id; ids that are not there are passed over."""
        self._documents.delete([document_ids] if isinstance(document_ids, str) else list(document_ids))

    def delete_all_documents(self) -> None:
        """Delete everything; the store stays."""
        self._documents.clear()

    def delete_by_filter(self, filters: dict[str, Any]) -> int:
        """Delete the documents that pass a filter; returns how many."""
        where = self._where(filters)
        return self._documents.clear() if where is None else self._documents.delete(where=where)

    def update_by_filter(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """Merge ``meta`` into that of the documents that pass a filter, in one transaction; returns how many."""
        if not isinstance(meta, Mapping):
            raise TypeError(f"meta: expected a dict, got {type(meta).__name__}")
        with self._documents.changing():
            found = list(self._documents.items(self._where(filters)))
            if found:
                ids, vectors, payloads, attributes = zip(*found, strict=True)
                merged = [{**_as_written(one), METADATA: {**metadata_of(one), **meta}} for one in payloads]
                own = {EMBEDDED: [one.get(EMBEDDED, True) for one in attributes]}
                self._documents.put(ids, np.stack(vectors), merged, own=own)
        return len(found)

    def count_documents_by_filter(self, filters: dict[str, Any]) -> int:
        """How many documents pass a filter."""
        return self._documents.count(self._where(filters))

    # -- metadata -----------------------------------------------------------------------------------------------------

    def _metas(self, filters: dict[str, Any] | None = None) -> Iterable[dict[str, Any]]:
        return (metadata_of(payload) for _, _, payload, _ in self._documents.items(self._where(filters)))

    def count_unique_metadata_by_filter(self, filters: dict[str, Any], metadata_fields: list[str]) -> dict[str, int]:
        """How many values each of some meta fields has among the documents that pass a filter."""
        return count_unique(self._metas(filters), metadata_fields)

    def get_metadata_fields_info(self) -> dict[str, dict[str, str]]:
        """Each meta field with its type: "keyword", "int", "float" or "boolean"."""
        return fields_info(self._metas())

    def get_metadata_field_min_max(self, metadata_field: str) -> dict[str, Any]:
        """The least and the largest value of a meta field."""
        return min_max(self._metas(), metadata_field)

    def get_metadata_field_unique_values(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        """A page of the values of a meta field that hold a text, and how many there are."""
        return unique_values(self._metas(filters), metadata_field, search_term, from_, size)

    # -- retrieval ----------------------------------------------------------------------------------------------------

    def embedding_retrieval(
        self,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The ``top_k`` documents nearest to an embedding.

        The score is the cosine, the inner product, or 1 / (1 + d) for Euclidean distances; ``scale_score`` brings the
        first two into [0, 1]. ``max_false`` cuts the answer where the judge finds nothing relevant any more.
        """
        if not len(query_embedding):
            raise ValueError("query_embedding: expected a list of numbers, got none")
        metric = self._given["metric"] if self.store is None else self.store.metric
        hits = self._hits(query_embedding, filters, top_k, options, only_embedded=True)
        scores = [similarity(metric, hit.distance) for hit in hits]
        if scale_score and metric == "cosine":
            scores = [(score + 1) / 2 for score in scores]
        elif scale_score and metric == "ip":
            scores = [_logistic(score / _IP_SCALE) for score in scores]
        return self._answers(hits, scores, return_embedding)

    def bm25_retrieval(
        self,
        query: str,
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        scale_score: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The ``top_k`` documents that hold the rarest words of a text most often, embedded or not."""
        hits = self._hits(None, filters, top_k, {"text": _text(query), **options})
        scores = [-hit.distance for hit in hits]
        if scale_score:
            scores = [_logistic(score / _BM25_SCALE) for score in scores]
        return self._answers(hits, scores, False)

    def hybrid_retrieval(
        self,
        query: str,
        query_embedding: list[float],
        filters: dict[str, Any] | None = None,
        top_k: int = 10,
        return_embedding: bool = False,
        **options: Any,
    ) -> list[Document]:
        """The ``top_k`` documents by words and by embedding at once (``docs/concepts-text.md``).

        The score is the relevance after :meth:`Store.fit_fusion`, or else says how far a document stands out.
        """
        hits = self._hits(query_embedding, filters, top_k, {"text": _text(query), **options}, only_embedded=True)
        scores = [-hit.distance if hit.relevance is None else hit.relevance for hit in hits]
        return self._answers(hits, scores, return_embedding)

    def _hits(
        self,
        vector: Any,
        filters: dict[str, Any] | None,
        top_k: int,
        options: Mapping[str, Any],
        *,
        only_embedded: bool = False,
    ) -> list[Hit]:
        unknown = set(options) - {"text", "max_false", "beam"}
        if unknown:
            raise TypeError(f"{min(unknown)}: not an argument here; max_false and beam are")
        where = self._where(filters, only_embedded=only_embedded)
        if not check_int(top_k, "top_k", 0):
            return []
        return self._documents.search(vector, top_k, where, **options)

    def _where(self, filters: dict[str, Any] | None, *, only_embedded: bool = False) -> Any:
        def wanted(schema: Mapping[str, str]) -> Node | None:
            node = parse(filters, schema)
            if not only_embedded or EMBEDDED not in schema:
                return node
            return embedded() if node is None else And((embedded(), node))

        return self._documents.where(wanted)

    def _answers(self, hits: list[Hit], scores: list[float], with_vectors: bool) -> list[Document]:
        vectors = {}
        if with_vectors:
            vectors = {item.id: item.vector for item in self._documents.get([hit.id for hit in hits])}
        return [
            _document(hit.id, hit.payload, text=hit.text, vector=vectors.get(hit.id), score=score)
            for hit, score in zip(hits, scores, strict=True)
        ]


def _logistic(value: float) -> float:
    return float(0.5 * (1.0 + np.tanh(0.5 * value)))


def _text(query: str) -> str:
    if not isinstance(query, str) or not query:
        raise ValueError(f"query: expected a text, got {query!r}")
    return query


def _payload(document: Document) -> dict[str, Any]:
    """A document as it is kept."""
    whole = document.to_dict(flatten=False)
    kept = {TEXT: document.content, METADATA: document.meta}
    kept |= {name: whole[name] for name in _REST if whole.get(name) is not None}
    return kept if document.embedding is not None else {**kept, EMBEDDED: False}


def _as_written(payload: Any) -> dict[str, Any]:
    """A payload with text and metadata apart, also where it was not an adapter that wrote it."""
    if isinstance(payload, Mapping) and METADATA in payload:
        return dict(payload)
    return {TEXT: text_of(payload)}


def _document(
    identifier: Any, payload: Any, *, text: str | None = None, vector: Any = None, score: float | None = None
) -> Document:
    kept = payload if isinstance(payload, Mapping) and METADATA in payload else {}
    data = {name: kept[name] for name in _REST if name in kept}
    data |= {"id": str(identifier), "content": kept[TEXT] if kept else text_of(payload, text)}
    data |= {"meta": metadata_of(payload)}
    if vector is not None and kept.get(EMBEDDED, True):
        data["embedding"] = np.asarray(vector, np.float32).tolist()
    if score is not None:
        data["score"] = float(score)
    return Document.from_dict(data)
