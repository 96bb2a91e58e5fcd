"""LangChain's own standard tests of vector stores, in each of the ways a store is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("langchain_core", reason="needs nearfield[langchain]")
suite = pytest.importorskip("langchain_tests.integration_tests", reason="needs langchain-tests")

from nearfield.integrate import LangChainVectorStore  # noqa: E402
from nearfield.store import Store  # noqa: E402


class TestAtAPath(suite.VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[LangChainVectorStore]:
        with LangChainVectorStore(self.get_embeddings(), tmp_path / "a.nf") as store:
            yield store


class TestTemporaryAndDeclared(suite.VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[LangChainVectorStore]:
        with LangChainVectorStore(self.get_embeddings(), attributes={"id": "int"}, metric="l2", batch_size=1) as store:
            yield store


class TestOverAStoreThatIsOpen(suite.VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self, tmp_path: Path) -> Iterator[LangChainVectorStore]:
        dim = len(self.get_embeddings().embed_query("how many"))
        with Store.create(tmp_path / "a.nf", dim=dim) as store:
            yield LangChainVectorStore(self.get_embeddings(), store=store)
            assert np.isfinite(len(store))  # it is not closed with the adapter
