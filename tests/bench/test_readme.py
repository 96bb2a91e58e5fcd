from pathlib import Path

import pytest

from nearfield.bench import readme, summary

REPOSITORY = Path(__file__).parents[2]


def _result(peer: str, rate: float, workload: str = "wordnet") -> dict:
    points = [{"beam": 10, "recall": 0.8, "rate": rate}, {"beam": 90, "recall": 0.97, "rate": rate / 4}]
    runs = [{"queries": workload, "threads": 1, "round": 0, "points": points}]
    build = {"seconds": 2.0, "threads": 2, "resident_bytes": 60 * 10**6, "reported_bytes": None}
    return {"peer": peer, "status": "done", "build": build, "runs": runs, "rounds": 1}


def test_the_readme_shows_the_kept_results() -> None:
    text = (REPOSITORY / "README.md").read_text()
    section = readme.section(summary.load_results(REPOSITORY / "bench" / "results"))
    assert f"{readme.BEGIN}\n{section}\n{readme.END}" in text


def test_ours_and_the_best_peers_are_shown_and_who_wins_is_said() -> None:
    peers = [_result(f"peer{number}", 100.0 * number) for number in range(1, 7)]
    text = readme.section([_result("nearfield-8bit+slack", 900.0), _result("hnswlib", 10.0), *peers])
    shown = [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| ")][2:]
    assert shown == ["**nearfield, 8-bit, slack**", "peer6", "peer5", "peer4", "peer3", "hnswlib"]
    assert "- wordnet, 1 thread: 1.50 (peer6), 1.50 (peer6), -" in text
    assert "0.75 (peer" in readme.section([_result("nearfield-8bit+slack", 450.0), *peers])


def test_a_file_without_its_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("nothing")
    with pytest.raises(ValueError, match="once each"):
        readme.rewrite(path, [])
    path.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter")
    readme.rewrite(path, [_result("hnswlib", 10.0)])
    text = path.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter") and "old" not in text and "hnswlib" in text
