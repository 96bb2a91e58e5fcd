from __future__ import annotations

import pytest

from nearfield.cli.encoders import encoder_of, make_encoder


@pytest.mark.parametrize("name", ["", "bert", "onnx", "onnx:", "st:", "wordllama:x"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ValueError, match="expected wordllama, onnx:FOLDER or st:NAME"):
        make_encoder(name)


def test_the_stores_encoder_comes_back() -> None:
    pytest.importorskip("wordllama", reason="needs nearfield[text]")
    encoder = make_encoder("wordllama")
    assert encoder_of(encoder.fingerprint(), None, "s").fingerprint() == encoder.fingerprint()
    assert encoder_of(encoder.fingerprint(), "wordllama", "s").dim == 256
    with pytest.raises(ValueError, match="come from WordLlama, got 'onnx:x'"):
        encoder_of(encoder.fingerprint(), "onnx:x", "s")
    with pytest.raises(ValueError, match="does not say"):
        encoder_of(None, None, "s")
