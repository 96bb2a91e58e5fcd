from __future__ import annotations

from pathlib import Path

import numpy as np


def test_the_plan_is_shown_and_kept(run, vectors: Path, tmp_path: Path) -> None:
    run("index", vectors, "v.nf", "--no-judge")
    answer = run("tune", "v.nf", "--recall", "0.9", "--memory", "1MB")
    assert answer.code == 0
    assert "recall@10" in answer.out
    assert run("stats", "v.nf", "--json").json["plan"]["recall"] == 0.9
    np.save(tmp_path / "q.npy", np.random.default_rng(1).normal(size=(50, 12)).astype(np.float32))
    plan = run("tune", "v.nf", "--queries", "q.npy", "-k", "5", "--json").json
    assert (plan["met"], plan["k"]) == (True, 5)


def test_a_target_that_cannot_be_met_is_exit_code_1(run, vectors: Path) -> None:
    run("index", vectors, "v.nf", "--no-judge")
    answer = run("tune", "v.nf", "--memory", "1B", "--json")
    assert (answer.code, answer.json["met"]) == (1, False)


def test_bad_targets(run, vectors: Path) -> None:
    run("index", vectors, "v.nf", "--no-judge")
    for options in (("--recall", "1.5"), ("--memory", "lots"), ("--queries", "none.npy")):
        answer = run("tune", "v.nf", *options)
        assert (answer.code, answer.err.count("\n")) == (2, 1)
