"""A consistent copy of a store while it is written to."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ..common import files
from ..common.errors import CorruptFileError
from .catalogue import FILE_NAME, SEGMENTS_NAME, Catalogue, publish_directory
from .segment import derived_names, file_names
from .sqlite_errors import sqlite_errors
from .tables import read_segments, set_meta

_ATTEMPTS = 20

T = TypeVar("T")


def copy_store(catalogue: Catalogue, target: Path, *, mark: Mapping[str, Any] | None = None) -> None:
    """Copy the last committed moment to ``target``, a new store: complete or not at all.

    Segment files never change, so they get a second name (a hard link) where the file system allows it and are copied
    elsewhere; the catalogue goes through SQLite's backup, inside the read transaction that names the files.
    ``mark`` is what a tag says of itself.
    """
    refuse_target(target)
    temporary = beside(target)
    try:

        def fill(lost: set[str]) -> None:
            files.remove_tree(temporary)
            files.make_directory(temporary)
            files.make_directory(temporary / SEGMENTS_NAME)
            _fill(catalogue, temporary, mark, lost)

        of_one_moment(catalogue, fill)
        publish_directory(temporary, target)
    except BaseException:
        files.remove_tree(temporary)
        raise


def of_one_moment(catalogue: Catalogue, copy: Callable[[set[str]], T]) -> T:
    """What ``copy`` returns; again when a compaction replaced files after its transaction began.

    ``copy`` raises FileNotFoundError for any file that is absent but the derived ones among the names it is handed:
    those that the newest catalogue names as well are lost, and the copy makes them again. A primary file that is lost
    is a CorruptFileError.
    """
    lost: set[str] = set()
    overtaken = 0
    while overtaken < _ATTEMPTS:
        try:
            return copy(lost)
        except FileNotFoundError as error:
            missing, name = error, os.path.basename(str(error.filename))
            with catalogue.reading() as connection:
                named = list(read_segments(connection, catalogue.path).values())
            if any(name in derived_names(description) for description in named):
                lost.add(name)  # as many as there are
            elif any(name in file_names(description) for description in named):
                break
            else:
                overtaken += 1
    raise CorruptFileError(str(missing.filename), "missing, although the catalogue names it") from missing


def refuse_target(target: Path) -> None:
    """Say early that no store can be made at ``target``."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, "exists already", str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory to copy the store into", str(target.parent))


def beside(target: Path) -> Path:
    """Where a store is put together before it gets its name; each thread has a place of its own."""
    return target.with_name(f".{target.name}.copying-{os.getpid()}-{threading.get_ident()}")


def _fill(catalogue: Catalogue, temporary: Path, mark: Mapping[str, Any] | None, lost: set[str]) -> None:
    with catalogue.reading() as connection:
        for description in read_segments(connection, catalogue.path).values():
            for name in file_names(description):
                source = catalogue.segments / name
                try:
                    files.size(source)
                except FileNotFoundError:
                    if name in lost:
                        continue
                    raise
                files.link_or_copy(source, temporary / SEGMENTS_NAME / name)
        files.sync_directory(temporary / SEGMENTS_NAME)
        with (
            sqlite_errors(temporary / FILE_NAME),
            contextlib.closing(sqlite3.connect(temporary / FILE_NAME, isolation_level=None)) as copy,
        ):
            back_up(connection, copy, mark)
    files.sync_directory(temporary)


def back_up(connection: sqlite3.Connection, copy: sqlite3.Connection, mark: Mapping[str, Any] | None = None) -> None:
    """The catalogue of this moment into another file; a copy of a tag is a store like any other, without its mark."""
    copy.execute("PRAGMA synchronous = FULL")
    connection.backup(copy)
    if mark is not None:
        set_meta(copy, "tag", dict(mark))
    else:
        copy.execute("DELETE FROM meta WHERE name = 'tag'")
