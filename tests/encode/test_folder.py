"""What folders of sentence transformers say, and that an exported model gives the vectors of its own library."""

from __future__ import annotations

import importlib.util
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.encode import OnnxText, OnnxTokens, SentenceTransformers, load_encoder
from nearfield.encode.folder import Stated, read_folder, read_safetensors

MakeFolder = Callable[..., Path]
KIND = "sentence_transformers.models."


def write(path: Path, said: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(said if isinstance(said, str) else json.dumps(said))
    return path


def modules(folder: Path, *kinds: str) -> None:
    said = [{"idx": n, "name": str(n), "path": f"{n}_{kind}", "type": KIND + kind} for n, kind in enumerate(kinds)]
    write(folder / "modules.json", said)


def safetensors(path: Path, **tensors: np.ndarray) -> None:
    head, data = {"__metadata__": {"format": "pt"}}, b""
    for name, array in tensors.items():
        raw = array.tobytes()
        kind = {"float32": "F32", "float16": "F16", "uint16": "BF16"}[array.dtype.name]
        place = [len(data), len(data) + len(raw)]
        head["linear." + name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": place}
        data += raw
    text = json.dumps(head).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def test_a_bare_folder_says_nothing(tmp_path: Path) -> None:
    assert read_folder(tmp_path) == Stated()


def test_settings_are_read_from_where_they_stand(tmp_path: Path) -> None:
    write(tmp_path / "tokenizer_config.json", {"model_max_length": 512})
    assert read_folder(tmp_path).max_tokens == 512
    write(tmp_path / "sentence_bert_config.json", {"max_seq_length": 128, "do_lower_case": True})
    prompts = {"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": "query"}
    write(tmp_path / "config_sentence_transformers.json", prompts)
    assert read_folder(tmp_path) == Stated(128, prompt="query: ", lower=True)
    write(tmp_path / "sentence_bert_config.json", {"max_seq_length": None})
    write(tmp_path / "tokenizer_config.json", {"model_max_length": int(1e30)})
    write(tmp_path / "config_sentence_transformers.json", {"prompts": {}, "default_prompt_name": None})
    assert read_folder(tmp_path) == Stated()


@pytest.mark.parametrize(
    ("said", "poolings"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, ("cls",)),
        ({"pooling_mode": "lasttoken", "embedding_dimension": 8}, ("lasttoken",)),
        ({"pooling_mode": ["mean", "max"]}, ("mean", "max")),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, ("mean_sqrt_len",)),
        ({"pooling_mode": "mean_sqrt_len_tokens"}, ("mean_sqrt_len",)),
        ({"pooling_mode_mean_tokens": False}, ()),
    ],
)
def test_poolings_of_older_and_newer_files(tmp_path: Path, said: dict[str, Any], poolings: tuple[str, ...]) -> None:
    write(tmp_path / "1_Pooling" / "config.json", said)
    assert read_folder(tmp_path).poolings == poolings
    modules(tmp_path, "Transformer", "Pooling", "Normalize")
    assert read_folder(tmp_path) == Stated(poolings=poolings, normalize=True)


def test_normalisation_follows_the_modules(make_folder: MakeFolder) -> None:
    folder = make_folder()
    write(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    assert OnnxText(folder).normalize
    modules(folder, "Transformer", "Pooling")
    assert not OnnxText(folder).normalize and OnnxText(folder, normalize=True).normalize
    assert OnnxText(folder).fingerprint()["config"]["normalize"] is False
    modules(folder, "Transformer", "Pooling", "Normalize")
    np.testing.assert_allclose(np.linalg.norm(OnnxText(folder).encode("w1 w2")), 1, rtol=1e-6)


def test_every_pooling_by_hand(make_folder: MakeFolder) -> None:
    folder = make_folder()
    tokens = OnnxText(folder, normalize=False).encode_tokens(["w1 w2 w3"])[0]
    places = np.arange(1, len(tokens) + 1, dtype=np.float32)[:, None]
    expected = {
        "lasttoken": tokens[-1],
        "weightedmean": (tokens * places).sum(0) / places.sum(),
        "mean_sqrt_len": tokens.sum(0) / np.sqrt(len(tokens)),
    }
    for pooling, vector in expected.items():
        encoder = OnnxText(folder, pooling=pooling, normalize=False)
        np.testing.assert_allclose(encoder.encode(["w4", "w1 w2 w3", "w1 w5 w6 w7 w8"])[1], vector, rtol=1e-5)


def test_dense_layers_come_after_the_pooling(make_folder: MakeFolder) -> None:
    folder = make_folder()
    plain = OnnxText(folder, normalize=False).encode(["w1 w2", "w3"])
    first = OnnxText(folder, normalize=False).fingerprint()["digest"]
    modules(folder, "Transformer", "Pooling", "Dense")
    write(folder / "1_Pooling" / "config.json", {"pooling_mode": "mean"})
    write(folder / "2_Dense" / "config.json", {"activation_function": "torch.nn.modules.activation.Tanh"})
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(5, 8)).astype(np.float32), rng.normal(size=5).astype(np.float32)
    safetensors(folder / "2_Dense" / "model.safetensors", weight=weight, bias=bias)
    encoder = OnnxText(folder)
    assert encoder.dim == 5
    np.testing.assert_allclose(encoder.encode(["w1 w2", "w3"]), np.tanh(plain @ weight.T + bias), rtol=1e-5)
    assert encoder.encode_tokens(["w1"])[0].shape == (3, 8)
    said = encoder.fingerprint()
    assert load_encoder(said).dim == 5 and said["digest"] != first
    safetensors(folder / "2_Dense" / "model.safetensors", weight=weight * 2, bias=bias)
    with pytest.raises(ValueError, match="changed"):
        load_encoder(said)


def test_layers_without_a_pooling_map_every_token(make_folder: MakeFolder) -> None:
    folder = make_folder()
    tokens = OnnxText(folder).encode_tokens(["w1 w2"])[0]
    modules(folder, "Transformer", "Dense")
    write(folder / "1_Dense" / "config.json", {"activation_function": "torch.nn.modules.linear.Identity"})
    weight = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float16)
    safetensors(folder / "1_Dense" / "model.safetensors", weight=weight)
    late = OnnxTokens(folder, normalize=False, dtype="float32")
    assert late.dim == 3
    np.testing.assert_allclose(late.encode("w1 w2").vectors, tokens @ weight.T.astype(np.float32), rtol=1e-5)


def test_a_prompt_comes_before_every_text(make_folder: MakeFolder) -> None:
    folder = make_folder()
    plain = OnnxText(folder)
    asked = OnnxText(folder, prompt="w9 ")
    np.testing.assert_array_equal(asked.encode("w1"), plain.encode("w9 w1"))
    assert asked.fingerprint()["digest"] != plain.fingerprint()["digest"]
    assert load_encoder(asked.fingerprint()).fingerprint() == asked.fingerprint()
    write(folder / "config_sentence_transformers.json", {"prompts": {"q": "w9 "}, "default_prompt_name": "q"})
    np.testing.assert_array_equal(OnnxText(folder).encode("w1"), asked.encode("w1"))
    np.testing.assert_array_equal(OnnxText(folder, prompt="").encode("w1"), plain.encode("w1"))
    with pytest.raises(TypeError, match="prompt: expected a text or None, got int"):
        OnnxText(folder, prompt=3)  # type: ignore[arg-type]


def test_lower_case(make_folder: MakeFolder) -> None:
    folder = make_folder()
    plain = OnnxText(folder).encode("w1")
    write(folder / "sentence_bert_config.json", {"do_lower_case": True})
    np.testing.assert_array_equal(OnnxText(folder).encode("W1"), plain)


def test_halves_of_floats(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors(path, weight=np.array([0x3F80, 0xC000], np.uint16))  # 1 and -2
    assert read_safetensors(path)["linear.weight"].tolist() == [1.0, -2.0]


def test_what_cannot_be_followed_is_said(make_folder: MakeFolder) -> None:
    folder = make_folder()
    pooling = folder / "1_Pooling" / "config.json"
    write(pooling, {"pooling_mode": ["mean", "max"]})
    with pytest.raises(ValueError, match=r"pooling: expected one, .* joins mean, max; say which"):
        OnnxText(folder)
    assert OnnxText(folder, pooling="max").pooling == "max"
    write(pooling, {"pooling_mode": "attention"})
    with pytest.raises(ValueError, match=r"expected a pooling among mean, .*, got 'attention'"):
        OnnxText(folder)
    modules(folder, "Transformer", "LSTM")
    with pytest.raises(ValueError, match="expected Transformer, Pooling, Dense and Normalize, got LSTM"):
        OnnxText(folder)
    modules(folder, "Transformer", "Nothing", "Pooling")
    write(folder / "modules.json", [{"type": KIND + "Pooling", "path": "9_Pooling"}])
    with pytest.raises(FileNotFoundError, match="9_Pooling"):
        OnnxText(folder)
    for text, said in (("{", "not JSON"), ("{}", "expected a list of modules"), ("[1]", "expected a list of modules")):
        write(folder / "modules.json", text)
        with pytest.raises(CorruptFileError, match=said):
            OnnxText(folder)
    modules(folder, "Transformer", "Dense")
    dense = folder / "1_Dense"
    write(dense / "config.json", {"activation_function": "torch.nn.modules.activation.Mish"})
    with pytest.raises(ValueError, match=r"expected an activation among .*, got 'Mish'"):
        OnnxText(folder)
    write(dense / "config.json", {"activation_function": None})
    with pytest.raises(FileNotFoundError, match="weights of the layer as safetensors"):
        OnnxText(folder)
    for damage in (b"", b"\x05\0\0\0\0\0\0\0{}", b"\x02\0\0\0\0\0\0\0[]", b"\xff" * 40):
        (dense / "model.safetensors").write_bytes(damage)
        with pytest.raises(CorruptFileError):
            OnnxText(folder)
    write(folder / "sentence_bert_config.json", "[]")
    with pytest.raises(CorruptFileError, match="expected settings by name"):
        OnnxText(folder)


def test_a_real_model_with_its_settings(minilm: Path, tmp_path: Path) -> None:
    """The files that are published beside all-MiniLM-L6-v2 say what a folder without them gets by default."""
    folder = tmp_path / "with-settings"
    folder.mkdir()
    for name in ("model.onnx", "tokenizer.json"):
        (folder / name).symlink_to(minilm / name)
    write(folder / "1_Pooling" / "config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    modules(folder, "Transformer", "Pooling", "Normalize")
    write(folder / "sentence_bert_config.json", {"max_seq_length": 256, "do_lower_case": False})
    texts = ["A cat sat on the mat.", "", "stock prices " * 300, "żółw 日本"]
    with_settings, bare = OnnxText(folder), OnnxText(minilm)
    np.testing.assert_array_equal(with_settings.encode(texts), bare.encode(texts))
    assert with_settings.fingerprint()["digest"] == bare.fingerprint()["digest"]


@pytest.mark.slow
@pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("sentence_transformers", "onnx")),
    reason="needs nearfield[sentence-transformers] and onnx",
)
@pytest.mark.parametrize("variant", ["mean", "cls-dense", "lasttoken"])
def test_an_exported_model_gives_the_vectors_of_its_library(tmp_path: Path, variant: str) -> None:
    """A small BERT of random weights, saved by sentence-transformers and exported to ONNX beside it."""
    import sentence_transformers as library
    import tokenizers
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(60))]
    vocabulary = {word: number for number, word in enumerate(words)}
    own = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    own.normalizer = tokenizers.normalizers.Lowercase()
    own.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    own.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    base = tmp_path / "base"
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    settings = BertConfig(vocab_size=len(words), max_position_embeddings=64, attn_implementation="eager", **sizes)
    bert = BertModel(settings).eval()
    bert.save_pretrained(base)
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    BertTokenizerFast(tokenizer_object=own, **names).save_pretrained(base)
    own_place = getattr(library, "sentence_transformer", None)  # since 5.4
    kinds = library.models if own_place is None else own_place.modules
    parts = [kinds.Transformer(str(base), max_seq_length=24), kinds.Pooling(32, pooling_mode=variant.split("-")[0])]
    if variant == "cls-dense":
        parts.append(kinds.Dense(32, 12))
    if variant == "mean":
        parts.append(kinds.Normalize())
    folder = tmp_path / "model"
    model = library.SentenceTransformer(modules=parts, device="cpu")
    model.save(str(folder))
    example = (torch.ones(2, 5, dtype=torch.int64), torch.ones(2, 5, dtype=torch.int64))
    axes = {0: "batch", 1: "sequence"}

    class Last(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state

    torch.onnx.export(
        Last(),
        example,
        str(folder / "model.onnx"),
        input_names=["input_ids", "attention_mask"],
        output_names=["last_hidden_state"],
        dynamic_axes=dict.fromkeys(["input_ids", "attention_mask", "last_hidden_state"], axes),
        dynamo=False,
    )
    texts = ["w1 W2 w3", "", "w4", " ".join(f"w{number}" for number in range(59)), "w5 unheard-of w6"]
    expected = model.encode(texts)
    exported, theirs = OnnxText(folder), SentenceTransformers(str(folder), device="cpu")
    assert exported.max_tokens == 24 and exported.dim == theirs.dim == expected.shape[1]
    assert exported.normalize is theirs.normalize is (variant == "mean")
    np.testing.assert_allclose(theirs.encode(texts), expected, atol=1e-5)
    np.testing.assert_allclose(exported.encode(texts), expected, atol=1e-5)
