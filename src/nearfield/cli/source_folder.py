"""A folder of text files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .output import note
from .passages import split_passages
from .source import Chunk

_ENDINGS = (".txt", ".md", ".rst")


class Folder:
    """``.txt``, ``.md`` and ``.rst`` files, long ones in passages.

    The id is the path below the folder, with ``#2`` and so on for the further passages of a file; ``path`` and ``line``
    are attributes. Hidden files and folders are passed over.
    """

    def __init__(self, folder: Path, *, skip_unreadable: bool = False):
        self.dim: int | None = None
        self.attributes = {"path": "string", "line": "int"}
        self.left_out = 0
        self.text: str | None = "text"
        self._passages: list[tuple[str, str, int, str]] = []
        unreadable = []
        for path in _text_files(folder):
            name = path.relative_to(folder).as_posix()
            try:
                text = path.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError as error:
                if not skip_unreadable:
                    raise ValueError(
                        f"{path}: not UTF-8 text (byte {error.start}); convert it, or leave such files out with "
                        "--skip-unreadable"
                    ) from None
                unreadable.append(name)
                continue
            passages = split_passages(text)
            self.left_out += not passages
            for number, passage in enumerate(passages, 1):
                self._passages.append((name if number == 1 else f"{name}#{number}", name, passage.line, passage.text))
        if unreadable:
            note(f"{len(unreadable)} files are not UTF-8 and were left out, such as {unreadable[0]}")
        if not self._passages:
            raise ValueError(f"{folder}: expected {', '.join(_ENDINGS)} files with some text, found none")
        self.rows = len(self._passages)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Passages in the order of paths and lines."""
        for start in range(0, self.rows, size):
            some = self._passages[start : start + size]
            attributes: dict[str, list[Any]] = {"path": [one[1] for one in some], "line": [one[2] for one in some]}
            payload = [{"text": text, "path": name, "line": line} for _, name, line, text in some]
            yield Chunk([one[0] for one in some], [one[3] for one in some], attributes=attributes, payload=payload)


def _text_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            # A pipe or a device would keep us waiting for ever.
            if not name.startswith(".") and name.lower().endswith(_ENDINGS) and (path.is_file() or not path.exists()):
                yield path
