from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError
from nearfield.encode import Encoder, OnnxText

MakeFolder = Callable[..., Path]


def some_texts(count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{w}" for w in rng.integers(0, 60, rng.integers(1, 40))) for _ in range(count)]


def test_mean_pooling_masks_the_padding(make_folder: MakeFolder) -> None:
    encoder = OnnxText(make_folder(), normalize=False)
    assert isinstance(encoder, Encoder)
    assert encoder.dim == 8
    pad = encoder._run([np.array([0])])[0]
    short, long = encoder.encode(["w1", "w1 w2 w3 w4 w5"])
    np.testing.assert_allclose(short, encoder.encode("w1"), rtol=1e-6)
    cls, sep = (encoder._run([np.array([token])])[0] for token in (2, 3))
    one = encoder._run([np.array([5])])[0]
    np.testing.assert_allclose(short, (cls + one + sep) / 3, rtol=1e-5)
    assert not np.allclose(short, (cls + one + sep + 4 * pad) / 7)
    assert not np.allclose(short, long)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_same_vector_whatever_the_batch(make_folder: MakeFolder, pooling: str) -> None:
    folder = make_folder()
    texts = some_texts(100)
    together = OnnxText(folder, pooling=pooling).encode(texts)
    alone = OnnxText(folder, pooling=pooling, batch_size=1, threads=1)
    np.testing.assert_allclose(together, np.stack([alone.encode(text) for text in texts]), atol=1e-5)


def test_poolings_differ_and_cls_is_the_first_token(make_folder: MakeFolder) -> None:
    folder = make_folder()
    vectors = {p: OnnxText(folder, pooling=p, normalize=False).encode("w1 w2") for p in ("mean", "cls", "max")}
    np.testing.assert_allclose(vectors["cls"], OnnxText(folder, normalize=False)._run([np.array([2])])[0])
    assert (vectors["max"] >= vectors["mean"]).all()


def test_dynamic_quantisation_is_recognised_and_its_texts_run_alone(make_folder: MakeFolder) -> None:
    folder = make_folder(kind="dynamic")
    texts = some_texts(60)
    encoder = OnnxText(folder)
    assert encoder.batch_size == 1
    together = encoder.encode(texts)
    np.testing.assert_array_equal(together, np.stack([encoder.encode(text) for text in texts]))
    batched = OnnxText(folder, batch_size=32).encode(texts)
    assert np.abs(batched - together).max() > 1e-4, "this model's vectors do depend on the batch"


def test_the_number_of_threads_changes_nothing(make_folder: MakeFolder) -> None:
    folder = make_folder()
    texts = some_texts(300)
    np.testing.assert_array_equal(OnnxText(folder, threads=1).encode(texts), OnnxText(folder, threads=4).encode(texts))


@pytest.mark.parametrize("inputs", [("input_ids",), ("input_ids", "attention_mask", "token_type_ids")])
def test_inputs_are_found(make_folder: MakeFolder, inputs: tuple[str, ...]) -> None:
    assert OnnxText(make_folder(inputs=inputs)).encode(["w1 w2", "w3"]).shape == (2, 8)


def test_token_vectors_have_the_text_as_their_mean(make_folder: MakeFolder) -> None:
    encoder = OnnxText(make_folder(), normalize=False)
    texts = ["w1 w2 w3", "", *some_texts(40)]
    tokens = encoder.encode_tokens(texts)
    assert tokens[0].shape == (5, 8) and tokens[0].dtype == np.float32
    np.testing.assert_allclose([rows.mean(axis=0) for rows in tokens], encoder.encode(texts), atol=1e-6)
    assert encoder.encode_tokens([]) == []
    pooled = OnnxText(make_folder("inside", kind="pooled", output="sentence_embedding"), batch_size=1)
    with pytest.raises(ValueError, match="expected an output of vectors per token"):
        pooled.encode_tokens(["w1"])


def test_a_model_that_pools_inside_is_taken_as_it_is(make_folder: MakeFolder) -> None:
    encoder = OnnxText(make_folder(kind="pooled", output="sentence_embedding"), normalize=False, batch_size=1)
    plain = OnnxText(make_folder("plain"), normalize=False)
    np.testing.assert_allclose(encoder.encode("w1 w2"), plain.encode("w1 w2"), rtol=1e-5)


@pytest.mark.parametrize("file", ["onnx/model.onnx", "model_quantized.onnx", "onnx/odd-name.onnx"])
def test_the_model_is_found_where_exporters_put_it(make_folder: MakeFolder, file: str) -> None:
    assert OnnxText(make_folder(file=file)).encode("w1").shape == (8,)


def test_the_folders_word_on_pooling_is_followed(make_folder: MakeFolder) -> None:
    folder = make_folder()
    (folder / "1_Pooling").mkdir()
    config = folder / "1_Pooling" / "config.json"
    config.write_text(json.dumps({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}))
    assert OnnxText(folder).pooling == "cls"
    assert OnnxText(folder, pooling="mean").pooling == "mean"
    config.write_text("{")
    with pytest.raises(CorruptFileError, match="pooling configuration"):
        OnnxText(folder)


def test_empty_and_very_long_texts(make_folder: MakeFolder) -> None:
    encoder = OnnxText(make_folder(), max_tokens=16)
    vectors = encoder.encode(["", "w1 " * 100_000, "w1 " * 14])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(vectors[1], vectors[2], atol=1e-6)
    assert encoder.encode([]).shape == (0, 8)


def test_fingerprint_follows_weights_and_settings_but_not_the_place(make_folder: MakeFolder) -> None:
    first = OnnxText(make_folder("a")).fingerprint()
    assert OnnxText(make_folder("b")).fingerprint()["digest"] == first["digest"]
    assert OnnxText(make_folder("a"), max_tokens=64).fingerprint()["digest"] != first["digest"]
    assert OnnxText(make_folder("a"), pooling="cls").fingerprint()["digest"] != first["digest"]
    assert OnnxText(make_folder("c", dim=9)).fingerprint()["digest"] != first["digest"]
    assert json.loads(json.dumps(first)) == first


def test_missing_files_are_named(make_folder: MakeFolder, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no directory"):
        OnnxText(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=r"expected model\.onnx or onnx/model\.onnx .* found nothing"):
        OnnxText(empty)
    folder = make_folder()
    with pytest.raises(FileNotFoundError, match=r"expected other\.onnx .* found model\.onnx, tokenizer\.json"):
        OnnxText(folder, file="other.onnx")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected tokenizer\.json"):
        OnnxText(folder)
    several = make_folder("several", file="a.onnx")
    make_folder("several", file="b.onnx")
    with pytest.raises(FileNotFoundError, match=r"say file= one of a\.onnx, b\.onnx"):
        OnnxText(several)
    assert OnnxText(several, file="b.onnx").dim == 8


def test_damaged_files_are_named(make_folder: MakeFolder) -> None:
    folder = make_folder()
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CorruptFileError, match=r"tokenizer\.json"):
        OnnxText(folder)
    folder = make_folder("truncated")
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:300])
    with pytest.raises(CorruptFileError, match=r"model\.onnx"):
        OnnxText(folder)


def test_a_model_that_reads_no_text_is_refused(make_folder: MakeFolder) -> None:
    with pytest.raises(ValueError, match="got pixel_values"):
        OnnxText(make_folder(inputs=("input_ids", "pixel_values")))


@pytest.mark.parametrize(
    ("options", "said"),
    [({"max_tokens": 2}, "max_tokens"), ({"pooling": "median"}, "pooling"), ({"batch_size": 0}, "batch_size")],
)
def test_bad_settings(make_folder: MakeFolder, options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        OnnxText(make_folder(), **options)  # type: ignore[arg-type]


def test_minilm_batches_agree_and_meaning_shows(minilm: Path) -> None:
    encoder = OnnxText(minilm)
    texts = ["How do I invert a matrix?", "compute the inverse of a matrix", "the goalkeeper saved a penalty", "rain"]
    texts += [" ".join(texts) * 5, ""]
    together = encoder.encode(texts)
    assert together.shape == (6, 384)
    np.testing.assert_allclose(together, np.stack([encoder.encode(text) for text in texts]), atol=1e-5)
    assert together[0] @ together[1] > 0.7 > 0.2 > together[0] @ together[2]
