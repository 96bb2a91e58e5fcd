from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nearfield.common import CorruptFileError, MissingExtraError

pytest.importorskip("wordllama", reason="needs nearfield[text]")
from nearfield.encode import Encoder, WordLlama
from nearfield.encode.wordllama import _map_table

TEXTS = [
    "How do I invert a matrix?",
    "numpy.linalg.inv: compute the inverse of a square matrix.",
    " ",
    "naïve café 漢字 🙂",
    "x" * 3000,
    "word " * 2000,
    "one\ntwo\tthree",
]


@pytest.fixture(scope="module")
def encoder() -> WordLlama:
    return WordLlama()


def test_equals_the_packages_own_embedding(encoder: WordLlama) -> None:
    import wordllama

    folder = Path(wordllama.__file__).parent
    own = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    np.testing.assert_allclose(encoder.encode(TEXTS), own.embed(TEXTS, norm=True), atol=1e-5)
    np.testing.assert_allclose(WordLlama(normalize=False).encode(TEXTS), own.embed(TEXTS), atol=1e-5)


def test_is_an_encoder_of_unit_vectors(encoder: WordLlama) -> None:
    assert isinstance(encoder, Encoder)
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-6)


def test_a_text_has_one_vector_whatever_its_company(encoder: WordLlama) -> None:
    many = encoder.encode(TEXTS * 200)  # enough of them to take the converted table
    alone = np.stack([encoder.encode(text) for text in TEXTS])
    np.testing.assert_array_equal(many.reshape(200, len(TEXTS), -1), np.broadcast_to(alone, (200, *alone.shape)))


def test_the_empty_text_has_no_direction_and_disturbs_no_other(encoder: WordLlama) -> None:
    vectors = encoder.encode(["", "cat", "", "dog", ""])
    assert not vectors[[0, 2, 4]].any()
    np.testing.assert_array_equal(vectors[[1, 3]], encoder.encode(["cat", "dog"]))
    assert encoder.encode([]).shape == (0, 256)


def test_like_texts_are_near(encoder: WordLlama) -> None:
    vectors = encoder.encode(["invert a matrix", "inverse of a matrix", "goalkeeper saves penalty"])
    assert vectors[0] @ vectors[1] > 2 * abs(vectors[0] @ vectors[2])


def test_fingerprint_tells_settings_apart(encoder: WordLlama) -> None:
    assert encoder.fingerprint() == WordLlama().fingerprint()
    assert encoder.fingerprint()["digest"] != WordLlama(normalize=False).fingerprint()["digest"]


def test_the_package_is_not_imported() -> None:
    code = (
        "import sys; from nearfield.encode import WordLlama; WordLlama().encode('a cat');"
        "print([m for m in ('wordllama', 'requests', 'scipy', 'sklearn', 'onnxruntime') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_missing_package_says_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wordllama" else find(name))
    with pytest.raises(MissingExtraError, match=r"pip install 'nearfield\[text\]'"):
        WordLlama()


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\x10\0\0\0\0\0\0\0" + b"not json at all!")
    with pytest.raises(CorruptFileError, match=r"weights\.safetensors"):
        _map_table(path)
