"""Cross-encoders of the sentence-transformers library: they read a query and an item together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..common.checks import check_int, require


class PairScorer:
    """A cross-encoder model as ``score(query, items) -> (n,)``, larger is better.

    It judges better than vectors do and costs a pass through the model for every pair: give it to
    :class:`nearfield.index.CrossEncoder`, which calls it for a few items a query. An encoder such as
    :class:`SentenceTransformers` is for everything else. Needs ``pip install 'nearfield[sentence-transformers]'``.

    Parameters
    ----------
    name : the model, such as ``"cross-encoder/ms-marco-MiniLM-L6-v2"`` (downloaded by that library on first use), or a
        folder. It must give one number a pair.
    batch_size : pairs per forward pass; 32 suits a CPU, a few hundred a GPU.
    device : torch's device name; None lets the library choose.

    Examples
    --------
    >>> from nearfield.encode import PairScorer
    >>> score = PairScorer("cross-encoder/ms-marco-MiniLM-L6-v2")           # doctest: +SKIP
    >>> score("what lifts a wing", ["On lift.", "On stock prices."]).shape  # doctest: +SKIP
    (2,)
    """

    def __init__(self, name: str, batch_size: int = 32, device: str | None = None):
        self.name = name
        self.batch_size = check_int(batch_size, "batch_size", 1)
        library = require("sentence_transformers", "sentence-transformers")
        self._model: Any = library.CrossEncoder(name, device=device)

    def __call__(self, query: str, items: Sequence[str]) -> np.ndarray:
        """Float32 scores ``(n,)`` of the items for one query; ValueError for a model of several numbers a pair."""
        if not len(items):
            return np.zeros(0, np.float32)
        pairs = [(query, item) for item in items]
        scores = np.asarray(self._model.predict(pairs, batch_size=self.batch_size, show_progress_bar=False))
        if scores.shape not in ((len(pairs),), (len(pairs), 1)):
            raise ValueError(f"name: expected a model of one score a pair, {self.name} gives shape {scores.shape}")
        return scores.reshape(-1).astype(np.float32)
