"""A store appears complete or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from ..common import files


def check_free(path: Path) -> None:
    """Say early, before the long work, that nothing can be made at ``path``."""
    if path.exists() or path.is_symlink():
        raise ValueError(f"{path}: exists already; choose another path, or remove it first")
    if not path.absolute().parent.is_dir():
        raise ValueError(f"{path}: no directory {path.absolute().parent} to put it in")


@contextlib.contextmanager
def building(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a place beside ``path`` to build at; what is there at the end moves to ``path``.

    On an error or an interruption nothing is left behind. A killed process leaves ``NAME.partial``, which the next
    attempt removes, unless another process is building there right now.
    """
    path = path.absolute()
    partial = path.with_name(path.name + ".partial")
    if partial.exists() or partial.is_symlink():
        _clear(partial)
    try:
        yield partial
        if replace:
            files.remove_tree(path)
        files.rename(partial, path)
    except BaseException:
        files.remove_tree(partial)
        raise


def _clear(partial: Path) -> None:
    """Remove what a killed process left; nothing that is not a store."""
    if not (partial / "catalogue.sqlite").is_file():
        raise ValueError(f"{partial}: in the way, and not a store that was begun; remove it first")
    lock = files.lock_exclusive(partial / "writer.lock")
    if lock is None:
        raise ValueError(f"{partial}: another process is building this store")
    files.unlock(lock)
    files.remove_tree(partial)
