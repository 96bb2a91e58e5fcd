"""What the folder of a sentence transformer says of its vectors: length, pooling, layers after it, normalisation.

Read as the sentence-transformers library writes it: ``modules.json`` with a folder for each module,
``sentence_bert_config.json``, ``config_sentence_transformers.json``; and ``tokenizer_config.json``. All may be absent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..common import files
from ..common.errors import CorruptFileError

POOLINGS = ("mean", "cls", "max", "mean_sqrt_len", "weightedmean", "lasttoken")
# Longer than any model reads: how tokenizers write "no limit".
_NO_LIMIT = 1_000_000
# The keys of older and the names of newer pooling configurations.
_FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_NAMES = {"mean_sqrt_len_tokens": "mean_sqrt_len"}
_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Identity": lambda x: x,
    "Tanh": np.tanh,
    "ReLU": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


@dataclass(frozen=True)
class Dense:
    """A linear layer after the pooling, and what comes after it."""

    path: Path
    weight: np.ndarray
    bias: np.ndarray | None
    activation: str

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        mapped = vectors @ self.weight.T
        if self.bias is not None:
            mapped += self.bias
        return np.asarray(_ACTIVATIONS[self.activation](mapped), np.float32)


@dataclass(frozen=True)
class Stated:
    """What a folder says; None where it says nothing.

    Attributes
    ----------
    poolings : those that it joins; all but one are more than an encoder here can do.
    prompt : what its default prompt puts before every text.
    lower : whether texts are put into lower case.
    """

    max_tokens: int | None = None
    poolings: tuple[str, ...] = ()
    normalize: bool | None = None
    dense: tuple[Dense, ...] = ()
    prompt: str | None = None
    lower: bool = False


def read_folder(folder: Path) -> Stated:
    """What the folder says. ValueError for a module that is unknown here, CorruptFileError for what is no JSON."""
    own_limit = _read(folder / "sentence_bert_config.json").get("max_seq_length")
    tokenizers_limit = _read(folder / "tokenizer_config.json").get("model_max_length")
    limits = [limit for limit in (own_limit, tokenizers_limit) if isinstance(limit, int) and 0 < limit < _NO_LIMIT]
    own = _read(folder / "config_sentence_transformers.json")
    prompts, default = own.get("prompts") or {}, own.get("default_prompt_name")
    lower = bool(_read(folder / "sentence_bert_config.json").get("do_lower_case", False))
    said = Stated(limits[0] if limits else None, prompt=prompts.get(default) or None, lower=lower)
    modules = folder / "modules.json"
    if not modules.is_file():
        pooling = folder / "1_Pooling" / "config.json"
        return said if not pooling.is_file() else _with(said, poolings=_poolings(pooling))
    dense: list[Dense] = []
    poolings: tuple[str, ...] = ()
    normalize = False
    for module in _read_list(modules):
        kind, place = str(module.get("type", "")).rsplit(".", 1)[-1], folder / str(module.get("path", ""))
        if kind == "Pooling":
            poolings = _poolings(place / "config.json")
        elif kind == "Dense":
            dense.append(_dense(place))
        elif kind == "Normalize":
            normalize = True
        elif kind not in ("Transformer", "Dropout"):
            raise ValueError(f"{modules}: expected Transformer, Pooling, Dense and Normalize, got {kind or 'no type'}")
    return _with(said, poolings=poolings, normalize=normalize, dense=tuple(dense))


def _with(said: Stated, **more: Any) -> Stated:
    return Stated(**{**vars(said), **more})


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorruptFileError(path, f"not JSON ({error})") from error


def _read(path: Path) -> Mapping[str, Any]:
    """The settings of a file; none where there is no file."""
    said = _json(path) if path.is_file() else {}
    if not isinstance(said, dict):
        raise CorruptFileError(path, f"expected settings by name, found {type(said).__name__}")
    return said


def _read_list(path: Path) -> list[Mapping[str, Any]]:
    said = _json(path)
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise CorruptFileError(path, "expected a list of modules")
    return said


def _poolings(path: Path) -> tuple[str, ...]:
    """The poolings of a configuration, in the order in which they are joined."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the configuration of the pooling, found no such file")
    try:
        said = _read(path)
    except CorruptFileError as error:
        raise CorruptFileError(path, f"not a pooling configuration ({error.reason})") from error
    named = said.get("pooling_mode")
    found = [named] if isinstance(named, str) else list(named or ())
    found = [_NAMES.get(name, name) for name in found] or [name for flag, name in _FLAGS.items() if said.get(flag)]
    for name in found:
        if name not in POOLINGS:
            raise ValueError(f"{path}: expected a pooling among {', '.join(POOLINGS)}, got {name!r}")
    return tuple(found)


def _dense(place: Path) -> Dense:
    said = _read(place / "config.json")
    activation = str(said.get("activation_function") or "Identity").rsplit(".", 1)[-1]
    if activation not in _ACTIVATIONS:
        raise ValueError(f"{place}: expected an activation among {', '.join(_ACTIVATIONS)}, got {activation!r}")
    path = place / "model.safetensors"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the weights of the layer as safetensors, found no such file")
    tensors = read_safetensors(path)
    if "linear.weight" not in tensors or tensors["linear.weight"].ndim != 2:
        raise CorruptFileError(path, f"expected a matrix linear.weight, found {', '.join(tensors) or 'nothing'}")
    return Dense(path, tensors["linear.weight"], tensors.get("linear.bias"), activation)


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """The tensors of a file in the format of safetensors, as float32.

    Eight bytes with the length of a JSON text, the text (name -> dtype, shape and place), then the numbers.
    """
    content = memoryview(files.map_file(path))
    try:
        size = int.from_bytes(content[:8], "little")
        head = json.loads(bytes(content[8 : 8 + size]))
        found = {}
        for name, said in head.items():
            if name != "__metadata__":
                start, stop = said["data_offsets"]
                data = content[8 + size + start : 8 + size + stop]
                found[name] = _numbers(said["dtype"], data).reshape(said["shape"])
        return found
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise CorruptFileError(path, f"not a safetensors file ({error!r})") from error


def _numbers(dtype: str, data: memoryview) -> np.ndarray:
    if dtype == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, {"F32": "<f4", "F16": "<f2", "F64": "<f8"}[dtype]).astype(np.float32)
