"""What ``nearfield index`` reads: one interface over files of vectors, tables and folders of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from .columns import Choice


@dataclass
class Chunk:
    """Some rows: ids with either texts or vectors, attribute columns, payloads."""

    ids: list[Any]
    texts: list[str] | None = None
    vectors: np.ndarray | None = None
    attributes: dict[str, list[Any]] = field(default_factory=dict)
    payload: list[Any] | None = None


class Source(Protocol):
    """Something to index. Making one looks through the whole source and refuses what is wrong with it, so that nothing
    is begun that cannot be finished.

    ``rows`` counts what will come, ``dim`` is None for texts, ``left_out`` counts rows without any text; ``text`` is
    the key under which the payload holds the text, None without one.
    """

    rows: int
    dim: int | None
    attributes: dict[str, str]
    left_out: int
    text: str | None

    def chunks(self, size: int) -> Iterator[Chunk]:
        """All rows in order, at most ``size`` at a time."""
        ...


def count_rows(path: Path, chunks: Iterator[Chunk]) -> tuple[int, int | None]:
    """How many rows come and their dimension, from going through all of them once; a source of none is refused.

    Every value is made on the way, so that a bad one is named before anything is begun.
    """
    rows, dim = 0, None
    for chunk in chunks:
        rows += len(chunk.ids)
        if chunk.vectors is not None:
            dim = int(chunk.vectors.shape[1])
    if not rows:
        raise ValueError(f"{path}: expected at least one row with a text or a vector, found none")
    return rows, dim


def open_source(path: Path, choice: Choice, *, ids: Path | None = None, skip_unreadable: bool = False) -> Source:
    """The source at ``path``, by what it is and by its name's ending."""
    if path.is_dir():
        from .source_folder import Folder

        if choice != Choice():
            raise ValueError(f"{path}: a folder of texts has no columns; its attributes are path and line")
        return Folder(path, skip_unreadable=skip_unreadable)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    if not path.is_file():
        raise ValueError(f"{path}: expected a file or a folder, got a pipe or a device")
    kind = path.suffix.lower()
    if ids is not None and kind != ".npy":
        raise ValueError(f"--ids: goes with a .npy file; for {path.name} use --id-column")
    if kind == ".npy":
        from .source_npy import Npy

        if choice != Choice():
            raise ValueError(f"{path}: a .npy file has no columns; give ids with --ids FILE")
        return Npy(path, ids)
    if kind == ".parquet":
        from .source_parquet import Parquet

        return Parquet(path, choice)
    if kind == ".csv":
        from .source_lines import Csv

        return Csv(path, choice)
    if kind in (".jsonl", ".ndjson"):
        from .source_lines import Jsonl

        return Jsonl(path, choice)
    raise ValueError(f"{path}: expected .npy, .parquet, .csv, .jsonl or a folder of .txt, .md and .rst files")
