from __future__ import annotations


def test_it_hands_over(run) -> None:
    answer = run("bench", "peers", "--list", "--peers", "nearfield*")
    assert (answer.code, "nearfield" in answer.out) == (0, True)
    assert run("bench", "peers", "--list", "--peers", "nobody").code == 2
