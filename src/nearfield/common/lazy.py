"""Rooms show their names without importing what stands behind them: ``import nearfield`` stays fast."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, where: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` for a package whose public name ``n`` lives in module ``where[n]``."""

    def __getattr__(name: str) -> Any:
        if name in where:
            module = importlib.import_module(where[name], package)
            return (
                module
                if where[name].rsplit(".", 1)[-1] == name and not hasattr(module, name)
                else getattr(module, name)
            )
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted(where)

    return __getattr__, __dir__
