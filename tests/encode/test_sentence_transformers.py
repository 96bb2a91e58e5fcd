from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from nearfield.common import MissingExtraError
from nearfield.encode import SentenceTransformers, load_encoder

INSTALLED = importlib.util.find_spec("sentence_transformers") is not None


@pytest.mark.skipif(INSTALLED, reason="sentence-transformers is installed")
def test_missing_extra_says_the_install_line() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'nearfield\[sentence-transformers\]'"):
        SentenceTransformers("all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of that library made on the spot: static vectors for 60 words."""
    library = pytest.importorskip("sentence_transformers", reason="needs nearfield[sentence-transformers]")
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0} | {f"w{number}": number + 1 for number in range(60)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    weights = np.random.default_rng(0).normal(size=(61, 16)).astype(np.float32)
    module = (
        library.sentence_transformer.modules.StaticEmbedding
        if hasattr(library, "sentence_transformer")
        else library.models.StaticEmbedding
    )
    path = tmp_path_factory.mktemp("st") / "static"
    library.SentenceTransformer(modules=[module(tokenizer, embedding_weights=weights)], device="cpu").save(str(path))
    return path


def test_a_real_model(folder: Path) -> None:
    bare = SentenceTransformers(str(folder), device="cpu")
    assert bare.normalize is False  # the model does not either
    encoder = SentenceTransformers(str(folder), normalize=True, device="cpu")
    assert encoder.dim == 16
    vectors = encoder.encode(["w1 w2 w3", "w4", "w1 w2"])
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(vectors[1], encoder.encode("w4"), atol=1e-6)
    again = load_encoder(encoder.fingerprint())
    np.testing.assert_allclose(again.encode("w5 w6"), encoder.encode("w5 w6"), atol=1e-6)


def test_the_digest_follows_the_weights(folder: Path) -> None:
    encoder = SentenceTransformers(str(folder), device="cpu")
    other = SentenceTransformers(str(folder), device="cpu")
    next(iter(other._model.parameters())).data[0, 0] += 1
    assert encoder.fingerprint()["digest"] != other.fingerprint()["digest"]
