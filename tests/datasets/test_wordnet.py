from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nearfield.datasets import WordNet, load


def test_shapes_and_lengths(data: Path) -> None:
    loaded = load("wordnet")
    assert isinstance(loaded, WordNet)
    assert loaded.vectors.shape == (117_659, 384)
    assert loaded.out_of_distribution_queries.shape == (6000, 384)
    assert loaded.vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(loaded.vectors[:1000], axis=1), 1.0, atol=2e-3)


def test_texts_stand_in_the_order_of_the_vectors(data: Path) -> None:
    loaded = load("wordnet")
    try:
        texts = loaded.texts
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert len(texts) == len(loaded.vectors) and texts[1].startswith("physical entity: an entity that")


def test_texts_are_words_and_gloss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wordnet").mkdir()
    line = "00001740 29 v 02 breathe 0 take_a_breath 0 002 * 5 v 0 * 4 v 0 02 + 02 00 | draw air | in  \n"
    for name in ("noun", "verb", "adj", "adv"):
        (tmp_path / "wordnet" / f"data.{name}").write_text("  1 licence\n" + line)
    monkeypatch.setenv("NEARFIELD_DATA", str(tmp_path))
    nothing = np.zeros((4, 2), np.float32)
    assert WordNet(nothing, nothing).texts == ["breathe, take a breath: draw air | in"] * 4
