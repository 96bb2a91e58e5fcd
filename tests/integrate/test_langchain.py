from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("langchain_core", reason="needs nearfield[langchain]")

from langchain_core.documents import Document

from nearfield.integrate import LangChainEmbeddings, LangChainVectorStore
from nearfield.store import Store

TEXTS = ["red fox", "red wolf", "blue whale", "blue shark", "green frog"]
ABOUT = [{"n": number, "color": text.split()[0], "tags": text.split()} for number, text in enumerate(TEXTS)]
IDS = list("abcde")


@pytest.fixture
def shelf(words: Any) -> Iterator[LangChainVectorStore]:
    embedding = LangChainEmbeddings(words)
    with LangChainVectorStore.from_texts(TEXTS, embedding, ABOUT, ids=IDS, attributes={"n": "int"}) as made:
        yield made


def ids(documents: list[Document]) -> list[str]:
    return [one.id for one in documents]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"color": "red"}, "ab"),
        ({"n": {"$gte": 2, "$lt": 4}}, "cd"),
        ({"n": {"$between": [1, 3]}, "color": {"$ne": "red"}}, "cd"),
        ({"$or": [{"n": 0}, {"color": "green"}]}, "ae"),
        ({"$nor": [{"n": 0}, {"color": "green"}]}, "bcd"),
        ({"$not": {"color": {"$in": ["red", "blue"]}}}, "e"),
        ({"color": {"$not": {"$nin": ["red"]}}}, "ab"),
        ({"color": {"$like": "%e_"}}, "abe"),
        ({"color": {"$like": "_e_"}}, "ab"),
        ({"color": {"$ilike": "RE%"}}, "ab"),
        ({"tags": {"$contains": "fox"}}, "a"),
        ({"absent": {"$exists": False}}, "abcde"),
        ({"n": {"$exists": True}, "absent": None}, "abcde"),
        ({}, "abcde"),
        (None, "abcde"),
        ("n in (1, 4)", "be"),
        (lambda document: document.metadata["n"] % 2 == 1 and document.id != "b", "d"),
    ],
)
def test_filters(shelf: LangChainVectorStore, filter: Any, expected: str) -> None:
    assert sorted(ids(shelf.similarity_search("red", k=9, filter=filter))) == list(expected)
    assert sorted(ids(shelf.max_marginal_relevance_search("red", k=9, filter=filter))) == list(expected)
    assert sorted(ids(shelf.as_retriever(search_kwargs={"k": 9, "filter": filter}).invoke("red"))) == list(expected)


@pytest.mark.parametrize(
    "filter",
    [
        {"$xor": []}, {"n": {"$near": 3}}, {"n": {}}, {"$and": []}, {"$and": {"n": 1}}, {"n": {"$in": 3}}, 3,
        {"n": {"$between": [1]}}, {"n": {"$exists": 1}}, {"n": {"$like": 1}}, {3: 1}, {"$not": 3}, "m = 3",
    ],
)  # fmt: skip
def test_bad_filters(shelf: LangChainVectorStore, filter: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"filter|where"):
        shelf.similarity_search("red", filter=filter)


def test_a_filter_nested_beyond_measure(shelf: LangChainVectorStore) -> None:
    filter: Any = {"n": 1}
    for _ in range(5000):
        filter = {"$not": filter}
    with pytest.raises(ValueError, match="nested too deeply"):
        shelf.similarity_search("red", filter=filter)


def test_times_are_compared_as_moments(words: Any) -> None:
    for schema in ({"at": "timestamp"}, None):
        with LangChainVectorStore(LangChainEmbeddings(words), attributes=schema) as shelf:
            shelf.add_texts(["a", "b"], [{"at": "2024-01-01T00:30:00+01:00"}, {"at": "2024-06-01"}], ids=["a", "b"])
            assert ids(shelf.similarity_search("a", filter={"at": {"$gt": "2024-01-02"}})) == ["b"]
            if schema:  # as text, 2024-01-01T00:30 comes behind the day it is before
                assert ids(shelf.similarity_search("a", filter={"at": {"$lt": "2024-01-01"}})) == ["a"]
                either = {"$or": [{"at": {"$lt": "2024-01-01"}}, {"other": 1}]}
                assert ids(shelf.similarity_search("a", filter=either)) == ["a"]
                assert ids(shelf.similarity_search("a", filter={"at": "2023-12-31T23:30:00Z"})) == ["a"]
                with pytest.raises(ValueError, match="expected ISO text or a datetime"):
                    shelf.similarity_search("a", filter={"at": {"$lt": "soon"}})


def test_scores_relevance_and_cut(shelf: LangChainVectorStore) -> None:
    found = shelf.similarity_search_with_score("red fox", k=5)
    distances = [score for _, score in found]
    assert found[0][0].id == "a" and distances == sorted(distances) and abs(distances[0]) < 1e-6
    judged = shelf.similarity_search_with_relevance_scores("red fox", k=5, filter={"n": {"$lt": 3}})
    assert all(0 <= score <= 1 for _, score in judged) and judged[0][1] > 0.99 and len(judged) == 3
    only = shelf.as_retriever(search_type="similarity_score_threshold", search_kwargs={"score_threshold": 0.9})
    assert ids(only.invoke("red fox")) == ["a"]
    hybrid = shelf.similarity_search_with_relevance_scores("whale", k=5, hybrid=True)
    assert hybrid[0][0].id == "c" and all(0 <= score <= 1 for _, score in hybrid)
    assert asyncio.run(shelf.asimilarity_search_with_relevance_scores("whale", k=5, hybrid=True)) == hybrid
    with pytest.raises(ValueError, match="judge"):
        shelf.similarity_search("red", max_false=0.1)
    with pytest.raises(TypeError, match="alpha: not an argument"):
        shelf.similarity_search("red", alpha=0.1)
    with pytest.raises(ValueError, match="hybrid"):
        shelf.similarity_search_by_vector([1.0] * 64, hybrid=True)
    assert shelf._select_relevance_score_fn()(0.25) == 0.75


def test_relevance_of_the_other_metrics(words: Any) -> None:
    embedding = LangChainEmbeddings(words)
    for metric, expected in (("l2", 1.0), ("ip", 1.0)):
        with LangChainVectorStore(embedding, metric=metric) as shelf:
            shelf.add_texts(["red fox"])
            assert shelf.similarity_search_with_relevance_scores("red fox")[0][1] == pytest.approx(expected, abs=1e-3)
    with LangChainVectorStore(embedding, relevance_score_fn=lambda distance: 0.5) as shelf:
        shelf.add_texts(["red fox"])
        assert shelf.similarity_search_with_relevance_scores("red fox")[0][1] == 0.5


def test_a_fitted_judge_gives_the_relevance(words: Any) -> None:
    texts = [f"word{number % 40} thing{number} more{number % 7}" for number in range(400)]
    with LangChainVectorStore.from_texts(texts, LangChainEmbeddings(words)) as shelf:
        shelf.store.fit_judge()
        near = shelf.similarity_search_with_relevance_scores(texts[3], k=3)
        assert near[0][1] == pytest.approx(float(shelf.store.search(words.encode(texts[3]), k=3).relevance[0]))
        assert len(shelf.similarity_search("nothing of the kind whatever", k=10, max_false=0.01)) < 10


def test_ids_upserts_and_deletes(shelf: LangChainVectorStore) -> None:
    assert shelf.add_texts(["one", "two"], ids=["x", None])[0] == "x"
    shelf.add_documents([Document("new", id="x", metadata={"n": 7})])
    assert [(one.page_content, one.metadata) for one in shelf.get_by_ids(["x", "absent", "a"])] == [
        ("new", {"n": 7}),
        ("red fox", ABOUT[0]),
    ]
    assert shelf.add_texts(["first", "last"], ids=["y", "y"]) == ["y", "y"]
    assert shelf.get_by_ids(["y"])[0].page_content == "last"
    assert shelf.delete(["y", "absent"]) and not shelf.get_by_ids(["y"])
    shelf.delete(["a", "c"], filter={"color": "red"})
    assert ids(shelf.get_by_ids(IDS)) == ["b", "c", "d", "e"]
    shelf.delete(filter="n > 2")
    assert ids(shelf.get_by_ids(IDS)) == ["b", "c"]
    shelf.delete([])
    assert len(shelf.store) == 3
    shelf.delete()
    assert len(shelf.store) == 0


def test_unicode_and_odd_metadata(shelf: LangChainVectorStore) -> None:
    about = {"größe": 1.5, "наст": [1, {"x": None}], "when": np.datetime64("2024-01-01"), "n": np.int64(9)}
    shelf.add_texts(["日本 テキスト"], [about], ids=["ид/../🦊"])
    found = shelf.get_by_ids(["ид/../🦊"])[0]
    assert found.page_content == "日本 テキスト"
    assert found.metadata == {"größe": 1.5, "наст": [1, {"x": None}], "when": "2024-01-01", "n": 9}
    assert ids(shelf.similarity_search("x", filter={"größe": {"$gt": 1}, "n": 9})) == ["ид/../🦊"]


def test_bad_input(shelf: LangChainVectorStore) -> None:
    for call in (
        lambda: shelf.add_texts("a text"),
        lambda: shelf.add_texts([3]),
        lambda: shelf.add_texts(["a"], [{}, {}]),
        lambda: shelf.add_texts(["a"], ids=["a", "b"]),
        lambda: shelf.add_texts(["a"], ids=[""]),
        lambda: shelf.similarity_search_by_vector([1.0]),
        lambda: shelf.similarity_search_by_vector([float("nan")] * 64),
        lambda: shelf.similarity_search("a", k=0),
        lambda: shelf.max_marginal_relevance_search("a", lambda_mult=2),
        lambda: LangChainVectorStore("model"),
        lambda: LangChainEmbeddings("model"),
        lambda: LangChainVectorStore(batch_size=0),
    ):
        with pytest.raises((ValueError, TypeError)):
            call()
    assert len(shelf.store) == 5
    with LangChainVectorStore() as bare:
        with pytest.raises(ValueError, match="embedding: expected"):
            bare.add_texts(["a"])
        bare.add_embeddings([("a", [1.0, 0.0]), ("b", [0.0, 1.0])], ids=["a", "b"])
        assert bare.similarity_search_with_score_by_vector([0.0, 2.0], k=1)[0][0].id == "b"


def test_a_path_is_shared_and_survives(words: Any, tmp_path: Path) -> None:
    embedding, path = LangChainEmbeddings(words), tmp_path / "a.nf"
    first, second = LangChainVectorStore(embedding, path), LangChainVectorStore(embedding, path)
    first.add_texts(TEXTS, ABOUT, ids=IDS)
    assert second.similarity_search("red fox", k=1)[0].id == "a"
    first.close()
    second.add_texts(["late"], ids=["f"])
    second.close()
    with Store.open(path) as store:
        assert len(store) == 6 and store.verify().ok
        assert store.search(text="late", k=1).ids == ["f"]
        assert LangChainVectorStore(embedding, store=store).similarity_search("late", k=1)[0].id == "f"


def test_threads_and_tasks_write_and_read_together(shelf: LangChainVectorStore) -> None:
    errors: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for turn in range(8):
                shelf.add_texts([f"red thing {thread}"], [{"n": 100 + turn}], ids=[f"{thread}-{turn}"])
                found = shelf.similarity_search("red", k=50, filter={"n": {"$gte": 100}, "color": {"$exists": False}})
                assert all(one.metadata["n"] >= 100 for one in found)
                assert f"{thread}-{turn}" in ids(found)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and len(shelf.store) == 5 + 32

    async def many() -> list[list[Document]]:
        await asyncio.gather(*(shelf.aadd_texts([f"task {n}"], ids=[f"t{n}"]) for n in range(5)))
        return await asyncio.gather(*(shelf.asimilarity_search(f"task {n}", k=1) for n in range(5)))

    assert [one[0].id for one in asyncio.run(many())] == [f"t{n}" for n in range(5)]
