"""Long work is done once, in turn, and can be ended."""

from __future__ import annotations

import threading

from nearfield.serve.page.work import DONE, FAILED, KEPT, RUNNING, Works


def test_a_piece_runs_once_and_is_kept() -> None:
    works, release, runs = Works(), threading.Event(), []

    def work(report) -> int:
        report("counting", 0.5)
        release.wait(60)
        runs.append(1)
        return 7

    first = works.begin("a", work)
    assert works.begin("a", work) is first and first.state == RUNNING
    release.set()
    assert first.ended.wait(60) and first.state == DONE and first.result == 7 and runs == [1]
    assert (first.stage, first.share) == ("counting", 0.5)
    again = works.begin("a", lambda report: 8)
    assert again.ended.wait(60) and works.find("a").result == 8


def test_a_failure_is_told_and_the_next_piece_runs() -> None:
    works = Works()

    def fails(report) -> None:
        raise ValueError("no such thing")

    first, second = works.begin("a", fails), works.begin("b", lambda report: 1)
    assert second.ended.wait(60)
    assert first.state == FAILED and str(first.error) == "no such thing" and second.result == 1


def test_what_is_stopped_ends_at_its_next_report_and_is_forgotten() -> None:
    works, begun, went_on = Works(), threading.Event(), []

    def work(report) -> None:
        begun.set()
        for _ in range(100_000):
            report("going on", 0.0)
            threading.Event().wait(0.001)
        went_on.append(1)

    piece = works.begin("a", work)
    assert begun.wait(60)
    works.stop("a")
    works.stop("nothing")
    assert piece.ended.wait(60) and not went_on
    assert works.find("a") is None


def test_only_the_last_are_kept() -> None:
    works = Works()
    pieces = [works.begin(number, lambda report, number=number: number) for number in range(KEPT + 4)]
    assert pieces[-1].ended.wait(60)
    works.begin("last", lambda report: None).ended.wait(60)
    assert works.find(0) is None and works.find(KEPT + 3).result == KEPT + 3
