"""Rooms show their names without importing what stands behind them: ``import nearfield`` stays fast."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
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


class _CallableRoom(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return getattr(self, self.__name__.rpartition(".")[2])(*arguments, **options)


def callable_room(package: str) -> None:
    """Let ``nearfield.tune(...)`` mean ``nearfield.tune.tune(...)``, for a room named as its main function."""
    sys.modules[package].__class__ = _CallableRoom
