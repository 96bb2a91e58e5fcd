"""Token vectors of real texts through a store: what is found of the exact best, under filters that leave ever less."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.datasets import load
from nearfield.encode import OnnxTokens
from nearfield.index import MeanEncoding, exact_maxsim
from nearfield.store import Store

DOCUMENTS, CLAIMS, K = 300, 60, 10


@pytest.mark.slow
def test_recall_against_exact_maxsim_over_what_passes(tmp_path: Path, record_property: Any) -> None:
    try:
        data = load("scifact")
        encoder = OnnxTokens(Path(os.environ["NEARFIELD_MODELS"]) / "minilm", max_tokens=64)
    except (KeyError, OSError, ImportError) as error:
        pytest.skip(f"SciFact and MiniLM are not here: {error}")
    bags, claims = encoder.encode(data.documents[:DOCUMENTS]), encoder.encode(data.queries[:CLAIMS])
    folds = np.arange(DOCUMENTS) % 5
    kept = {"dim": bags.dim, "encoding": MeanEncoding(), "sample": bags}
    with Store.create(tmp_path / "a.nf", bags.dim, attributes={"fold": "int"}, bags=kept) as store:
        half = DOCUMENTS // 2
        store.add(range(half), bags=bags[:half], attributes={"fold": folds[:half].tolist()})
        store.compact()
        store.add(range(half, DOCUMENTS), bags=bags[half:], attributes={"fold": folds[half:].tolist()})
        for where, passes in ((None, folds >= 0), ("fold < 3", folds < 3), ("fold = 0", folds == 0)):
            exact = exact_maxsim(bags, claims, K, allow=passes).rows.tolist()
            for candidates, floor in ((30, 0.85), (60, 0.93), (DOCUMENTS, 0.98)):
                found = store.search(bags=claims, k=K, where=where, candidates=candidates).ids
                share = np.mean([len(set(one) & set(other)) / K for one, other in zip(found, exact, strict=True)])
                record_property(f"{where}, {candidates} candidates", float(share))
                assert share >= floor, f"{where}, {candidates} candidates: {share:.3f}"
