"""Haystack's own tests of document stores, sync and async, with and without declared fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("haystack", reason="needs nearfield[haystack]")

from haystack import Document
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.types import DuplicatePolicy
from haystack.testing import document_store as suite
from haystack.testing import document_store_async as async_suite

from nearfield.integrate import HaystackDocumentStore

SCHEMA = {"number": "int", "chapter": "string", "date": "timestamp", "name": "string", "no_embedding": "bool"}


def same(received: list[Document], expected: list[Document]) -> None:
    """The same documents in the same order; embeddings to float32."""
    assert [one.id for one in received] == [one.id for one in expected]
    for one, other in zip(received, expected, strict=True):
        given, wanted = one.to_dict(flatten=False), other.to_dict(flatten=False)
        first, second = given.pop("embedding"), wanted.pop("embedding")
        assert given == wanted
        assert (first is None) == (second is None)
        if first is not None:
            np.testing.assert_array_equal(np.float32(first), np.float32(second))


class Fixture:
    attributes: Any = None

    @pytest.fixture
    def document_store(self, tmp_path: Path) -> Iterator[HaystackDocumentStore]:
        with HaystackDocumentStore(tmp_path / "a.nf", 768, attributes=self.attributes) as store:
            yield store

    @staticmethod
    def assert_documents_are_equal(received: list[Document], expected: list[Document]) -> None:
        same(received, expected)


class TestSync(
    Fixture,
    suite.DocumentStoreBaseExtendedTests,
    suite.CountDocumentsByFilterTest,
    suite.CountUniqueMetadataByFilterTest,
    suite.GetMetadataFieldsInfoTest,
    suite.GetMetadataFieldMinMaxTest,
    suite.GetMetadataFieldUniqueValuesTest,
):
    def test_write_documents(self, document_store: HaystackDocumentStore) -> None:
        one = Document(content="test doc")
        assert document_store.write_documents([one]) == 1
        with pytest.raises(DuplicateDocumentError):
            document_store.write_documents([one], DuplicatePolicy.NONE)


class TestDeclared(Fixture, suite.FilterDocumentsTest):
    attributes = SCHEMA


class TestAsync(
    Fixture,
    async_suite.CountDocumentsAsyncTest,
    async_suite.CountDocumentsByFilterAsyncTest,
    async_suite.CountUniqueMetadataByFilterAsyncTest,
    async_suite.DeleteAllAsyncTest,
    async_suite.DeleteByFilterAsyncTest,
    async_suite.DeleteDocumentsAsyncTest,
    async_suite.FilterDocumentsAsyncTest,
    async_suite.GetMetadataFieldMinMaxAsyncTest,
    async_suite.GetMetadataFieldUniqueValuesAsyncTest,
    async_suite.GetMetadataFieldsInfoAsyncTest,
    async_suite.UpdateByFilterAsyncTest,
    async_suite.WriteDocumentsAsyncTest,
):
    async def test_write_documents_async(self, document_store: HaystackDocumentStore) -> None:
        one = Document(content="test doc")
        assert await document_store.write_documents_async([one]) == 1
        with pytest.raises(DuplicateDocumentError):
            await document_store.write_documents_async([one])
