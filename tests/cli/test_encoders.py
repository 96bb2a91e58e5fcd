from __future__ import annotations

from pathlib import Path

import pytest

from nearfield.cli.encoders import _parts, encoder_of, make_encoder


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


def test_a_folder_alone_says_what_runs_it(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "model.onnx").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json"):  # as OnnxText says it
        make_encoder(str(tmp_path))
    assert _parts(str(tmp_path)) == ("onnx", str(tmp_path))
    (tmp_path / "onnx" / "model.onnx").unlink()
    assert _parts(str(tmp_path)) == ("st", str(tmp_path)) and _parts("st:name") == ("st", "name")
