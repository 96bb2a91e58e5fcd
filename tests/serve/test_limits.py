"""Limits: what may be set, and buckets that fill again."""

from __future__ import annotations

import pytest

from nearfield.serve import Limits
from nearfield.serve import limits as module
from nearfield.serve.errors import Problem
from nearfield.serve.limits import Buckets


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("body", 0),
        ("batch", -1),
        ("k", 1.5),
        ("rate", 0.0),
        ("rate", float("nan")),
        ("body_seconds", 0),
        ("jobs", True),
    ],
)
def test_bad_limits(name: str, value: object) -> None:
    with pytest.raises((ValueError, TypeError), match=name):
        Limits(**{name: value})


def test_queries_and_hits() -> None:
    limits = Limits(batch=10, k=100, hits=500)
    limits.check_queries(5, 100)
    for count, k, status in ((1, 101, 422), (11, 1, 413), (6, 100, 413)):
        with pytest.raises(Problem) as refused:
            limits.check_queries(count, k)
        assert refused.value.status == status
    assert limits.to_dict()["hits"] == 500


def test_buckets_fill_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    buckets = Buckets(2.0, 3.0)
    for _ in range(3):
        buckets.take("a")
    with pytest.raises(Problem) as refused:
        buckets.take("a")
    assert refused.value.status == 429
    assert refused.value.headers["Retry-After"] == "1"
    buckets.take("b")
    now[0] += 0.5
    buckets.take("a")
    with pytest.raises(Problem):
        buckets.take("a")
    now[0] += 1000
    for _ in range(3):
        buckets.take("a")
    with pytest.raises(Problem):
        buckets.take("a")


def test_callers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CALLERS", 5)
    buckets = Buckets(1.0, 1.0)
    for number in range(50):
        buckets.take(str(number))
    assert len(buckets._filled) == 5
