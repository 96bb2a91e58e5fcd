"""Instruction levels: every test that forces one leaves the process as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from nearfield import native


@pytest.fixture
def on_level() -> Iterator[Callable[..., Any]]:
    """``on_level(name, function, *arguments)`` calls the function with that level in force."""
    before = native.simd_level()

    def call(name: str, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        native.set_simd_level(name)
        try:
            return function(*arguments, **options)
        finally:
            native.set_simd_level(before)

    yield call
    native.set_simd_level(before)


@pytest.fixture(params=native.simd_levels())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs once on every level this CPU has."""
    before = native.simd_level()
    native.set_simd_level(request.param)
    yield request.param
    native.set_simd_level(before)
