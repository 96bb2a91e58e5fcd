"""The interface of all encoders, and what they share: checking the items, digesting the files of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import xxhash

from ..common import files

SILENT_BELOW = 1000  # items; fewer are encoded before a bar could be read


@runtime_checkable
class Encoder(Protocol):
    """What turns things into vectors: anything with ``dim``, ``encode`` and ``fingerprint``.

    Write one of your own by giving a class these three members; nothing needs to be inherited. A store keeps the
    fingerprint, so that vectors of two different encoders are never mixed by accident.

    Examples
    --------
    >>> import numpy as np
    >>> class Length:
    ...     dim = 1
    ...     def encode(self, items, *, progress=None):
    ...         return np.array([[len(item)] for item in items], np.float32)
    ...     def fingerprint(self):
    ...         return {"encoder": "Length", "dim": 1, "config": {}, "digest": "0"}
    >>> isinstance(Length(), Encoder)
    True
    """

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        ...

    def encode(self, items: Sequence[str] | str, *, progress: bool | None = None) -> np.ndarray:
        """Return float32 ``(n, dim)``, one row per item in the order given; ``(dim,)`` for a single string.

        ``progress=None`` shows a bar on a terminal when there are many items; True or False decides.
        """
        ...

    def fingerprint(self) -> dict[str, Any]:
        """Return JSON-able ``{"encoder", "dim", "config", "digest"}``; equal digests give equal vectors."""
        ...


def as_texts(items: Any, name: str = "items") -> tuple[list[str], bool]:
    """Return ``(texts, single)``. Lone surrogates, which no tokenizer takes, become ``?``."""
    single = isinstance(items, str)
    if not single and not isinstance(items, Iterable):
        raise TypeError(f"{name}: expected a sequence of str or one str, got {type(items).__name__}")
    texts = [items] if single else list(items)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(f"{name}: expected str, got {type(text).__name__} at position {row}")
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                texts[row] = text.encode(errors="replace").decode()
    return texts, single


def digest_files(paths: Sequence[Path], settings: str = "") -> str:
    """xxh3 of the files one after the other and of the settings that change the vectors, as hexadecimal digits."""
    digest = xxhash.xxh3_64()
    for path in paths:
        digest.update(files.map_file(path))
    digest.update(settings.encode())
    return digest.hexdigest()


def show_progress(progress: bool | None, count: int) -> bool | None:
    """What to give to ``Progress(enabled=...)``."""
    return False if progress is None and count < SILENT_BELOW else progress


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Scale each row to length one in place; rows of zeros stay."""
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    norms[norms == 0] = 1.0
    vectors /= norms[:, None].astype(vectors.dtype)
    return vectors
