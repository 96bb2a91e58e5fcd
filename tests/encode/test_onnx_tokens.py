from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nearfield.encode import Bags, OnnxText, OnnxTokens, load_encoder

MakeFolder = Callable[..., Path]
TEXTS = ["w1 w2 w3", "w4", "", "w5 " * 400]


def test_a_bag_holds_the_tokens_of_its_text(make_folder: MakeFolder) -> None:
    folder = make_folder()
    encoder = OnnxTokens(folder, max_tokens=16, normalize=False, dtype="float32")
    bags = encoder.encode(TEXTS)
    assert isinstance(bags, Bags) and bags.lengths.tolist() == [5, 3, 2, 16] and bags.dim == encoder.dim
    plain = OnnxText(folder, max_tokens=16, normalize=False).encode(TEXTS)
    np.testing.assert_allclose(bags.means(), plain, atol=1e-5)


def test_vectors_have_length_one_and_half_the_bytes(make_folder: MakeFolder) -> None:
    bags = OnnxTokens(make_folder()).encode(TEXTS[:2])
    assert bags.vectors.dtype == np.float16
    np.testing.assert_allclose(np.linalg.norm(bags.vectors.astype(np.float32), axis=1), 1, atol=2e-3)


def test_no_text_and_one(make_folder: MakeFolder) -> None:
    encoder = OnnxTokens(make_folder())
    assert len(encoder.encode([])) == 0 and encoder.encode([]).dim == encoder.dim
    assert np.array_equal(encoder.encode("w1").vectors, encoder.encode(["w1"]).vectors)


def test_its_fingerprint_brings_it_back_and_follows_its_settings(make_folder: MakeFolder) -> None:
    folder = make_folder()
    encoder = OnnxTokens(folder, max_tokens=32)
    again = load_encoder(encoder.fingerprint())
    assert isinstance(again, OnnxTokens) and again.fingerprint() == encoder.fingerprint()
    digests = {OnnxTokens(folder, **options).fingerprint()["digest"] for options in ({}, {"dtype": "float32"})}
    assert len(digests | {encoder.fingerprint()["digest"], OnnxText(folder).fingerprint()["digest"]}) == 4


def test_texts_are_encoded_once(make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, path = OnnxTokens(make_folder()), tmp_path / "below" / "tokens.nfa"
    first = encoder.encode_once(TEXTS, path)
    monkeypatch.setattr(encoder, "encode", lambda *_, **__: pytest.fail("encoded again"))
    assert np.array_equal(encoder.encode_once(TEXTS, path).vectors, first.vectors)
    monkeypatch.undo()
    assert len(encoder.encode_once(TEXTS[:2], path)) == 2  # other texts: made again
    other = OnnxTokens(make_folder(), max_tokens=8)
    assert np.array_equal(other.encode_once(TEXTS[:2], path).vectors, other.encode(TEXTS[:2]).vectors)


def test_what_it_cannot_do_is_refused(make_folder: MakeFolder) -> None:
    with pytest.raises(ValueError, match="vectors per token"):
        OnnxTokens(make_folder("pooled", kind="pooled", output="sentence_embedding"))
    with pytest.raises(ValueError, match="dtype"):
        OnnxTokens(make_folder(), dtype="int8")
