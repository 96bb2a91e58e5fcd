"""SQLite's errors as callers see them: damage, a full disk, a read-only one and a busy file are told apart."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from ..common.errors import CorruptFileError

# How long a connection waits for a lock that another program holds.
BUSY_SECONDS = 30.0


def translate(error: sqlite3.Error, path: Path) -> Exception:
    """The error a caller should see for an SQLite error: damage, a full disk and a busy file are told apart."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    # The statements are fixed: one that SQLite cannot run, or no text, means an altered file, schema or row.
    text = str(error)
    altered = (code == sqlite3.SQLITE_ERROR and not text.startswith("cannot ")) or "decode to UTF-8" in text
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH) or altered:
        return CorruptFileError(path, f"SQLite reports damage: {error}")
    if code == sqlite3.SQLITE_FULL:
        return OSError(errno.ENOSPC, f"nothing was changed: {error}", str(path))
    if code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL):
        return OSError(errno.EIO, f"nothing was changed: {error}", str(path))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return OSError(errno.EROFS, f"nothing was changed: {error}", str(path))
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TimeoutError(f"{path}: another program keeps the catalogue locked for more than {BUSY_SECONDS:g} s")
    if code == sqlite3.SQLITE_TOOBIG:
        return ValueError(f"payload: larger than SQLite can hold: {error}")
    return error


@contextlib.contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Raise what :func:`translate` says instead of an SQLite error."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise CorruptFileError(path, f"text that is not UTF-8: {error}") from error
    except sqlite3.Error as error:
        better = translate(error, path)
        if better is error:
            raise
        raise better from error
