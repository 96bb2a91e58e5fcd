"""Encoders that need no model: words as directions, so that texts with words in common are near."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xxhash


class Words:
    """A bag of hashed words; an encoder of Nearfield's."""

    def __init__(self, dim: int = 64):
        self.dim = dim

    def encode(self, items: Any, *, progress: bool | None = None) -> np.ndarray:
        texts = [items] if isinstance(items, str) else list(items)
        vectors = np.full((len(texts), self.dim), 1e-3, np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                seed = xxhash.xxh3_64_intdigest(word.strip(".,").encode())
                vectors[row] += np.random.default_rng(seed).standard_normal(self.dim).astype(np.float32)
        return vectors[0] if isinstance(items, str) else vectors

    def fingerprint(self) -> dict[str, Any]:
        return {"encoder": "Words", "dim": self.dim, "config": {}, "digest": "0"}


@pytest.fixture
def words() -> Words:
    return Words()
