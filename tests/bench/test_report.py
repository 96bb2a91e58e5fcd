from pathlib import Path

import pytest

from nearfield.bench import report, summary


def _made_up(peer: str, rate: float, megabytes: int, run: str = "one") -> dict:
    points = [
        {"beam": 10, "recall": 0.85, "rate": rate},
        {"beam": 40, "recall": 0.95, "rate": rate / 2},
        {"beam": 160, "recall": 0.995, "rate": rate / 8},
    ]
    slower = [point | {"rate": point["rate"] * 0.5} for point in points]
    faster = [point | {"rate": point["rate"] * 3} for point in points]
    runs = [
        {"queries": "wordnet", "threads": 1, "round": i, "points": part}
        for i, part in enumerate((slower, points, faster))
    ]
    machine = {"cpu": {"model": "made up", "wide": []}, "cores": 2, "system": "s", "python": "3", "numpy": "2"}
    machine |= {"date": "today", "load": [0.1, 0, 0]}
    build = {"seconds": 9.0, "threads": 2, "resident_bytes": megabytes * 10**6, "reported_bytes": None}
    return {
        "data": "wordnet", "peer": peer, "package": peer, "version": "1", "parameters": {"M": 16}, "status": "done",
        "error": None, "build": build, "runs": runs, "rounds": 3, "k": 10, "machine": machine, "run": run,
    }  # fmt: skip


RESULTS = [_made_up("nearfield-8bit", 8000, 60), _made_up("hnswlib", 4000, 190), _made_up("symqg", 16000, 400)]


def test_the_median_round_makes_the_curve() -> None:
    curve = summary.curves(RESULTS)[0]
    assert curve.rates[0.95] == pytest.approx(4000)
    assert curve.spread == pytest.approx(2.5)
    assert curve.ours and not summary.curves(RESULTS)[1].ours


def test_ratios_are_against_the_best_the_small_and_the_baseline() -> None:
    made = {(r.recall, r.against): r for r in summary.ratios(summary.curves(RESULTS))}
    assert made[0.95, "best: symqg"].rate == pytest.approx(0.5)
    assert made[0.95, "best: symqg"].memory == pytest.approx(0.15)
    assert made[0.95, "hnswlib"].rate == pytest.approx(2.0)
    assert not any(against.startswith("best of no more") for _, against in made)
    with_small = [*RESULTS, _made_up("usearch-i8", 2000, 50)]
    made = {(r.recall, r.against): r for r in summary.ratios(summary.curves(with_small))}
    assert made[0.95, "best of no more memory: usearch-i8"].rate == pytest.approx(4.0)


def test_the_tables_hold_what_was_measured() -> None:
    text = report.markdown(RESULTS)
    assert "| **nearfield-8bit** | 5,657 | 4,000 |" in text
    assert "0.50x rate, 0.15x memory (symqg)" in text and "2.00x rate, 0.32x memory" in text
    assert "M=16" in text and "runs (" not in text


def test_results_of_several_runs_are_named() -> None:
    assert "come from 2 runs (one, two)" in report.markdown([*RESULTS, _made_up("faiss-hnsw", 1, 1, "two")])


def test_no_results_is_said() -> None:
    assert "No results yet" in report.markdown([])


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    report.plot(summary.curves(RESULTS), tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_the_figures_as_json() -> None:
    made = summary.to_json([*RESULTS, RESULTS[0] | {"status": "failed", "error": "e", "peer": "svs"}])
    assert len(made["curves"]) == 3
    assert made["absent"] == [{"data": "wordnet", "peer": "svs", "status": "failed", "error": "e"}]
