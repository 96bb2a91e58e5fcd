from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

import numpy as np
import pytest

from nearfield.common import MissingExtraError
from nearfield.encode import PairScorer


@pytest.mark.skipif(importlib.util.find_spec("sentence_transformers") is not None, reason="it is installed")
def test_missing_extra_says_the_install_line() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'nearfield\[sentence-transformers\]'"):
        PairScorer("cross-encoder/ms-marco-MiniLM-L6-v2")


class Library:
    """What PairScorer needs of that library's CrossEncoder, counting common words."""

    columns = 0

    def __init__(self, name: str, device: str | None = None):
        self.batches: list[int] = []

    def predict(self, pairs: list[tuple[str, str]], batch_size: int, show_progress_bar: bool) -> np.ndarray:
        scores = np.array([len(set(a.split()) & set(b.split())) for a, b in pairs], np.float64)
        return np.repeat(scores[:, None], self.columns, axis=1) if self.columns else scores


@pytest.mark.parametrize("columns", [0, 1, 3])
def test_pairs_are_scored(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    module: Any = types.ModuleType("sentence_transformers")
    module.CrossEncoder = type("CrossEncoder", (Library,), {"columns": columns})
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)
    score = PairScorer("any")
    if columns == 3:
        with pytest.raises(ValueError, match="one score a pair"):
            score("a b", ["a", "b"])
        return
    found = score("a b", ["a", "c", "b a"])
    assert found.dtype == np.float32 and found.tolist() == [1, 0, 2]
    assert score("a b", []).shape == (0,)
