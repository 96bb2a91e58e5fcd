import json
import sys
from pathlib import Path

import numpy as np
import pytest

from nearfield.bench import data, report, runner
from nearfield.bench.peers import find_peer
from nearfield.bench.runner import Plan, result_path, run_peers

PLAN = Plan(threads=(1,), rounds=2, build_threads=1, rows=600, queries=20, seconds=0.001, patience=60.0)


@pytest.fixture
def tiny(monkeypatch) -> str:
    def make(rows: int | None = None, count: int = 20) -> data.Workload:
        vectors = np.random.default_rng(0).standard_normal(((rows or 600) + count, 16), np.float32)
        return data.Workload("tiny", "l2", vectors[count:], {"tiny": vectors[:count]})

    monkeypatch.setitem(data.WORKLOADS, "tiny", make)
    return "tiny"


def _result(out: Path, peer: str) -> dict:
    return json.loads(result_path(out, "tiny", peer).read_text())


def test_a_run_leaves_results_tables_and_plot(tiny: str, tmp_path: Path, capfd) -> None:
    run_peers([find_peer("nearfield-8bit"), find_peer("hnswlib")], [tiny], tmp_path, PLAN)
    ours = _result(tmp_path, "nearfield-8bit")
    assert ours["status"] == "done" and ours["rows"] == 600 and len(ours["runs"]) == 2
    assert ours["build"]["seconds"] > 0 and ours["build"]["reported_kind"] == "index.memory()"
    assert all(0 < point["recall"] <= 1 and point["rate"] > 0 for point in ours["runs"][0]["points"])
    assert _result(tmp_path, "hnswlib")["status"] in ("done", "not installed")
    pytest.importorskip("matplotlib")
    text = report.write_report(tmp_path).read_text()
    assert "**nearfield-8bit**" in text and "hnswlib" in text
    assert (tmp_path / "peers.png").stat().st_size > 10_000
    assert json.loads((tmp_path / "peers.json").read_text())["curves"]


def test_what_is_done_is_kept_and_fresh_measures_again(tiny: str, tmp_path: Path, capfd) -> None:
    peer = [find_peer("nearfield-8bit")]
    run_peers(peer, [tiny], tmp_path, PLAN)
    path = result_path(tmp_path, "tiny", "nearfield-8bit")
    marked = json.loads(path.read_text()) | {"mark": 1}
    path.write_text(json.dumps(marked))
    run_peers(peer, [tiny], tmp_path, PLAN)
    assert _result(tmp_path, "nearfield-8bit").get("mark") == 1
    run_peers(peer, [tiny], tmp_path, PLAN, fresh=True)
    assert "mark" not in _result(tmp_path, "nearfield-8bit")
    path.write_text(json.dumps(marked | {"fingerprint": "another"}))
    run_peers(peer, [tiny], tmp_path, PLAN)
    assert "mark" not in _result(tmp_path, "nearfield-8bit")


def test_failures_and_absence_are_reported(tiny: str, tmp_path: Path, monkeypatch, capfd) -> None:
    from dataclasses import replace

    broken = replace(find_peer("nearfield-8bit"), name="nearfield-8bit", parameters={"bits": 3})
    absent = replace(find_peer("hnswlib"), module="nearfield_ghost_module")
    run_peers([broken, absent], [tiny], tmp_path, PLAN)
    failed = _result(tmp_path, "nearfield-8bit")
    assert failed["status"] == "failed" and failed["error"].startswith("build: exit code 1: ValueError")
    assert _result(tmp_path, "hnswlib")["status"] == "not installed"
    text = report.markdown(report.load_results(tmp_path))
    assert "not installed" in text and "failed: build" in text


@pytest.mark.skipif(sys.platform != "linux", reason="stops and wakes processes")
def test_a_peer_that_does_not_answer_is_given_up(tiny: str, tmp_path: Path, capfd) -> None:
    from dataclasses import replace

    run_peers([find_peer("nearfield-8bit")], [tiny], tmp_path, replace(PLAN, patience=0.001))
    assert _result(tmp_path, "nearfield-8bit")["error"] == "build: no answer within 0 s"


def test_scalable_vs_codes_run_or_say_why(tiny: str, tmp_path: Path, capfd) -> None:
    peer = find_peer("svs-lvq8")
    if peer.version() is None:
        pytest.skip("scalable-vs is not installed")
    run_peers([peer], [tiny], tmp_path, PLAN)
    result = _result(tmp_path, "svs-lvq8")
    assert result["status"] == "done" or "not supported" in result["error"]


def test_a_smaller_plan_is_smaller() -> None:
    assert runner.Plan().smaller().rows == 5000 and runner.Plan().smaller().rounds == 1
