"""Measurements beside the peers: recall against speed and memory of our index and theirs, and the store's own speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.lazy import lazy_names

if TYPE_CHECKING:
    from .command import add_arguments as add_arguments
    from .command import run as run

__all__ = ["add_arguments", "run"]

__getattr__, __dir__ = lazy_names(__name__, {"add_arguments": ".command", "run": ".command"})
