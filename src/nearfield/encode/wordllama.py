"""WordLlama: the mean of static token vectors, read straight from the files inside the wordllama wheel.

The package itself is not imported: that would bring its trainers' dependencies along and copy the 16 MB table. What is
needed of it is one float16 table (a safetensors file: eight bytes with the header's length, a JSON header, the data),
which is memory-mapped, and one tokenizer file. Ready to encode in a third of the time, measured side by side with numpy
loaded already; most of what is left is the tokenizer. A command-line search that starts from nothing notices the
difference. A test holds the vectors against the package's own.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..common.checks import require
from ..common.errors import CorruptFileError, MissingExtraError
from ..common.progress import Progress
from .base import as_texts, digest_files, show_progress, unit_rows

_MODEL = "l2_supercat_256"
_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_TENSOR = "embedding.weight"
_CHUNK = 1024  # texts tokenized at once: between two steps of the bar


class WordLlama:
    """Static token vectors distilled from a large language model, averaged over the text; 256 dimensions, offline.

    The choice when nothing may be downloaded or speed counts: some 20,000 short texts a second on one core, no
    network layers at all. Word order is ignored and so is all after the words themselves; take :class:`OnnxText` with
    a sentence transformer where quality matters more than speed. Needs ``pip install 'nearfield[text]'``; the weights
    (16 MB) are inside that wheel.

    Parameters
    ----------
    normalize : scale the vectors to length one (default). False keeps the plain mean, whose length falls with the
        number of unlike tokens; cosine does not see the difference.

    Notes
    -----
    All tokens of a long text count, nothing is cut off. A text without any token (only the empty string) has no
    direction: its row is zero, which a store under cosine refuses by row number.

    Source: the model and tokenizer *l2_supercat* of https://github.com/dleemiller/WordLlama.

    Examples
    --------
    >>> encoder = WordLlama()
    >>> vectors = encoder.encode(["a cat on a mat", "a kitten on a rug", "stock prices fell"])
    >>> vectors.shape
    (3, 256)
    >>> bool(vectors[0] @ vectors[1] > vectors[0] @ vectors[2])
    True
    """

    def __init__(self, normalize: bool = True):
        self.normalize = normalize
        folder = _package_folder()
        self._files = [folder / _WEIGHTS, folder / _TOKENIZER]
        for path in self._files:
            if not path.is_file():
                raise FileNotFoundError(
                    f"{path}: not in the installed wordllama; run: pip install --force-reinstall 'wordllama>=0.3.9'"
                )
        self._table = _map_table(self._files[0])
        tokenizer = require("tokenizers", "text").Tokenizer.from_file(str(self._files[1]))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer

    @property
    def dim(self) -> int:
        """256."""
        return int(self._table.shape[1])

    def encode(self, items: Sequence[str] | str, *, progress: bool | None = None) -> np.ndarray:
        """Return float32 ``(n, 256)``, or ``(256,)`` for a single string."""
        texts, single = as_texts(items)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        # Converting all 8 million numbers pays from some hundred texts on; the vectors are the same bit for bit.
        table = np.asarray(self._table, np.float32) if len(texts) >= _CHUNK else self._table
        enabled = show_progress(progress, len(texts))
        with Progress("encoding", len(texts), unit="texts", enabled=enabled) as bar:
            for start in range(0, len(texts), _CHUNK):
                chunk = texts[start : start + _CHUNK]
                self._average(chunk, table, vectors[start : start + len(chunk)])
                bar.update(len(chunk))
        if self.normalize:
            unit_rows(vectors)
        return vectors[0] if single else vectors

    def _average(self, texts: list[str], table: np.ndarray, out: np.ndarray) -> None:
        # The fast call skips the offsets, which nobody reads; tokenizers before 0.20 do not have it.
        tokenize = getattr(self._tokenizer, "encode_batch_fast", self._tokenizer.encode_batch)
        for row, encoding in enumerate(tokenize(texts, add_special_tokens=False)):
            ids = encoding.ids
            if ids:
                total = np.add.reduce(table[np.minimum(ids, len(table) - 1)].astype(np.float32, copy=False), axis=0)
                np.divide(total, np.float32(len(ids)), out=out[row])

    def fingerprint(self) -> dict[str, Any]:
        """Return the encoder's name, settings and the digest of table and tokenizer."""
        return {
            "encoder": "WordLlama",
            "dim": self.dim,
            "config": {"normalize": self.normalize},
            "digest": digest_files(self._files, f"{_MODEL} normalize={self.normalize}"),
        }


def _package_folder() -> Path:
    spec = importlib.util.find_spec("wordllama")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError("wordllama", "text")
    return Path(spec.submodule_search_locations[0])


def _map_table(path: Path) -> np.ndarray:
    """Memory-map the only tensor of the safetensors file."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        try:
            entry = json.loads(file.read(length))[_TENSOR]
            rows, dim = entry["shape"]
            dtype = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
            return np.memmap(path, dtype, "r", 8 + length + entry["data_offsets"][0], (rows, dim))
        except (ValueError, KeyError) as error:
            raise CorruptFileError(path, f"not the safetensors file expected of wordllama ({error})") from error
