"""Token vectors of a sentence encoder exported to ONNX, as bags."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..common.checks import check_choice
from .bags import Bags
from .base import as_texts, digest_files, unit_rows
from .onnx_text import OnnxText


class OnnxTokens:
    """A late-interaction encoder: one vector for every token of a text, from a model exported to ONNX.

    Choose it over :class:`OnnxText` where :class:`~nearfield.index.MultiVector` shall compare texts word by word: on
    SciFact the tokens of all-MiniLM-L6-v2 are worth 6 points of nDCG@10 over its one vector a text, at two hundred
    times the bytes before compression. Models made for late interaction (ColBERT and its kin) work the same way. Needs
    ``pip install 'nearfield[text]'``.

    Parameters
    ----------
    folder : as of :class:`OnnxText`; the model must give vectors per token (``last_hidden_state``).
    max_tokens : longer texts are cut here, special tokens included.
    normalize : scale each vector to length one (default), so that a product is a cosine.
    dtype : "float16" (default) halves the memory and costs nothing that was ever measured; or "float32".
    **options : ``file``, ``batch_size``, ``prompt`` and ``threads`` of :class:`OnnxText`.

    Examples
    --------
    >>> encoder = OnnxTokens("models/minilm")                          # doctest: +SKIP
    >>> encoder.encode(["a cat on a mat", "stock prices"]).lengths     # doctest: +SKIP
    array([7, 4])
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        max_tokens: int = 256,
        normalize: bool = True,
        dtype: str = "float16",
        **options: Any,
    ):
        self.dtype = check_choice(dtype, "dtype", ("float16", "float32"))
        self.normalize = normalize
        self._text = OnnxText(folder, max_tokens=max_tokens, normalize=False, **options)
        self._dim = self._text.token_dim  # refuses a model that pools inside

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self._dim

    def encode(self, items: Sequence[str] | str, *, progress: bool | None = None) -> Bags:
        """One bag for each text, in the order given; a single string is one bag."""
        texts = [items] if isinstance(items, str) else items
        bags = []
        for tokens in self._text.encode_tokens(texts, progress=progress):
            bags.append((unit_rows(tokens) if self.normalize else tokens).astype(self.dtype))
        return Bags.from_list(bags, dim=self.dim)

    def encode_once(self, items: Sequence[str], path: str | os.PathLike[str], *, progress: bool | None = None) -> Bags:
        """The bags of ``items``, read from ``path`` if it holds those of the same texts by the same encoder.

        Else they are encoded and written there: tokens of a few thousand paragraphs take a CPU many minutes.
        """
        texts, _ = as_texts(items)
        made_of = {"encoder": self.fingerprint()["digest"], "texts": digest_files([], repr(texts))}
        place = Path(path)
        if place.is_file():
            known, meta = Bags._load(place, check=False)
            if meta == made_of:
                return known
        bags = self.encode(texts, progress=progress)
        place.parent.mkdir(parents=True, exist_ok=True)
        bags.save(place, **made_of)
        return bags

    def fingerprint(self) -> dict[str, Any]:
        """Return the encoder's name, settings and the digest of model and tokenizer; the folder is not part of it."""
        found = self._text.fingerprint()
        config = found["config"] | {"normalize": self.normalize, "dtype": self.dtype}
        config.pop("pooling", None)
        settings = f"tokens of {found['digest']} normalize={self.normalize} dtype={self.dtype}"
        return {
            "encoder": "OnnxTokens",
            "dim": self.dim,
            "config": config,
            "digest": digest_files([], settings),
        }
