from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def batches(tmp_path: Path) -> tuple[Path, Path, Path]:
    rng = np.random.default_rng(0)
    made = []
    for name, rows, shift in (("old", 500, 0), ("same", 200, 0), ("moved", 200, 2)):
        path = tmp_path / f"{name}.npy"
        np.save(path, (rng.standard_normal((rows, 8)) + shift).astype(np.float32))
        made.append(path)
    return made[0], made[1], made[2]


def test_files_against_each_other(run, batches) -> None:
    old, same, moved = batches
    calm, loud = run("drift", old, same, "--metric", "l2"), run("drift", old, moved, "--metric", "l2", "--json")
    assert (calm.code, loud.code) == (0, 1)
    assert "Drift of 200 new rows against 500 stored ones" in calm.out
    assert loud.json["shifted"] is True


def test_a_store_is_asked_by_its_own_plan(run, batches) -> None:
    old, same, moved = batches
    run("index", old, "s.nf", "--metric", "l2")
    calm = run("drift", "s.nf", same, "--json")
    assert calm.code == 0 and calm.json["measures"]["recall_loss"]["value"] == 0
    assert run("drift", "s.nf", moved).code == 1
    wrong = run("drift", "s.nf", same, "--metric", "cosine")
    assert (wrong.code, "the store's is l2" in wrong.err) == (2, True)


def test_texts_are_encoded_as_the_store_s_were(run, texts: Path) -> None:
    run("index", texts, "t.nf")
    answer = run("drift", "t.nf", texts)
    assert answer.code == 0 and "with 256 dimensions" in answer.out
