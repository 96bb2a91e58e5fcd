"""A real retrieval task through the whole store: the index costs no ranking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.datasets import load
from nearfield.evidence.measures import ndcg
from nearfield.index import Flat
from nearfield.store import Store


def test_ndcg_of_scifact_is_that_of_an_exact_search(tmp_path: Path) -> None:
    try:
        data = load("scifact")
        vectors, queries = data.vectors, data.query_vectors
    except (FileNotFoundError, OSError) as error:
        pytest.skip(f"SciFact is not here: {error}")
    row_of = {identifier: row for row, identifier in enumerate(data.document_ids)}

    def score(rows: np.ndarray) -> float:
        return ndcg(rows, data.document_ids, data.query_ids, data.judgements)

    def through(store: Store, beam: int | None = None) -> float:
        found = store.search(queries, k=10, beam=beam).ids
        return score(np.array([[row_of[identifier] for identifier in ids] for ids in found]))

    wanted = score(Flat("cosine").build(vectors).search(queries, 10).rows)
    assert wanted == pytest.approx(0.652, abs=0.001)
    with Store.create(tmp_path / "scifact.nf", dim=vectors.shape[1], metric="cosine") as store:
        store.add(data.document_ids, vectors)
        assert through(store) == pytest.approx(wanted, abs=1e-9)
        plan = store.optimize(recall=0.95, memory="4MB")  # half of what the floats take: codes, not vectors
        assert plan.met
        assert through(store) == pytest.approx(wanted, abs=0.002)
        # Claims are not abstracts: a graph needs a wider beam for them than abstracts do. Given one it loses nothing;
        # at a recall of 0.99 it loses what that leaves, more or less by which of several equally fast plans is chosen.
        plan = store.optimize(recall=0.99, queries=queries)
        assert plan.met and plan.queries_from == "given"
        assert through(store) == pytest.approx(wanted, abs=0.02)
        assert through(store, beam=256) == pytest.approx(wanted, abs=0.002)
