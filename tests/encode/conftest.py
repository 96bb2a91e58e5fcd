"""Small real ONNX models, written byte by byte: the onnx package is not needed to run them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{number}" for number in range(60))]


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _node(operation: str, inputs: list[str], outputs: list[str]) -> bytes:
    names = b"".join(_field(1, name) for name in inputs) + b"".join(_field(2, name) for name in outputs)
    return _field(1, names + _field(4, operation))


def _value(field: int, name: str, element: int, shape: list[str | int]) -> bytes:
    dims = b"".join(_field(1, _field(1, d) if isinstance(d, int) else _field(2, d)) for d in shape)
    return _field(field, _field(1, name) + _field(2, _field(1, _field(1, element) + _field(2, dims))))


def _tensor(name: str, array: np.ndarray) -> bytes:
    kind = {"float32": 1, "int64": 7}[array.dtype.name]
    dims = b"".join(_field(1, size) for size in array.shape)
    return _field(5, dims + _field(2, kind) + _field(8, name) + _field(9, array.tobytes()))


def model_bytes(
    kind: str = "tokens", output: str = "last_hidden_state", inputs: tuple[str, ...] = (), dim: int = 8
) -> bytes:
    """A table look-up; ``dynamic`` quantises the activations of a batch together, ``pooled`` averages inside."""
    rng = np.random.default_rng(7)
    table = rng.normal(size=(len(WORDS), dim)).astype(np.float32)
    inputs = inputs or ("input_ids", "attention_mask")
    nodes = _node("Gather", ["table", "input_ids"], ["looked_up" if kind != "tokens" else output])
    tensors = _tensor("table", table)
    shape: list[str | int] = ["batch", "sequence", dim]
    if kind == "dynamic":
        nodes += _node("DynamicQuantizeLinear", ["looked_up"], ["q", "scale", "zero"])
        nodes += _node("DequantizeLinear", ["q", "scale", "zero"], [output])
    elif kind == "pooled":
        nodes += _node("ReduceMean", ["looked_up", "axes"], ["kept"]) + _node("Squeeze", ["kept", "axes"], [output])
        tensors += _tensor("axes", np.array([1], np.int64))
        shape = ["batch", dim]
    graph = nodes + _field(2, "tiny") + tensors
    graph += b"".join(_value(11, name, 7, ["batch", "sequence"]) for name in inputs)
    graph += _value(12, output, 1, shape)
    return _field(1, 8) + _field(7, graph) + _field(8, _field(2, 18))


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder with a tiny model and a word-level tokenizer that puts [CLS] and [SEP] around the text."""
    tokenizers = pytest.importorskip("tokenizers", reason="needs nearfield[text]")
    pytest.importorskip("onnxruntime", reason="needs nearfield[text]")

    def make(name: str = "model", file: str = "model.onnx", **options: object) -> Path:
        folder = tmp_path / name
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model_bytes(**options))  # type: ignore[arg-type]
        vocabulary = {word: number for number, word in enumerate(WORDS)}
        tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
        tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        tokenizer.save(str(folder / "tokenizer.json"))
        return folder

    return make


@pytest.fixture(scope="session")
def minilm() -> Path:
    pytest.importorskip("onnxruntime", reason="needs nearfield[text]")
    folder = Path(os.environ.get("NEARFIELD_MODELS", "")) / "minilm"
    if not (folder / "model.onnx").is_file():
        pytest.skip("needs a MiniLM folder: set NEARFIELD_MODELS to the directory that holds minilm/")
    return folder
