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
