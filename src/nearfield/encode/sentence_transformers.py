"""Encoders of the sentence-transformers library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash

from ..common.checks import require
from ..common.progress import Progress
from .base import as_texts, show_progress, unit_rows


class SentenceTransformers:
    """Any model of the sentence-transformers library, by its name on the hub or by its folder.

    Choose it when torch is installed anyway or a GPU is at hand. :class:`OnnxText` encodes an exported model without
    torch and starts in a tenth of the time. Needs ``pip install 'nearfield[sentence-transformers]'``.

    Parameters
    ----------
    name : the model, such as ``"all-MiniLM-L6-v2"`` (downloaded by that library on first use) or a folder.
    normalize : scale the vectors to length one. None does what the model does: those made for cosine end in a
        normalisation, those made for inner products do not.
    batch_size : texts per forward pass; 32 suits a CPU, a few hundred a GPU. It changes the last bits at most.
    device : torch's device name; None lets the library choose.

    Examples
    --------
    >>> from nearfield.encode import SentenceTransformers
    >>> encoder = SentenceTransformers("all-MiniLM-L6-v2")    # doctest: +SKIP
    >>> encoder.encode(["a cat", "a dog"]).shape              # doctest: +SKIP
    (2, 384)
    """

    def __init__(self, name: str, normalize: bool | None = None, batch_size: int = 32, device: str | None = None):
        self.name = name
        self.batch_size = batch_size
        library = require("sentence_transformers", "sentence-transformers")
        self._model: Any = library.SentenceTransformer(name, device=device)
        kinds = {type(module).__name__ for module in self._model.children()}
        self.normalize = "Normalize" in kinds if normalize is None else normalize
        self._dim = int(self._model.encode(["dimension"], show_progress_bar=False).shape[1])
        self._digest: str | None = None

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self._dim

    def encode(self, items: Sequence[str] | str, *, progress: bool | None = None) -> np.ndarray:
        """Return float32 ``(n, dim)``, or ``(dim,)`` for a single string."""
        texts, single = as_texts(items)
        vectors = np.zeros((len(texts), self._dim), np.float32)
        # The library sorts by length itself; larger pieces than a batch let it.
        piece = self.batch_size * 16
        enabled = show_progress(progress, len(texts))
        with Progress("encoding", len(texts), unit="texts", enabled=enabled) as bar:
            for start in range(0, len(texts), piece):
                chunk = texts[start : start + piece]
                vectors[start : start + len(chunk)] = self._model.encode(
                    chunk, batch_size=self.batch_size, show_progress_bar=False, convert_to_numpy=True
                )
                bar.update(len(chunk))
        if self.normalize:
            unit_rows(vectors)
        return vectors[0] if single else vectors

    def fingerprint(self) -> dict[str, Any]:
        """Return the encoder's name, settings and the digest of all its weights."""
        if self._digest is None:
            digest = xxhash.xxh3_64(f"normalize={self.normalize}".encode())
            for key, tensor in sorted(self._model.state_dict().items()):
                array = tensor.detach().cpu().contiguous()
                digest.update(f"{key} {array.dtype} {tuple(array.shape)}".encode())
                digest.update(array.flatten().view(require("torch", "sentence-transformers").uint8).numpy())
            self._digest = digest.hexdigest()
        return {
            "encoder": "SentenceTransformers",
            "dim": self._dim,
            "config": {"name": self.name, "normalize": self.normalize, "batch_size": self.batch_size},
            "digest": self._digest,
        }
