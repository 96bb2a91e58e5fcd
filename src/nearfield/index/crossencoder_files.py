"""A cross-encoder index as one file: an array container of kind ``crossencoder`` (:mod:`nearfield.common.container`).

The arrays are those of the flat index over the rows predictions are made from (:mod:`nearfield.index.files`); ``meta``
holds its description, the model of the scores, the parameters and the setting in use. Version 1.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.checks import check_choice, check_int, check_random_state, check_real
from ..common.container import read_container, write_container
from ..common.decoding import decoding, expect
from .crossencoder_choice import STARTS, Setting
from .crossencoder_model import ScoreModel
from .files import _check_headers, _restore
from .flat import Flat

if TYPE_CHECKING:
    from .crossencoder import CrossEncoder

VERSION = 1


def save(index: CrossEncoder, path: Path) -> int:
    """Write ``index`` to ``path``; returns the bytes."""
    meta = {
        "flat": index._flat.meta(),
        "model": asdict(index._model),
        "setting": asdict(index.setting_),
        "trials": index.trials_,
        "parameters": {name: getattr(index, name) for name in ("noise", "rounds", "start", "random_state")},
    }
    return write_container(path, "crossencoder", VERSION, meta, index._flat.arrays())


def load(kind: type[Any], path: Path) -> Any:
    """The index saved in ``path``, without its scorer."""
    container = read_container(path, "crossencoder", VERSION)
    meta = container.meta
    with decoding(path, "cross-encoder index"):
        flat = _restore(Flat, meta["flat"], container.arrays)
        _check_headers(flat, container.arrays)
        model = ScoreModel(**meta["model"])
        check_int(model.anchors, "anchors", 2)
        check_int(model.dim, "dim", 0)
        check_real(model.spread, "spread", 0.0, float("inf"), open_high=True)
        check_real(model.width, "width", 0.0, float("inf"), open_high=True)
        check_real(model.slope, "slope", -float("inf"), float("inf"), open_low=True, open_high=True)
        expect(flat.dim == model.anchors + 1 + model.dim, f"rows of {flat.dim} for a model of {model}")
        setting = Setting(**meta["setting"])
        check_real(setting.noise, "noise", 0.0, 1e6)
        check_int(setting.rounds, "rounds", 1, 1000)
        check_choice(setting.start, "start", STARTS)
        index = kind(**meta["parameters"], codec=flat.codec)
        check_random_state(index.random_state)
        index.setting_, index.trials_ = setting, list(meta["trials"])
        index._model, index._flat = model, flat
    return index
