"""A rate prints as a sentence would say it, and knows whether it was kept."""

from __future__ import annotations

from nearfield.decide import Rate


def test_rate() -> None:
    rate = Rate(0.05, 0.04, 0.07)
    assert str(rate) == "5.0% (4.0% to 7.0%)"
    assert 0.07 in rate
    assert 0.071 not in rate
