from __future__ import annotations

from pathlib import Path


def test_what_people_read(run, store: Path) -> None:
    run("tune", store)
    answer = run("stats", store)
    assert answer.code == 0
    for said in (
        "180 (0 pending",
        "256 dimensions, float32, cosine",
        "WordLlama",
        "topic (string), year (int)",
        "plan",
    ):
        assert said in answer.out


def test_what_programs_read(run, store: Path) -> None:
    stats = run("stats", store, "--json").json
    assert (stats["items"], stats["dim"], stats["judge"]["stale"]) == (180, 256, False)
