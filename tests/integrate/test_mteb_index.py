"""The index behind MTEB's own wrapper, where MTEB is installed; its three methods everywhere."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from nearfield.integrate import MTEBIndex
from nearfield.metric import get_metric

ROWS = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
IDS = [f"d{number}" for number in range(300)]
QUERIES = np.random.default_rng(1).standard_normal((5, 8)).astype(np.float32)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_full_search_in_several_parts(metric: str) -> None:
    index = MTEBIndex(metric=metric)
    index.add_documents(ROWS[:100], IDS[:100])
    index.add_documents(ROWS[100:], IDS[100:])
    values, places = index.search(QUERIES, 1000, None)
    truth = get_metric(metric).pairwise(QUERIES, ROWS)
    assert [len(row) for row in places] == [300] * 5
    for found, row, distances in zip(places, values, truth, strict=True):
        expected = 1 - distances if metric == "cosine" else -distances
        assert sorted(found) == list(range(300))
        np.testing.assert_allclose(row, np.sort(expected)[::-1], atol=1e-5)
        np.testing.assert_allclose(row, expected[found], atol=1e-5)
    index.clear()
    with pytest.raises(ValueError, match="no documents to search"):
        index.search(QUERIES, 1, None)
    index.add_documents(ROWS[:3, :4], IDS[:3])  # another corpus, of another dimension
    assert index.search(QUERIES[:, :4], 2, None)[1][0] != []


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_reranking_answers_with_places_in_the_list(metric: str) -> None:
    index = MTEBIndex(metric=metric)
    index.add_documents(ROWS, IDS)
    ranked = {"q0": ["d7", "d3", "d250"], "q1": [], "q3": ["d1"]}
    values, places = index.search(QUERIES[:4], 2, None, ranked, {number: f"q{number}" for number in range(4)})
    assert [len(row) for row in places] == [2, 0, 0, 1]
    distances = get_metric(metric).to_many(QUERIES[0], ROWS[[7, 3, 250]])
    assert places[0] == np.argsort(distances)[:2].tolist() and values[0] == sorted(values[0], reverse=True)


def test_a_tuned_index_says_its_plan() -> None:
    index = MTEBIndex(recall=0.9)
    index.add_documents(ROWS, IDS)
    assert len(index.search(QUERIES, 10, None)[1][0]) == 10
    assert index.plan is not None and index.plan.met and index.plan.k == 10


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"metric": "dot"}, ValueError, "metric: expected one of 'cosine', 'ip', 'l2', got 'dot'"),
        ({"recall": 0}, ValueError, "recall: expected a number in"),
        ({"memory": "1MB"}, ValueError, "memory: expected None where recall is None"),
        ({"model": object()}, ValueError, "model: expected one whose similarity is one of cosine, dot, euclidean"),
    ],
)
def test_bad_settings(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        MTEBIndex(**options)


def test_bad_input() -> None:
    index = MTEBIndex()
    with pytest.raises(ValueError, match="idxs: expected one id per vector, got 1 ids for 2 vectors"):
        index.add_documents(ROWS[:2], ["a"])
    with pytest.raises(ValueError, match="nonzero vectors"):
        index.add_documents(np.zeros((1, 8)), ["a"])
    with pytest.raises(ValueError, match="expected shape"):
        index.add_documents(ROWS[0], ["a"])
    index.add_documents(ROWS, IDS)
    with pytest.raises(ValueError, match="expected 8 dimensions, got 4"):
        index.add_documents(ROWS[:1, :4], ["a"])
    with pytest.raises(ValueError, match="top_k"):
        index.search(QUERIES, 0, None)
    with pytest.raises(ValueError, match="query_idx_to_id: expected a dict"):
        index.search(QUERIES, 1, None, {"q": ["d1"]})
    with pytest.raises(ValueError, match="top_ranked: expected ids of documents that were added, got 'x'"):
        index.search(QUERIES[:1], 1, None, {"q": ["x"]}, {0: "q"})


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mteb") is None, reason="needs nearfield[mteb]")
def test_scifact_through_mteb() -> None:
    """Retrieval and reranking by MTEB's evaluation: our index scores as MTEB's own exact search does."""
    import datasets as hf
    import mteb
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import SearchEncoderWrapper
    from mteb.models.model_meta import ModelMeta, ScoringFunction

    from nearfield import datasets

    try:
        scifact = datasets.load("scifact")
        known = {text.strip(): vector for text, vector in zip(scifact.documents, scifact.vectors, strict=True)}
    except FileNotFoundError as error:
        pytest.skip(str(error))
    known |= {text.strip(): vector for text, vector in zip(scifact.queries, scifact.query_vectors, strict=True)}
    judged = {query: dict(grades) for query, grades in scifact.judgements.items()}
    candidates = {
        query: [*grades, *scifact.document_ids[number : number + 20]]
        for number, (query, grades) in enumerate(judged.items())
    }
    candidates = {query: list(dict.fromkeys(ids)) for query, ids in candidates.items()}

    def make_task(name: str, top_ranked: Any) -> Any:
        class Task(AbsTaskRetrieval):
            k_values = (1, 10)  # MTEB looks the id of every document found up one by one, which takes minutes for 1,000

            metadata = TaskMetadata(
                name=name,
                description="SciFact from files at hand",
                reference=None,
                dataset={"path": "none", "revision": "none"},
                type="Retrieval",
                category="t2t",
                modalities=["text"],
                eval_splits=["test"],
                eval_langs=["eng-Latn"],
                main_score="ndcg_at_10",
                date=None,
                domains=None,
                task_subtypes=None,
                license=None,
                annotations_creators=None,
                dialect=None,
                sample_creation=None,
                bibtex_citation=None,
            )

            def load_data(self, **options: Any) -> None:
                split = {
                    "corpus": hf.Dataset.from_dict({"id": scifact.document_ids, "text": scifact.documents}),
                    "queries": hf.Dataset.from_dict({"id": scifact.query_ids, "text": scifact.queries}),
                    "relevant_docs": judged,
                    "top_ranked": top_ranked,
                }
                self.dataset = {"default": {"test": split}}
                self.data_loaded = True

        return Task()

    class Stored:
        """A model whose vectors are stored already."""

        def __init__(self) -> None:
            meta = ModelMeta.create_empty()
            self.mteb_model_meta = meta.model_copy(
                update={"name": "test/stored", "revision": "1", "similarity_fn_name": ScoringFunction.COSINE}
            )

        def encode(self, inputs: Any, **options: Any) -> np.ndarray:
            return np.stack([known[text.strip()] for batch in inputs for text in batch["text"]])

        def similarity(self, a: Any, b: Any) -> Any:
            import torch

            return (
                torch.nn.functional.normalize(torch.as_tensor(a)) @ torch.nn.functional.normalize(torch.as_tensor(b)).T
            )

    def score(task: Any, index: Any) -> float:
        wrapped = SearchEncoderWrapper(Stored(), index_backend=index)
        result = mteb.evaluate(wrapped, task, cache=None, show_progress_bar=False)
        return float(result.task_results[0].get_score())

    model = Stored()
    for name, top_ranked in (("SciFactHere", None), ("SciFactAgain", candidates)):
        task = make_task(name, top_ranked)
        theirs = score(task, None)
        assert score(task, MTEBIndex(model)) == pytest.approx(theirs, abs=1e-4)
        if top_ranked is None:
            assert 0.6 < theirs < 0.7
            tuned = MTEBIndex(model, recall=0.95)
            assert score(task, tuned) == pytest.approx(theirs, abs=0.02)
            assert tuned.plan is not None and tuned.plan.met
