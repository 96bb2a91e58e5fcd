from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llama_index.core", reason="needs nearfield[llama-index]")

from llama_index.core import Document, StorageContext, VectorStoreIndex
from llama_index.core.schema import (
    ImageNode,
    IndexNode,
    MediaResource,
    Node,
    NodeRelationship,
    RelatedNodeInfo,
    TextNode,
)
from llama_index.core.vector_stores import (
    FilterCondition,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    SimpleVectorStore,
    VectorStoreQuery,
)
from llama_index.core.vector_stores.types import VectorStoreQueryMode

from nearfield.integrate import LlamaIndexEmbedding, LlamaIndexVectorStore
from nearfield.store import Store

TEXTS = ["red fox", "red wolf", "blue whale", "blue shark", "green frog"]
SCHEMA = {"n": "int", "s": "string", "tags": "strings", "at": "timestamp"}


def nodes(words: Any) -> list[TextNode]:
    return [
        TextNode(
            id_=f"i{number}",
            text=text,
            embedding=words.encode(text).tolist(),
            metadata={"n": number, "s": text.split()[0], "tags": text.split(), "at": f"2024-01-0{number + 1}"},
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"d{number // 2}")},
        )
        for number, text in enumerate(TEXTS)
    ]


@pytest.fixture
def shelf(words: Any) -> Iterator[LlamaIndexVectorStore]:
    with LlamaIndexVectorStore(attributes=SCHEMA) as made:
        made.add(nodes(words))
        yield made


def one(key: str, value: Any, operator: str = "==") -> MetadataFilter:
    return MetadataFilter(key=key, value=value, operator=FilterOperator(operator))


def several(*filters: Any, condition: str = "and") -> MetadataFilters:
    return MetadataFilters(filters=list(filters), condition=FilterCondition(condition))


def found(shelf: Any, words: Any, filters: Any = None, **options: Any) -> list[str]:
    asked = {"query_embedding": words.encode("red fox").tolist(), "similarity_top_k": 9, "filters": filters, **options}
    return shelf.query(VectorStoreQuery(**asked)).ids


def test_random_filters_as_in_the_simple_store(words: Any) -> None:
    """LlamaIndex ships no test suite of vector stores; its own in-memory store says what is right."""
    random_ = random.Random(0)
    values: dict[str, list[Any]] = {
        "n": [None, 0, 1, 2, 3], "x": [None, 0.5, 1.5, 2.0], "s": [None, "a", "b", "ab", ""],
        "tags": [None, [], ["a"], ["a", "b"]], "u": [None, "a", "B", "ab"],
    }  # fmt: skip
    made = []
    for number in range(80):
        metadata = {name: random_.choice(some) for name, some in values.items() if random_.random() < 0.8}
        vector = words.encode(f"{number} thing").tolist()
        made.append(TextNode(id_=f"i{number}", text="", embedding=vector, metadata=metadata))
    simple = SimpleVectorStore()
    simple.add(made)
    with LlamaIndexVectorStore() as plain, LlamaIndexVectorStore(attributes={**SCHEMA, "x": "float"}) as declared:
        plain.add(made)
        declared.add(made)
        for _ in range(250):
            filters = []
            for _ in range(random_.randint(1, 3)):
                name = random_.choice([*values, "absent"])
                operators = ["==", "!=", "in", "nin", "is_empty"]
                operators += ["<", "<=", ">", ">="] if name in ("n", "x", "s") else []
                operators += ["text_match", "text_match_insensitive"] if name in ("s", "u") else []
                operators += ["contains", "any", "all"] if name in ("tags", "s") else []
                operator = random_.choice(operators)
                some: list[Any] = [0, 1, 2] if name == "n" else [0.5, 2.0, 1.0] if name == "x" else ["a", "b", "A", ""]
                value = random_.choice(some)
                if operator in ("in", "nin", "any", "all"):
                    value = random_.sample(some, random_.randint(0, 2))
                filters.append(one(name, value, operator))
            asked = several(*filters, condition=random_.choice(["and", "or", "not"]))
            query = VectorStoreQuery(query_embedding=made[0].embedding, similarity_top_k=100, filters=asked)
            expected = simple.query(query)
            for shelf in (plain, declared):
                answer = shelf.query(query)
                assert set(answer.ids) == set(expected.ids), asked
                near = dict(zip(expected.ids, expected.similarities, strict=True))
                assert answer.similarities == pytest.approx([near[name] for name in answer.ids], abs=1e-5)


def test_nested_filters_and_what_the_simple_store_does_not_know(shelf: Any, words: Any) -> None:
    nested = several(several(one("s", "red"), one("n", 4), condition="or"), several(one("n", 0), condition="not"))
    assert sorted(found(shelf, words, nested)) == ["i1", "i4"]
    assert sorted(found(shelf, words, several())) == [f"i{number}" for number in range(5)]
    assert sorted(found(shelf, words, several(one("at", "2024-01-04T00:00", ">=")))) == ["i3", "i4"]
    assert sorted(found(shelf, words, several(one("n", "1", "<")))) == []  # no error, and no answer
    assert sorted(found(shelf, words, several(one("doc_id", "d1")))) == ["i2", "i3"]
    assert sorted(found(shelf, words, doc_ids=["d0", "d2"])) == ["i0", "i1", "i4"]
    assert sorted(found(shelf, words, several(one("n", 1, ">=")), doc_ids=["d0"], node_ids=["i0", "i1", "x"])) == ["i1"]
    assert len(found(shelf, words, doc_ids=[], node_ids=[])) == 5
    for bad in (several(one("n", 3, "in")), several(one("s", 3, "text_match")), [one("n", 1)]):
        with pytest.raises((ValueError, TypeError), match="filters"):
            found(shelf, words, bad)


def test_modes(shelf: Any, words: Any) -> None:
    assert found(shelf, words, similarity_top_k=1) == ["i0"]
    mode = VectorStoreQueryMode
    assert found(shelf, words, mode=mode.TEXT_SEARCH, query_str="the whale") == ["i2"]
    assert found(shelf, words, mode=mode.SPARSE, query_str="fox frog", sparse_top_k=1)[0] in ("i0", "i4")
    assert found(shelf, words, mode=mode.HYBRID, query_str="whale", similarity_top_k=2) in (["i2", "i0"], ["i0", "i2"])
    assert found(shelf, words, mode=mode.HYBRID, query_str="whale", alpha=0.0, similarity_top_k=1) == ["i2"]
    assert found(shelf, words, mode=mode.HYBRID, query_str="whale", alpha=1.0, hybrid_top_k=1) == ["i0"]
    first, *rest = found(shelf, words, mode=mode.MMR, similarity_top_k=3, mmr_threshold=0.1)
    assert first == "i0" and "i1" not in rest
    assert found(shelf, words, mode=mode.MMR, similarity_top_k=2, mmr_threshold=1.0) == ["i0", "i1"]
    for options, message in (
        ({"mode": mode.SVM}, "mode: expected"),
        ({"mode": mode.TEXT_SEARCH}, "query_str: expected"),
        ({"query_embedding": None}, "query_embedding: expected"),
        ({"mode": mode.HYBRID, "query_str": "a", "alpha": 2.0}, "alpha: expected"),
        ({"query_embedding": [1.0]}, "expected 64 dimensions"),
        ({"similarity_top_k": 0}, "k: expected"),
    ):
        with pytest.raises(ValueError, match=message):
            found(shelf, words, **options)
    with LlamaIndexVectorStore() as empty:
        for name in ("DEFAULT", "HYBRID", "TEXT_SEARCH", "MMR"):
            assert found(empty, words, mode=mode[name], query_str="red") == []


def test_nodes_come_back_whole(words: Any) -> None:
    vector = words.encode("x").tolist()
    made = [
        TextNode(id_="тext", text="日本", metadata={"a": [1, {"b": None}]}, embedding=vector, start_char_idx=3),
        ImageNode(text="picture", image_url="http://example.org/a.png", embedding=vector),
        IndexNode(text="points on", index_id="other", embedding=vector),
        Node(text_resource=MediaResource(text="resource"), metadata={"k": 1}, embedding=vector),
        Document(text="whole document", metadata={"k": 2}, embedding=vector),
    ]
    with LlamaIndexVectorStore() as shelf:
        assert shelf.add(made) == [each.node_id for each in made]
        for each, back in zip(made, shelf.get_nodes([each.node_id for each in made]), strict=True):
            wanted, given = each.to_dict(), back.to_dict()
            assert wanted.pop("embedding") and given.pop("embedding") is None
            assert json.loads(json.dumps(given)) == json.loads(json.dumps(wanted))
        assert shelf.get(made[0].node_id) == pytest.approx(vector, rel=1e-6)
        with pytest.raises(KeyError):
            shelf.get("absent")


def test_deletes(shelf: Any, words: Any) -> None:
    shelf.delete("d0")
    shelf.delete("absent")
    assert [each.node_id for each in shelf.get_nodes()] == ["i2", "i3", "i4"]
    shelf.delete_nodes(["i2", "i4"], several(one("n", 3, ">")))
    assert [each.node_id for each in shelf.get_nodes(filters=several(one("n", 0, ">=")))] == ["i2", "i3"]
    shelf.add(nodes(words)[2:3])  # again: replaced
    shelf.delete_nodes(["i2"])
    assert [each.node_id for each in shelf.get_nodes(["i3", "x", "i2"])] == ["i3"]
    shelf.delete_nodes(node_ids=[])
    assert len(shelf.client) == 1
    shelf.clear()
    assert shelf.get_nodes() == []


def test_asynchronous(shelf: Any, words: Any) -> None:
    async def run() -> list[str]:
        await shelf.adelete("d0")
        await shelf.adelete_nodes(["i2"])
        await shelf.async_add(nodes(words)[:1])
        names = [each.node_id for each in await shelf.aget_nodes()]
        query = VectorStoreQuery(query_embedding=words.encode("red fox").tolist(), similarity_top_k=1)
        assert (await shelf.aquery(query)).ids == ["i0"]
        await shelf.aclear()
        return names

    assert asyncio.run(run()) == ["i3", "i4", "i0"] and len(shelf.client) == 0


def test_an_index_over_it(words: Any, tmp_path: Path) -> None:
    embedding = LlamaIndexEmbedding(words)
    path = tmp_path / "a.nf"
    with LlamaIndexVectorStore(path) as shelf:
        context = StorageContext.from_defaults(vector_store=shelf)
        documents = [Document(text=text, doc_id=f"d{n}", metadata={"n": n}) for n, text in enumerate(TEXTS)]
        index = VectorStoreIndex.from_documents(documents, storage_context=context, embed_model=embedding)
        best = index.as_retriever(similarity_top_k=1).retrieve("blue whale")[0]
        assert (best.node.text, best.node.ref_doc_id, best.score > 0.9) == ("blue whale", "d2", True)
        index.delete_ref_doc("d2")
        context.persist(str(tmp_path / "context"))
    with LlamaIndexVectorStore(path, read_only=True) as shelf:
        index = VectorStoreIndex.from_vector_store(shelf, embed_model=embedding)
        asked = several(one("n", 3, "<"))
        retrieved = index.as_retriever(similarity_top_k=9, filters=asked).retrieve("blue whale")
        assert sorted(each.node.ref_doc_id for each in retrieved) == ["d0", "d1"]
        hybrid = index.as_retriever(vector_store_query_mode="hybrid", similarity_top_k=1, alpha=0.2)
        assert hybrid.retrieve("green")[0].node.text == "green frog"


def test_a_store_that_was_filled_otherwise(words: Any, tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", dim=64) as store:
        store.add(TEXTS, words.encode(TEXTS), payload=[{"text": text, "n": n} for n, text in enumerate(TEXTS)])
        shelf = LlamaIndexVectorStore(store=store)
        answer = shelf.query(
            VectorStoreQuery(query_embedding=words.encode("red fox").tolist(), filters=several(one("n", 1, "<=")))
        )
        assert [(node.text, node.metadata) for node in answer.nodes] == [("red fox", {"n": 0})]
        assert found(shelf, words, doc_ids=["d0"]) == []


def test_bad_input(shelf: Any, words: Any) -> None:
    with pytest.raises(TypeError, match="nodes: expected"):
        shelf.add(["a"])
    with pytest.raises(ValueError, match="embedding"):
        shelf.add([TextNode(text="no vector")])
    with pytest.raises(TypeError, match="encoder: expected"):
        LlamaIndexEmbedding("model")
    with pytest.raises(ValueError, match="attributes: column 'n' is of type int"):
        shelf.add([TextNode(text="a", metadata={"n": "many"}, embedding=[1.0] * 64)])
    assert len(shelf.client) == 5
