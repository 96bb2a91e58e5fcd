"""The asynchronous half of Haystack's document store: each method in a thread of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from ..common.checks import require

require("haystack", "haystack")

from haystack.dataclasses import Document  # noqa: E402
from haystack.document_stores.types import DuplicatePolicy  # noqa: E402


class Asynchronous:
    """``NAME_async`` for every method ``NAME`` of the document store."""

    async def count_documents_async(self) -> int:
        """See ``count_documents``."""
        return await self._threaded("count_documents")

    async def filter_documents_async(self, filters: dict[str, Any] | None = None) -> list[Document]:
        """See ``filter_documents``."""
        return await self._threaded("filter_documents", filters)

    async def write_documents_async(
        self, documents: list[Document], policy: DuplicatePolicy = DuplicatePolicy.NONE
    ) -> int:
        """See ``write_documents``."""
        return await self._threaded("write_documents", documents, policy)

    async def delete_documents_async(self, document_ids: list[str]) -> None:
        """See ``delete_documents``."""
        await self._threaded("delete_documents", document_ids)

    async def delete_all_documents_async(self) -> None:
        """See ``delete_all_documents``."""
        await self._threaded("delete_all_documents")

    async def delete_by_filter_async(self, filters: dict[str, Any]) -> int:
        """See ``delete_by_filter``."""
        return await self._threaded("delete_by_filter", filters)

    async def update_by_filter_async(self, filters: dict[str, Any], meta: dict[str, Any]) -> int:
        """See ``update_by_filter``."""
        return await self._threaded("update_by_filter", filters, meta)

    async def count_documents_by_filter_async(self, filters: dict[str, Any]) -> int:
        """See ``count_documents_by_filter``."""
        return await self._threaded("count_documents_by_filter", filters)

    async def count_unique_metadata_by_filter_async(
        self, filters: dict[str, Any], metadata_fields: list[str]
    ) -> dict[str, int]:
        """See ``count_unique_metadata_by_filter``."""
        return await self._threaded("count_unique_metadata_by_filter", filters, metadata_fields)

    async def get_metadata_fields_info_async(self) -> dict[str, dict[str, str]]:
        """See ``get_metadata_fields_info``."""
        return await self._threaded("get_metadata_fields_info")

    async def get_metadata_field_min_max_async(self, metadata_field: str) -> dict[str, Any]:
        """See ``get_metadata_field_min_max``."""
        return await self._threaded("get_metadata_field_min_max", metadata_field)

    async def get_metadata_field_unique_values_async(
        self,
        metadata_field: str,
        search_term: str | None = None,
        from_: int = 0,
        size: int = 10,
        filters: dict[str, Any] | None = None,
    ) -> tuple[list[Any], int]:
        """See ``get_metadata_field_unique_values``."""
        return await self._threaded(
            "get_metadata_field_unique_values", metadata_field, search_term, from_, size, filters
        )

    async def embedding_retrieval_async(self, query_embedding: list[float], **options: Any) -> list[Document]:
        """See ``embedding_retrieval``."""
        return await self._threaded("embedding_retrieval", query_embedding, **options)

    async def bm25_retrieval_async(self, query: str, **options: Any) -> list[Document]:
        """See ``bm25_retrieval``."""
        return await self._threaded("bm25_retrieval", query, **options)

    async def hybrid_retrieval_async(self, query: str, query_embedding: list[float], **options: Any) -> list[Document]:
        """See ``hybrid_retrieval``."""
        return await self._threaded("hybrid_retrieval", query, query_embedding, **options)

    async def _threaded(self, name: str, *arguments: Any, **options: Any) -> Any:
        return await asyncio.to_thread(getattr(self, name), *arguments, **options)
