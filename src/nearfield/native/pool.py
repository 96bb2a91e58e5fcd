"""How many threads the core uses."""

from __future__ import annotations

from ..common.checks import check_int
from . import _core


def threads() -> int:
    """How many threads a call uses when it is not told."""
    return int(_core.threads())


def set_threads(count: int) -> None:
    """Set the default number of threads of this process; 0 means one per processor."""
    _core.set_threads(check_int(count, "count", 0, 1024))


def thread_count(count: int | None) -> int:
    """``count``, or the default where it is None."""
    return threads() if count is None else check_int(count, "threads", 1, 1024)
