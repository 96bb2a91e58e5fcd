"""Conditions as a client sends them."""

from __future__ import annotations

import pytest

from nearfield.serve.conditions import sent
from nearfield.store import Condition


def test_conditions_are_plain_data() -> None:
    assert sent(None) is None
    assert sent(Condition("a = 1")) == "a = 1"
    assert sent(Condition(ids=[3, 1, 3])) == {"where": None, "ids": [1, 3]}
    assert sent(["a = 1", None, Condition("b = 2", ids=["x"])]) == ["a = 1", None, {"where": "b = 2", "ids": ["x"]}]


def test_a_test_is_not_sent() -> None:
    with pytest.raises(TypeError, match="a test is a function"):
        sent(Condition(test=lambda id, payload: True))
