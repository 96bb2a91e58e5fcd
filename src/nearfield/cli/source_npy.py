"""A ``.npy`` file of vectors."""

from __future__ import annotations

import tokenize
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..common.errors import CorruptFileError
from .source import Chunk

_MAGIC = b"\x93NUMPY"


class Npy:
    """A 2-D array; ids are row numbers, or come from a file: ``.npy`` of integers, or text with one id a line."""

    def __init__(self, path: Path, ids: Path | None = None):
        self._array = load_array(path)
        if self._array.ndim != 2 or self._array.dtype.kind not in "fiu":
            found = f"{self._array.dtype} of shape {self._array.shape}"
            raise ValueError(f"{path}: expected an array of numbers of shape (n, d), got {found}")
        if not self._array.size:
            raise ValueError(f"{path}: expected at least one vector, got shape {self._array.shape}")
        self.rows = int(self._array.shape[0])
        self.dim: int | None = int(self._array.shape[1])
        self.attributes: dict[str, str] = {}
        self.left_out = 0
        self.text: str | None = None
        self._ids = None if ids is None else _read_ids(ids, self.rows)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Rows as they lie in the file."""
        for start in range(0, self.rows, size):
            vectors = np.ascontiguousarray(self._array[start : start + size])
            numbers = list(range(start, start + len(vectors)))
            yield Chunk(numbers if self._ids is None else self._ids[start : start + size], vectors=vectors)


def load_array(path: Path) -> np.ndarray:
    """The array of a ``.npy`` file, mapped: what its header claims of a length that is not there costs nothing."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise CorruptFileError(path, "not a .npy file of numbers")
    try:
        return np.lib.format.open_memmap(path, mode="r")
    except (ArithmeticError, EOFError, LookupError, RecursionError, SyntaxError, TypeError, ValueError) as error:
        raise CorruptFileError(path, f"not a .npy file of numbers ({error})") from error
    except tokenize.TokenError as error:
        raise CorruptFileError(path, f"not a .npy file of numbers ({error})") from error


def _read_ids(path: Path, rows: int) -> list[int] | list[str]:
    ids: list[int] | list[str]
    if path.suffix.lower() == ".npy":
        array = load_array(path)
        if array.ndim != 1 or array.dtype.kind not in "iuU":
            raise ValueError(
                f"--ids: {path}: expected a 1-D array of integers or texts, got {array.dtype}{array.shape}"
            )
        ids = array.tolist()
    else:
        try:
            ids = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"--ids: {path}: not UTF-8 text (byte {error.start})") from None
    if len(ids) != rows:
        raise ValueError(f"--ids: {path}: expected {rows} ids, one for each vector, got {len(ids)}")
    return ids
