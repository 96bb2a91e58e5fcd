"""Nearfield: bring vectors, a target and a budget; get measured answers.

>>> import nearfield as nf
>>> sorted(name for name in nf.__all__ if name[0].isupper())[:4]
['CorruptFileError', 'FilterError', 'Flat', 'FormatVersionError']

The names below are the everyday ones; the rooms (``nearfield.survey``, ``nearfield.index``, ...) hold the rest. Nothing
is imported before it is used, not even numpy. Two rooms can be called: ``nf.survey(vectors)`` is
``nearfield.survey.survey(vectors)``, and ``nf.tune(vectors)`` is ``nearfield.tune.tune(vectors)``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .common.errors import CorruptFileError as CorruptFileError
    from .common.errors import FilterError as FilterError
    from .common.errors import FormatVersionError as FormatVersionError
    from .common.errors import MissingExtraError as MissingExtraError
    from .common.errors import StoreLockedError as StoreLockedError
    from .decide import Judge as Judge
    from .encode import OnnxText as OnnxText
    from .encode import SentenceTransformers as SentenceTransformers
    from .encode import WordLlama as WordLlama
    from .encode import load_encoder as load_encoder
    from .index import Flat as Flat
    from .index import Graph as Graph
    from .quantize import ScalarQuantizer as ScalarQuantizer
    from .store import Store as Store
    from .survey import survey as survey
    from .transform import PCA as PCA
    from .tune import tune as tune

__version__ = "0.1.0"

_ROOMS = (
    "bench",
    "cli",
    "common",
    "datasets",
    "decide",
    "encode",
    "evidence",
    "index",
    "integrate",
    "metric",
    "native",
    "quantize",
    "serve",
    "store",
    "survey",
    "transform",
    "tune",
    "view",
)
_NAMES = {
    "CorruptFileError": "common",
    "FilterError": "common",
    "Flat": "index",
    "FormatVersionError": "common",
    "Graph": "index",
    "Judge": "decide",
    "MissingExtraError": "common",
    "OnnxText": "encode",
    "PCA": "transform",
    "ScalarQuantizer": "quantize",
    "SentenceTransformers": "encode",
    "Store": "store",
    "StoreLockedError": "common",
    "WordLlama": "encode",
    "load_encoder": "encode",
}

__all__ = ["__version__", "datasets", "survey", "tune", *_NAMES]  # noqa: PLE0604, RUF100


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
    if name in _ROOMS:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'nearfield' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *_ROOMS})
