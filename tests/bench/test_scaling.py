"""The gain of a second thread: a small run through the command."""

import argparse
import json

from nearfield.bench import add_arguments, run


def test_a_small_run_writes_ratios(tmp_path, monkeypatch):
    from nearfield.bench import data, scaling

    monkeypatch.setattr(scaling, "NAMES", ("nearfield-leanest",))
    monkeypatch.setattr(data, "WORKLOADS", {"small": _small})
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert run(parser.parse_args(["scaling", "--quick", "--out", str(tmp_path)])) == 0
    (line,) = json.loads((tmp_path / "quick" / "scaling.json").read_text())["lines"]
    assert line["peer"] == "nearfield-leanest" and line["beam"] == 20
    for kind in ("threads", "processes"):
        low, middle, high = line[kind]
        assert 0 < low <= middle <= high
    text = (tmp_path / "quick" / "scaling.md").read_text()
    assert "threads over processes" in text and "nearfield-leanest" in text


def _small(rows, queries):
    import numpy as np

    from nearfield.bench import data

    vectors = np.random.default_rng(0).standard_normal((600, 16)).astype(np.float32)
    return data.Workload("small", "l2", vectors[:500], {"small": vectors[500:]})
