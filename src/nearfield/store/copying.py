"""A consistent copy of a store while it is written to."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from pathlib import Path

from ..common import files
from ..common.errors import CorruptFileError
from .catalogue import FILE_NAME, SEGMENTS_NAME, Catalogue, publish_directory, read_segments, sqlite_errors
from .segment import file_names

_ATTEMPTS = 20


def copy_store(catalogue: Catalogue, target: Path) -> None:
    """Copy the last committed moment to ``target``, a new store: complete or not at all.

    Segment files never change, so they get a second name (a hard link) where the file system allows it and are copied
    elsewhere; the catalogue goes through SQLite's backup, inside the read transaction that names the files.
    """
    if target.exists():
        raise FileExistsError(errno.EEXIST, "exists already", str(target))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory to copy the store into", str(target.parent))
    temporary = target.with_name(f".{target.name}.copying-{os.getpid()}")
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            files.remove_tree(temporary)
            files.make_directory(temporary)
            files.make_directory(temporary / SEGMENTS_NAME)
            generation = catalogue.committed_generation()
            try:
                _fill(catalogue, temporary)
                break
            except FileNotFoundError as error:  # a compaction replaced the files after the transaction began
                if attempt == _ATTEMPTS or catalogue.committed_generation() == generation:
                    raise CorruptFileError(str(error.filename), "missing, although the catalogue names it") from error
        publish_directory(temporary, target)
    except BaseException:
        files.remove_tree(temporary)
        raise


def _fill(catalogue: Catalogue, temporary: Path) -> None:
    with catalogue.reading() as connection:
        for description in read_segments(connection, catalogue.path).values():
            for name in file_names(description):
                source = catalogue.segments / name
                try:
                    files.size(source)
                except FileNotFoundError:
                    if any(name == (description.get(part) or {}).get("file") for part in ("index", "partition")):
                        continue  # derived: the copy rebuilds it
                    raise
                files.link_or_copy(source, temporary / SEGMENTS_NAME / name)
        files.sync_directory(temporary / SEGMENTS_NAME)
        with (
            sqlite_errors(temporary / FILE_NAME),
            contextlib.closing(sqlite3.connect(temporary / FILE_NAME, isolation_level=None)) as copy,
        ):
            copy.execute("PRAGMA synchronous = FULL")
            connection.backup(copy)
    files.sync_directory(temporary)
