from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("haystack", reason="needs nearfield[haystack]")

from haystack import Document, Pipeline
from haystack.components.writers import DocumentWriter

from nearfield.encode import WordLlama
from nearfield.integrate import (
    HaystackBM25Retriever,
    HaystackDocumentEmbedder,
    HaystackDocumentStore,
    HaystackEmbeddingRetriever,
    HaystackHybridRetriever,
    HaystackTextEmbedder,
)

TEXTS = ["Wings produce lift.", "Sourdough needs a day.", "A propeller is a rotating wing."]


@pytest.fixture(scope="module")
def encoder() -> WordLlama:
    return WordLlama()


@pytest.fixture
def shelf(encoder: Any) -> Iterator[HaystackDocumentStore]:
    with HaystackDocumentStore() as made:
        indexing = Pipeline()
        indexing.add_component("embedder", HaystackDocumentEmbedder(encoder))
        indexing.add_component("writer", DocumentWriter(made))
        indexing.connect("embedder", "writer")
        given = [Document(id=str(n), content=text, meta={"n": n}) for n, text in enumerate(TEXTS)]
        assert indexing.run({"embedder": {"documents": given}})["writer"]["documents_written"] == 3
        assert given[0].embedding is None
        yield made


def test_a_pipeline_that_asks_survives_being_written_down(shelf: HaystackDocumentStore, encoder: Any) -> None:
    asking = Pipeline()
    asking.add_component("embedder", HaystackTextEmbedder(encoder))
    asking.add_component("retriever", HaystackEmbeddingRetriever(shelf, top_k=2, filter_policy="merge"))
    asking.connect("embedder.embedding", "retriever.query_embedding")
    said = asking.dumps()
    question = {"embedder": {"text": "how do aircraft fly"}}
    first = asking.run(question)["retriever"]["documents"]
    assert {one.id for one in first} == {"0", "2"}
    few = {"field": "meta.n", "operator": "<", "value": 2}
    narrowed = asking.run({**question, "retriever": {"filters": few, "top_k": 1}})["retriever"]["documents"]
    assert [one.id for one in narrowed] == ["0"]
    assert "HaystackEmbeddingRetriever" in said


def test_every_component_is_made_again_from_its_description(shelf: HaystackDocumentStore, encoder: Any) -> None:
    few = {"field": "meta.n", "operator": "<", "value": 2}
    path = HaystackDocumentStore(store=shelf.store)
    for kind in (HaystackEmbeddingRetriever, HaystackBM25Retriever, HaystackHybridRetriever):
        made = kind(path, filters=few, top_k=3, max_false=0.5)
        again = kind.from_dict(made.to_dict())
        assert again.to_dict() == made.to_dict() and again.filters == few
        again.document_store.close()
    for kind in (HaystackTextEmbedder, HaystackDocumentEmbedder):
        assert kind.from_dict(kind(encoder).to_dict()).to_dict() == kind(encoder).to_dict()


def test_words_and_both(shelf: HaystackDocumentStore, encoder: Any) -> None:
    assert [one.id for one in HaystackBM25Retriever(shelf).run(query="propeller")["documents"]] == ["2"]
    assert HaystackBM25Retriever(shelf, scale_score=True).run(query="propeller")["documents"][0].score >= 0.5
    vector = encoder.encode("propeller").tolist()
    both = HaystackHybridRetriever(shelf, top_k=1, return_embedding=True)
    found = both.run(query="propeller", query_embedding=vector)["documents"]
    assert found[0].id == "2" and len(found[0].embedding) == 256
    with pytest.raises(ValueError, match="max_false"):
        HaystackEmbeddingRetriever(shelf, max_false=0.1).run(query_embedding=vector)


def test_asynchronous(shelf: HaystackDocumentStore, encoder: Any) -> None:
    asking = Pipeline()
    asking.add_component("embedder", HaystackTextEmbedder(encoder))
    asking.add_component("retriever", HaystackEmbeddingRetriever(shelf, top_k=1))
    asking.connect("embedder.embedding", "retriever.query_embedding")
    found = asyncio.run(asking.run_async({"embedder": {"text": "bread"}}))
    assert found["retriever"]["documents"][0].id == "1"

    async def others() -> list[str]:
        vector = encoder.encode("bread").tolist()
        words = await HaystackBM25Retriever(shelf).run_async(query="sourdough")
        both = await HaystackHybridRetriever(shelf, top_k=1).run_async(query="sourdough", query_embedding=vector)
        made = await HaystackDocumentEmbedder(encoder).run_async(documents=[Document(content="a")])
        assert len(made["documents"][0].embedding) == 256
        return [words["documents"][0].id, both["documents"][0].id]

    assert asyncio.run(others()) == ["1", "1"]


def test_bad_input(shelf: HaystackDocumentStore, encoder: Any) -> None:
    for call in (
        lambda: HaystackEmbeddingRetriever("store"),
        lambda: HaystackBM25Retriever(shelf, top_k=0),
        lambda: HaystackHybridRetriever(shelf, filter_policy="both"),
        lambda: HaystackTextEmbedder("model"),
        lambda: HaystackTextEmbedder(encoder).run(text=["a"]),
        lambda: HaystackDocumentEmbedder(encoder).run(documents="a"),
    ):
        with pytest.raises((ValueError, TypeError)):
            call()
    assert HaystackDocumentEmbedder(encoder).run(documents=[]) == {"documents": []}
