from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("haystack", reason="needs nearfield[haystack]")

from haystack import Document
from haystack.dataclasses import ByteStream, SparseEmbedding
from haystack.document_stores.errors import DuplicateDocumentError
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack.document_stores.types import DuplicatePolicy
from haystack.errors import FilterError

from nearfield.integrate import HaystackDocumentStore
from nearfield.store import Store

SCHEMA = {"n": "int", "x": "float", "s": "string", "b": "bool", "at": "timestamp", "a.c": "int"}
TEXTS = ["red fox", "red wolf", "blue whale", "blue shark", "green frog"]


def documents(words: Any) -> list[Document]:
    made = [
        Document(id=f"i{number}", content=text, meta={"n": number}, embedding=words.encode(text).tolist())
        for number, text in enumerate(TEXTS)
    ]
    return [*made, Document(id="bare", content="red only in words", meta={"n": 9})]


@pytest.fixture
def shelf(words: Any) -> Iterator[HaystackDocumentStore]:
    with HaystackDocumentStore(attributes={"n": "int"}) as made:
        made.write_documents(documents(words))
        yield made


def ids(found: list[Document]) -> list[str]:
    return [one.id for one in found]


def filter_(random_: random.Random, depth: int = 0) -> dict[str, Any]:
    if depth < 2 and random_.random() < 0.4:
        parts = [filter_(random_, depth + 1) for _ in range(random_.randint(1, 3))]
        return {"operator": random_.choice(["AND", "OR", "NOT"]), "conditions": parts}
    name = random_.choice(["n", "x", "s", "b", "at", "a.c", "u", "absent"])
    operators = ["==", "!=", "in", "not in"] + ([">", ">=", "<", "<="] if name in ("n", "x", "at", "a.c") else [])
    operator = random_.choice(operators)
    times = ["2024-01-01", "2024-01-02T12:00:00", "2024-01-03T00:00:00+00:00"]
    some: list[Any] = times if name == "at" else ["a", "b", ""] if name == "s" else [0, 1, 2.0, True, None]
    if operator in (">", ">=", "<", "<=") and name != "at":
        some = [0, 1, 1.5, None]
    value = [random_.choice(some) for _ in range(2)] if operator in ("in", "not in") else random_.choice(some)
    return {"field": f"meta.{name}", "operator": operator, "value": value}


def test_random_filters_as_in_the_store_in_memory(words: Any) -> None:
    random_ = random.Random(0)
    values: dict[str, list[Any]] = {
        "n": [None, 0, 1, 2], "x": [None, 0.0, 1.5, 2.0], "s": [None, "a", "b", ""], "b": [None, True, False],
        "at": [None, "2024-01-01T00:00:00", "2024-01-02T12:00:00", "2024-01-04"], "a": [None, {"c": 1}, {"c": 2}, {}],
        "u": [None, 0, 1, True, "a", "2024-01-01"],
    }  # fmt: skip
    made = []
    for number in range(80):
        meta = {name: random_.choice(some) for name, some in values.items() if random_.random() < 0.8}
        made.append(Document(id=f"i{number}", content="", meta=meta, embedding=words.encode(f"{number}").tolist()))
    memory = InMemoryDocumentStore()
    memory.write_documents(made)
    with HaystackDocumentStore() as plain, HaystackDocumentStore(attributes=SCHEMA) as declared:
        plain.write_documents(made)
        declared.write_documents(made)
        for _ in range(200):
            asked = filter_(random_)
            expected = ids(memory.filter_documents(asked))
            assert ids(plain.filter_documents(asked)) == expected, asked
            assert ids(declared.filter_documents(asked)) == expected, asked
            assert declared.count_documents_by_filter(asked) == len(expected)


def test_fields_of_the_document_itself(shelf: HaystackDocumentStore) -> None:
    def found(field: str, operator: str, value: Any) -> list[str]:
        return ids(shelf.filter_documents({"field": field, "operator": operator, "value": value}))

    assert found("id", "in", ["i1", "i4", "x"]) == ["i1", "i4"]
    assert found("content", "==", "blue whale") == ["i2"]
    assert found("embedding", "==", None) == ["bare"] and len(found("embedding", "!=", None)) == 5
    assert found("n", ">", 3) == ["i4", "bare"]  # as filters of old say it, without meta
    with pytest.raises(FilterError, match="embedding"):
        found("embedding", "==", [1.0])


@pytest.mark.parametrize(
    "filters",
    [
        3, {"meta": 1}, {"operator": "XOR", "conditions": []}, {"operator": "AND", "conditions": 3},
        {"operator": "AND", "conditions": [{}]}, {"field": 3, "operator": "==", "value": 1},
        {"field": "meta.n", "operator": "~", "value": 1}, {"field": "meta.n", "operator": "in", "value": 1},
    ],
)  # fmt: skip
def test_bad_filters_are_refused_by_an_empty_store_too(filters: Any) -> None:
    with HaystackDocumentStore() as shelf, pytest.raises(FilterError, match="filters"):
        shelf.filter_documents(filters)


def test_retrieval(shelf: HaystackDocumentStore, words: Any) -> None:
    query = words.encode("red fox").tolist()
    found = shelf.embedding_retrieval(query, top_k=9)
    assert ids(found)[:2] == ["i0", "i1"] and len(found) == 5 and found[0].embedding is None
    assert found[0].score == pytest.approx(1.0)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    scaled = shelf.embedding_retrieval(query, top_k=2, scale_score=True, return_embedding=True)
    assert scaled[1].score == pytest.approx((found[1].score + 1) / 2)
    np.testing.assert_array_equal(np.float32(scaled[0].embedding), np.float32(query))
    few = {"field": "meta.n", "operator": ">=", "value": 3}
    assert set(ids(shelf.embedding_retrieval(query, filters=few))) == {"i3", "i4"}
    assert set(ids(shelf.bm25_retrieval("red"))) == {"i0", "i1", "bare"}
    assert ids(shelf.bm25_retrieval("red", filters=few)) == ["bare"]
    assert 0 <= shelf.bm25_retrieval("whale", scale_score=True)[0].score <= 1
    assert shelf.hybrid_retrieval("whale", words.encode("whale").tolist(), top_k=1)[0].id == "i2"
    assert "bare" not in ids(shelf.hybrid_retrieval("red", query, top_k=9))
    assert shelf.embedding_retrieval(query, top_k=0) == []
    for call in (
        lambda: shelf.embedding_retrieval([]),
        lambda: shelf.embedding_retrieval([1.0]),
        lambda: shelf.embedding_retrieval(query, top_k=-1),
        lambda: shelf.embedding_retrieval(query, alpha=1),
        lambda: shelf.bm25_retrieval(""),
    ):
        with pytest.raises((ValueError, TypeError)):
            call()


def test_other_metrics(words: Any) -> None:
    for metric in ("ip", "l2"):
        with HaystackDocumentStore(metric=metric) as shelf:
            shelf.write_documents(documents(words))
            query = words.encode("red fox")
            best = shelf.embedding_retrieval(query.tolist(), top_k=1)[0]
            expected = float(query @ query) if metric == "ip" else 1.0
            assert best.score == pytest.approx(expected, rel=1e-3)
            assert 0 < shelf.embedding_retrieval(query.tolist(), top_k=1, scale_score=True)[0].score <= 1


def test_policies_and_duplicates(shelf: HaystackDocumentStore, words: Any) -> None:
    one, two = documents(words)[:2]
    new = Document(id="new", content="new", embedding=one.embedding)
    with pytest.raises(DuplicateDocumentError, match="'i0'"):
        shelf.write_documents([new, one])
    with pytest.raises(DuplicateDocumentError, match="'new'"):
        shelf.write_documents([new, new])
    assert shelf.count_documents() == 6
    assert shelf.write_documents([new, one, new], DuplicatePolicy.SKIP) == 1
    again = Document(id="new", content="newer", embedding=two.embedding)
    assert shelf.write_documents([new, again], DuplicatePolicy.OVERWRITE) == 1
    assert shelf.filter_documents({"field": "id", "operator": "==", "value": "new"})[0].content == "newer"
    for bad in ("text", {"a": 1}, ["text"], 3):
        with pytest.raises(ValueError, match="documents: expected"):
            shelf.write_documents(bad)
    with pytest.raises(ValueError, match="policy"):
        shelf.write_documents([new], "skip")
    with pytest.raises(ValueError, match="nonzero"):
        shelf.write_documents([Document(content="zeros", embedding=[0.0] * 64)])
    with pytest.raises(ValueError, match="expected 64 dimensions"):
        shelf.write_documents([Document(content="short", embedding=[1.0])])


def test_everything_of_a_document_is_kept(words: Any) -> None:
    whole = Document(
        content="текст",
        blob=ByteStream(b"\0\xff", meta={"k": 1}, mime_type="image/png"),
        meta={"nested": {"список": [1, None]}, "größe": 1.5},
        embedding=words.encode("x").tolist(),
        sparse_embedding=SparseEmbedding([1, 5], [0.5, 0.25]),
        score=0.5,
    )
    only_blob = Document(blob=ByteStream(b"abc"))
    with HaystackDocumentStore() as shelf:
        shelf.write_documents([whole, only_blob])
        first, second = shelf.filter_documents()
        assert np.float32(first.embedding).tolist() == np.float32(whole.embedding).tolist()
        first.embedding = whole.embedding
        assert first == whole and second == only_blob and second.content is None
    with HaystackDocumentStore(return_embedding=False) as shelf:
        shelf.write_documents([whole])
        assert shelf.filter_documents()[0].embedding is None


def test_documents_without_embeddings_come_first() -> None:
    with HaystackDocumentStore() as shelf, pytest.raises(ValueError, match="embedding_dim: expected"):
        shelf.write_documents([Document(content="bare")])
    with HaystackDocumentStore(embedding_dim=2) as shelf:
        shelf.write_documents([Document(id="a", content="bare")])
        assert shelf.embedding_retrieval([1.0, 0.0]) == []
        shelf.update_by_filter({}, {"seen": True})
        assert shelf.filter_documents()[0].embedding is None and shelf.filter_documents()[0].meta == {"seen": True}
        embedded = Document(id="a", content="bare", embedding=[1.0, 0.0])
        shelf.write_documents([embedded], DuplicatePolicy.OVERWRITE)
        assert ids(shelf.embedding_retrieval([1.0, 0.0])) == ["a"]


def test_described_shared_and_kept(words: Any, tmp_path: Path) -> None:
    shelf = HaystackDocumentStore(tmp_path / "a.nf", attributes={"n": "int"})
    shelf.write_documents(documents(words))
    again = HaystackDocumentStore.from_dict(shelf.to_dict())
    assert again.to_dict() == shelf.to_dict() and again.store is shelf.store
    shelf.close()
    assert again.count_documents() == 6
    again.close()
    with Store.open(tmp_path / "a.nf") as store:
        assert store.verify().ok and len(store) == 6
    with HaystackDocumentStore(tmp_path / "a.nf", read_only=True) as reader:
        assert reader.count_documents() == 6
        with pytest.raises(PermissionError):
            reader.delete_documents(["i0"])


def test_a_store_that_was_filled_otherwise(words: Any, tmp_path: Path) -> None:
    with Store.create(tmp_path / "a.nf", dim=64) as store:
        store.add(TEXTS, words.encode(TEXTS), payload=[{"text": text, "n": n} for n, text in enumerate(TEXTS)])
        shelf = HaystackDocumentStore(store=store)
        few = {"field": "meta.n", "operator": "<", "value": 2}
        found = shelf.embedding_retrieval(words.encode("red fox").tolist(), filters=few)
        assert [(one.content, one.meta) for one in found] == [("red fox", {"n": 0}), ("red wolf", {"n": 1})]
        assert shelf.update_by_filter(few, {"seen": 1}) == 2
        assert shelf.count_documents_by_filter({"field": "meta.seen", "operator": "==", "value": 1}) == 2
        with pytest.raises(ValueError, match="documents: expected embeddings"):
            shelf.write_documents([Document(content="bare")])


def test_threads_write_and_update_together(words: Any) -> None:
    """Whatever is merged into meta by several threads at once is all there in the end."""
    vector = words.encode("x").tolist()
    with HaystackDocumentStore() as shelf:
        written: list[int] = []

        def work(thread: int) -> None:
            for turn in range(5):
                one = Document(id=f"same-{turn}", content="same", embedding=vector)
                written.append(shelf.write_documents([one], DuplicatePolicy.SKIP))
                shelf.update_by_filter({"field": "id", "operator": "==", "value": one.id}, {f"t{thread}": turn})

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(written) == 5
        assert [one.meta for one in sorted(shelf.filter_documents(), key=lambda one: one.id)] == [
            {f"t{thread}": turn for thread in range(4)} for turn in range(5)
        ]
