from __future__ import annotations

import pytest

from nearfield.store import clock as clocks
from nearfield.store.clock import Clock


def test_time_does_not_go_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100, 90, 110, 50, 50])
    monkeypatch.setattr(clocks, "wall", lambda: next(times))
    clock = Clock()
    assert [clock.now(), clock.now(), clock.now()] == [100, 100, 110]
    clock.seen(200)
    clock.seen(150)
    assert clock.now() == 200


def test_the_wall_shows_microseconds() -> None:
    assert 1.5e15 < clocks.wall() < 1e17
