from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nearfield.encode import OnnxText, WordLlama, load_encoder


def test_wordllama_comes_back() -> None:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    encoder = WordLlama(normalize=False)
    again = load_encoder(encoder.fingerprint())
    assert again.fingerprint() == encoder.fingerprint()
    np.testing.assert_array_equal(again.encode("a cat"), encoder.encode("a cat"))


def test_onnx_comes_back_with_all_its_settings(make_folder: Callable[..., Path]) -> None:
    encoder = OnnxText(make_folder(), max_tokens=12, pooling="cls", normalize=False, batch_size=4)
    again = load_encoder(encoder.fingerprint())
    assert again.fingerprint() == encoder.fingerprint()
    np.testing.assert_array_equal(again.encode("w1 w2"), encoder.encode("w1 w2"))


def test_a_moved_folder_is_accepted_and_a_changed_model_refused(make_folder: Callable[..., Path]) -> None:
    folder = make_folder()
    fingerprint = OnnxText(folder).fingerprint()
    moved = folder.rename(folder.with_name("moved"))
    with pytest.raises(FileNotFoundError, match="no directory"):
        load_encoder(fingerprint)
    assert load_encoder(fingerprint, folder=moved).dim == 8
    with pytest.raises(ValueError, match="weights or settings have changed"):
        load_encoder(fingerprint, folder=moved, max_tokens=9)
    with pytest.raises(ValueError, match="weights or settings have changed"):
        load_encoder(fingerprint, folder=make_folder("retrained", dim=9))


@pytest.mark.parametrize("fingerprint", [{}, {"encoder": "Mine"}, None])
def test_an_unknown_encoder_is_refused(fingerprint: object) -> None:
    with pytest.raises(ValueError, match="one of WordLlama, OnnxText, OnnxTokens, SentenceTransformers"):
        load_encoder(fingerprint)  # type: ignore[arg-type]
