from __future__ import annotations


def test_it_hands_over(run) -> None:
    answer = run("evidence", "--list", "hnsw")
    assert (answer.code, answer.out.startswith("hnsw")) == (0, True)
    assert run("evidence", "no-such-paper").code == 2
